"""Recordings that are there more than once, in small libraries written by hand.

How right `Library.duplicates` is on transcoded music stands in docs/library.md.
"""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from keras_musictag.cli import app
from keras_musictag.errors import ConfigError
from keras_musictag.library import Library, duplicates
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.store import Store

TAGS = Analysis("tags", "one", "one", "1", ("rock",), units=2)
BEATS = Analysis("beats", "beatnet", "beatnet", "1")


def make(folder, tracks, analysis=TAGS):
    """Write a library: of each track size, seconds and direction of its embedding."""
    rows = []
    for name, (size, duration, degrees, *more) in tracks.items():
        angle = np.radians(degrees)
        rows.append(
            {
                "path": str(folder / name),
                "size": size,
                "mtime_ns": 0,
                "sha256": name.split(".")[0] if "same" in more else name,
                "duration": duration,
                "scores": [0.5],
                "silent": "silent" in more,
                "embedding": 3 * np.array([np.cos(angle), np.sin(angle)]),
            }
        )
    store = Store(folder / "library")
    with store.locked():
        store.register([analysis])
        store.write({analysis: rows})
    return Library(folder / "library")


@pytest.fixture
def library(tmp_path):
    return make(
        tmp_path,
        {
            "a.mp3": (100, 60.04, 2),
            "a.flac": (900, 60.0, 0),
            "a.ogg": (90, 60.9, 4),
            "later.mp3": (100, 61.95, 4),  # as long as none but the last of these
            "other.mp3": (100, 60.0, 20),
            "b.mp3": (100, 30.0, 50, "same"),
            "b.txt.mp3": (100, 99.0, 120, "same"),
            "hush.mp3": (100, 10.0, 0, "silent"),
            "hush.ogg": (100, 10.0, 0, "silent"),
        },
    )


def names(found):
    return [path.rpartition("/")[2] for path in found["path"].to_pylist()]


def test_the_same_sound_and_length_is_a_duplicate(library):
    found = library.duplicates()
    columns = ["group", "path", "duration", "size", "similarity"]
    assert found.column_names == columns
    assert names(found) == ["a.flac", "a.mp3", "a.ogg", "b.mp3", "b.txt.mp3"]
    assert found["group"].to_pylist() == [1, 1, 1, 2, 2]
    cosines = np.cos(np.radians([0, 2, 4, 0, 70]))
    np.testing.assert_allclose(found["similarity"], cosines, atol=1e-6)


def test_limits_are_those_asked_for(library):
    wider = library.duplicates(seconds=1.1)
    assert "later.mp3" in names(wider) and wider.num_rows == 6
    strict = library.duplicates(similarity=0.9995, seconds=0.5, where="size > 90")
    assert names(strict) == ["b.mp3", "b.txt.mp3"]
    assert names(library.duplicates(where="size = 90")) == []
    for wrong in ({"similarity": 1.5}, {"seconds": -1}, {"similarity": "high"}):
        with pytest.raises(ConfigError, match=f"`{next(iter(wrong))}` must be"):
            library.duplicates(**wrong)


def test_pairs_are_found_across_blocks(library, tmp_path, monkeypatch):
    """Against every pair looked at one by one."""
    rng = np.random.default_rng(0)
    tracks = {
        f"{i:03}": (i, float(rng.uniform(60, 75)), float(rng.integers(0, 60)))
        for i in range(200)
    }
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    found = make(tmp_path / "many", tracks).duplicates(similarity=0.99)
    pairs = set()
    for one, (_, length, angle) in tracks.items():
        for other, (_, length_2, angle_2) in tracks.items():
            near = np.cos(np.radians(angle - angle_2)) >= 0.99
            if one != other and abs(length - length_2) <= 1 and near:
                pairs.add((one, other))
    group = dict(zip(names(found), found["group"].to_pylist(), strict=True))
    assert set(group) == {one for one, _ in pairs}
    assert all(group[one] == group[other] for one, other in pairs)
    # What is not connected by pairs is apart.
    connected = {one: {one} for one in group}
    for one, other in pairs:
        whole = connected[one] | connected[other]
        for member in whole:
            connected[member] = whole
    assert len(set(group.values())) == len({id(w) for w in connected.values()})


def test_a_library_without_embeddings_has_none_to_compare(tmp_path):
    with pytest.raises(ConfigError, match="no embeddings"):
        make(tmp_path, {}, BEATS).duplicates()


def test_the_command_tells_them(library):
    run = CliRunner().invoke
    result = run(app, ["library", "duplicates", str(library.folder)])
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == ["1", "1", "1", "2", "2"]
    assert "2 recordings in 5 files." in result.stderr
    command = ["library", "duplicates", str(library.folder), "--format", "json"]
    rows = json.loads(run(app, [*command, "--similarity", "0.9995"]).stdout)
    assert [row["size"] for row in rows] == [100, 100]
