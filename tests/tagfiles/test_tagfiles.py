"""Tags in files: other readers find them, the sound stays, nothing is ever lost."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_musictag import tagfiles
from keras_musictag.errors import AudioError, ConfigError
from keras_musictag.tagfiles import writing

sys.path.insert(0, str(Path(__file__).parent))  # the file beside this one
import make_songs

mutagen = pytest.importorskip("mutagen", reason="needs the extra `files`")
av = pytest.importorskip("av", reason="compares the sound with PyAV")

FIELDS = {
    "genre": ["Rock", "Hip Hop"],
    "mood": ["träge"],
    "key": ["F#m"],
    "tempo": ["121"],
    "INSTRUMENT": ["piano"],
    "KMT_ROCK": ["0.4312"],
}
# What FFmpeg calls the fields, in small letters.
NAMES = {
    "id3": {"mood": "tmoo", "key": "tkey", "tempo": "tbpm"},
    "named": {"key": "initialkey", "tempo": "bpm"},
    "mp4": {"key": "initialkey"},
    "asf": {
        "mood": "wm/mood",
        "key": "wm/initialkey",
        "tempo": "wm/beatsperminute",
    },
}
FAMILY = dict.fromkeys((".mp3", ".wav", ".aiff", ".dsf", ".tta"), "id3") | {
    ".m4a": "mp4",
    ".wma": "asf",
}
BY_SUFFIX = {".mp3": "mp3", ".wav": "wav", ".aiff": "aiff", ".flac": "flac"}


def make(path):
    if path.suffix not in BY_SUFFIX:
        soundfile.write(path, make_songs.tone(), make_songs.RATE)
        return path
    return make_songs.make_song(path.parent, BY_SUFFIX[path.suffix], path.stem)


@pytest.fixture(params=make_songs.KINDS)
def song(request, tmp_path):
    return make_songs.make_song(tmp_path, request.param)


def sound(path):
    """Encoded packets and decoded samples."""
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(audio=0)]
    if path.suffix == ".ape":  # FFmpeg counts the tags to the last one
        packets = [packet.split(b"APETAGEX")[0] for packet in packets]
    with av.open(str(path)) as container:
        samples = [f.to_ndarray() for f in container.decode(audio=0)]
    return packets, np.concatenate(samples, axis=1)


def assert_same_sound(one, other):
    assert one[0] == other[0]
    np.testing.assert_array_equal(one[1], other[1])


def metadata(path):
    """What FFmpeg reads; its names in small letters."""
    with av.open(str(path)) as container:
        found = {**container.metadata, **container.streams.audio[0].metadata}
    return {name.lower(): value for name, value in found.items()}


def state(path):
    found = os.stat(path)
    return found.st_ino, found.st_mode, found.st_mtime_ns, path.read_bytes()


def folder_of(path):
    return sorted(p.name for p in path.parent.iterdir())


def test_another_reader_finds_the_fields(song):
    tagfiles.write(song, FIELDS)
    found = metadata(song)
    names = NAMES[FAMILY.get(song.suffix, "named")]
    assert found["genre"].startswith("Rock")
    shown = ["mood", "key", "tempo", "INSTRUMENT", "KMT_ROCK"]
    if song.suffix == ".tta":  # FFmpeg itself has written an APEv2 tag, and reads it
        names, shown = NAMES["named"], shown[:3]
    for field in shown:
        assert found[names.get(field, field.lower())] == FIELDS[field][0]
    file = mutagen.File(song)
    if song.suffix == ".m4a":
        assert file["tmpo"] == [121]
    genre = {"id3": "TCON", "mp4": "\xa9gen", "asf": "WM/Genre"}
    genre = genre.get(FAMILY.get(song.suffix), "genre")
    assert [str(value) for value in file[genre]] == FIELDS["genre"]
    assert tagfiles.read(song) == {k: v for k, v in FIELDS.items() if k != "INSTRUMENT"}


def test_the_sound_is_the_same_after_writing_and_after_undo(song):
    before, data = sound(song), song.read_bytes()
    for act in (
        lambda: tagfiles.write(song, FIELDS),
        lambda: tagfiles.write(song, {"KMT_LONG": ["x" * 9000]}),  # no padding left
        lambda: tagfiles.write(song, {"genre": ["Pop"]}, overwrite=True),
    ):
        assert act()
        assert song.read_bytes() != data
        assert_same_sound(sound(song), before)
    assert tagfiles.undo(song)
    assert song.read_bytes() == data
    assert tagfiles.read(song) == {}
    assert "kmt_undo" not in metadata(song)
    assert folder_of(song) == [song.name]


def test_real_music_keeps_its_sound_and_its_other_tags(corpus, tmp_path):
    for path in sorted((corpus / "real").iterdir()):
        if path.suffix not in (".mp3", ".wav", ".flac", ".ogg"):
            continue
        song = tmp_path / path.name
        shutil.copyfile(path, song)
        before, told = sound(song), metadata(song)
        tagfiles.write(song, FIELDS)
        assert_same_sound(sound(song), before)
        now = metadata(song)
        assert {k: now.get(k) for k in told if k != "genre"} == {
            k: v for k, v in told.items() if k != "genre"
        }
        tagfiles.undo(song)
        assert song.read_bytes() == path.read_bytes()


def test_filled_fields_are_kept_unless_told_otherwise_and_come_back(song):
    tagfiles.write(song, {"genre": ["Polka"], "tempo": ["99"]})
    file = mutagen.File(song)  # as if another program had written them
    for name in list(file.keys()):
        if "KMT_UNDO" in name.upper():
            del file[name]
    file.save()

    (kept, _) = tagfiles.write(song, {"genre": ["Rock"], "mood": ["calm"]})
    assert kept.kept
    assert "Polka" in str(kept) and "kept" in str(kept)
    assert tagfiles.read(song) == {
        "genre": ["Polka"],
        "tempo": ["99"],
        "mood": ["calm"],
    }
    tagfiles.write(song, {"genre": ["Rock"], "tempo": ["120"]}, overwrite=True)
    tagfiles.write(song, {"genre": ["Pop"]}, overwrite=True)
    assert tagfiles.read(song)["genre"] == ["Pop"]
    tagfiles.undo(song)
    assert tagfiles.read(song) == {"genre": ["Polka"], "tempo": ["99"]}
    assert tagfiles.undo(song) == []


def test_undo_leaves_what_was_edited_since(song):
    tagfiles.write(song, FIELDS)
    file = mutagen.File(song)
    if FAMILY.get(song.suffix) == "id3":
        file.tags.add(mutagen.id3.TCON(encoding=3, text=["Mine"]))
    else:
        name = {"mp4": "\xa9gen", "asf": "WM/Genre"}
        file[name.get(FAMILY.get(song.suffix), "genre")] = ["Mine"]
    file.save()
    tagfiles.undo(song)
    assert tagfiles.read(song) == {"genre": ["Mine"]}


def test_own_fields_are_replaced_as_a_whole(song):
    tagfiles.write(song, {"KMT_ROCK": ["0.1"], "KMT_PRESET": ["a"]})
    tagfiles.write(song, {"KMT_POP": ["0.2"], "KMT_PRESET": ["b"]})
    assert tagfiles.read(song) == {"KMT_POP": ["0.2"], "KMT_PRESET": ["b"]}
    tagfiles.write(song, {"genre": ["Rock"]})  # says nothing about scores
    assert tagfiles.read(song)["KMT_POP"] == ["0.2"]


def test_a_dry_run_and_a_write_without_change_leave_the_file_alone(song):
    before = state(song)
    changes = tagfiles.write(song, FIELDS, dry_run=True)
    assert [change.field for change in changes] == list(FIELDS)
    assert state(song) == before

    tagfiles.write(song, FIELDS)
    before = state(song)
    assert tagfiles.write(song, FIELDS) == []
    assert tagfiles.undo(song, dry_run=True) != []
    assert state(song) == before


def test_mode_and_link_stay_and_the_time_moves_on(tmp_path):
    song = make(tmp_path / "song.mp3")
    song.chmod(0o640)
    os.utime(song, (1e9, 1e9))
    link = tmp_path / "link.mp3"
    link.symlink_to(song)
    tagfiles.write(link, FIELDS)
    assert link.is_symlink()
    assert song.stat().st_mode & 0o777 == 0o640
    assert song.stat().st_mtime > time.time() - 60  # backups must notice


def test_an_old_id3_tag_keeps_its_version_and_what_it_says(tmp_path):
    from mutagen.id3 import ID3, IPLS, TIT2, TSOP, TYER

    song = make(tmp_path / "song.mp3")
    tags = ID3()
    for frame in (
        TIT2(encoding=1, text=["Title"]),
        TYER(encoding=0, text=["1997"]),
        TSOP(encoding=1, text=["Sort, me"]),
        IPLS(encoding=1, people=[["drums", "me"]]),
    ):
        tags.add(frame)
    tags.save(song, v2_version=3)
    end = b"TAG" + b"old title".ljust(94, b"\0") + b"comment".ljust(30, b"\0") + b"\x07"
    song.write_bytes(song.read_bytes() + end)
    before = sound(song)

    for act in (lambda: tagfiles.write(song, FIELDS), lambda: tagfiles.undo(song)):
        assert act()
        found = ID3(song, translate=False, load_v1=False)
        assert found.version == (2, 3, 0)
        assert {"TIT2", "TYER", "TSOP", "IPLS"} <= set(found)
        assert song.read_bytes()[-128:] == end
        assert_same_sound(sound(song), before)
    assert set(found) == {"TIT2", "TYER", "TSOP", "IPLS"}


# === What can go wrong ===


def test_bad_files_are_one_clear_error_and_stay_as_they_are(tmp_path):
    protected = make(tmp_path / "protected.flac")
    protected.chmod(0o444)
    without = make(tmp_path / "song.au")
    broken = tmp_path / "broken.flac"
    broken.write_bytes(protected.read_bytes()[:30])
    text = tmp_path / "text.mp3"
    text.write_text("<html>")
    for path, match in (
        (protected, "write-protected"),
        (without, "hold no tags that can be written"),
        (broken, "tags of the file cannot be read"),
        (text, "text"),
        (tmp_path / "missing.mp3", "does not exist"),
    ):
        before = path.read_bytes() if path.exists() else b""
        with pytest.raises(AudioError, match=match):
            tagfiles.write(path, FIELDS)
        assert (path.read_bytes() if path.exists() else b"") == before
    with open(protected, "rb") as file, pytest.raises(AudioError, match="in files"):
        tagfiles.write(file, FIELDS)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"a=b": ["x"]}, "cannot be called so"),
        ({"genre": "Rock"}, "list of texts"),
        ({"tempo": ["fast"]}, "whole number"),
        ({"genre": ["a\0b"]}, "list of texts"),
    ],
)
def test_bad_fields_are_refused(tmp_path, fields, match):
    with pytest.raises(ConfigError, match=match):
        tagfiles.write(tmp_path / "song.mp3", fields)


def test_a_damaged_journal_is_told(tmp_path):
    song = make(tmp_path / "song.flac")
    file = mutagen.File(song)
    file["KMT_UNDO"] = ["{nonsense"]
    file.save()
    with pytest.raises(AudioError, match="KMT_UNDO.*damaged"):
        tagfiles.undo(song)


@pytest.mark.parametrize("broken", ["copyfile", "fsync", "replace"])
def test_a_full_disk_at_any_step_leaves_the_old_file_and_nothing_else(
    song, monkeypatch, broken
):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = song.read_bytes()
    monkeypatch.setattr(shutil if broken == "copyfile" else os, broken, fail)
    if broken == "replace":  # as on disks that cannot exchange two files
        monkeypatch.setattr(writing, "exchange", lambda *_: False)
    with pytest.raises(AudioError, match="file is as it was.*No space left"):
        tagfiles.write(song, FIELDS)
    monkeypatch.undo()
    assert song.read_bytes() == before
    assert folder_of(song) == [song.name]


def test_a_file_that_another_program_changes_meanwhile_is_theirs(tmp_path, monkeypatch):
    song = make(tmp_path / "song.wav")
    copy = shutil.copystat

    def meddle(source, target):
        copy(source, target)
        song.write_bytes(song.read_bytes() + b"\0\0")

    monkeypatch.setattr(shutil, "copystat", meddle)
    with pytest.raises(AudioError, match="another program"):
        tagfiles.write(song, FIELDS)
    assert song.read_bytes().endswith(b"\0\0")
    assert folder_of(song) == [song.name]


# Says what is in its field, and writes a new value, again and again.
WRITER = """
import sys
from keras_musictag import tagfiles
from keras_musictag.errors import AudioError
path, field, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
last, lost = [], 0
print("ready", flush=True)
sys.stdin.readline()
for n in range(count):
    try:
        tagfiles.write(path, {field: [f"{n} of {field}"]}, overwrite=True)
        last = [f"{n} of {field}"]
        lost += tagfiles.read(path).get(field, []) != last
    except AudioError:  # it was told
        pass
print(lost, *last, sep=";")
"""
# What other programs do: they ask for no lock, and write into the file itself.
OTHER = """
import sys, time, mutagen
print("ready", flush=True)
sys.stdin.readline()
for n in range(int(sys.argv[3])):
    file = mutagen.File(sys.argv[1])
    file["comment"] = [f"{n} of comment"]
    file.save()
    time.sleep(0.01)
print(0, f"{n} of comment", sep=";")
"""


def write_at_once(song, *writers):
    """Let processes write one file at the same time; what each says at its end."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, song, field, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for code, field, count in writers
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=300)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * len(started)
    return [end.split(";") for end in ends]


@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_two_writers_of_one_file_lose_nothing(tmp_path, count):
    song = make(tmp_path / "song.flac")
    wanted = [(WRITER, "mood", count), (WRITER, "genre", count)]
    ends = write_at_once(song, *wanted)
    assert ends == [["0", f"{count - 1} of {field}"] for field in ("mood", "genre")]
    found = tagfiles.read(song)
    assert [found["mood"], found["genre"]] == [[end[1]] for end in ends]
    assert folder_of(song) == [song.name]


@pytest.mark.slow
def test_what_other_programs_write_meanwhile_is_never_lost(tmp_path):
    song = make(tmp_path / "song.flac")
    write_at_once(song, (WRITER, "mood", 60), (OTHER, "comment", 100))
    assert mutagen.File(song)["comment"] == ["99 of comment"]
    assert folder_of(song) == [song.name]


@pytest.mark.slow
def test_killed_in_mid_write_the_file_is_the_old_or_the_new_one(tmp_path):
    names = [make_songs.make_song(tmp_path, kind, kind) for kind in make_songs.KINDS]
    before = {path: sound(path) for path in names}
    code = (
        "import sys; from keras_musictag import tagfiles\n"
        "print('go', flush=True)\n"
        "for n in range(10**6):\n"
        "    for path in sys.argv[1:]:\n"
        "        fields = {'genre': ['ABC'[n % 3]], 'KMT_X': ['x' * (n % 7) * 900]}\n"
        "        tagfiles.write(path, fields, overwrite=True)\n"
    )
    chance = random.Random(15)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, names)], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        time.sleep(chance.uniform(0.02, 0.4))
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for path in names:
            assert_same_sound(sound(path), before[path])
            assert tagfiles.read(path).get("genre", ["A"])[0] in "ABC"
    # A copy that a killed run has left is removed once it is old.
    left = [p for p in tmp_path.iterdir() if p.name.startswith(".kmt-")]
    for path in left:
        os.utime(path, (1e9, 1e9))
    for path in names:
        tagfiles.write(path, {"genre": ["Z"]}, overwrite=True)
    assert folder_of(names[0]) == sorted(path.name for path in names)
