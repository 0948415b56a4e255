"""The chord example runs as a user runs it, and its files hold what it printed."""

import os
import subprocess
import sys
from pathlib import Path

import mido
import pytest

import keras_musictag as kmt

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("chords")
    command = [sys.executable, EXAMPLES / "recognize_chords.py", "--out", out]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "agg"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out, done.stdout


def test_it_prints_what_its_docstring_says(run):
    _, printed = run
    documented = (EXAMPLES / "recognize_chords.py").read_text("utf-8")
    rows = [line for line in printed.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 3
    for row in rows:
        name, majmin, *_ = [cell.strip() for cell in row.strip("|").split("|")]
        line = next(x for x in documented.splitlines() if x.startswith(f"| {name} |"))
        stated = float(line.strip("|").split("|")[1])
        assert float(majmin) == pytest.approx(stated, abs=0.02)


def test_its_files_agree(run):
    out, _ = run
    chords = kmt.ChordSequence.from_lab(out / "chords.lab")
    assert chords.duration == pytest.approx(16, abs=0.01)
    midi = mido.MidiFile(out / "chords.mid")
    assert midi.length == pytest.approx(16, abs=0.1)
    assert "[Am]" in (out / "chords.txt").read_text("utf-8")
    assert (out / "chords.png").read_bytes().startswith(b"\x89PNG")
