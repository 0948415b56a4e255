"""`keras-musictag evaluate --chords`: the scores of mir_eval for files and folders."""

import csv
import json

import mir_eval
import numpy as np
import pytest
from typer.testing import CliRunner

from keras_musictag.cli import app

RIGHT = [(0.0, 2.0, "C:maj"), (2.0, 3.5, "A:min"), (3.5, 6.0, "G:7")]
GUESS = [(0.0, 2.5, "C:maj"), (2.5, 3.5, "A:min7"), (3.5, 6.0, "D:maj")]


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", *[str(a) for a in arguments]])


def write(path, segments):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join(f"{a}\t{b}\t{label}\n" for a, b, label in segments))


@pytest.fixture
def folders(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / "right" / f"{name}.lab", RIGHT)
        write(tmp_path / "guess" / f"{name}.lab", GUESS)
    return tmp_path / "right", tmp_path / "guess"


def test_files_have_the_scores_of_mir_eval(folders):
    right, guess = (folder / "one.lab" for folder in folders)
    result = run("--chords", right, guess, "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["weighted"]
    expected = mir_eval.chord.evaluate(
        np.array([s[:2] for s in RIGHT]),
        [s[2] for s in RIGHT],
        np.array([s[:2] for s in GUESS]),
        [s[2] for s in GUESS],
    )
    assert 0 < expected["majmin"] < 1
    for name in ("root", "majmin", "tetrads", "seg"):
        assert found[name] == pytest.approx(expected[name], abs=1e-6), name


def test_references_and_estimates_of_other_programs(tmp_path):
    """RWC's table against Chordino's list: the scores of the same chords in `.lab`."""
    for folder in ("right", "guess", "labs"):
        (tmp_path / folder).mkdir()
    rows = "".join(f"{a};{b};{label}\n" for a, b, label in RIGHT)
    (tmp_path / "right" / "one.csv").write_text("t_start;t_end;chord\n" + rows)
    names = {"C:maj": "C", "A:min7": "Am7", "D:maj": "D"}
    lines = "".join(f'{a},"{names[label]}"\n' for a, _, label in GUESS)
    (tmp_path / "guess" / "one.csv").write_text(f'{lines}6.0,"N"\n')
    (tmp_path / "right" / "README.txt").write_text("Not a chord.")
    for name, segments in (("right", RIGHT), ("guess", GUESS)):
        write(tmp_path / "labs" / f"{name}.lab", segments)
    ours = run("--chords", tmp_path / "right", tmp_path / "guess", "--format", "json")
    labs = [tmp_path / "labs" / f"{name}.lab" for name in ("right", "guess")]
    plain = run("--chords", *labs, "--format", "json")
    assert ours.exit_code == plain.exit_code == 0, ours.output
    assert json.loads(ours.stdout)["weighted"] == json.loads(plain.stdout)["weighted"]


def test_what_does_not_match_is_named_and_the_others_are_scored(folders):
    right, guess = folders
    write(right / "three.lab", RIGHT)
    write(guess / "two.lab", [(0.0, 1.0, "H:maj")])
    result = run("--chords", right, guess, "--tracks", "--format", "csv")
    assert result.exit_code == 1
    assert "three: there is no estimate" in result.stderr
    assert "two:" in result.stderr and "H:maj" in result.stderr
    assert "2 of 3 tracks are not scored" in result.stderr
    assert "\none," in result.stdout and "\nthree," not in result.stdout


def test_folders_are_paired_by_path_and_else_by_a_unique_name(tmp_path):
    right, guess = tmp_path / "right", tmp_path / "guess"
    for name in ("a/1", "b/1", "c/2", "d/3"):
        write(right / f"{name}.lab", RIGHT)
    for name, segments in (
        ("a/1", RIGHT),
        ("b/1", GUESS),
        ("elsewhere/2", RIGHT),
        ("x/3", GUESS),
        ("y/3", GUESS),
    ):
        write(guess / f"{name}.lab", segments)
    result = run("--chords", right, guess, "--tracks", "--format", "csv")
    assert result.exit_code == 1
    rows = csv.reader(result.stdout.splitlines())
    tracks = {row[0]: row[-1] for row in rows}
    assert {"a/1", "b/1", "c/2"} < tracks.keys() and "d/3" not in tracks
    assert float(tracks["a/1"]) == float(tracks["c/2"]) == 1 > float(tracks["b/1"])
    lines = result.stderr.splitlines()
    assert lines[0].startswith("d/3: there is no estimate of this name")
    assert [line.split(":")[0] for line in lines[1:3]] == ["x/3", "y/3"]
    assert lines[3] == "3 of 6 tracks are not scored."


@pytest.mark.parametrize(("suffix", "mark"), [("md", "| one |"), ("txt", "majmin")])
def test_output_goes_to_a_file(folders, tmp_path, suffix, mark):
    target = tmp_path / f"scores.{suffix}"
    result = run("--chords", *folders, "--tracks", "--output", target)
    assert result.exit_code == 0, result.output
    assert mark in target.read_text("utf-8")


def test_bad_arguments_have_one_clear_message(tmp_path):
    for arguments, message in (
        ((), "nothing to evaluate"),
        (("--chords", tmp_path / "a", tmp_path / "b"), "no such chord file"),
        (("--chords", tmp_path, tmp_path), "has no chord files"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2 and message in result.stderr, result.output
