"""Sound that begins after the picture: times are those of the file's clock.

The judge is FFmpeg's program, which puts silence there if it is asked to.
"""

import shutil
import subprocess
import warnings
from fractions import Fraction

import numpy as np
import pytest

from keras_musictag import audio
from keras_musictag.errors import AudioWarning

av = pytest.importorskip("av", reason="it makes the files")

RATE, SECONDS = 48000, 2.0
# Picture and sound of each container. (What AAC has before the sound in Matroska is
# left out by newer versions of FFmpeg only.)
CONTAINERS = {
    "mp4": ("mpeg4", "aac"),
    "mov": ("mpeg4", "pcm_s16le"),
    "mkv": ("mpeg4", "flac"),
    "ts": ("mpeg2video", "aac"),
    "webm": ("libvpx", "libopus"),
}
in_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs FFmpeg")


@pytest.fixture(autouse=True)
def no_stray_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def write(path, codec, late=0.0, picture=None, picture_late=0.0):
    """Write two seconds of a tone, mono, and three of pictures."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=RATE, layout="mono")]
        streams[0].bit_rate = 96_000
        if picture:
            streams += [container.add_stream(picture, rate=10)]
            streams[1].width = streams[1].height = 64
            streams[1].pix_fmt = "yuv420p"
            streams[1].time_base = Fraction(1, 10)
        resampler = av.AudioResampler(
            format=streams[0].codec_context.format.name,
            layout="mono",
            rate=RATE,
            frame_size=streams[0].codec_context.frame_size or 1024,
        )
        y = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(SECONDS * RATE)) / RATE)
        y = y[None].astype("float32")
        frame = av.AudioFrame.from_ndarray(y, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        packets = []
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            if piece is not None:
                piece.pts += round(late * RATE)
            packets += streams[0].encode(piece)
        for i in range(30 if picture else 0):
            black = np.zeros((64, 64, 3), "uint8")
            image = av.VideoFrame.from_ndarray(black, format="rgb24")
            image.pts = i + round(picture_late * 10)
            image.time_base = Fraction(1, 10)
            packets += streams[1].encode(image)
        packets += streams[1].encode(None) if picture else []
        # Muxers want the packets of all streams in the order of their times.
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            container.mux(packet)
    return path


def by_ffmpeg(path, *filters):
    """Decode with the program; the picture comes along, or MPEG-TS has no delay."""
    picture = ["-map", "0:v?", "-f", "null", "-"]
    sound = ["-map", "0:a:0", *filters, "-f", "f32le", "pipe:1"]
    command = ["ffmpeg", "-v", "error", "-i", str(path), *picture, *sound]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, "float32")


def by_clock(path):
    return by_ffmpeg(path, "-af", "aresample=async=1:first_pts=0")


def onset(y):
    return int((np.abs(y) > 0.05).argmax()) / RATE


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_late_sound_is_where_players_have_it(suffix, tmp_path):
    picture, codec = CONTAINERS[suffix]
    path = write(tmp_path / f"late.{suffix}", codec, 0.7, picture)
    y, rate = audio.load(path)
    assert rate == RATE
    # Opus: what the encoder puts before the sound, 6.5 ms, is cut or not by version.
    assert onset(y) == pytest.approx(0.7, abs=0.008 if suffix == "webm" else 0.001)
    assert not y[: int(0.6 * RATE)].any()
    assert audio.length(path, RATE) == len(y)
    assert len(y) / RATE == pytest.approx(SECONDS + 0.7, abs=0.05)
    assert audio.duration(path) == pytest.approx(len(y) / RATE)
    part = audio.excerpt(path, RATE, RATE // 2, lambda n: RATE // 2)
    np.testing.assert_array_equal(part, y[RATE // 2 : RATE])
    streamed = np.concatenate(list(audio.blocks(path, RATE, block_seconds=0.1)))
    np.testing.assert_array_equal(streamed, y)


@in_ffmpeg
@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("late", [0.06, 0.7, 1.5])
def test_late_sound_is_that_of_ffmpeg(suffix, late, tmp_path):
    picture, codec = CONTAINERS[suffix]
    path = write(tmp_path / f"late.{suffix}", codec, late, picture)
    y, _ = audio.load(path)
    wanted = by_clock(path)
    assert abs(len(y) - len(wanted)) <= 1  # of rounding
    n = min(len(y), len(wanted))
    shifts = [
        np.abs(y[2 : n - 2] - wanted[2 + i : n - 2 + i]).max() for i in (-1, 0, 1)
    ]
    assert min(shifts) < 1e-5


@in_ffmpeg
@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("picture_late", [0.0, 0.7])
def test_sound_that_begins_first_is_as_it_was(suffix, picture_late, tmp_path):
    """With the picture or before it: not a sample more than FFmpeg has."""
    picture, codec = CONTAINERS[suffix]
    path = write(tmp_path / f"a.{suffix}", codec, 0.0, picture, picture_late)
    y, _ = audio.load(path)
    wanted = by_ffmpeg(path)
    assert len(y) == len(wanted)
    np.testing.assert_allclose(y, wanted, atol=1e-5)


@in_ffmpeg
@pytest.mark.parametrize("suffix", ["m4a", "mka", "ts", "webm"])
def test_time_0_of_sound_alone_is_its_start(suffix, tmp_path):
    """An edit list, or times that begin late, but nothing that begins before."""
    codec = {"webm": "libopus", "mka": "flac"}.get(suffix, "aac")
    path = write(tmp_path / f"late.{suffix}", codec, 0.7)
    with av.open(str(path)) as container:
        assert container.start_time / 1e6 > 0.6
    y, _ = audio.load(path)
    wanted = by_ffmpeg(path)
    assert len(y) == len(wanted)
    np.testing.assert_allclose(y, wanted, atol=1e-5)
    assert onset(y) < 0.05


def test_a_clock_that_cannot_be_right_makes_no_silence(tmp_path):
    path = write(tmp_path / "a.mkv", "aac", 3000.0, "mpeg4")
    assert audio.duration(path) == pytest.approx(SECONDS, abs=0.05)


def test_damage_is_told_by_the_clock_of_the_file(tmp_path):
    path = write(tmp_path / "a.mp4", "aac", 0.7, "mpeg4")
    data = path.read_bytes()
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        packets = [p for p in container.demux(stream) if p.size]
    packet = packets[40]
    end = packet.pos + packet.size
    path.write_bytes(data[: packet.pos] + bytes(packet.size) + data[end:])
    at = float(packet.pts * packet.time_base)
    assert at > 1.4
    with pytest.warns(AudioWarning, match=f"missing: 0.02 s at {at:.2f} s"):
        audio.load(path)


def test_pictures_outlast_the_sound_of_asf(tmp_path):
    path = write(tmp_path / "a.wmv", "wmav2", 0.0, "wmv2")
    assert audio.duration(path) == pytest.approx(SECONDS, abs=0.1)


def test_bytes_that_libsndfile_has_read_are_read_again(tmp_path):
    """It moves the descriptor of a path, below what Python has buffered."""
    path = write(tmp_path / "a.ac3", "ac3")
    with av.open(str(path)) as container:
        wanted = sum(frame.samples for frame in container.decode(audio=0))
    assert len(audio.load(path)[0]) == wanted
