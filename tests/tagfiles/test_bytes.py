"""No file loses sound to its tags, and undo brings back each byte."""

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_musictag import tagfiles
from keras_musictag.errors import AudioError
from keras_musictag.tagfiles import sound_check

sys.path.insert(0, str(Path(__file__).parent))  # the file beside this one
from make_songs import KINDS, encode, make_song, tone

av = pytest.importorskip("av", reason="compares the sound with PyAV")
mutagen = pytest.importorskip("mutagen", reason="needs the extra `files`")

FIELDS = {"genre": ["Rock"], "key": ["Am"], "KMT_LONG": ["0.5" * 3000]}


def decoded(path):
    with av.open(str(path)) as container:
        frames = []
        for packet in container.demux(audio=0):
            with contextlib.suppress(av.error.InvalidDataError):  # rubbish at the end
                frames += [frame.to_ndarray() for frame in packet.decode()]
    return np.concatenate(frames, axis=1)


def check(path):
    """Write twice and undo; the sound stays, the bytes come back."""
    data, sound = path.read_bytes(), decoded(path)
    tagfiles.write(path, FIELDS)
    np.testing.assert_array_equal(decoded(path), sound)
    tagfiles.write(path, {"genre": ["Pop"], "KMT_X": ["1"]}, overwrite=True)
    assert tagfiles.read(path)["genre"] == ["Pop"]
    np.testing.assert_array_equal(decoded(path), sound)
    tagfiles.undo(path)
    assert path.read_bytes() == data


def atom(name, body):
    return (8 + len(body)).to_bytes(4, "big") + name + body


@pytest.mark.parametrize(
    "flags",
    [
        "frag_keyframe+empty_moov",
        "frag_keyframe+delay_moov",
        "frag_every_frame+empty_moov",
        "dash+global_sidx",
        "cmaf",
        "faststart",
        "disable_chpl",
    ],
)
@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_mp4_of_every_layout(tmp_path, flags, codec):
    path = tmp_path / "song.m4a"
    options = {"movflags": flags, "frag_duration": "300000"}
    encode(path, tone(), codec, "mp4", options)
    check(path)


def test_mp4_with_large_atoms_between_and_offsets_of_64_bits(tmp_path):
    path = make_song(tmp_path, "aac_head_first")
    data = path.read_bytes()
    place = data.index(b"stco") - 4
    size = int.from_bytes(data[place : place + 4], "big")
    count = int.from_bytes(data[place + 12 : place + 16], "big")
    old = np.frombuffer(data[place + 16 : place + size], ">u4")
    longer = 4 * count  # `co64` has as many offsets of twice the size
    inside = data[place + 8 : place + 16] + (old + longer).astype(">u8").tobytes()
    data = bytearray(data[:place] + atom(b"co64", inside) + data[place + size :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        start = data.index(name) - 4
        whole = int.from_bytes(data[start : start + 4], "big") + longer
        data[start : start + 4] = whole.to_bytes(4, "big")
    path.write_bytes(bytes(data) + atom(b"free", bytes(1000)))
    check(path)


def test_wav_with_an_odd_last_chunk_that_is_not_padded(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, tone(0.1)[:1001, 0], 8000, subtype="PCM_U8")
    data = path.read_bytes().removesuffix(b"\0")
    path.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])
    check(path)


@pytest.mark.parametrize("kind", ["mp3", "flac", "vorbis", "wav"])
def test_chained_files_and_rubbish_at_the_end(tmp_path, kind):
    path = make_song(tmp_path, kind)
    rest = path.read_bytes() if kind == "vorbis" else bytes(4096)
    path.write_bytes(path.read_bytes() + rest)
    check(path)


@pytest.mark.parametrize("pages", range(8))
def test_ogg_whose_tags_end_anywhere_in_a_page(tmp_path, pages):
    path = make_song(tmp_path, "opus")
    data = path.read_bytes()
    tagfiles.write(path, {"KMT_LONG": ["x" * (3000 + 160 * pages)]})
    tagfiles.undo(path)
    assert path.read_bytes() == data


@pytest.mark.parametrize("kind", ["mp3", "aac", "flac", "wav"])
@pytest.mark.parametrize("version", [3, 4])
def test_large_pictures_are_not_noted_again(tmp_path, kind, version):
    path = make_song(tmp_path, kind)
    picture = b"\xff\xd8\xff" + np.random.default_rng(1).bytes(300_000)
    file = mutagen.File(path)
    if kind == "aac":
        file["covr"] = [mutagen.mp4.MP4Cover(picture)]
        file["\xa9nam"] = ["Title"]
        file.save()
    elif kind == "flac":
        cover = mutagen.flac.Picture()
        cover.data, cover.mime = picture, "image/jpeg"
        file.add_picture(cover)
        file.save()
    else:
        if file.tags is None:
            file.add_tags()
        file.tags.add(mutagen.id3.APIC(mime="image/jpeg", type=3, data=picture))
        file.tags.add(mutagen.id3.TIT2(encoding=1, text=["Title"]))
        file.tags.save(path, v2_version=version)
    before = len(path.read_bytes())
    tagfiles.write(path, {"genre": ["Rock"]})
    assert len(path.read_bytes()) < before + 20_000
    path = make_song(tmp_path, kind, "other")
    check(path)


@pytest.mark.parametrize("kind", KINDS)
def test_without_pyav_the_declared_sound_is_compared(tmp_path, monkeypatch, kind):
    path = make_song(tmp_path, kind)
    data = path.read_bytes()
    monkeypatch.setattr(sound_check, "_has_av", lambda: False)
    tagfiles.write(path, FIELDS)
    assert tagfiles.read(path)["key"] == ["Am"]
    # One wrong bit in the sound is seen, one in the tags is not.
    middle = bytearray(data)
    middle[len(data) * 2 // 3 if kind != "monkeys_audio" else 100] ^= 1
    other = tmp_path / f"other{path.suffix}"
    other.write_bytes(middle)
    assert not sound_check.same_sound(str(path), str(other))
    other.write_bytes(data)
    assert sound_check.same_sound(str(path), str(other))
    tagfiles.undo(path)
    assert path.read_bytes() == data


def test_a_writer_that_loses_sound_is_refused(tmp_path, monkeypatch):
    path = make_song(tmp_path, "aac_fragments")
    data = path.read_bytes()
    # As mutagen does it alone: the offsets of the first fragment only.
    name = "keras_musictag.tagfiles.named_tags.mend_mp4_offsets"
    monkeypatch.setattr(name, lambda *_: None)
    with pytest.raises(AudioError, match="sound of the written copy is not the same"):
        tagfiles.write(path, FIELDS)
    assert path.read_bytes() == data


# === After others have edited ===


@pytest.mark.parametrize("kind", ["mp3", "flac", "vorbis", "aac"])
def test_what_others_have_added_since_stays(tmp_path, kind):
    path = make_song(tmp_path, kind)
    tagfiles.write(path, FIELDS)
    file = mutagen.File(path, easy=True)
    file["artist"] = ["Mine"]
    file.save()
    tagfiles.write(path, {"mood": ["calm"]})
    tagfiles.undo(path)
    assert mutagen.File(path, easy=True)["artist"] == ["Mine"]
    assert tagfiles.read(path) == {}


def test_an_apev2_tag_that_was_added_since_stays(tmp_path):
    from mutagen.apev2 import APEv2

    path = make_song(tmp_path, "mp3")
    tagfiles.write(path, FIELDS)
    tags = APEv2()
    tags["REPLAYGAIN_TRACK_GAIN"] = "-3.2 dB"
    tags.save(path)
    tagfiles.undo(path)
    assert APEv2(path)["REPLAYGAIN_TRACK_GAIN"] == "-3.2 dB"


def test_a_journal_of_an_earlier_version_is_understood(tmp_path):
    path = make_song(tmp_path, "flac")
    file = mutagen.File(path)
    file["genre"], file["KMT_ROCK"] = ["Rock"], ["0.5"]
    file["KMT_UNDO"] = ['{"genre": [["Polka"], ["Rock"]]}']
    file.save()
    tagfiles.undo(path)
    assert tagfiles.read(path) == {"genre": ["Polka"]}


# === Files in which tags have no place ===


def wav_with_sizes(folder, riff, data):
    path = folder / "song.wav"
    soundfile.write(path, tone(0.5), 44100, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    place = content.index(b"data")
    if riff is not None:
        content[4:8] = riff.to_bytes(4, "little")
    if data is not None:
        content[place + 4 : place + 8] = data.to_bytes(4, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("riff", "data", "reason"),
    [
        (2**32 - 1, 2**32 - 1, "written as a stream"),
        (2**31 - 1, 2**31 - 37, "written as a stream"),
        (None, 2**32 - 1, "written as a stream"),
        (0, 0, "recorder was stopped"),
        (36, 0, "recorder was stopped"),
        (0, None, "recorder was stopped"),
        (200_000, 199_964, "cut short"),
    ],
)
def test_wav_that_does_not_say_where_it_ends(tmp_path, riff, data, reason):
    path = wav_with_sizes(tmp_path, riff, data)
    before = path.read_bytes()
    for act in (tagfiles.read, lambda path: tagfiles.write(path, FIELDS)):
        with pytest.raises(AudioError, match=f"{reason}.*ffmpeg -i"):
            act(path)
    assert path.read_bytes() == before


def test_wav_of_ffmpeg_to_a_pipe_and_rf64(tmp_path):
    piped = tmp_path / "piped.wav"
    encode(piped, tone(), "pcm_s16le", "wav", {"rf64": "always"})
    with pytest.raises(AudioError, match="RF64"):
        tagfiles.write(piped, FIELDS)
    flac = make_song(tmp_path, "flac")
    command = ["ffmpeg", "-v", "error", "-i", str(flac), "-f", "wav", "-"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    except FileNotFoundError:
        pytest.skip("needs FFmpeg's program")
    piped.write_bytes(done.stdout)
    with pytest.raises(AudioError, match="written as a stream"):
        tagfiles.write(piped, FIELDS)
