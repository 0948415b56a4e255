"""Sources that are addresses: listed, read and compared by fsspec."""

import fsspec
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.errors import AudioError, ConfigError, MissingExtraError
from keras_musictag.library import Library, build
from keras_musictag.library.scanning import find_tracks


@pytest.fixture
def store(songs):
    """The songs in the memory of this process, at memory://songs."""
    memory = fsspec.filesystem("memory")
    memory.put(str(songs), "/songs", recursive=True)
    yield memory
    memory.rm("/songs", recursive=True)


def scores(folder):
    """Path and scores of each track, in the order of the names of the files."""
    library = Library(folder)
    labels = library.labels["musicnn_mtt"]
    found = library.search("musicnn_mtt IS NOT NULL").to_pylist()
    found.sort(key=lambda row: row["path"].rsplit("/", 1)[-1])
    rows = [[row[name] for name in labels] for row in found]
    return [row["path"] for row in found], np.array(rows)


def test_a_library_of_addresses_is_that_of_the_files(store, songs, tmp_path):
    folder = tmp_path / "library"
    first = build("memory://songs", folder, "musicnn_mtt")
    assert (first.found, first.analysed, first.failed) == (7, 6, 1)
    build(songs, tmp_path / "files", "musicnn_mtt")
    paths, found = scores(folder)
    theirs, expected = scores(tmp_path / "files")
    assert paths == [path.replace(str(songs), "memory:///songs") for path in theirs]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    (error,) = Library(folder).errors().to_pylist()
    assert error["path"] in error["message"] and "text" in error["message"]
    assert build("memory://songs", folder, "musicnn_mtt").todo == 0


def test_moved_and_changed_files_are_seen(store, songs, tmp_path):
    folder = tmp_path / "library"
    build("memory://songs", folder, "musicnn_mtt", chunks=1, embeddings=False)
    paths, before = scores(folder)
    moved, changed = paths[0], paths[1]
    store.mv(moved, moved.replace("/songs/", "/songs/a-new-name-"))
    store.pipe(changed, kmt.audio.demo_path().read_bytes())
    again = build("memory://songs", folder, "musicnn_mtt", chunks=1, embeddings=False)
    assert (again.todo, again.moved, again.analysed) == (2, 1, 1)
    after = dict(zip(*scores(folder), strict=True))
    assert len(after) == 6 and moved not in after
    (new,) = [path for path in after if "a-new-name" in path]
    np.testing.assert_array_equal(after[new], before[0])
    assert np.abs(after[changed] - before[1]).max() > 0.01


def test_what_addresses_stand_for(store, songs, tmp_path):
    found = find_tracks("memory://songs")
    assert len(found) == 7 and found == sorted(found)
    assert all(path.startswith("memory://") for path in found)
    assert find_tracks("memory://songs/*.mp3") == [
        p for p in found if p.endswith(".mp3") and "/sub/" not in p
    ]
    assert find_tracks(found[0]) == found[:1]
    files = [str(path) for path in kmt.audio.find_files(songs)]
    assert sorted(find_tracks(songs.as_uri())) == sorted(files)
    (tmp_path / "a.txt").write_text("\n".join(found))
    (tmp_path / "b.csv").write_text("path\n" + "\n".join(found))
    assert find_tracks(tmp_path / "a.txt") == find_tracks(tmp_path / "b.csv") == found


def test_addresses_that_cannot_be_read(store, tmp_path):
    with pytest.raises(ConfigError, match="address cannot be read.*nowhere"):
        find_tracks("nowhere://music")
    store.makedirs("/songs/empty")
    with pytest.raises(AudioError, match="no audio files at the address"):
        find_tracks("memory://songs/empty")
    try:
        import s3fs  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match="s3fs"):
            find_tracks("s3://bucket/music")
    missing = "memory:///songs/missing.ogg"
    build([missing], tmp_path / "library", "musicnn_mtt")
    (error,) = Library(tmp_path / "library").errors().to_pylist()
    assert error["cause"] == "AudioError" and missing in error["message"]
