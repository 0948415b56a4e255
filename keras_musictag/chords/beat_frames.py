"""Beats as the places where chords may change: their times, and their frames."""

import numpy as np

from keras_musictag.chords.vocabulary import TINY
from keras_musictag.errors import ConfigError


def pool_beats(
    probabilities, beats, *, frame_period: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Average log probabilities between beats.

    Args:
        probabilities: Array `(frames, classes)`, not negative.
        beats: Times of the beats in seconds, rising. What lies before the first and
            after the last beat forms an interval of its own.
        frame_period: Seconds from one frame to the next.

    Returns:
        Two arrays: `(intervals, classes)`, the geometric mean of the frames in each
        interval, each row scaled to sum to 1; and `(intervals + 1,)`, the frame at
        which each interval begins, with the number of frames at the end. Intervals
        without a frame are left out.

    Raises:
        ConfigError: If the beats do not rise, or `frame_period` is missing.
    """
    if frame_period is None:
        raise ConfigError(
            "Beats need to know when each frame is.",
            received="frame_period=None",
            advice="Give `frame_period`, the seconds from one frame to the next.",
        )
    values = np.asarray(probabilities, dtype="float64")
    first, _ = frames_of_beats(beats, frame_period)
    if len(values) == 0:
        return values, np.zeros(1, dtype=int)
    inside = first[(first > 0) & (first < len(values))]
    bounds = np.unique(np.concatenate([[0], inside, [len(values)]]))
    sums = np.add.reduceat(np.log(values + TINY), bounds[:-1], axis=0)
    means = sums / np.diff(bounds)[:, None]
    pooled = np.exp(means - means.max(axis=1, keepdims=True))
    return pooled / pooled.sum(axis=1, keepdims=True), bounds


def frames_of_beats(beats, frame_period: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first frame at or after each beat.

    Args:
        beats: Times of the beats in seconds, rising.
        frame_period: Seconds from one frame to the next.

    Returns:
        `(first, times)`: int array `(beats,)`, negative before the first frame, and
        the times as float64 array `(beats,)`.

    Raises:
        ConfigError: If the beats do not rise.
    """
    times = check_beats(beats)
    # Whatever the last digit of the division.
    return np.ceil(times / frame_period - 1e-6).astype(int), times


def check_beats(beats) -> np.ndarray:
    """Return the times of beats as float64 array `(beats,)`.

    Raises:
        ConfigError: If they are no numbers, or do not rise.
    """
    if isinstance(beats, str):
        raise ConfigError(
            "`beats` must be a list of times here.",
            received=f"beats={beats!r}",
            advice="Only recognize() and iter_chords() find beats by themselves; give "
            "times in seconds, such as find_beats(audio).times.",
        )
    times = np.asarray(beats, dtype="float64")
    if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ConfigError(
            "`beats` must be a list of rising times in seconds.",
            received=f"beats of shape {times.shape}",
            advice="Sort them and leave out repeated ones.",
        )
    return times


def beat_times(beats) -> np.ndarray | None:
    """Return the times of beats, from a sequence of them or as they are.

    Args:
        beats: A `BeatSequence`, `chords.Beats`, or times in seconds, rising; `None`
            for none.

    Returns:
        float64 array `(beats,)`. `None` if there is no sequence, or one in which
        nobody heard a beat: then chords may change on every frame.

    Raises:
        ConfigError: If they are no numbers, or do not rise.
    """
    if beats is None or (hasattr(beats, "times") and not len(beats.times)):
        return None
    return check_beats(getattr(beats, "times", beats))
