"""Files: librosa parity, every format, streaming, damaged and missing files."""

import io
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_musictag import audio
from keras_musictag.errors import AudioError, AudioWarning, ConfigError

SUFFIXES = {".mp3", ".ogg", ".flac", ".wav"}


@pytest.fixture(autouse=True)
def no_stray_warnings():
    """An intact file must not warn; tests of damaged ones use `pytest.warns`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", AudioWarning)
        yield


@pytest.fixture(scope="module")
def clips(corpus):
    found = sorted(p for p in (corpus / "real").iterdir() if p.suffix in SUFFIXES)
    assert found, "the corpus has no clips"
    return found


def tone(seconds=2.0, rate=44100, channels=2):
    t = np.arange(int(seconds * rate)) / rate
    sweep = np.sin(2 * np.pi * (200 * t + 400 * t**2))
    return np.stack([sweep * 0.5 / (c + 1) for c in range(channels)], axis=1)


def joined(source, rate, **options):
    return np.concatenate(list(audio.blocks(source, rate, **options)))


def test_clips_are_those_of_librosa(clips):
    librosa = pytest.importorskip("librosa")
    for clip in clips:
        native, rate = audio.load(clip)
        expected, expected_rate = librosa.load(clip, sr=None)
        assert rate == expected_rate and native.dtype == np.float32, clip.name
        np.testing.assert_allclose(native, expected, atol=1e-6, err_msg=clip.name)

        y, rate = audio.load(clip, 16000)
        expected = librosa.resample(
            expected, orig_sr=expected_rate, target_sr=16000, res_type="soxr_hq"
        )
        assert rate == 16000 and y.shape == expected.shape, clip.name
        np.testing.assert_allclose(y, expected, atol=1e-5, err_msg=clip.name)

        streamed = joined(clip, 16000, block_seconds=0.77)
        assert streamed.shape == y.shape, clip.name
        np.testing.assert_allclose(streamed, y, atol=1e-6, err_msg=clip.name)
        assert audio.length(clip, 16000) == len(y), clip.name
        assert audio.duration(clip) == len(native) / expected_rate, clip.name


def test_manifest(clips):
    rows = (clips[0].parent / "manifest.tsv").read_text().splitlines()
    header = rows[0].split("\t")
    for row in rows[1:]:
        entry = dict(zip(header, row.split("\t"), strict=True))
        y, rate = audio.load(clips[0].parent / entry["file"], mono=False)
        assert (len(y), rate) == (int(entry["channels"]), int(entry["sample_rate"]))
        seconds = pytest.approx(float(entry["duration_s"]), abs=6e-4)
        assert y.shape[1] / rate == seconds, entry["file"]


def test_rendered_clips_do_not_warn(corpus):
    for path in sorted((corpus / "tags" / "audio").glob("*.ogg"))[::50]:
        assert audio.length(path, 16000) == len(audio.load(path)[0])


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_rates_and_channels(rate, channels, tmp_path):
    path, y = tmp_path / "a.wav", tone(0.5, rate, channels)
    soundfile.write(path, y, rate, subtype="FLOAT")
    mono, _ = audio.load(path)
    np.testing.assert_allclose(mono, y.mean(axis=1), atol=1e-6)
    every, _ = audio.load(path, mono=False)
    np.testing.assert_array_equal(every, y.T.astype("float32"))
    expected = audio.resample(y.T, rate, 16000)
    np.testing.assert_allclose(audio.load(path, 16000)[0], expected, atol=1e-6)
    np.testing.assert_allclose(
        joined(path, 16000, block_seconds=0.03), expected, atol=1e-6
    )
    per_channel, _ = audio.load(path, 16000, mono=False)
    assert per_channel.shape == (channels, 8000)
    np.testing.assert_allclose(per_channel.mean(axis=0), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("suffix", "options", "error"),
    [
        ("wav", {"subtype": "PCM_16"}, 4e-5),
        ("wav", {"subtype": "PCM_24"}, 1e-6),
        ("wav", {"subtype": "PCM_U8"}, 1e-2),
        ("wav", {"subtype": "DOUBLE"}, 1e-6),
        ("wav", {"subtype": "PCM_16", "format": "WAVEX"}, 4e-5),
        ("aiff", {"subtype": "PCM_24"}, 1e-6),
        ("aiff", {"subtype": "PCM_16", "endian": "LITTLE"}, 4e-5),
        ("flac", {"subtype": "PCM_24"}, 1e-6),
        ("au", {"subtype": "PCM_16"}, 4e-5),
        ("caf", {"subtype": "PCM_16"}, 4e-5),
        ("w64", {"subtype": "PCM_16"}, 4e-5),
        ("ogg", {"subtype": "VORBIS"}, 0.1),
        ("mp3", {"format": "MP3", "subtype": "MPEG_LAYER_III"}, 0.1),
    ],
)
def test_formats(suffix, options, error, tmp_path):
    path, y = tmp_path / f"a.{suffix}", tone()
    soundfile.write(path, y, 44100, **options)
    got, rate = audio.load(path)
    assert rate == 44100 and got.shape == (88200,)
    np.testing.assert_allclose(got, y.mean(axis=1), atol=error)
    assert audio.length(path, 44100) == 88200
    assert audio.duration(str(path)) == 2.0
    with open(path, "rb") as file:
        np.testing.assert_array_equal(audio.load(file)[0], got)
        assert audio.duration(file) == 2.0
        np.testing.assert_array_equal(joined(file, 44100, block_seconds=0.3), got)


def test_peaks_above_one_are_kept(tmp_path):
    soundfile.write(tmp_path / "a.wav", [3.0, -2.0], 16000, subtype="FLOAT")
    assert audio.load(tmp_path / "a.wav")[0].tolist() == [3.0, -2.0]


def test_one_sample(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, [0.5], 48000)
    assert audio.load(path)[0].tolist() == [0.5]
    assert audio.load(path, 16000)[0].shape == joined(path, 16000).shape == (1,)
    assert audio.length(path, 16000) == 1


class Pipe(io.RawIOBase):
    """A file object that cannot seek."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.data.readinto(buffer)


@pytest.mark.parametrize("wrap", [io.BytesIO, Pipe])
def test_file_objects(wrap, clips):
    for clip in clips[-2:]:
        expected, _ = audio.load(clip, 16000)
        data = clip.read_bytes()
        np.testing.assert_array_equal(audio.load(wrap(data), 16000)[0], expected)
        np.testing.assert_allclose(joined(wrap(data), 16000), expected, atol=1e-6)
        assert audio.length(wrap(data), 16000) == len(expected)


def test_arrays_stream_as_files_do():
    y = tone(1.3).T
    expected = audio.resample(y, 44100, 16000)
    got = joined(y, 16000, sample_rate=44100, block_seconds=0.1)
    assert len(got) == audio.length(y, 16000, sample_rate=44100)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    same = joined(y, 16000)
    np.testing.assert_array_equal(same, audio.to_mono(y))
    assert audio.length(y, 16000) == y.shape[1]


def test_bad_arguments(tmp_path):
    y = np.zeros(100, "float32")
    for rate in (0, -16000, 16000.5, "16000", True, None):
        with pytest.raises(AudioError, match="sample rate must be a positive whole"):
            audio.blocks(y, rate)
        with pytest.raises(AudioError, match="sample rate must be a positive whole"):
            audio.length(y, rate)
    with pytest.raises(AudioError, match="sample_rate=0"):
        audio.blocks(y, 16000, sample_rate=0)
    with pytest.raises(AudioError, match="sample_rate=-1"):
        audio.load(tmp_path / "a.wav", -1)
    with pytest.raises(ConfigError, match="block_seconds=0"):
        audio.blocks(y, 16000, block_seconds=0)
    with pytest.raises(AudioError, match="NaN or infinite"):
        audio.blocks(np.array([np.nan]), 16000)
    with pytest.raises(AudioError, match="A path or a file object.*an array"):
        audio.load(y)
    with pytest.raises(AudioError, match="A path or a file object.*type int"):
        audio.duration(5)


# --- Files that cannot be used: one error, which names the file and the cause. ---


def write(path, content):
    path.write_bytes(content)
    return path


def bad_files(folder):
    wav = io.BytesIO()
    soundfile.write(wav, np.zeros(0), 16000, format="WAV")
    noise = np.random.default_rng(0).bytes(5000)
    yield folder / "missing.mp3", "does not exist"
    yield folder / ("x" * 300 + ".mp3"), "cannot be read .*File name too long"
    yield folder, "a folder"
    yield write(folder / "empty.mp3", b""), r"is empty \(0 bytes\)"
    text = "Not a song.\n" * 1000
    yield write(folder / "text.mp3", text.encode()), "holds text, it is not audio"
    yield write(folder / "short.wav", b"hi"), "holds text, it is not audio"
    yield write(folder / "list.m4a", b"#EXTM3U\nhttp://localhost/a\n"), "holds text"
    yield write(folder / "utf16.mp3", text.encode("utf-16")), "not audio in a known"
    yield write(folder / "latin.mp3", b"\xe9t\xe9 " * 2000), "not audio in a known"
    yield write(folder / "noise.mp3", noise), "not audio in a known"
    yield write(folder / "noise.dat", noise), "not audio in a known"
    yield write(folder / "zeros.wav", bytes(5000)), "not audio in a known"
    yield write(folder / "samples.raw", noise), "not audio in a known"
    yield write(folder / "none.wav", wav.getvalue()), "holds no samples"


@pytest.mark.parametrize("without_av", [False, True])
def test_bad_files(tmp_path, monkeypatch, without_av):
    if without_av:
        monkeypatch.setitem(sys.modules, "av", None)
    for path, message in bad_files(tmp_path):
        if without_av and path.suffix == ".m4a":
            continue  # text is refused before PyAV is asked for
        for read in (audio.load, audio.duration, lambda p: joined(p, 16000)):
            with pytest.raises(AudioError, match=message) as caught:
                read(path)
            assert str(path) in str(caught.value), path


def test_bad_paths_are_refused_at_once(tmp_path):
    with pytest.raises(AudioError, match="does not exist"):
        audio.blocks(tmp_path / "missing.mp3", 16000)  # not only when iterated


def test_unreadable_files(tmp_path):
    path = Path("/proc/self/mem")
    if path.exists():
        with pytest.raises(AudioError, match="cannot be read .*Input/output error"):
            audio.load(path)
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        path = write(tmp_path / "a.wav", b"RIFF")
        path.chmod(0)
        with pytest.raises(AudioError, match="cannot be read .*Permission denied"):
            audio.load(path)
    with pytest.raises(AudioError, match="a folder|is none"):
        audio.load("/dev")
    with pytest.raises(AudioError, match="this is none"):
        audio.load(os.devnull)


def test_bad_file_objects(tmp_path, clips):
    as_text = pytest.raises(AudioError, match="opened as text.*manifest.tsv.*'rb'")
    with open(clips[0].parent / "manifest.tsv") as file, as_text:
        audio.load(file)
    unreadable = pytest.raises(AudioError, match="cannot be read .*new.wav")
    with open(tmp_path / "new.wav", "wb") as file, unreadable:
        audio.load(file)
    with pytest.raises(AudioError, match="cannot be read .*new.wav"):
        audio.load(file)  # closed
    with pytest.raises(AudioError, match="is empty .*<BytesIO>"):
        audio.load(io.BytesIO())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_in_a_file(value, tmp_path):
    path, y = tmp_path / "nan.wav", np.zeros((40000, 2), "float32")
    y[24000, 1] = value
    soundfile.write(path, y, 16000, subtype="FLOAT")
    message = "NaN or infinite samples.*nan.wav, first at 1.500 s"
    with pytest.raises(AudioError, match=message):
        audio.load(path)
    with pytest.raises(AudioError, match=message):
        joined(path, 8000, block_seconds=0.4)


# --- Files cut short. ---


def has_frame_count(path):
    return any(tag in path.read_bytes()[:4096] for tag in (b"Xing", b"Info"))


@pytest.mark.parametrize("share", [0.9, 0.3])
def test_truncated_clips(share, clips, tmp_path):
    for clip in clips:
        whole, rate = audio.load(clip)
        data = clip.read_bytes()
        cut = write(tmp_path / clip.name, data[: int(len(data) * share)])
        if clip.suffix == ".mp3" and not has_frame_count(clip):
            part, _ = audio.load(cut)  # nothing in the file tells that it was longer
        else:
            message = f"cut short or damaged. Received: .*{clip.name}, .* s decoded"
            with pytest.warns(AudioWarning, match=message) as caught:
                part, _ = audio.load(cut)
            assert f"{len(part) / rate:.2f}" in str(caught[0].message)
            assert len(caught) == 1
            with pytest.warns(AudioWarning, match=clip.name):
                streamed = joined(cut, rate, block_seconds=0.31)
            np.testing.assert_allclose(streamed, part, atol=1e-6)
        # Within a page, a FLAC block and the bit rate's changes of what was cut.
        assert abs(len(part) / len(whole) - share) < 0.12, clip.name
        assert audio.length(cut, rate) == len(part), clip.name
        # The end of an MP3 stream is not reliable by a frame or two.
        sure = len(part) - (2 * 1152 if clip.suffix == ".mp3" else 0)
        np.testing.assert_allclose(part[:sure], whole[:sure], atol=1e-4)


def test_damage_in_the_middle(clips, tmp_path):
    for clip in clips:
        data = bytearray(clip.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
        path = write(tmp_path / clip.name, bytes(data))
        if clip.suffix == ".wav":
            continue  # any bytes are samples (or NaN, tested above)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AudioWarning)
            part, rate = audio.load(path)
        assert len(part) > 0.2 * len(audio.load(clip)[0]), clip.name
        assert audio.length(path, rate) == len(part), clip.name


@pytest.mark.parametrize("size", [8, 30])
def test_cut_in_the_header(size, clips, tmp_path):
    for clip in clips:
        cut = write(tmp_path / clip.name, clip.read_bytes()[:size])
        with pytest.raises(AudioError, match=f"header is damaged.*{clip.name}"):
            audio.load(cut)


@pytest.mark.parametrize("name", ["a.aiff", "a.au", "a.w64", "a.flac", "a.ogg"])
def test_truncated_formats(name, tmp_path):
    path, y = tmp_path / name, tone(12.0)
    soundfile.write(path, y, 44100)
    data = path.read_bytes()
    write(path, data[: len(data) * 2 // 3])
    with pytest.warns(AudioWarning, match=f"cut short.*{name}"):
        part, _ = audio.load(path)
    assert 5.0 < len(part) / 44100 < 10.0
    np.testing.assert_allclose(part, y.mean(axis=1)[: len(part)], atol=0.1)
    assert audio.length(path, 44100) == len(part)


def test_streamed_wav_does_not_warn(tmp_path):
    # A program that writes to a pipe cannot fill in the sizes.
    path, y = tmp_path / "a.wav", tone(1.0)
    soundfile.write(path, y, 44100)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    assert len(audio.load(write(path, bytes(data)))[0]) == 44100


# --- PyAV. ---


def write_av(path, y, rate, codec, *, video=False):
    """Encode `(samples, channels)` with PyAV; a black picture if asked for."""
    av = pytest.importorskip("av")
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[y.shape[1]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if codec in ("aac", "wmav2"):  # the defaults starve six channels
            stream.bit_rate = 64_000 * y.shape[1]
        picture = container.add_stream("mpeg4", rate=10) if video else None
        if picture:
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        resampler = av.AudioResampler(
            format=stream.codec_context.format.name,
            layout=layout,
            rate=rate,
            frame_size=stream.codec_context.frame_size or 1024,
        )
        samples = np.ascontiguousarray(y.T.astype("float32"))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(piece))
        for i in range(20 if video else 0):
            black = np.zeros((64, 64, 3), "uint8")
            image = av.VideoFrame.from_ndarray(black, format="rgb24")
            image.pts = i
            container.mux(picture.encode(image))
        if video:
            container.mux(picture.encode(None))
    return path


def assert_alike(got, expected, rate):
    """Same signal, shifted by at most 60 ms of codec delay."""
    most = int(0.06 * rate)
    begin, end = rate // 2, rate // 2 + rate // 10
    near = got[begin - most : end + most].astype("float64")
    shift = int(np.argmax(np.correlate(near, expected[begin:end], "valid"))) - most
    a, b = got[max(0, shift) :], expected[max(0, -shift) :]
    n = min(len(a), len(b)) - int(0.1 * rate)
    assert np.corrcoef(a[:n], b[:n])[0, 1] > 0.99
    assert len(got) / rate == pytest.approx(len(expected) / rate, abs=0.2)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels", "video"),
    [
        ("a.m4a", "aac", 44100, 2, False),
        ("six.m4a", "aac", 48000, 6, False),
        ("lossless.m4a", "alac", 44100, 2, False),
        ("a.aac", "aac", 22050, 1, False),
        ("a.wma", "wmav2", 44100, 2, False),
        ("a.webm", "libopus", 48000, 2, False),
        ("a.mka", "libopus", 48000, 1, False),
        ("a.opus", "libopus", 48000, 2, False),
        ("a.mp4", "aac", 44100, 2, True),
        ("a.mkv", "aac", 44100, 2, True),
        ("a.mov", "pcm_s16le", 48000, 2, True),
        ("a.avi", "mp3", 44100, 2, True),
    ],
)
def test_av_formats(name, codec, rate, channels, video, tmp_path):
    av = pytest.importorskip("av")
    y = tone(2.0, rate, channels)
    try:
        path = write_av(tmp_path / name, y, rate, codec, video=video)
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this PyAV cannot write it: {error}")
    got, got_rate = audio.load(path)
    assert got_rate == rate and got.dtype == np.float32
    assert_alike(got, y.mean(axis=1), rate)
    streamed, whole = joined(path, 16000, block_seconds=0.2), audio.load(path, 16000)[0]
    assert len(streamed) == len(whole) == audio.length(path, 16000)
    np.testing.assert_allclose(streamed, whole, atol=1e-6)
    every, _ = audio.load(path, mono=False)
    assert every.shape == (channels, len(got))
    with open(path, "rb") as file:
        np.testing.assert_allclose(audio.load(file)[0], got, atol=1e-6)


def test_av_content_under_another_name(tmp_path):
    path = write_av(tmp_path / "a.m4a", tone(), 44100, "aac")
    wrong = path.rename(tmp_path / "a.mp3")
    assert audio.duration(wrong) == pytest.approx(2.0, abs=0.05)


def test_truncated_av(tmp_path):
    for name, codec, rate in [("a.webm", "libopus", 48000), ("a.aac", "aac", 44100)]:
        path = write_av(tmp_path / name, tone(4.0, rate), rate, codec)
        data = path.read_bytes()
        write(path, data[: len(data) // 2])
        with pytest.warns(AudioWarning, match=f"cut short or damaged.*{name}"):
            part, _ = audio.load(path)
        assert 1.0 < len(part) / rate < 3.0
        assert audio.length(path, rate) == len(part)
    path = write_av(tmp_path / "a.m4a", tone(), 44100, "aac")
    write(path, path.read_bytes()[:-200])  # its index is at the end
    with pytest.raises(AudioError, match="header is damaged.*a.m4a"):
        audio.load(path)


def test_video_without_sound(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), "uint8"))
        container.mux(picture.encode(black))
        container.mux(picture.encode(None))
    with pytest.raises(AudioError, match="has no sound.*silent.mp4"):
        audio.load(path)


def test_missing_extra_is_named(tmp_path, monkeypatch):
    path = write_av(tmp_path / "a.m4a", tone(), 44100, "aac")
    hidden = write(tmp_path / "hidden.mp3", path.read_bytes())
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"Reading \.m4a files needs.*\[av\]"):
        audio.load(path)
    with pytest.raises(ImportError, match=r"Reading \.mp3 files needs.*\[av\]"):
        audio.load(hidden)
