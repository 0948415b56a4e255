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
