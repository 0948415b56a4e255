"""Tracks that mix, and playlists of them, in small libraries written by hand."""

import numpy as np
import pytest

from keras_musictag.chords.analysis import key_label
from keras_musictag.errors import ConfigError
from keras_musictag.library import Library
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.store import Store

KEY = Analysis("key", "skey", "skey", "1")
CHORDS = Analysis("chords", "crema", "crema", "1")
BEATS = Analysis("beats", "beatnet", "beatnet", "1")
TAGS = Analysis("tags", "one", "one", "1", ("rock",), units=2)


def make(folder, tracks, analyses=(TAGS, BEATS, KEY)):
    """Write a library: of each track its key, tempo and direction of its embedding."""
    rows = {analysis: [] for analysis in analyses}
    for number, (name, (key, tempo, degrees)) in enumerate(tracks.items()):
        facts = {"path": str(folder / name), "size": 1, "mtime_ns": 0}
        facts |= {"sha256": f"{number:064}", "duration": 60.0}
        angle = np.radians(degrees)
        values = {
            "tags": {"scores": [degrees / 360], "silent": False}
            | {"embedding": 3 * np.array([np.cos(angle), np.sin(angle)])},
            "beats": {"tempo": tempo, "tempo_confidence": 1.0, "meter": 4},
            "key": {"key": key},
            "chords": {"key": key},
        }
        for analysis in analyses:
            rows[analysis].append({**facts, **values[analysis.kind]})
    store = Store(folder / "library")
    with store.locked():
        store.register(analyses)
        store.write(rows)
    return Library(folder / "library")


def names(table):
    return [path.rpartition("/")[2] for path in table.column("path").to_pylist()]


@pytest.fixture
def library(tmp_path):
    return make(
        tmp_path,
        {
            "start": ("A:min", 120.0, 0),
            "same": ("A:min", 124.0, 40),  # 8A
            "up": ("E:min", 116.0, 20),  # 9A
            "down": ("D:min", 120.0, 60),  # 7A
            "relative": ("C:maj", 60.5, 10),  # 8B, half the tempo
            "diagonal": ("G:maj", 120.0, 0),  # 9B
            "far": ("F#:min", 120.0, 0),  # 11A
            "fast": ("A:min", 130.0, 0),
            "no key": (None, 120.0, 0),
            "no beats": ("A:min", None, 0),
        },
    )


def test_what_mixes_has_a_near_key_and_a_near_tempo(library, tmp_path):
    found = library.mixable(tmp_path / "start")
    assert names(found) == ["relative", "up", "same", "down"]
    columns = ["path", "key_camelot", "tempo", "tempo_change", "similarity"]
    assert found.column_names == columns
    assert found.column("key_camelot").to_pylist() == ["8B", "9A", "8A", "7A"]
    # The next track runs at the tempo of the first one, or at half of it.
    expected = [100 * (60 / 60.5 - 1), 100 * (120 / 116 - 1), 100 * (120 / 124 - 1), 0]
    np.testing.assert_allclose(found.column("tempo_change"), expected, atol=1e-4)
    cosines = np.cos(np.radians([10, 20, 40, 60]))
    np.testing.assert_allclose(found.column("similarity"), cosines, atol=1e-6)

    assert names(library.mixable(tmp_path / "start", limit=1)) == ["relative"]
    wider = names(library.mixable(tmp_path / "start", max_change=8))
    assert wider == ["fast", "relative", "up", "same", "down"]
    chosen = library.mixable(tmp_path / "start", where="rock > 0.1")
    assert names(chosen) == ["same", "down"]


def test_without_embeddings_the_smallest_change_comes_first_and_chords_tell_keys(
    tmp_path,
):
    tracks = {
        "start": ("C:maj", 100.0, 0),
        "near": ("G:maj", 99.0, 0),
        "double": ("F:maj", 200.0, 0),
        "low": ("A:min", 96.0, 0),
    }
    library = make(tmp_path, tracks, (BEATS, CHORDS))
    found = library.mixable(tmp_path / "start")
    assert names(found) == ["double", "near", "low"]
    assert "similarity" not in found.column_names


def test_a_path_is_the_shortest_and_then_the_nearest(tmp_path):
    tracks = {
        "a": ("C:maj", 100.0, 0),  # 8B
        "longer 1": ("C:maj", 101.0, 0),
        "longer 2": ("G:maj", 102.0, 0),
        "middle near": ("G:maj", 104.0, 30),  # 9B
        "middle far": ("G:maj", 104.0, 200),
        "z": ("D:maj", 107.0, 60),  # 10B
    }
    library = make(tmp_path, tracks)
    found = library.mix_path(tmp_path / "a", tmp_path / "z")
    assert names(found) == ["a", "middle near", "z"]
    assert found.column("key_camelot").to_pylist() == ["8B", "9B", "10B"]
    changes = found.column("tempo_change").to_pylist()
    assert changes[0] is None
    assert changes[1] == pytest.approx(100 * (100 / 104 - 1), abs=1e-4)
    similar = found.column("similarity").to_pylist()
    assert similar[0] is None
    assert similar[1:] == pytest.approx([np.cos(np.radians(30))] * 2, abs=1e-6)
    # In both directions, from a track to itself, and as a playlist.
    assert names(library.mix_path(tmp_path / "z", tmp_path / "a"))[0] == "z"
    assert names(library.mix_path(tmp_path / "a", tmp_path / "a")) == ["a"]


# === Against all paths, and the rule in terms of tonics ===


def fifth_or_relative(one, other):
    """Whether keys, tonic and mode, are the same, a fifth apart, or relative."""
    (tonic, mode), (tonic_2, mode_2) = one, other
    if mode == mode_2:
        return (tonic - tonic_2) % 12 in (0, 5, 7)
    minor, major = (tonic, tonic_2) if mode == "min" else (tonic_2, tonic)
    return (minor + 3) % 12 == major


def tempi_agree(one, other):
    return any(abs(one * factor / other - 1) <= 0.06 for factor in (0.5, 1, 2))


def shortest_paths(start, end, next_ones):
    """All shortest paths, by writing down every path."""
    paths = [[start]]
    while paths and not any(path[-1] == end for path in paths):
        seen = {track for path in paths for track in path}
        paths = [[*path, j] for path in paths for j in next_ones[path[-1]] - seen]
    return [path for path in paths if path[-1] == end]


def test_paths_are_the_best_of_all_shortest_ones(tmp_path):
    count, random = 60, np.random.default_rng(0)
    modes = random.choice(["maj", "min"], count).tolist()
    keys = list(zip(random.integers(12, size=count).tolist(), modes, strict=True))
    tempi = random.choice([1, 2], count) * random.uniform(60, 80, count).round(1)
    degrees = random.uniform(0, 360, count)
    known = zip(keys, tempi.tolist(), degrees, strict=True)
    library = make(
        tmp_path,
        {f"{i:02}": (key_label(*key), *rest) for i, (key, *rest) in enumerate(known)},
    )
    next_ones = [
        {
            j
            for j in range(count)
            if i != j
            and fifth_or_relative(keys[i], keys[j])
            and tempi_agree(tempi[i], tempi[j])
        }
        for i in range(count)
    ]
    for i in range(0, count, 20):
        found = library.mixable(tmp_path / f"{i:02}", limit=count)
        assert {int(name) for name in names(found)} == next_ones[i]

    outcomes = []
    for start, end in random.permutation(count).reshape(-1, 2)[:16].tolist():
        ends = tmp_path / f"{start:02}", tmp_path / f"{end:02}"
        best = shortest_paths(start, end, next_ones)
        outcomes.append(min(len(best), 2))
        if not best:
            with pytest.raises(ConfigError, match="No way leads"):
                library.mix_path(*ends)
            continue
        way = [int(name) for name in names(library.mix_path(*ends))]
        assert way in best
        near = [np.cos(np.radians(np.diff(degrees[path]))).sum() for path in best]
        assert near[best.index(way)] == pytest.approx(max(near), abs=1e-5)
    assert outcomes.count(2) > 3 and outcomes.count(0) > 0


# === What cannot be answered ===


@pytest.mark.parametrize(
    ("analyses", "match"),
    [
        ((TAGS, BEATS), "knows no keys.*--beats beatnet --key skey"),
        ((TAGS, KEY), "knows no tempi.*--beats beatnet"),
        ((TAGS,), "knows no keys and no tempi"),
    ],
)
def test_a_library_without_keys_or_tempi_says_what_to_build(tmp_path, analyses, match):
    library = make(tmp_path, {"a": ("C:maj", 100.0, 0)}, analyses)
    with pytest.raises(ConfigError, match=match):
        library.mixable(tmp_path / "a")


def test_wrong_questions_are_one_message(library, tmp_path):
    start = tmp_path / "start"
    for bad in ("no key", "no beats"):
        with pytest.raises(ConfigError, match="Nothing mixes with a track that has no"):
            library.mixable(tmp_path / bad)
    with pytest.raises(ConfigError, match="has no such track"):
        library.mixable(tmp_path / "other")
    with pytest.raises(ConfigError, match=r"No way leads.*8A, 120.0 BPM.*allow more"):
        library.mix_path(start, tmp_path / "fast", where="rock < 0")
    for change in (-1, 51, float("nan"), "much", None):
        with pytest.raises(ConfigError, match="percent from 0 to 50"):
            library.mixable(start, max_change=change)
    with pytest.raises(ConfigError, match="limit"):
        library.mixable(start, limit=0)
    with pytest.raises(ConfigError, match="no embeddings"):
        library.mixable(start, preset="other")
    with pytest.raises(ConfigError, match="no condition"):
        library.mixable(start, where="rock >")
