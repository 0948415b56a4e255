"""From the six choices of a chord to the probabilities of any vocabulary."""

from functools import lru_cache

import numpy as np

from keras_musictag.chords.structure import (
    CHOICES,
    EXTENSIONS,
    NOT_SAID,
    Structure,
    structure,
)
from keras_musictag.chords.vocabulary import TINY, Vocabulary, get_vocabulary

BLOCK_FRAMES = 4096


def has_choices(outputs) -> bool:
    """Whether the outputs of a recogniser are the choices of `compose`."""
    return all(name in outputs for name in CHOICES)


def compose(outputs, vocabulary) -> np.ndarray:
    """Turn the probabilities of the six choices into those of chords.

    A chord has the product of what its choices have, scaled to sum to 1. Only choices
    that the vocabulary tells apart are asked: bass notes where it lists inversions,
    ninths and higher where its rule is `"structure"`. `N` is judged by triad and bass
    alone.

    Args:
        outputs: float32 arrays `(frames, classes)` by the names of
            `structure.CHOICES`.
        vocabulary: Vocabulary wanted, or its name.

    Returns:
        float32 array `(frames, classes)`. Classes that the choices cannot express,
        such as `X`, have 0.

    References:
        - Jiang, Chen, Li and Xia, "Large-vocabulary chord transcription via chord
          structure decomposition", ISMIR 2019.
    """
    asked, possible = questions(get_vocabulary(vocabulary))
    choices = np.concatenate([outputs[name] for name in CHOICES], axis=1)
    composed = np.empty((len(choices), asked.shape[1]), "float32")
    for start in range(0, len(choices), BLOCK_FRAMES):
        rows = slice(start, start + BLOCK_FRAMES)
        scores = np.log(np.maximum(choices[rows], np.float32(TINY))) @ asked
        scores[:, ~possible] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        composed[rows] = scores / scores.sum(axis=1, keepdims=True)
    return composed


@lru_cache(maxsize=16)
def questions(vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Say which choices decide on each class of a vocabulary.

    Args:
        vocabulary: A `Vocabulary`.

    Returns:
        float32 array `(100, classes)`, 1 for each class of a choice that the chord
        asks, in the order of `structure.CHOICES`; and bool `(classes,)`: whether the
        choices can express the chord.
    """
    starts = np.cumsum([0, *CHOICES.values()])[:-1]
    asked = np.zeros((sum(CHOICES.values()), len(vocabulary)), "float32")
    possible = np.ones(len(vocabulary), bool)
    inverted = any(chord.bass_interval for chord in vocabulary.chords)
    for column, chord in enumerate(vocabulary.chords):
        parts = structure(chord)
        names = _asked(parts, vocabulary.rule, inverted)
        if chord.root is None:
            names = [name for name in names if name not in EXTENSIONS]
        for start, name, part in zip(starts, CHOICES, parts, strict=True):
            if name in names:
                possible[column] &= part != NOT_SAID
                asked[start + part, column] = part != NOT_SAID
    # With nothing to choose from, all classes are alike.
    return asked, possible if possible.any() else ~possible


def _asked(parts: Structure, rule: str, inverted: bool) -> list[str]:
    names = ["triad"]
    if inverted or rule == "structure":
        names.append("bass")
    if rule == "structure":
        names += EXTENSIONS
    elif rule != "triads":
        # To these rules a sixth is a chord of its own, but a thirteenth is not.
        names += ["seventh"] if parts.seventh > 0 else ["seventh", "thirteenth"]
    return names
