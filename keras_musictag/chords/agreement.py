"""Where two recognisers name the same chord."""

import dataclasses

import numpy as np

from keras_musictag.chords.harte import parse


def triad(label: str) -> tuple:
    """Return what chords share that differ in seventh, bass or higher tones only.

    Args:
        label: A chord in Harte's notation.

    Returns:
        The root, and which tones up to the augmented fifth sound above it; for `N`
        and `X`, which are no chords of a root, the label.
    """
    chord = parse(label)
    if chord.root is None:
        return (chord.label(),)
    return chord.root, dataclasses.replace(chord, bass="1").intervals[:9]


def agreed_shares(sequence, other) -> np.ndarray:
    """Say of each segment for how long another sequence names the same triad.

    Args:
        sequence: The `ChordSequence` whose segments are judged.
        other: The `ChordSequence` that they are compared with; `N` where it has none.

    Returns:
        float64 array `(segments,)`: shares of the time of each segment.
    """
    if not len(sequence):
        return np.zeros(0)
    bounds = np.unique(np.append(sequence.intervals, other.intervals))
    starts, seconds = bounds[:-1], np.diff(bounds)
    ours, theirs = sequence.sample(starts), other.sample(starts)
    triads = {label: triad(label) for label in {*ours, *theirs}}
    pairs = zip(ours, theirs, strict=True)
    agreed = np.array([triads[a] == triads[b] for a, b in pairs]) * seconds
    passed = np.append(0.0, np.cumsum(agreed))
    begin, end = np.searchsorted(bounds, sequence.intervals).T
    shares = (passed[end] - passed[begin]) / np.diff(sequence.intervals)[:, 0]
    return np.clip(shares, 0.0, 1.0)
