"""What the trainings of chord networks share: features, their noise, and scores."""

import math
from pathlib import Path

import numpy as np

from keras_musictag import chords
from keras_musictag.metrics import chord_scores

SAMPLE_RATE, HOP = 22050, 1024
BINS_PER_OCTAVE, BINS_PER_SEMITONE, NET_BINS = 36, 3, 252
# More is stored than a network sees: its window slides to move a track by -6 to +5
# semitones and by a bin. `BASE_BIN` is where it lies for a track as it is, C1 at the
# bottom.
STORED_BINS, BASE_BIN = 288, 16
LOWEST_HZ = 32.703195662574829 * 2 ** (-BASE_BIN / BINS_PER_OCTAVE)
FLOOR_DB, STORED_FLOOR_DB = -80.0, -100.0
SUFFIXES = (".flac", ".mp3", ".ogg", ".opus", ".wav")


def sound_of(lab: Path) -> Path:
    """Return the sound beside a file of labels; a file of keys may be there too."""
    sounds = (lab.with_suffix(suffix) for suffix in SUFFIXES)
    return next(path for path in sounds if path.exists())


def net_input(values: np.ndarray) -> np.ndarray:
    """Cut the network's window of a track as it is; its loudest value becomes 0 dB."""
    window = values[:, BASE_BIN : BASE_BIN + NET_BINS].astype("float32")
    return np.maximum(window - window.max(), FLOOR_DB)


def equaliser(rng, tilt: float) -> np.ndarray:
    """A random smooth curve in dB: some tilt and three slow waves over the bins."""
    x = np.linspace(0, 1, NET_BINS, dtype="float32")
    curve = rng.uniform(-tilt, tilt) * (x - 0.5)
    for cycles in (0.5, 1, 2):
        curve += rng.normal(0, 2.5) * np.cos(2 * np.pi * (cycles * x + rng.random()))
    return curve


def noise_floor(window, rng, loudest: float) -> np.ndarray:
    """Add the power of noise at -80 to `loudest` dB with a random tilt."""
    tilt = rng.uniform(-10, 10) * np.linspace(-0.5, 0.5, NET_BINS, dtype="float32")
    noise = rng.standard_normal(window.shape, "float32")
    noise = np.float32(rng.uniform(-80, loudest)) + tilt + 4 * noise
    louder = np.maximum(window, noise)
    gap = np.abs(window - noise) * np.float32(-math.log(10) / 10)
    return louder + np.float32(10 / math.log(10)) * np.log1p(np.exp(gap))


def evaluate(model, folders) -> dict[str, float]:
    """Score a recogniser on folders of audio and `.lab` files."""
    labs = sorted(path for folder in folders for path in folder.glob("*.lab"))
    files = [sound_of(lab) for lab in labs]
    truth = {lab.stem: chords.ChordSequence.from_lab(lab) for lab in labs}
    found = model.recognize(files, on_error="raise")
    scores = chord_scores(truth, dict(zip(truth, found, strict=True)))
    return {key: scores[key] for key in ("root", "majmin", "mirex", "tetrads", "seg")}
