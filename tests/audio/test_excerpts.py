"""Excerpts are slices of the whole file, whatever its format and rate."""

import inspect
import math
import time
import warnings

import numpy as np
import pytest
import soundfile
import soxr

from keras_musictag import audio
from keras_musictag.errors import AudioError, AudioWarning

# `excerpt` promises 1e-6 of `load`; soxr and the mean round a little differently here.
TOLERANCE = 2e-6
SAMPLES = 4800
FORMATS = [
    ("wav", {"subtype": "PCM_16"}),
    ("wav", {"subtype": "PCM_24"}),
    ("wav", {"subtype": "FLOAT"}),
    ("aiff", {"subtype": "PCM_16"}),
    ("flac", {"subtype": "PCM_16"}),
    ("flac", {"subtype": "PCM_24"}),
    ("ogg", {"subtype": "VORBIS"}),
    ("ogg", {"subtype": "OPUS"}),
    ("mp3", {"subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT"}),
    ("mp3", {"subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE"}),
]


def whole(path, rate):
    """The file by soundfile and soxr, without our code; as long as librosa has it."""
    y, own = soundfile.read(path, dtype="float32", always_2d=True)
    y = y.mean(axis=1)
    if own == rate:
        return y
    length = math.ceil(len(y) * rate / own)
    y = soxr.resample(y, own, rate, quality="HQ")[:length]
    return np.pad(y, (0, length - len(y)))


def slices(y, starts):
    padded = np.pad(y, (0, SAMPLES))
    return [padded[start : start + SAMPLES] for start in starts]


def check(path, rate, *, atol, seed=0):
    y = whole(path, rate)
    last = max(0, len(y) - SAMPLES)
    drawn = np.random.default_rng(seed).integers(0, last + 1, 5)
    starts = [0, 1, *drawn.tolist(), last, len(y) - 5]
    lengths = []
    for start, expected in zip(starts, slices(y, starts), strict=True):
        found = audio.excerpt(
            path, rate, SAMPLES, lambda n, at=start: lengths.append(n) or at
        )
        assert found.dtype == np.float32
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=atol, err_msg=f"{path.name} {rate} {start}"
        )
    assert set(lengths) == {len(y)}, path.name


def noise(seconds=3.0, rate=44100, channels=2):
    return np.random.default_rng(1).normal(0, 0.1, (int(seconds * rate), channels))


@pytest.mark.parametrize("rate", [None, 16000, 22050])
def test_excerpts_of_real_clips(corpus, rate):
    clips = [p for p in sorted((corpus / "real").iterdir()) if p.suffix != ".tsv"]
    clips += sorted((corpus / "tags" / "audio").glob("*.ogg"))[:2]
    assert clips
    for clip in clips:
        own = soundfile.info(clip).samplerate
        check(clip, rate or own, atol=TOLERANCE if rate not in (None, own) else 1e-7)


@pytest.mark.parametrize(("suffix", "options"), FORMATS)
def test_excerpts_of_every_format(tmp_path, suffix, options):
    path = tmp_path / f"a.{suffix}"
    own = 48000 if options["subtype"] == "OPUS" else 44100
    missing = options.keys() - inspect.signature(soundfile.write).parameters.keys()
    if missing:
        pytest.skip(f"this soundfile cannot write with {', '.join(missing)}")
    soundfile.write(path, noise(rate=own), own, **options)
    check(path, own, atol=1e-7)
    check(path, 16000, atol=TOLERANCE)


def gated(seconds, rate, channels=2):
    """Bursts of noise between silence: a frame takes bits from many before it."""
    chance = np.random.default_rng(1)
    n = int(seconds * rate)
    gate = np.repeat(chance.choice([0.0, 0.0, 1.0], 100), math.ceil(n / 100))[:n]
    return chance.standard_normal((n, channels)) * 0.1 * gate[:, None]


PLACES = [
    ("wav", 44100, {}),
    ("flac", 44100, {}),
    ("ogg", 44100, {"subtype": "VORBIS"}),
    ("ogg", 48000, {"subtype": "OPUS"}),
    ("mp3", 44100, {"bitrate_mode": "CONSTANT"}),
    ("mp3", 44100, {"bitrate_mode": "VARIABLE", "compression_level": 0.2}),
    ("mp3", 44100, {"bitrate_mode": "AVERAGE", "compression_level": 0.2}),
    ("mp3", 22050, {"bitrate_mode": "VARIABLE"}),
    ("mp3", 8000, {"bitrate_mode": "AVERAGE"}),
]


@pytest.mark.parametrize(("suffix", "rate", "options"), PLACES)
def test_200_random_places_are_those_of_a_straight_read(
    tmp_path, suffix, rate, options
):
    path = tmp_path / f"a.{suffix}"
    missing = options.keys() - inspect.signature(soundfile.write).parameters.keys()
    if missing:
        pytest.skip(f"this soundfile cannot write with {', '.join(missing)}")
    # OGG is decoded up to the place.
    soundfile.write(path, gated(4 if suffix == "ogg" else 20, rate), rate, **options)
    y = whole(path, rate)
    for place in np.random.default_rng(2).integers(0, len(y) - 2048, 200):
        piece = audio.excerpt(path, rate, 2048, lambda n, at=place: at)
        np.testing.assert_allclose(piece, y[place : place + 2048], rtol=0, atol=1e-7)


def test_mp3_without_a_header_is_cut_where_the_place_is(tmp_path):
    pytest.importorskip("av", reason="it writes MP3 without a header")
    from benchmarks.sound_files import bursts, mp3

    loud, low = mp3(0.5, bit_rate=320_000), mp3(10, bit_rate=64_000)
    path = tmp_path / "a.mp3"
    path.write_bytes(bytes(3000) + loud + low + bytes(4096))
    y, rate = audio.load(path)
    assert len(y) / rate > len(bursts(10)) / rate + 0.5
    for place in np.random.default_rng(2).integers(0, len(y) - 2048, 50):
        piece = audio.excerpt(path, rate, 2048, lambda n, at=place: at)
        np.testing.assert_allclose(piece, y[place : place + 2048], rtol=0, atol=1e-7)


@pytest.mark.parametrize(("own", "rate"), [(8000, 44100), (11025, 16000), (96000, 7)])
def test_unusual_ratios_of_rates(tmp_path, own, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(6.0, own, 1), own, subtype="FLOAT")
    check(path, rate, atol=TOLERANCE)


def test_short_files_are_filled_up(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, [0.5, 0.25, -0.5], 16000, subtype="FLOAT")
    y = audio.excerpt(path, 16000, 5, lambda n: n - 3)
    np.testing.assert_array_equal(y, np.array([0.5, 0.25, -0.5, 0, 0], "float32"))


def test_only_the_piece_is_decoded(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, noise(240, 22050, 2), 22050)
    started = time.perf_counter()
    y, _ = audio.load(path)
    all_of_it = time.perf_counter() - started
    started = time.perf_counter()
    piece = audio.excerpt(path, 22050, SAMPLES, lambda n: n - 50000)
    assert time.perf_counter() - started < all_of_it / 4
    np.testing.assert_array_equal(piece, y[-50000:][:SAMPLES])


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_files_that_are_cut_short_give_what_they_hold(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise(6.0, 44100, 1), 44100)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)
        y, _ = audio.load(path)
    assert 2 * 44100 < len(y) < 4 * 44100
    with pytest.warns(AudioWarning, match="cut short"):
        piece = audio.excerpt(path, 44100, SAMPLES, lambda n: n - SAMPLES)
    np.testing.assert_allclose(piece, y[-SAMPLES:], atol=1e-6)


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(AudioError, match=r"a\.wav"):
        audio.excerpt(path, 16000, 100, lambda n: 0)
    y = np.zeros(1000, "float32")
    y[500] = np.nan
    soundfile.write(path, y, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"NaN.*a\.wav"):
        audio.excerpt(path, 16000, 100, lambda n: 450)
