"""The examples about music of one's own run, on sounds made here."""

import csv
import re
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


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_songs_find_their_halves_and_copies(tmp_path):
    printed = run("similar_songs.py", "--index", tmp_path / "songs.npz")
    rows = dict(re.findall(r"^\| (its [a-z ]+?) \| (\d+ \| \d+) \|", printed, re.M))
    assert set(rows) == {"its other half", "its copies"}
    assert rows["its copies"].endswith("| 15")
    tagger = kmt.MusicTagger.from_pretrained("musicnn_msd")
    index = kmt.EmbeddingIndex.load(tmp_path / "songs.npz", tagger)
    assert {Path(name).stem for name in index.ids} >= {"drums", "pads", "wind"}


def test_fine_tuning_compares_four_taggers(tmp_path):
    generator = np.random.default_rng(0)
    rows = []
    for i in range(36):
        low, noisy = i % 2 == 0, i % 5 < 2
        time = np.arange(4 * RATE) / RATE
        y = 0.3 * np.sin(2 * np.pi * (110 if low else 880) * time)
        y += (0.1 if noisy else 0.0) * generator.normal(size=len(time))
        soundfile.write(tmp_path / f"{i}.wav", y, RATE)
        tags = ["low" if low else "high"] + ["noisy"] * noisy
        rows.append([f"{i}.wav", "|".join(tags), ("train", "valid", "test")[i // 12]])
    with open(tmp_path / "tags.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "tags", "split"], *rows])

    out = tmp_path / "tuned"
    printed = run("fine_tune.py", "--data", tmp_path, "--out", out, "--quick")
    names = re.findall(r"^\| (.+?) \| *[\d.]* \| [\d.]+ \|", printed, re.M)
    assert len(names) == 4 and names[-1] == "`musicnn_msd`, fine-tuned"
    tagger = kmt.MusicTagger.from_pretrained(out)
    assert set(tagger.labels) == {"low", "high", "noisy"}
    assert tagger.predict(np.zeros(RATE, "float32")).shape == (1, 3)
