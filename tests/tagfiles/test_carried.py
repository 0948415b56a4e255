"""Fields that are there already, wherever other programs have put them."""

import sys
from pathlib import Path

import pytest
import soundfile

from keras_musictag import tagfiles

sys.path.insert(0, str(Path(__file__).parent))  # the file beside this one
from make_songs import make_song, tone

mutagen = pytest.importorskip("mutagen", reason="needs the extra `files`")
apev2 = pytest.importorskip("mutagen.apev2")
id3 = pytest.importorskip("mutagen.id3")
pytest.importorskip("av", reason="makes the files")

FIELDS = {"genre": ["Rock"], "mood": ["calm"], "key": ["Am"], "tempo": ["120"]}


def write_and_undo(path, fields, **options):
    """Write; return what mutagen reads then. Undo must bring back the bytes."""
    data = path.read_bytes()
    tagfiles.write(path, fields, **options)
    found = mutagen.File(path)
    tagfiles.undo(path)
    assert path.read_bytes() == data
    return found


def texts(tags):
    return {name: [str(text) for text in frame.text] for name, frame in tags.items()}


# === Tags of another kind ===


def chunk(name, body, order="little"):
    return name + len(body).to_bytes(4, order) + body + bytes(len(body) % 2)


def add_chunks(path, chunks, order="little"):
    data = path.read_bytes() + chunks
    path.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, order) + data[8:])


def test_info_of_wav_goes_into_the_id3_chunk(tmp_path):
    path = make_song(tmp_path, "wav")
    entries = {
        b"INAM": b"Na\xc3\xafve\0",
        b"IART": b"An Artist\0",
        b"IPRD": b"Album",
        b"ICRD": b"1997\0",
        b"ITRK": b"7\0",
        b"ICMT": "Schön".encode("cp1252") + b"\0",
        b"IXYZ": b"unknown\0",
    }
    info = b"INFO" + b"".join(chunk(name, body) for name, body in entries.items())
    add_chunks(path, chunk(b"LIST", info))
    found = texts(write_and_undo(path, FIELDS).tags)
    assert found["TIT2"] == ["Naïve"]
    assert found["TPE1"] == ["An Artist"]
    assert found["TALB"] == ["Album"]
    assert found["TDRC"] == ["1997"]
    assert found["TRCK"] == ["7"]
    assert found["COMM::XXX"] == ["Schön"]
    assert found["TCON"] == ["Rock"]
    tagfiles.write(path, FIELDS)
    assert chunk(b"LIST", info) in path.read_bytes()  # stays where it was


def test_a_genre_in_info_is_kept_like_any_other(tmp_path):
    path = make_song(tmp_path, "wav")
    add_chunks(path, chunk(b"LIST", b"INFO" + chunk(b"IGNR", b"Polka\0")))
    changes = {change.field: change for change in tagfiles.write(path, FIELDS)}
    assert changes["genre"].kept and changes["genre"].before == ("Polka",)
    assert tagfiles.read(path)["genre"] == ["Polka"]


def test_text_chunks_of_aiff(tmp_path):
    path = make_song(tmp_path, "aiff")
    added = chunk(b"NAME", b"A title", "big") + chunk(b"AUTH", b"An artist", "big")
    add_chunks(path, added, "big")
    found = texts(write_and_undo(path, FIELDS).tags)
    assert found["TIT2"] == ["A title"] and found["TPE1"] == ["An artist"]


@pytest.mark.parametrize("kind", ["mp3", "tta"])
@pytest.mark.parametrize("old", [False, True])
def test_apev2_alone_goes_into_id3(tmp_path, kind, old):
    path = make_song(tmp_path, kind)
    tags = apev2.APEv2()
    tags["Title"], tags["Artist"] = "A title", ["One", "Two"]
    tags["Album Artist"], tags["Year"], tags["Track"] = "All", "1997", "7/12"
    tags["Mood"], tags["KEY"] = "sad", "Gm"
    tags["MP3GAIN_MINMAX"] = "084,210"
    tags["Cover Art (Front)"] = apev2.APEValue(b"cover.png\0\x89PNG...", apev2.BINARY)
    tags.save(path)
    if old:
        end = b"TAG" + b"old title".ljust(94, b"\0") + bytes(30) + b"\xff"
        path.write_bytes(path.read_bytes() + end)
    tagfiles.write(path, FIELDS)
    found = mutagen.File(path).tags
    assert found["TIT2"].text == ["A title"] and found["TPE1"].text == ["One", "Two"]
    assert found["TPE2"].text == ["All"] and str(found["TDRC"]) == "1997"
    assert found["TRCK"].text == ["7/12"]
    assert found["TXXX:MP3GAIN_MINMAX"].text == ["084,210"]
    assert found.getall("APIC")[0].data == b"\x89PNG..."
    assert found["TMOO"].text == ["sad"] and found["TKEY"].text == ["Gm"]  # kept
    beside = apev2.APEv2(path)  # both tags say the same
    assert beside["Mood"] == "sad" and beside["KEY"] == "Gm"
    assert beside["Genre"] == "Rock" and beside["BPM"] == "120"
    assert path.read_bytes().endswith(b"\xff") == old


def test_id3_of_version_1_alone(tmp_path):
    path = make_song(tmp_path, "mp3")
    end = b"TAG" + b"old title".ljust(94, b"\0") + b"comment".ljust(30, b"\0") + b"\x11"
    path.write_bytes(path.read_bytes() + end)
    found = write_and_undo(path, {"mood": ["calm"]}).tags
    assert found["TIT2"].text == ["old title"]
    assert found["TCON"].genres == ["Rock"]  # number 17


@pytest.mark.parametrize("with_ape", [False, True])
@pytest.mark.parametrize("kind", ["wavpack", "monkeys_audio"])
def test_id3_of_version_1_behind_apev2_stays(tmp_path, kind, with_ape):
    path = make_song(tmp_path, kind)
    if with_ape:
        tags = apev2.APEv2()
        tags["Album"] = "An album"
        tags.save(path)
    end = b"TAG" + b"old title".ljust(94, b"\0") + b"comment".ljust(30, b"\0") + b"\x11"
    path.write_bytes(path.read_bytes() + end)
    before = path.read_bytes()
    tagfiles.write(path, {"mood": ["calm"]})
    assert path.read_bytes().endswith(end)
    found = apev2.APEv2(path)  # mutagen passes over the tag behind it
    assert found["Mood"] == "calm" and ("Album" in found) == with_ape
    tagfiles.undo(path)
    assert path.read_bytes() == before


def test_id3_alone_in_flac(tmp_path):
    path = make_song(tmp_path, "flac")
    tags = id3.ID3()
    tags.add(id3.TIT2(encoding=3, text=["A title"]))
    tags.add(id3.TXXX(encoding=3, desc="Custom", text=["value"]))
    tags.save(path)
    found = write_and_undo(path, FIELDS).tags
    assert found["title"] == ["A title"] and found["custom"] == ["value"]
    assert found["genre"] == ["Rock"]


# === Other names of a field ===


@pytest.mark.parametrize("kind", ["flac", "vorbis", "opus", "wavpack"])
def test_a_key_under_its_other_name_is_seen(tmp_path, kind):
    path = make_song(tmp_path, kind)
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    file["KEY"] = "Gm"
    file.save()
    (change,) = tagfiles.write(path, {"key": ["Am"]})
    assert change.kept and change.before == ("Gm",)
    assert tagfiles.read(path) == {"key": ["Gm"]}
    found = write_and_undo(path, {"key": ["Am"]}, overwrite=True)
    assert [str(value) for value in found["KEY"]] == ["Am"]
    assert [str(value) for value in found["INITIALKEY"]] == ["Am"]


@pytest.mark.parametrize("desc", ["INITIALKEY", "Key"])
def test_a_key_in_a_free_frame_is_seen(tmp_path, desc):
    path = make_song(tmp_path, "mp3")
    tags = id3.ID3()
    tags.add(id3.TXXX(encoding=3, desc=desc, text=["Gm"]))
    tags.save(path)
    assert tagfiles.read(path) == {"key": ["Gm"]}
    found = write_and_undo(path, {"key": ["Am"]}, overwrite=True).tags
    assert found["TKEY"].text == ["Am"] and f"TXXX:{desc}" not in found


# === Odd values and old frames ===


@pytest.mark.parametrize("tempo", ["127.53", "fast", "120 BPM", "127,5"])
@pytest.mark.parametrize("kind", ["mp3", "flac"])
def test_any_tempo_goes_through_the_journal(tmp_path, kind, tempo):
    path = make_song(tmp_path, kind)
    if kind == "mp3":
        tags = id3.ID3()
        tags.add(id3.TBPM(encoding=3, text=[tempo]))
        tags.save(path)
    else:
        file = mutagen.File(path)
        file["bpm"] = [tempo]
        file.save()
    data = path.read_bytes()
    assert tagfiles.read(path) == {"tempo": [tempo]}
    tagfiles.write(path, FIELDS, overwrite=True)
    tagfiles.write(path, {"tempo": ["90"], "KMT_X": ["1"]}, overwrite=True)
    assert tagfiles.read(path)["tempo"] == ["90"]
    tagfiles.undo(path)
    assert path.read_bytes() == data
    tagfiles.write(path, FIELDS, overwrite=True)
    file = mutagen.File(path, easy=True)  # the bytes are no longer known then
    file["artist"] = ["Mine"]
    file.save()
    tagfiles.undo(path)
    assert tagfiles.read(path) == {"tempo": [tempo]}


def test_old_frames_come_back(tmp_path):
    path = make_song(tmp_path, "mp3")
    sound = path.read_bytes()

    def frame(name, body):
        return name + len(body).to_bytes(3, "big") + body

    frames = frame(b"TT2", b"\0Title") + frame(b"XYZ", b"\0unknown")
    frames += frame(b"CRM", b"owner\0text\0data") + frame(b"TBP", b"\x00121")
    head = b"ID3\x02\0\0" + bytes((0, 0, len(frames) >> 7, len(frames) & 127))
    path.write_bytes(head + frames + sound)
    assert write_and_undo(path, {"genre": ["Rock"]}).tags["TIT2"].text == ["Title"]

    def frame4(name, body):
        return name + len(body).to_bytes(4, "big") + bytes(2) + body

    frames = frame4(b"TIT2", b"\0Title") + frame4(b"TYER", b"\x001997")
    frames += frame4(b"IPLS", b"\0drums\0me") + frame4(b"XXXX", b"unknown")
    head = b"ID3\x04\0\0" + bytes((0, 0, len(frames) >> 7, len(frames) & 127))
    path.write_bytes(head + frames + sound)
    assert write_and_undo(path, {"genre": ["Rock"]}).tags["TIT2"].text == ["Title"]


def test_mono_files_of_low_rate_with_many_chunks(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, tone(0.3)[:, 0], 8000, subtype="PCM_U8")
    add_chunks(path, chunk(b"bext", bytes(601)) + chunk(b"cue ", bytes(4)))
    write_and_undo(path, FIELDS)
