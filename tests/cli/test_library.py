"""`keras-musictag library`: build, search, export, merge and errors by command."""

import json

import pytest
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app


def run(*arguments):
    return CliRunner().invoke(app, ["library", *map(str, arguments)])


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    demo = folder / "a song.ogg"
    demo.write_bytes(kmt.audio.demo_path().read_bytes())
    bad = folder / "bad.ogg"
    bad.write_bytes(b"OggS")
    out = folder / "lib"
    result = run("build", demo, bad, "--out", out, "--preset", "musicnn_mtt")
    assert result.exit_code == 1, result.output
    assert "1 of 2 tracks analysed, 1 failed" in result.stdout
    assert "library errors" in result.stderr
    return out


def test_search_prints_tables_json_and_csv(library):
    result = run("search", library, "--where", "guitar > 0 and duration < 60")
    assert result.exit_code == 0 and "a song.ogg" in result.stdout
    result = run("search", library, "--where", "guitar > 2")
    assert "a song.ogg" not in result.stdout
    demo = kmt.audio.demo_path()
    result = run("search", library, "--like", demo, "--format", "json")
    (row,) = json.loads(result.stdout)
    assert row["similarity"] == pytest.approx(1, abs=1e-5)
    result = run("search", library, "--where", "gitar > 1")
    assert result.exit_code == 2 and '"guitar"' in result.stderr
    result = run("search", library, "--format", "csv")
    assert result.stdout.splitlines()[0].startswith("path,duration,size")


def test_errors_merge_and_export(library, tmp_path):
    result = run("errors", library)
    assert "bad.ogg" in result.stdout and "1 failures" in result.stdout
    result = run("merge", library, "--out", tmp_path / "whole")
    assert "1 tracks" in result.stdout
    result = run("export", tmp_path / "whole", tmp_path / "x.csv")
    assert "1 tracks" in result.stdout and (tmp_path / "x.csv").exists()
    arguments = ["--relative-to", library.parent, "--include-missing"]
    run("export", tmp_path / "whole", tmp_path / "x.m3u8", *arguments)
    assert (tmp_path / "x.m3u8").read_text().splitlines()[2:] == ["a song.ogg"]
    result = run("forget", tmp_path / "whole")
    assert result.exit_code == 0 and "0 tracks forgotten" in result.stdout
    arguments = ["export", library, tmp_path / "lists", "--by-tag", "--min-score", 0.0]
    result = run(*arguments)
    assert result.exit_code == 0 and (tmp_path / "lists" / "guitar.m3u8").exists()
    result = run(*arguments, "--where", "true")
    assert result.exit_code == 2 and "--by-tag" in result.stderr


def test_wrong_usage_is_one_message(library, tmp_path):
    result = run("search", tmp_path / "nowhere")
    assert result.exit_code == 2 and "no library" in result.stderr
    result = run("build", tmp_path, "--out", tmp_path / "lib")
    assert result.exit_code == 2 and "no audio" in result.stderr
    assert "Traceback" not in result.stderr


# === Tracks that mix ===


@pytest.fixture(scope="module")
def mixes(tmp_path_factory):
    """A library of three tracks whose keys and tempi are known."""
    from keras_musictag.library.jobs import Analysis
    from keras_musictag.library.store import Store

    folder = tmp_path_factory.mktemp("mixes")
    key = Analysis("key", "skey", "skey", "1")
    beats = Analysis("beats", "beatnet", "beatnet", "1")
    rows = {key: [], beats: []}
    for number, (label, tempo) in enumerate(
        [("A:min", 120.0), ("E:min", 125.0), ("B:min", 129.0)]
    ):
        path = str(folder / f"{number}.mp3")
        facts = {"path": path, "size": 1, "mtime_ns": 0, "sha256": str(number)}
        facts["duration"] = 60.0
        rows[key].append({**facts, "key": label})
        rows[beats].append({**facts, "tempo": tempo})
    store = Store(folder / "lib")
    with store.locked():
        store.register(rows)
        store.write(rows)
    return folder


def test_mixable_and_path_print_what_mixes(mixes, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    ends = [mixes / "0.mp3", mixes / "2.mp3"]
    result = run("mixable", mixes / "lib", ends[0])
    assert result.exit_code == 0, result.output
    (line,) = [x for x in result.stdout.splitlines() if ".mp3" in x]
    assert line.split() == [str(mixes / "1.mp3"), "9A", "125.0", "-4.0", "%"]

    result = run("mixable", mixes / "lib", ends[0], "--max-change", 1)
    assert result.exit_code == 0 and "No track mixes" in result.stderr

    result = run("path", mixes / "lib", *ends, "--mix")
    rows = [x.split() for x in result.stdout.splitlines() if ".mp3" in x]
    assert [row[0] for row in rows] == [str(mixes / f"{i}.mp3") for i in range(3)]
    assert [row[1] for row in rows] == ["8A", "9A", "10A"]
    result = run("path", mixes / "lib", *ends, "--mix", "--format", "json")
    assert [row["tempo"] for row in json.loads(result.stdout)] == [120, 125, 129]

    out = tmp_path / "set.m3u8"
    options = ["--mix", "--out", out, "--key-notation", "camelot"]
    result = run("path", mixes / "lib", *ends, *options, "--relative-to", mixes)
    assert result.stdout == f"3 tracks in {out}.\n"
    assert out.read_text().splitlines() == [
        "#EXTM3U",
        "#EXTINF:60,0 (8A)",
        "0.mp3",
        "#EXTINF:60,1 (9A)",
        "1.mp3",
        "#EXTINF:60,2 (10A)",
        "2.mp3",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Add --mix"),
        (["--mix", "--max-change", "1"], "No way leads"),
        (["--mix", "--key-notation", "camelot"], "Add --out"),
        (["--mix", "--out", "nowhere/set.m3u8"], "--out nowhere"),
        (["--mix", "--out", "set.txt"], "suffix does not say"),
    ],
)
def test_a_path_that_cannot_be_is_one_message(
    mixes, tmp_path, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    result = run("path", mixes / "lib", mixes / "0.mp3", mixes / "2.mp3", *options)
    assert result.exit_code == 2 and message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_library_without_keys_names_the_option_that_finds_them(library):
    song = library.parent / "a song.ogg"
    result = run("mixable", library, song)
    assert result.exit_code == 2
    assert "no keys and no tempi" in result.stderr
    assert "--beats beatnet --key skey" in result.stderr
