"""The examples that train on data sets run, on made-up files in their layout."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 16000
PARTS = ("train", "valid", "test")


def write_tone(path, hertz):
    time = np.arange(5 * RATE) / RATE
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * time), RATE)


def run(name, *arguments):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments, "--quick"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def gtzan(tmp_path):
    """Two tones for each genre and part, at the places that the data set has."""
    folder = tmp_path / "gtzan"
    write_tone(folder / "blues/blues.00029.wav", 100)  # tells the layout
    tracks = kmt.data.gtzan(folder)
    for number, genre in enumerate(tracks.labels):
        for part in PARTS:
            places = [t.path for t in tracks.split(part) if t.tags == (genre,)]
            for place in places[:2]:
                write_tone(Path(place), 100 * 1.4**number)
    return folder


@pytest.fixture
def table(tmp_path):
    """High and low tones, two of each in each part."""
    rows = []
    for part in PARTS:
        for i in range(4):
            tag, hertz = (("low", 150), ("high", 2000))[i % 2]
            write_tone(tmp_path / f"{part}{i}.wav", hertz * (1 + i / 20))
            rows.append([f"{part}{i}.wav", tag, part])
    with (tmp_path / "tags.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "tags", "split"], *rows])
    return tmp_path


def test_genres(gtzan, tmp_path):
    out = tmp_path / "genres"
    printed = run("genres_gtzan.py", "--data", gtzan, "--out", out)
    assert "20 tracks, 10 labels" in printed
    assert "accuracy" in (out / "report.md").read_text().lower()
    assert (out / "confusion.png").read_bytes().startswith(b"\x89PNG")
    model = kmt.MusicTagger.from_pretrained(out)
    assert model.problem_type == "single_label_classification"
    assert list(model.labels) == list(kmt.data.gtzan(gtzan).labels)
    before = kmt.MusicTagger.from_pretrained("musicnn_msd")
    for old, new in zip(before.backbone.weights, model.backbone.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(old), np.asarray(new))  # frozen


def test_magnatagatune(table, tmp_path):
    out = tmp_path / "tagger"
    printed = run(
        "train_magnatagatune.py", "--data", "table", "--folder", table, "--out", out
    )
    (line,) = [line for line in printed.splitlines() if line.startswith("| this run")]
    shown = [float(cell) for cell in line.strip("|").split("|")[1:]]
    # The saved tagger gives the figures that were printed, by sklearn.
    from sklearn.metrics import average_precision_score, roc_auc_score

    model = kmt.MusicTagger.from_pretrained(out)
    test = kmt.data.from_csv(table / "tags.csv").split("test")
    scores = model.predict(test.paths, chunking=model.chunking.spaced(16))
    expected = [
        f(test.targets, scores) for f in (roc_auc_score, average_precision_score)
    ]
    assert shown == pytest.approx(expected, abs=1e-4)
    assert len((out / "history.csv").read_text().splitlines()) == 2  # one epoch
    assert not (out / "backup").exists() or not list((out / "backup").iterdir())
