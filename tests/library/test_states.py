"""What a library says of files that are gone, bad or oddly named."""

import json
import os
import random
import sys

import pyarrow.parquet as pq
import pytest

import keras_musictag as kmt
from keras_musictag.errors import ConfigError
from keras_musictag.library import Library, forget, merge
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.store import Store
from tests.library.albums import NAMES, Album, built, check_rows

PLAIN = NAMES[:6]


def test_files_that_are_gone_leave_the_searches_until_they_are_back(
    analyzers, sounds, tmp_path
):
    album = Album(tmp_path / "album", random.Random(0), (sounds[0], sounds[0]), PLAIN)
    album.add()
    folder = tmp_path / "library"
    first, second, third = (str(path) for path in album.paths())
    _, analyzer = analyzers
    built(folder, analyzer, album)
    aside = tmp_path / "aside.wav"
    os.rename(first, aside)
    assert built(folder, analyzer, album).missing == 1
    assert built(folder, analyzer, album).missing == 0
    library = Library(folder)

    def paths(table):
        return table.column("path").to_pylist()

    assert paths(library.search()) == [second, third]
    assert paths(library.tracks(include_missing=True)) == [first, second, third]
    assert paths(library.search("missing", include_missing=True)) == [first]
    assert paths(library.search(like=second)) in ([second, third], [third, second])
    assert library.embeddings()[0] == [second, third]
    library.export(tmp_path / "a.m3u8", relative_to=tmp_path / "lists")
    lines = (tmp_path / "a.m3u8").read_text().splitlines()
    names = [f"../album/{os.path.basename(path)}" for path in (second, third)]
    assert lines[2::2] == names
    (playlist,) = library.playlists(
        tmp_path / "lists", labels=["one 0"], relative_to=tmp_path / "lists"
    )
    assert sorted(playlist.read_text().splitlines()[2::2]) == names
    library.playlists(tmp_path / "lists", labels=["one 0"], include_missing=True)
    assert first in playlist.read_text()
    # It comes back as it was, and is not listened to again.
    os.rename(aside, first)
    assert built(folder, analyzer, album).todo == 0
    assert paths(Library(folder).search()) == [first, second, third]
    os.unlink(first)
    os.rename(second, aside)  # moved, not gone
    aside.rename(album.folder / "new.wav")
    assert built(folder, analyzer, album).missing == 1
    assert (forget(folder), forget(folder)) == (1, 0)
    left = Library(folder).search(include_missing=True)
    assert set(paths(left)) == {third, str(album.folder / "new.wav")}
    files = list(folder.glob("*/part-*.parquet"))
    stored = {path for file in files for path in paths(pq.read_table(file))}
    assert stored == set(paths(left))
    assert built(folder, analyzer, album).todo == 0


def test_a_file_that_became_bad_says_so_beside_its_row(analyzers, sounds, tmp_path):
    (good, *_), (bad, *_) = sounds
    album = Album(tmp_path / "album", random.Random(0), ([good], [good]), PLAIN)
    folder, path = tmp_path / "library", album.paths()[0]
    before = path.stat().st_mtime_ns
    built(folder, analyzers[0], album)
    album.press(path, bad)
    assert built(folder, analyzers[0], album).failed == 1
    library = Library(folder)
    (row,) = library.search("error IS NOT NULL").to_pylist()
    assert row["path"] == str(path) and "text" in row["error"]
    assert len(library.errors()) == 1
    # As it was, with its old time too.
    album.press(path, good, before)
    assert built(folder, analyzers[0], album).moved == 1
    assert not len(Library(folder).errors())
    # A bad file that is gone fails no longer.
    album.press(path, bad)
    built(folder, analyzers[0], album)
    path.unlink()
    built(folder, analyzers[0], album)
    assert not len(Library(folder).errors())


def test_one_tagger_alone_leaves_no_scores_of_the_song_before(
    analyzers, sounds, by_hash, tmp_path
):
    (first, second, *_), _ = sounds
    album = Album(tmp_path / "album", random.Random(0), ([first], [first]), PLAIN)
    folder, path = tmp_path / "library", album.paths()[0]
    built(folder, analyzers[1], album)
    album.press(path, second)
    built(folder, analyzers[0], album)
    check_rows(folder, by_hash)
    (row,) = Library(folder).search(f"path = '{path}'").to_pylist()
    assert row["one 0"] is not None and row["two 0"] is None
    paths, _ = Library(folder).embeddings("two")
    assert str(path) not in paths
    other = tmp_path / "other"
    built(other, analyzers[0], album)
    merge([other, folder], tmp_path / "merged")
    check_rows(tmp_path / "merged", by_hash)


def test_a_file_that_changes_while_it_is_read_keeps_no_scores(
    analyzers, sounds, by_hash, tmp_path
):
    (first, second, *_), _ = sounds
    album = Album(tmp_path / "album", random.Random(0), ([first], [first]), PLAIN)
    folder, path = tmp_path / "library", album.paths()[0]

    reads = []

    def swap(event, arguments):
        if event == "open" and str(arguments[0]) == str(path):
            reads.append(arguments)
            if len(reads) == 2:  # after the hash, before the music
                album.press(tmp_path / "new.wav", second)
                os.replace(tmp_path / "new.wav", path)

    sys.addaudithook(swap)
    progress = built(folder, analyzers[0], album)
    assert progress.failed == 1
    (error,) = Library(folder).errors().to_pylist()
    assert "changed while it was read" in error["message"]
    assert built(folder, analyzers[0], album).analysed == 1
    check_rows(folder, by_hash)
    assert len(Library(folder).search()) == 2


@pytest.mark.parametrize("seconds", [1 - 2**31, -1, 10**10])
def test_any_time_of_change_costs_nothing(analyzers, sounds, tmp_path, seconds):
    album = Album(tmp_path / "album", random.Random(0), (sounds[0], sounds[0]), PLAIN)
    path = album.paths()[0]
    os.utime(path, (seconds, seconds))
    folder = tmp_path / "library"
    assert built(folder, analyzers[0], album).analysed == 2
    assert built(folder, analyzers[0], album).todo == 0
    assert len(Library(folder).search("mtime IS NOT NULL").to_pylist()) == 2
    os.utime(path, (seconds - 1, seconds - 1))
    assert built(folder, analyzers[0], album).todo == 1


def test_names_and_messages_that_are_no_text(analyzers, sounds, tmp_path):
    album = Album(tmp_path / "album", random.Random(0), (sounds[0], sounds[0]), PLAIN)
    for path in album.paths():
        path.unlink()
    odd, twin = (album.folder / name for name in (NAMES[-1], NAMES[-2]))
    album.press(odd, sounds[0][0])
    album.press(twin, sounds[0][1])
    album.press(album.folder / os.fsdecode(b"b\xe4d.wav"), sounds[1][0])
    folder = tmp_path / "library"
    progress = built(folder, analyzers[0], album)
    assert (progress.analysed, progress.failed) == (2, 1)
    (error,) = Library(folder).errors().to_pylist()
    assert error["path"].endswith("/b%E4d.wav")
    assert Library(folder).search().column("path").to_pylist() == sorted(
        [f"file://{album.folder}/caf%E9.wav", str(twin)]
    )
    assert built(folder, analyzers[0], album).todo == 0
    # A copy of it takes nothing from it.
    album.press(album.folder / "copy.wav", sounds[0][0])
    assert built(folder, analyzers[0], album).moved == 1
    assert len(Library(folder).search()) == 3


def described(**changes):
    analysis = {"kind": "tags", "name": "a", "preset": "a", "weights_sha256": "0"}
    return {"schema_version": 1, "analyses": [{**analysis, "labels": ["b"], **changes}]}


@pytest.mark.parametrize(
    "about",
    [
        [],
        {},
        {"schema_version": "1", "analyses": []},
        {"schema_version": 1, "analyses": [5]},
        {"schema_version": 1, "analyses": {"a": 1}},
        {"schema_version": 1, "analyses": [], "unfinished": "soon"},
        {**described(), "analyses": described()["analyses"] * 2},
        described(labels=[1, 2]),
        described(labels="ab"),
        described(labels=["\ud800"]),
        described(kind="mood"),
        described(name=None),
        described(units=1e3),
        described(chunks=10**30),
        described(more=1),
    ],
)
def test_a_description_of_odd_types_is_our_error(about, tmp_path):
    (tmp_path / "library.json").write_text(json.dumps(about))
    with pytest.raises(ConfigError, match="description of the library cannot be read"):
        Library(tmp_path)


def test_a_library_is_not_refused_for_what_a_kill_has_left(analyzers, sounds, tmp_path):
    album = Album(tmp_path / "album", random.Random(0), (sounds[0], sounds[0]), PLAIN)
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / ".library.json.0123abcd.part").write_text("{")
    (folder / "library.lock").touch()
    assert built(folder, analyzers[0], album).analysed == 2
    assert not list(folder.glob(".*"))
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / ".library.json.0123abcd.part").write_text("{")
    merge([folder], tmp_path / "merged")
    assert len(Library(tmp_path / "merged").search()) == 2


def test_a_merge_that_fails_leaves_what_was_there(analyzers, sounds, tmp_path):
    albums = [
        Album(tmp_path / name, random.Random(0), (sounds[0], sounds[0]), PLAIN)
        for name in ("a", "b")
    ]
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, album in zip(folders, albums, strict=True):
        built(folder, analyzers[0], album)
    before = Library(folders[0]).search()
    part = next(folders[1].glob("tags-*/part-*.parquet"))
    content = part.read_bytes()
    part.write_bytes(content[:-30])
    with pytest.raises(ValueError, match="damaged"):
        merge(folders[1], folders[0])
    assert Library(folders[0]).search().equals(before)
    part.write_bytes(content)
    albums[1].one().unlink()
    built(folders[1], analyzers[0], albums[1])
    merge(folders[1], folders[0])
    assert len(Library(folders[0]).search()) == 3
    assert len(Library(folders[0]).search(include_missing=True)) == 4


def test_a_merge_tells_what_only_other_weights_have_heard(tmp_path):
    for name in ("first", "second"):
        analysis = Analysis("tempo", "a", "a", name)
        store = Store(tmp_path / name)
        row = {"path": f"/{name}.wav", "size": 1, "mtime_ns": 1, "sha256": name}
        with store.locked():
            store.register([analysis])
            store.write({analysis: [row, {**row, "path": "/both.wav"}]})
    with pytest.warns(kmt.AudioWarning, match="1 tracks are known by another version"):
        merge([tmp_path / "first", tmp_path / "second"], tmp_path / "whole")
    assert len(Library(tmp_path / "whole").search()) == 2
