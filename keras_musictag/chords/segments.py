"""Segments of chords: what one is, and the checks that every list of them passes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_musictag.checks import check_positive
from keras_musictag.chords.harte import parse
from keras_musictag.errors import ConfigError, LabelError

# Neighbours closer than this, in seconds, touch: rounding in files and in sums such
# as start + duration leaves gaps and overlaps of up to a microsecond.
TOUCH = 1.5e-6
OVERLAP = "begins before the one above it ends"


class ChordSegment(NamedTuple):
    """One chord of a sequence.

    Args:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        label: The chord in Harte's notation.
        confidence: Share of its time that is right, as far as the recogniser's curve
            knows (`chords.confidence`); the mean probability of the chord where it
            has none; `None` if nothing is known.
    """

    start: float
    end: float
    label: str
    confidence: float | None = None


def check_segments(intervals, labels, name: Callable[[int], str] = "segment {}".format):
    """Check a list of segments, and make neighbours touch that nearly do.

    Args:
        intervals: Starts and ends in seconds, shape `(segments, 2)`.
        labels: One chord label for each.
        name: Gives the name of a segment by its position, for messages.

    Returns:
        `(intervals, labels)`: float64 array `(segments, 2)` and a tuple of labels,
        which mir_eval reads too: `N:-` has become `N`.

    Raises:
        LabelError: If lengths differ, a time is not a number of at least 0, a segment
            is backwards, out of order or overlaps the one before, or a label is not
            legal.
    """
    intervals, labels = _as_arrays(intervals, labels)
    bad = ~(np.isfinite(intervals) & (intervals >= 0)).all(axis=1)
    _refuse(bad, intervals, name, "has a time that is no number of at least 0")
    backwards = intervals[:, 1] <= intervals[:, 0]
    _refuse(backwards, intervals, name, "does not end after its start")
    gaps = intervals[1:, 0] - intervals[:-1, 1]
    _refuse(np.append(False, gaps < -TOUCH), intervals, name, OVERLAP)
    touching = np.flatnonzero(np.abs(gaps) <= TOUCH)
    moved = intervals[touching + 1, 0]
    # A segment as short as the rounding itself keeps its own end.
    longer = moved > intervals[touching, 0]
    intervals[touching[longer], 1] = moved[longer]
    legal = []
    for i, label in enumerate(labels):
        try:
            chord = parse(label)
            legal.append(chord.label() if chord.root is None else label)
        except LabelError as error:
            raise LabelError(
                f"The label of {name(i)} is not legal. {error.problem}",
                received=error.received,
                advice=error.advice,
            ) from error
    return intervals, tuple(legal)


def check_shares(values, n: int, name: str) -> np.ndarray | None:
    """Return shares of `n` chords, NaN where unknown; `None` if none is known."""
    if values is None:
        return None
    array = np.array(
        [np.nan if value is None else value for value in values], dtype="float64"
    )
    if array.shape != (n,) or np.isinf(array).any():
        raise LabelError(
            f"There must be one finite {name}, or None, for each chord.",
            received=f"{name}s of shape {array.shape} for {n} chords",
            advice="Give as many as labels, or leave them out.",
        )
    array.flags.writeable = False
    return None if np.isnan(array).all() else array


def check_duration(duration, intervals) -> float:
    """Return the length of a recording, which reaches to the last segment."""
    last = float(intervals[-1, 1]) if len(intervals) else 0.0
    if duration is None:
        return last
    if not np.isfinite(duration) or duration < last - TOUCH or duration < 0:
        raise LabelError(
            "The duration of a chord sequence must reach to its last segment.",
            received=f"duration={duration!r}, last end {last}",
            advice="Give the length of the recording, or cut with `between`.",
        )
    return max(float(duration), last)


def frame_starts(n: int, frame_period, times, offset: float):
    """Return where frames begin; arguments as in `ChordSequence.from_frames`.

    Returns:
        `(starts, end)`: float64 array `(n,)`, and the end of the last frame.
    """
    if (frame_period is None) == (times is None):
        raise ConfigError(
            "Frames need either `frame_period` or `times`.",
            received="both" if times is not None else "neither",
            advice="Give one of them, in seconds.",
        )
    if times is None:
        starts = np.arange(n + 1) * check_positive(frame_period, name="frame_period")
    else:
        starts = np.asarray(times, dtype="float64")
        if starts.shape != (n,) or n < 2 or not (np.diff(starts) > 0).all():
            raise ConfigError(
                "`times` must be rising, one for each of at least 2 frames.",
                received=f"shape {starts.shape} for {n} frames",
                advice="Give the start of each frame, or `frame_period`.",
            )
        starts = np.append(starts, 2 * starts[-1] - starts[-2])
    starts = starts + offset
    return starts[:-1], starts[-1]


def join_frames(path, probabilities, starts, end: float):
    """Join equal neighbours of a path to segments; arguments as in `from_frames`.

    Args:
        path: Class of each frame, int array `(frames,)`.
        probabilities: Array `(frames, classes)` or `None`.
        starts: Where the frames begin in seconds, rising.
        end: Where the last segment ends; frames that begin later are left out.

    Returns:
        `(intervals, classes, confidences)`, one entry per segment; the first one
        starts at 0.
    """
    path = np.asarray(path)
    kept = path[: int(np.searchsorted(starts, end))]
    if not len(kept):
        return np.zeros((0, 2)), [], None
    first = np.flatnonzero(np.append(True, np.diff(kept) != 0))
    bounds = np.append(starts[first], end)
    bounds[0] = 0.0
    confidences = None
    if probabilities is not None:
        sums = np.add.reduceat(_chosen(probabilities, path)[: len(kept)], first)
        confidences = sums / np.diff(np.append(first, len(kept)))
    return np.stack([bounds[:-1], bounds[1:]], axis=1), kept[first], confidences


def _as_arrays(intervals, labels):
    labels = tuple(labels)
    try:
        array = np.array(intervals, dtype="float64")
    except (TypeError, ValueError):
        array = np.full((1, 1), np.nan)
    array = array.reshape(0, 2) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 2 or len(array) != len(labels):
        raise LabelError(
            "Chord intervals must have one start and one end for each label.",
            received=f"intervals of shape {np.shape(intervals)}, {len(labels)} labels",
            advice="Give an array (segments, 2) in seconds and as many labels.",
        )
    return array, labels


def _refuse(bad, intervals, name, reason):
    if bad.any():
        i = int(np.argmax(bad))
        start, end = intervals[i].tolist()
        before = f" after a segment that ends at {intervals[i - 1, 1]:.6f}"
        raise LabelError(
            f"A chord segment {reason}: {name(i)}.",
            received=f"{start:.6f} to {end:.6f} s"
            + (before if reason == OVERLAP else ""),
            advice="Give segments in rising order, each with end > start >= 0.",
        )


def _chosen(probabilities, path):
    values = np.asarray(probabilities)
    if values.ndim != 2 or len(values) != len(path):
        raise ConfigError(
            "`probabilities` must have one row for each frame of `path`.",
            received=f"shape {values.shape} for {len(path)} frames",
            advice="Give (frames, classes), or None for no confidences.",
        )
    return np.take_along_axis(values, path[:, None], axis=1)[:, 0].astype("float64")


def labels_of_regions(intervals, regions) -> list[str]:
    """Return the label of the region that each segment lies in.

    Args:
        intervals: Start and end of each segment in seconds, `(segments, 2)`.
        regions: Tuples that begin with start, end and label, in order, one at least.

    Returns:
        For each segment that of the region in which its middle is, else of the nearest.
    """
    spans = np.array([region[:2] for region in regions], dtype="float64")
    middles = np.mean(intervals, axis=1)[:, None]
    away = np.maximum(spans[:, 0] - middles, middles - spans[:, 1])
    return [regions[i][2] for i in np.maximum(away, 0).argmin(axis=1)]
