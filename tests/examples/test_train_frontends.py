"""The front-end example reads GTZAN as it is unpacked, and trains on it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 22050


def write_hum(path, hertz):
    time = np.arange(4 * RATE) / RATE
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * time), RATE)


@pytest.fixture
def gtzan(tmp_path):
    """A few clips of each genre, at the places that the data set has for them."""
    (tmp_path / "genres").mkdir()
    write_hum(tmp_path / "genres/blues/blues.00029.wav", 100)  # tells the layout
    for number, genre in enumerate(kmt.data.gtzan(tmp_path).labels):
        for part, count in (("train", 3), ("test", 1)):
            clips = kmt.data.gtzan(tmp_path).split(part)
            paths = [Path(t.path) for t in clips if t.tags == (genre,)]
            for path in paths[:count]:
                write_hum(path, 100 * 1.4**number)
    return tmp_path


def test_it_trains_on_gtzan(gtzan):
    command = [sys.executable, EXAMPLES / "train_frontends.py", "--data", gtzan]
    command += ["--dataset", "gtzan", "--frontends", "mel", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {}
    for line in done.stdout.splitlines():
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows[name] = cells
    assert rows["mel"][-1] == "0.56"  # what the tutorial reports
    recall, auc, precision = map(float, rows["mel"][1:4])
    assert 0 <= recall <= 1 and 0 < precision <= 1
    assert auc > 0.5  # hums of other heights are told apart at once
