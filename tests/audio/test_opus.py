"""Opus whose pages lie about their positions, as FFmpeg writes it.

libsndfile 1.2.2 stops at the first such page (see `findings/`).
"""

import numpy as np
import pytest
import soundfile

from keras_musictag import audio
from keras_musictag.errors import AudioWarning

RATE, SECONDS = 48000, 8


def crc(data: bytes) -> int:
    """The checksum of OGG, bit by bit (RFC 3533)."""
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x104C11DB7 if value & 0x80000000 else 0)
    return value


def pages(data: bytes):
    offset = 0
    while offset < len(data):
        count = data[offset + 26]
        size = 27 + count + sum(data[offset + 27 : offset + 27 + count])
        yield data[offset : offset + size]
        offset += size


def moved(data: bytes, first: int, jump: int) -> bytes:
    """Let all pages from one on lie `jump` samples later, but the last one."""
    found = list(pages(data))
    for i in range(first, len(found) - 1):
        page = bytearray(found[i])
        position = int.from_bytes(page[6:14], "little") + jump * (1 - i % 2)
        page[6:14] = position.to_bytes(8, "little")
        page[22:26] = bytes(4)
        page[22:26] = crc(page).to_bytes(4, "little")
        found[i] = bytes(page)
    return b"".join(found)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("opus") / "song.opus"
    rng = np.random.default_rng(0)
    music = rng.normal(0, 0.1, (SECONDS * RATE, 2)).clip(-1, 1)
    soundfile.write(path, music, RATE, format="OGG", subtype="OPUS")
    return path


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("jump", [488, -300, 40000])
def test_every_second_page_lies_elsewhere(song, tmp_path, jump):
    path = tmp_path / "moved.opus"
    path.write_bytes(moved(song.read_bytes(), 4, jump))
    wanted, _ = soundfile.read(song, dtype="float32")
    found, rate = audio.load(path)
    assert rate == RATE
    np.testing.assert_allclose(found, wanted.mean(axis=1), atol=1e-6)


def test_it_is_what_ffmpeg_hears(song, tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "moved.opus"
    path.write_bytes(moved(song.read_bytes(), 4, 488))
    with av.open(str(path)) as container:
        frames = [f.to_ndarray() for f in container.decode(audio=0)]
    heard = np.concatenate(frames, axis=1).mean(axis=0)
    found, _ = audio.load(path)
    size = min(len(heard), len(found))
    assert abs(len(heard) - len(found)) <= 312  # what precedes the sound
    errors = [
        np.abs(found[: size - 400] - heard[k : size - 400 + k]).max() for k in (0, 312)
    ]
    assert min(errors) < 1e-3


def test_a_cut_file_is_still_told(song, tmp_path):
    path = tmp_path / "cut.opus"
    data = moved(song.read_bytes(), 4, 488)
    path.write_bytes(data[: len(data) // 2])
    with pytest.warns(AudioWarning, match="cut short"):
        found, _ = audio.load(path)
    assert 0.3 * SECONDS < len(found) / RATE < 0.6 * SECONDS
