"""`Library`: searches, neighbours and exports, against the plain scores."""

import base64
import csv
import json
import pathlib

import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.errors import ConfigError
from keras_musictag.library import Library, exporting


@pytest.fixture(scope="module")
def found(built):
    return Library(built[0])


@pytest.fixture(scope="module")
def truth(songs):
    """Scores of both taggers by path and label, without a library."""
    paths = [str(p) for p in kmt.audio.find_files(songs) if p.name != "broken.mp3"]
    scores = {}
    for preset in ("musicnn_mtt", "musicnn_msd"):
        tagger = kmt.MusicTagger.from_pretrained(preset)
        rows = tagger.predict(paths)
        scores[preset] = [
            dict(zip(tagger.labels, row.tolist(), strict=True)) for row in rows
        ]
    return dict(zip(paths, zip(*scores.values(), strict=True), strict=True))


def paths(table):
    return table.column("path").to_pylist()


def test_conditions_choose_the_tracks_that_meet_them(found, truth):
    level = float(np.median([mtt["guitar"] for mtt, _ in truth.values()]))
    expected = {p for p, (mtt, _) in truth.items() if mtt["guitar"] > level}
    assert set(paths(found.search(f"guitar > {level}"))) == expected
    # Of two taggers the first one's label, and each one's by its name.
    other = float(np.median([msd["guitar"] for _, msd in truth.values()]))
    expected = {p for p, (_, msd) in truth.items() if msd["guitar"] > other}
    assert set(paths(found.search(f"musicnn_msd.guitar > {other}"))) == expected
    blank = float(np.median([msd["female vocalists"] for _, msd in truth.values()]))
    expected = {p for p, (_, m) in truth.items() if m["female vocalists"] <= blank}
    words = f'"female vocalists" <= {blank} AND duration BETWEEN 6 AND 8 -- both'
    assert set(paths(found.search(words))) == expected
    best = sorted(truth, key=lambda p: -truth[p][1]["Hip-Hop"])
    assert paths(found.search(order='"Hip-Hop" DESC', limit=2)) == best[:2]


@pytest.mark.parametrize(
    "where",
    [
        "guitar >",
        "gitar > 1",
        "true) UNION SELECT (1",
        "true; SELECT 1",
        "true /*",
        "EXISTS (FROM read_text('/etc/passwd'))",
        "EXISTS (FROM '/etc/passwd')",
        "EXISTS (FROM glob('/*'))",
        "EXISTS (FROM read_csv('https://localhost/x.csv'))",
        "EXISTS (FROM truth)",
    ],
)
def test_what_is_no_condition_is_refused(found, truth, where):
    with pytest.raises(ConfigError, match="no condition that can be answered"):
        found.search(where)


def test_an_order_reaches_no_files_either(found, tmp_path):
    target = tmp_path / "x.csv"
    for order in (f"path; COPY tracks TO '{target}'", "(FROM read_text('/etc/hosts'))"):
        with pytest.raises(ConfigError, match="no condition"):
            found.search(order=order)
    assert not target.exists()


def test_neighbours_are_those_of_the_embeddings(found, truth):
    tagger = kmt.MusicTagger.from_pretrained("musicnn_mtt")
    rows = np.stack(tagger.embed(list(truth)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows[0]
    order = np.argsort(-cosines)
    table = found.search(like=list(truth)[0], limit=4)
    assert paths(table) == [list(truth)[i] for i in order[:4]]
    similar = table.column("similarity").to_numpy()
    np.testing.assert_allclose(similar, cosines[order[:4]], atol=1e-5)
    # A file that is not in the library, and only among some of its tracks.
    demo = kmt.audio.demo_path()
    query = tagger.embed(demo)
    cosines = rows @ (query / np.linalg.norm(query))
    kept = [i for i in np.argsort(-cosines) if list(truth)[i] < list(truth)[3]]
    condition = "path < '{}'".format(list(truth)[3].replace("'", "''"))
    table = found.search(condition, like=demo)
    assert paths(table) == [list(truth)[i] for i in kept]
    assert paths(found.search(condition, like=query)) == paths(table)
    with pytest.raises(ConfigError, match="no embeddings"):
        found.search(like=demo, preset="vgg_mtt")


def test_exports(found, truth, tmp_path):
    assert found.export(tmp_path / "all.csv") == len(truth)
    with open(tmp_path / "all.csv", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(truth)
    for path, (mtt, msd) in truth.items():
        assert float(rows[path]["guitar"]) == pytest.approx(mtt["guitar"], abs=1e-5)
        value = float(rows[path]["musicnn_msd.guitar"])
        assert value == pytest.approx(msd["guitar"], abs=1e-5)
    found.export(tmp_path / "some.json", limit=2, order="guitar DESC")
    listed = json.loads((tmp_path / "some.json").read_text())
    best = sorted(truth, key=lambda p: -truth[p][0]["guitar"])
    assert [row["path"] for row in listed] == best[:2]
    found.export(tmp_path / "best.m3u", limit=3, order="guitar DESC")
    lines = (tmp_path / "best.m3u").read_text().splitlines()
    assert lines[0] == "#EXTM3U" and lines[2::2] == best[:3]
    assert lines[1].startswith("#EXTINF:7,")
    with pytest.raises(ConfigError, match="suffix"):
        found.export(tmp_path / "x.doc")
    with pytest.raises(ConfigError, match="cannot be written"):
        found.export(tmp_path / "missing" / "x.csv")


def test_keys_in_exports(tmp_path):
    import pyarrow as pa

    columns = {"path": ["a.mp3", "b.mp3"], "duration": [61.4, None]}
    table = pa.table({**columns, "key": ["A:min", None]})
    exporting.write_table(table, tmp_path / "a.csv", None, "openkey")
    with open(tmp_path / "a.csv", newline="") as file:
        assert [row["key"] for row in csv.DictReader(file)] == ["1m", ""]
    exporting.write_table(table, tmp_path / "a.m3u8", None, "camelot")
    lines = (tmp_path / "a.m3u8").read_text().splitlines()
    assert lines[1::2] == ["#EXTINF:61,a (8A)", "#EXTINF:-1,b"]
    exporting.write_table(table, tmp_path / "a.m3u8", None)
    assert "8A" not in (tmp_path / "a.m3u8").read_text()
    exporting.write_playlist(table, tmp_path, "rock", "musical")
    assert "#EXTINF:61,a (Am)" in (tmp_path / "rock.m3u8").read_text()
    with pytest.raises(ConfigError, match="holds no keys"):
        exporting.write_table(pa.table(columns), tmp_path / "a.csv", None, "musical")


def test_playlists_by_tag(found, truth, tmp_path):
    files = found.playlists(tmp_path / "lists", labels=["guitar"], limit=2)
    best = sorted(truth, key=lambda p: -truth[p][0]["guitar"])
    (only,) = files
    assert only.name == "guitar.m3u8"
    assert only.read_text().splitlines()[2::2] == best[:2]
    level = sorted(mtt["guitar"] for mtt, _ in truth.values())[-3]
    files = found.playlists(tmp_path / "lists", labels=["guitar"], min_score=level)
    assert len(files[0].read_text().splitlines()) in (5, 7)  # rounding at the level
    assert not found.playlists(tmp_path / "lists", labels=["guitar"], min_score=1.1)
    with pytest.raises(ConfigError, match="no such label"):
        found.playlists(tmp_path / "lists", labels=["gitar"])


def test_a_map_shows_the_tracks_and_scores_of_one_tagger(found, truth, tmp_path):
    pytest.importorskip("jinja2")
    page = tmp_path / "map.html"
    assert found.map(page, preset="musicnn_msd", method="pca") == len(truth)
    text = page.read_text("utf-8").split('id="data">')[1].split("</script>")[0]
    data = json.loads(text)
    assert data["files"] == [pathlib.Path(p).as_uri() for p in sorted(truth)]
    column = data["labels"].index("female vocalists")
    scores = np.frombuffer(base64.b64decode(data["scores"]), "u1")
    scores = scores.reshape(len(truth), -1)[:, column] / 255
    expected = [truth[p][1]["female vocalists"] for p in sorted(truth)]
    np.testing.assert_allclose(scores, expected, atol=1 / 255)
    with pytest.raises(kmt.ConfigError, match="three tracks"):
        found.map(page, where="false")
    with pytest.raises(kmt.ConfigError, match="ends in .html"):
        found.map(tmp_path / "map.png")


def test_an_index_answers_for_files_by_the_tagger_it_was_built_with(found, truth):
    tagger = kmt.MusicTagger.from_pretrained("musicnn_msd")
    index = found.index(tagger, "musicnn_msd")
    path = sorted(truth)[0]
    wanted = found.search(like=path, limit=3, preset="musicnn_msd").to_pylist()
    assert [name for name, _ in index.query(path, 3)] == [r["path"] for r in wanted]
    with pytest.raises(kmt.ConfigError, match="other weights"):
        found.index(kmt.MusicTagger.from_pretrained("musicnn_mtt"), "musicnn_msd")
