"""Which files folders and patterns stand for, and that these can be read."""

import re
import shutil
import struct
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_musictag import audio
from keras_musictag.audio.decoders import AV_SUFFIXES, SOUNDFILE_SUFFIXES
from keras_musictag.audio.finding import find_below
from keras_musictag.errors import AudioError, AudioWarning


@pytest.fixture
def music(tmp_path):
    for name in ("b/2.FLAC", "b/c/3.m4a", "a.mp3", "b/1.wav", "cover.jpg"):
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    return tmp_path / "music"


def names(paths, base):
    return [path.relative_to(base).as_posix() for path in paths]


def test_find_files(music):
    everything = ["a.mp3", "b/1.wav", "b/2.FLAC", "b/c/3.m4a"]
    assert names(audio.find_files(music), music) == everything
    assert names(audio.find_files([str(music)]), music) == everything
    assert names(audio.find_files(music, recursive=False), music) == ["a.mp3"]
    assert names(audio.find_files(f"{music}/**/*"), music) == everything
    assert names(audio.find_files(f"{music}/b/*.wav"), music) == ["b/1.wav"]
    mixed = [music / "b/c/3.m4a", music / "cover.jpg", music, music / "none.mp3"]
    found = names(audio.find_files(mixed), music)
    assert found == ["b/c/3.m4a", "cover.jpg", *everything[:3], "none.mp3"]
    assert all(isinstance(path, Path) for path in audio.find_files(music))


def test_find_files_in_names_with_brackets(music):
    path = music / "live [2020].mp3"
    path.write_bytes(b"x")
    assert audio.find_files(path) == [path]


def test_find_files_home(music, monkeypatch):
    monkeypatch.setenv("HOME", str(music))
    assert names(audio.find_files("~/b/*.FLAC"), music) == ["b/2.FLAC"]


def test_find_nothing(music):
    with pytest.raises(AudioError, match="folder holds no audio files.*empty"):
        audio.find_files([music, music.parent / "empty"])
    with pytest.raises(AudioError, match=r"pattern matches no audio files.*\*\.ogg"):
        audio.find_files(f"{music}/**/*.ogg")


def test_a_folder_that_exists_is_no_pattern(tmp_path, monkeypatch):
    for name in ("[2020] Album/1.wav", "a*b/[x]/2.wav", "a*b/3 [live].wav", "2/4.wav"):
        write_below(tmp_path, name)
    monkeypatch.chdir(tmp_path)
    for base in ("", f"{tmp_path}/"):
        for pattern, found in (
            ("[2020] Album/*.wav", ["[2020] Album/1.wav"]),
            ("a*b/[x]/*", ["a*b/[x]/2.wav"]),
            ("*/3 [live].*", ["a*b/3 [live].wav"]),
            ("a*b/**/*.wav", ["a*b/3 [live].wav", "a*b/[x]/2.wav"]),
            ("[0-9]/*.wav", ["2/4.wav"]),
        ):
            assert [str(p) for p in audio.find_files(base + pattern)] == [
                base + name for name in found
            ]


def test_where_files_lie_below_what_was_given(tmp_path, monkeypatch):
    for name in ("two/a/1.wav", "two/b/1.wav", "c/2.wav"):
        write_below(tmp_path, name)
    monkeypatch.chdir(tmp_path)

    def below(*paths):
        return [path.as_posix() for path in find_below(paths).values()]

    assert below("two") == below("two/*/*.wav") == ["a/1.wav", "b/1.wav"]
    assert below(".") == ["c/2.wav", "two/a/1.wav", "two/b/1.wav"]
    assert below("two/a", "two/b") == ["a/1.wav", "b/1.wav"]
    assert below("two", "c/2.wav", "two/a/1.wav") == [
        "two/a/1.wav",
        "two/b/1.wav",
        "2.wav",
    ]


def test_what_is_left_out_of_a_folder_is_named(tmp_path):
    for name in ("1.wav", "._1.wav", "2.m4p", "cover.jpg", ".DS_Store", "b/3.mid"):
        write_below(tmp_path, name)
    with pytest.warns(AudioWarning) as caught:
        found = audio.find_files(tmp_path)
    assert found == [tmp_path / "1.wav"]
    (message,) = [str(warning.message) for warning in caught]
    assert f"1 hidden ({tmp_path / '._1.wav'})" in message
    others = f"{tmp_path / '2.m4p'}, {tmp_path / 'b' / '3.mid'}"
    assert f"2 in a format that is not read ({others})" in message
    with pytest.raises(AudioError, match=r"no audio files.*1 in a format.*3\.mid"):
        audio.find_files(tmp_path / "b")


def write_below(folder, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


# --- Suffixes whose files are found are suffixes whose files are read. ---

# Suffix, container and encoder of PyAV, rate.
BY_AV = (
    *(("3g2", "3g2", "aac", 44100), ("m4r", "mp4", "aac", 44100)),
    *(("f4a", "mp4", "aac", 44100), ("ogx", "ogg", "libopus", 48000)),
    *(("mka", "matroska", "mp2", 44100), ("mks", "matroska", "mp2", 44100)),
    *(("weba", "webm", "libopus", 48000), ("vob", "vob", "ac3", 44100)),
    *(("ts", "mpegts", "mp2", 44100), ("m2ts", "mpegts", "ac3", 44100)),
    *(("mts", "mpegts", "ac3", 44100), ("m2t", "mpegts", "mp2", 44100)),
    *(("wv", "wv", "wavpack", 44100), ("tta", "tta", "tta", 44100)),
    *(("rm", "rm", "ac3", 44100), ("ra", "rm", "real_144", 8000)),
    *(("ec3", "eac3", "eac3", 44100), ("mp2", "mp2", "mp2", 44100)),
)
# Encoders that PyAV does not bring: suffix, container, encoder, rate.
BY_FFMPEG = (
    *(("dts", "dts", "dca", 44100), ("thd", "truehd", "truehd", 44100)),
    *(("mlp", "mlp", "mlp", 44100), ("spx", "spx", "libspeex", 16000)),
    *(("gsm", "gsm", "libgsm", 8000), ("amr", "amr", "libopencore_amrnb", 8000)),
)
BY_SOUNDFILE = (
    *(("8svx", "SVX"), ("svx", "SVX"), ("avr", "AVR"), ("paf", "PAF"), ("pvf", "PVF")),
    *(("nist", "NIST"), ("sph", "NIST"), ("voc", "VOC"), ("sf", "IRCAM")),
    *(("ircam", "IRCAM"), ("bwf", "RF64"), ("snd", "AU"), ("au", "AU")),
)


def tone(rate, seconds=2.0):
    return 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)


def check_tone(path):
    assert audio.find_files(path.parent) == [path]
    with warnings.catch_warnings():
        warnings.simplefilter("error", AudioWarning)  # none of them is damaged
        y, rate = audio.load(path)
    assert len(y) / rate == pytest.approx(2.0, abs=0.06)
    strength = np.abs(np.fft.rfft(y))
    assert strength.argmax() * rate / len(y) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(("suffix", "form"), BY_SOUNDFILE)
def test_names_of_files_that_soundfile_reads(tmp_path, suffix, form):
    path = tmp_path / f"song.{suffix}"
    soundfile.write(path, tone(8000), 8000, format=form, subtype="PCM_16")
    check_tone(path)


@pytest.mark.parametrize(("suffix", "container", "codec", "rate"), BY_AV)
def test_names_of_files_that_av_reads(tmp_path, suffix, container, codec, rate):
    av = pytest.importorskip("av", reason="it reads them")
    path = tmp_path / f"song.{suffix}"
    try:
        with av.open(str(path), "w", format=container) as out:
            stream = out.add_stream(
                codec, rate=rate, layout="mono", options={"strict": "-2"}
            )
            values = (tone(rate)[None] * 32767).astype("int16")
            frame = av.AudioFrame.from_ndarray(values, "s16", "mono")
            frame.sample_rate = rate
            out.mux([*stream.encode(frame), *stream.encode(None)])
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this PyAV cannot write it: {error}")
    check_tone(path)


@pytest.mark.parametrize(("suffix", "container", "codec", "rate"), BY_FFMPEG)
def test_names_of_files_of_rare_encoders(tmp_path, suffix, container, codec, rate):
    pytest.importorskip("av", reason="it reads them")
    if shutil.which("ffmpeg") is None:
        pytest.skip("the program ffmpeg writes them")
    path, source = tmp_path / f"song.{suffix}", tmp_path / "source"
    soundfile.write(source, tone(rate), rate, format="WAV")
    words = ["ffmpeg", "-v", "error", "-i", source, "-c:a", codec, "-strict", "-2"]
    done = subprocess.run(
        [*words, "-f", container, path], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"this ffmpeg cannot write it: {done.stderr.strip()}")
    check_tone(path)


def one_bit(rate):
    """The tone as DSD: bits whose running mean follows it."""
    bits, total = np.zeros(2 * rate, "uint8"), 0.0
    for i, value in enumerate(tone(rate).tolist()):
        total += value
        bits[i] = total >= 0
        total += -1 if total >= 0 else 1
    return bits


@pytest.fixture(scope="module")
def dsd():
    rate = 352800  # of the lowest of DSD an eighth, which the formats allow
    return rate, one_bit(rate)


def test_names_of_dsf(tmp_path, dsd):
    pytest.importorskip("av", reason="it reads them")
    rate, bits = dsd
    data = np.packbits(bits, bitorder="little").tobytes()
    data += bytes(-len(data) % 4096)
    about = (52, 1, 0, 1, 1, rate, 1, len(bits), 4096, 0)
    chunks = b"fmt " + struct.pack("<QIIIIIIQII", *about)
    chunks += b"data" + struct.pack("<Q", 12 + len(data)) + data
    head = b"DSD " + struct.pack("<QQQ", 28, 28 + len(chunks), 0)
    (tmp_path / "song.dsf").write_bytes(head + chunks)
    check_tone(tmp_path / "song.dsf")


def test_names_of_dff(tmp_path, dsd):
    pytest.importorskip("av", reason="it reads them")
    rate, bits = dsd

    def chunk(name, content):
        return name + struct.pack(">Q", len(content)) + content

    about = chunk(b"FS  ", struct.pack(">I", rate))
    about += chunk(b"CHNL", struct.pack(">H", 1) + b"C   ")
    about += chunk(b"CMPR", b"DSD \x0enot compressed\0")
    content = b"DSD " + chunk(b"FVER", struct.pack(">I", 0x01050000))
    content += chunk(b"PROP", b"SND " + about)
    content += chunk(b"DSD ", np.packbits(bits).tobytes())
    (tmp_path / "song.dff").write_bytes(chunk(b"FRM8", content))
    check_tone(tmp_path / "song.dff")


def test_the_documentation_names_the_suffixes():
    page = Path(__file__).parents[2] / "docs" / "decoding.md"
    told = page.read_text("utf-8").split("<!-- suffixes -->")[1]
    by_soundfile, by_av = told.split("<!-- end")[0].split("- PyAV")
    for text, suffixes in ((by_soundfile, SOUNDFILE_SUFFIXES), (by_av, AV_SUFFIXES)):
        assert re.findall(r"`(\.\w+)`", text) == sorted(suffixes)


def test_linked_folders_are_looked_into_but_none_twice(music):
    outside = music.parent / "outside"
    outside.mkdir()
    (outside / "4.ogg").write_bytes(b"x")
    (outside / "back").symlink_to(music)
    (music / "a-link").symlink_to(outside)
    (music / "b" / "again").symlink_to(outside)
    (music / "b" / "self").symlink_to(music / "b")
    (music / "b" / "above").symlink_to(music.parent)
    (music / "b" / "nowhere").symlink_to(music / "none")
    own = ["a.mp3", "b/1.wav", "b/2.FLAC", "b/c/3.m4a"]
    assert names(audio.find_files(music), music) == ["a-link/4.ogg", *own]
    assert names(audio.find_files(music, recursive=False), music) == ["a.mp3"]
    assert names(audio.find_files(f"{music}/b/**/*.wav"), music) == ["b/1.wav"]
    inside = names(audio.find_files(f"{music}/a-link/*.ogg"), music)
    assert inside == ["a-link/4.ogg"]
