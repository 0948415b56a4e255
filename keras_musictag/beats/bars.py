"""Where bars begin, told by the chords: they change with bars more than within."""

import numpy as np

from keras_musictag.checks import check_positive_int
from keras_musictag.chords import harte
from keras_musictag.errors import ConfigError

LARGEST_METER = 16
# Fewer changes of chords on beats say nothing about bars.
FEWEST_CHANGES = 4
# How many more changes another way to count must have on first beats: one is chance.
CLEARLY = 1.5
# A chord of two bars of four begins as plainly as a longer one.
LONGEST = 8


def bar_numbers(beats) -> np.ndarray:
    """Return which bar each beat is in.

    Args:
        beats: A `BeatSequence`.

    Returns:
        int array `(beats,)`: 1 from the first downbeat on, 0 before it and where bars
        are not known.
    """
    if beats.positions is None:
        return np.zeros(len(beats), int)
    return np.cumsum(beats.positions == 1)


def changes_on_beats(times, sequence) -> tuple[np.ndarray, np.ndarray]:
    """Return the beats on which chords change, and how much each change counts.

    Args:
        times: Beats in seconds, rising, `(beats,)`.
        sequence: A `ChordSequence`.

    Returns:
        `(beats, weights)`, for each chord that begins after another: int array, the
        nearest beat, left out where none is as near as half a beat; and float64 array,
        the square root of the length of the chord in beats, at most 8.
    """
    if len(times) < 2:
        return np.zeros(0, int), np.zeros(0)
    segments = [s for s in sequence.merged() if harte.parse(s.label).root is not None]
    starts = np.array([segment.start for segment in segments[1:]])
    lengths = np.array([segment.end - segment.start for segment in segments[1:]])
    beat = np.median(np.diff(times))
    nearest = np.abs(starts[:, None] - times).argmin(axis=1)
    near = np.abs(starts - times[nearest]) <= beat / 2
    weights = np.sqrt(np.clip(np.rint(lengths / beat), 1, LONGEST))
    return nearest[near], weights[near]


def positions_by_chords(times, positions, sequence, meters) -> np.ndarray | None:
    """Return the positions in the bar that chord changes speak for.

    Each way to count the beats in one of some meters is compared: how many more of the
    changes lie on first beats than by chance. The best must be clearly better than the
    positions so far.

    Args:
        times: Beats in seconds, rising, `(beats,)`.
        positions: Their positions in the bar so far, int `(beats,)`; `None` if not
            known.
        sequence: The `ChordSequence`.
        meters: How many beats a bar may have.

    Returns:
        int array `(beats,)`; `positions` where the chords do not know better, or fewer
        than four change on beats.
    """
    beats, weights = changes_on_beats(times, sequence)
    if len(beats) < FEWEST_CHANGES:
        return positions
    weights = weights / weights.sum()
    best, most = positions, -np.inf
    if positions is not None and (positions == 1).any():
        own = weights[positions[beats] == 1].sum()
        most = own - np.mean(positions == 1) + CLEARLY / len(beats)
    count = np.arange(len(times))
    for meter in meters:
        for first in range(meter):
            share = weights[beats % meter == first].sum() - 1 / meter
            if share > most:
                best, most = (count - first) % meter + 1, share
    return best


def check_meters(meters) -> tuple[int, ...]:
    """Return the numbers of beats that a bar may have.

    Raises:
        ConfigError: If there are none, or one is no whole number from 1 on.
    """
    chosen = tuple(
        check_positive_int(meter, name="meters")
        for meter in ((meters,) if np.ndim(meters) == 0 else meters)
    )
    if not chosen or max(chosen) > LARGEST_METER:
        raise ConfigError(
            f"`meters` must be numbers of beats from 1 to {LARGEST_METER}.",
            received=f"meters={meters!r}",
            advice="Give some, such as (3, 4).",
        )
    return tuple(dict.fromkeys(chosen))
