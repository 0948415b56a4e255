"""`keras-musictag chords`: sheets by bars, and Roman numerals."""

import csv
import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from keras_musictag.cli import app
from keras_musictag.engines.files import engine_path

RATE = 22050


def run(*arguments):
    """Run the command with the fastest of the large recognisers."""
    options = ("--preset", "crema", "--vocabulary", "majmin")
    return CliRunner().invoke(app, ["chords", *map(str, arguments), *options])


@pytest.fixture(scope="module")
def song(cadence, tmp_path_factory):
    path = tmp_path_factory.mktemp("music") / "song.wav"
    soundfile.write(path, cadence, RATE)
    return path


def test_a_sheet_by_bars(song):
    result = run(song, "--format", "sheet")
    assert result.exit_code == 0, result.output
    head, lines = result.stdout.strip().split("\n\n")
    title, facts = head.splitlines()
    assert title == "song"
    assert "Time: 4/4   Tempo: 120   Length: 0:12" in facts
    # What was played, the first half second of silence aside.
    bars = [bar.split() for row in lines.splitlines() for bar in row.split("|")[1:-1]]
    assert [bar[0] for bar in bars] == ["C", "Am", "F", "C", "Am", "F"]
    assert {tuple(bar[1:]) for bar in bars} == {(".", ".", ".")}


def test_keras_finds_the_beats_if_it_is_asked_to(song, tmp_path, monkeypatch):
    monkeypatch.setenv("KMT_ENGINE", "auto")
    monkeypatch.setenv("KMT_CACHE", str(tmp_path))
    engine = engine_path("beatnet")
    engine.mkdir(parents=True)  # whoever opened it would find it damaged, and remove it
    result = run(song, "--format", "sheet", "--engine", "keras")
    assert "Tempo: 120" in result.stdout
    assert list(engine.parent.iterdir()) == [engine]


def test_numerals_of_a_sheet_and_of_tables(song):
    wanted = {"C": ("I", "V"), "Am": ("vi", "iii"), "F": ("IV", "I")}
    sheet = run(song, "--format", "sheet", "--roman").stdout.splitlines()
    chords, figures = (row.replace("|", " ").split() for row in sheet[3:5])
    names = [name for name in chords[1:] if name != "."]
    # In C major, or in F: the ear may choose.
    assert any(figures == [wanted[name][i] for name in names] for i in range(2))
    (record,) = json.loads(run(song, "--format", "json", "--roman", "--beats").stdout)
    assert record["tempo"] == pytest.approx(120, abs=0.5) and record["meter"] == 4
    romans = [segment["roman"] for segment in record["segments"]]
    rows = csv.DictReader(
        io.StringIO(run(song, "--format", "csv", "--roman", "--beats").stdout)
    )
    assert [row["roman"] for row in rows] == romans
    assert set(romans) <= {"N.C.", "I", "vi", "IV", "V", "iii"}
    table = run(song, "--roman").stdout
    assert "roman" in table and table.count("vi") + table.count("iii") == 2
    assert "roman" not in run(song).stdout


def test_bars_in_other_formats(song, tmp_path):
    for format in ("chordpro", "musicxml"):
        arguments = (song, "--format", format, "--beats", "--output", tmp_path)
        assert run(*arguments).exit_code == 0
    grid = (tmp_path / "song.cho").read_text("utf-8")
    assert "{time: 4/4}\n{tempo: 120}" in grid
    assert "| C . . . | Am . . . | F . . . | C . . . |\n" in grid
    score = ElementTree.fromstring((tmp_path / "song.musicxml").read_bytes())
    bars = score.findall("part/measure")
    steps = [
        bar.findtext("harmony/root/root-step") for bar in bars if bar.get("number")
    ]
    assert [step for step in steps if step] == ["C", "A", "F", "C", "A", "F"]
    plain = run(song, "--format", "chordpro").stdout
    assert "start_of_grid" not in plain and "[*0:00]" in plain


def test_without_beats_there_are_no_bars(tmp_path):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(3 * RATE), RATE)
    result = run(path, "--format", "sheet")
    assert result.exit_code == 0
    assert result.stdout == (
        "silence\nLength: 0:03\n\n 0:00  N.C.\n\n"
        "No beats were found, so there are no bars.\n"
    )
    assert "silence.wav: no beats were found" in result.stderr


def test_bad_files_never_lose_the_others(song, tmp_path):
    fake = tmp_path / "fake.mp3"
    fake.write_text("no music")
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC" + bytes(2000))
    result = run(fake, broken, song, song.parent, "--format", "sheet")
    assert result.exit_code == 1
    assert "fake.mp3: " in result.stderr and "broken.flac: " in result.stderr
    assert result.stdout.startswith("song\n")
