"""`keras-musictag key`: what it prints and writes."""

import csv
import io
import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from keras_musictag.cli import app
from keras_musictag.keys import KeySequence

CHORDS = "crnn_majmin_rendered"  # quick


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A folder with a cadence in A major, silence, and a bad file."""
    folder = tmp_path_factory.mktemp("music")
    rate = 22050
    time = np.arange(2 * rate) / rate
    cadence = [(57, 61, 64), (62, 66, 69), (64, 68, 71), (57, 61, 64)]
    parts = [
        sum(np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * time) for p in pitches)
        for pitches in cadence * 2
    ]
    soundfile.write(folder / "cadence.wav", 0.1 * np.concatenate(parts), rate)
    soundfile.write(folder / "silence.wav", np.zeros(rate, "float32"), rate)
    (folder / "bad.wav").write_bytes(b"RIFF but no more than that")
    return folder


def test_a_folder_is_printed_and_the_bad_file_named(music):
    result = run("key", music, "--preset", CHORDS, "--format", "json")
    assert result.exit_code == 1
    assert "bad.wav" in result.stderr
    by_name = {r["path"].rpartition("/")[2]: r for r in json.loads(result.stdout)}
    song = by_name["cadence.wav"]
    assert (song["key"], song["camelot"], song["openkey"]) == ("A:maj", "11B", "4d")
    assert song["confidence"] > 0.5 and song["regions"][0]["label"] == "A:maj"
    silent = by_name["silence.wav"]
    assert silent["key"] is None and silent["confidence"] == 0
    table = run("key", music / "cadence.wav", music / "silence.wav", "--preset", CHORDS)
    assert "A major (11B), confidence" in table.stdout and "no key" in table.stdout


def test_notations(music):
    song = music / "cadence.wav"
    for notation, shown in {"musical": "A", "camelot": "11B", "openkey": "4d"}.items():
        options = ("--preset", CHORDS, "--notation", notation, "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(run("key", song, *options).stdout)))
        assert [row["key"] for row in rows] == [shown]


def test_files_in_every_format(music, tmp_path):
    for form in ("lab", "json", "csv", "jams"):
        out = tmp_path / form
        options = ("--preset", CHORDS, "--format", form, "--output", out)
        result = run("key", music / "cadence.wav", *options)
        assert result.exit_code == 0, result.output
        keys = KeySequence.from_file(out / f"cadence.{form}")
        assert keys.key.label == "A:maj"
    for folder, name in {"guess": "key", "right": None}.items():
        (tmp_path / folder).mkdir()
        if name:
            options = ("--preset", CHORDS, "--format", name)
            run("key", music / "cadence.wav", *options, "--output", tmp_path / folder)
    (tmp_path / "right" / "cadence.key").write_text("A major\n")
    both = ("evaluate", "--keys", tmp_path / "right", tmp_path / "guess")
    report = json.loads(run(*both, "--format", "json").stdout)
    assert report["mean"] == {"weighted": 1.0, "correct": 1.0}


def test_a_network_is_fetched(music, key_mirror, monkeypatch):
    for name, value in key_mirror.items():
        monkeypatch.setenv(name, value)
    song = music / "cadence.wav"
    result = run("key", song, "--preset", "skey", "--format", "json")
    assert result.exit_code == 0, result.output
    (record,) = json.loads(result.stdout)
    assert record["key"] == "A:maj" and record["preset"] == "skey"


def test_wrong_usage_is_said_before_anything_is_loaded(music):
    for arguments, message in (
        (("--preset", "beatnet"), "names beats, not keys"),
        (("--preset", "musicnn_mtt"), "keras-musictag tag"),
        (("--preset", "nothing"), "no such preset"),
        (("--notation", "solfege"), "openkey"),
        (("--format", "midi"), "jams"),
    ):
        result = run("key", music / "cadence.wav", *arguments)
        assert result.exit_code == 2 and message in result.stderr, arguments
    song, silence = music / "cadence.wav", music / "silence.wav"
    result = run("key", song, silence, "--format", "jams")
    assert result.exit_code == 2 and "Name a folder with --output" in result.stderr
    assert "names keys, not chords" in run("chords", song, "--preset", "skey").stderr
    assert "keras-musictag key" in run("tag", song, "--preset", "skey").stderr
