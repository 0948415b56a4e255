"""What the six choices of a chord should be in each frame, as labels or teachers say.

Targets are rows of 131 numbers: the probabilities of the 100 classes, a weight for each
choice, the 24 keys and a weight for them.
"""

import numpy as np

from keras_musictag import chords
from keras_musictag.chords.structure import CHOICES
from keras_musictag.engines.structure_blocks import STARTS
from keras_musictag.keys import KEYS
from keras_musictag.models.recognizers.structure_losses import choice_targets
from keras_musictag.models.recognizers.tcn_chords import CHOICE_CLASSES

AGREED = 0.75  # of the target of a triad that two of three name; the rest is their mean
TRUST = {"choices": 0.5, "crema": 0.25, "rendered": 0.25}

KEYS_AT = CHOICE_CLASSES + len(CHOICES)
KEY_SAID = KEYS_AT + len(KEYS)
COLUMNS = KEY_SAID + 1

CREMA = chords.get_vocabulary("crema170")
NAMES = tuple(CHOICES)


def part(name: str) -> slice:
    """Where a choice lies among the 100 classes."""
    return slice(STARTS[name], STARTS[name] + CHOICES[name])


def one_hot(labels: list[str]) -> np.ndarray:
    """Return float32 `(labels, 131)` of chords: what is not said has the weight 0."""
    said = choice_targets(labels)
    rows = np.zeros((len(labels), COLUMNS), "float32")
    for number, name in enumerate(NAMES):
        known = said[name] >= 0
        rows[known, STARTS[name] + said[name][known]] = 1
        rows[known, CHOICE_CLASSES + number] = 1
    return rows


CREMA_ROWS = one_hot(list(CREMA.labels))


def believed(song: dict, believe: str) -> np.ndarray:
    """Make targets of what the teachers said.

    Where two of three name the same triad it counts most; elsewhere the mean of all
    counts. Sevenths and the rest are those of the ensemble where it is one of the two,
    otherwise those of the other two, who do not say the bass.

    Args:
        song: As `chord_teachers.py` stored it.
        believe: `"majority"`, or `"ensemble"` for its probabilities as they are.

    Returns:
        float16 `(frames, 131)`.
    """
    frames = len(song["choices"])
    targets = np.zeros((frames, COLUMNS), "float32")
    targets[:, CHOICE_CLASSES:KEYS_AT] = 1
    targets[:, :CHOICE_CLASSES] = song["choices"]
    # The ensemble was never taught sixths; its "none" says nothing.
    targets[:, CHOICE_CLASSES + NAMES.index("thirteenth")] = 0
    if believe == "ensemble":
        return targets.astype("float16")
    others = {
        name: song[name].astype("float32") @ CREMA_ROWS
        for name in ("crema", "rendered")
    }
    triads = np.stack(
        [song["choices"][:, :73].astype("float32")]
        + [rows[:, :73] for rows in others.values()]
    )
    votes = triads.argmax(axis=2)
    mean = np.tensordot([*TRUST.values()], triads, 1)
    mean /= np.maximum(mean.sum(axis=1, keepdims=True), 1e-6)
    with_ensemble = (votes[0] == votes[1]) | (votes[0] == votes[2])
    outvoted = ~with_ensemble & (votes[1] == votes[2])
    winner = np.where(outvoted, votes[1], votes[0])
    agreed = (with_ensemble | outvoted)[:, None]
    hard = AGREED * np.eye(73, dtype="float32")[winner] + (1 - AGREED) * mean
    targets[:, part("triad")] = np.where(agreed, hard, mean)
    for number, name in enumerate(NAMES[1:], 1):
        theirs = sum(rows[:, part(name)] for rows in others.values())
        total = theirs.sum(axis=1, keepdims=True)
        theirs = theirs / np.maximum(total, 1e-6)
        targets[outvoted, part(name)] = theirs[outvoted]
        silent = outvoted & ((name == "bass") | (total[:, 0] < 1e-3))
        targets[silent, CHOICE_CLASSES + number] = 0
    return targets.astype("float16")


def weigh_changes(targets: np.ndarray, weight: float) -> None:
    """Weigh the choices of frames that are near a change of the triad, in place.

    Args:
        targets: `(frames, 131)`.
        weight: What the weights of two frames before and after each are multiplied by.
    """
    triads = targets[:, part("triad")].argmax(axis=1)
    (changes,) = np.nonzero(np.diff(triads))
    near = (changes[:, None] + np.arange(-1, 3)).ravel()
    near = np.unique(near.clip(0, len(targets) - 1))
    targets[near, CHOICE_CLASSES:KEYS_AT] *= weight


def transpose(targets: np.ndarray, semitones: int) -> np.ndarray:
    """Move triads, basses and keys; none stays none."""
    moved = targets.copy()
    triads = targets[:, 1:73].reshape(-1, 6, 12)
    moved[:, 1:73] = np.roll(triads, semitones, axis=2).reshape(-1, 72)
    bass = STARTS["bass"]
    moved[:, bass : bass + 12] = np.roll(targets[:, bass : bass + 12], semitones, 1)
    keys = targets[:, KEYS_AT:KEY_SAID].reshape(-1, 2, 12)
    moved[:, KEYS_AT:KEY_SAID] = np.roll(keys, semitones, axis=2).reshape(-1, 24)
    return moved
