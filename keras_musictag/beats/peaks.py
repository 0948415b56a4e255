"""Beats as the peaks of probabilities: no tempo, no meter, nothing kept to."""

import numpy as np

from keras_musictag.beats.decoding import check_activations
from keras_musictag.beats.sequence import BeatSequence
from keras_musictag.checks import check_positive

# A peak is the largest within so many seconds on either side.
NEIGHBOURHOOD = 0.07
THRESHOLD = 0.5


def pick_peaks(
    beat,
    downbeat=None,
    *,
    frame_rate: float = 50.0,
    duration: float | None = None,
) -> BeatSequence:
    """Take each peak of the probabilities as a beat, and which of them begin bars.

    A peak is at least 0.5 likely and the likeliest within 70 ms; of neighbouring
    frames that are equally likely it is the mean. A downbeat is the beat nearest to a
    peak of downbeats; a peak that has none within 70 ms is left out, where the
    authors' program moves it to the nearest beat, however far away that is.

    Args:
        beat, downbeat: As in `decode`.
        frame_rate: Frames per second; the first frame is at 0.
        duration: Length of the recording in seconds; `None` for that of the frames.

    Returns:
        A `BeatSequence`. Positions count from each downbeat; before the first they
        lead up to it as in the bar after it. There are none without any downbeat.

    Raises:
        ConfigError: If the arrays are no probabilities of one shape.

    References:
        - Foscarin, Schlüter, Widmer, "Beat this! Accurate beat tracking without DBN
          postprocessing", ISMIR 2024.

    Example:

    ```python
    import numpy as np
    from keras_musictag import beats

    activation = np.full(500, 0.01)
    activation[::25] = 0.9  # each half second
    print(len(beats.pick_peaks(activation)))  # 20
    ```
    """
    beat, downbeat = check_activations(beat, downbeat)
    frame_rate = check_positive(frame_rate, name="frame_rate")
    every = beat if downbeat is None else beat + downbeat
    reach = int(NEIGHBOURHOOD * frame_rate)
    frames = _peaks(every, reach)
    positions = None
    if downbeat is not None and len(frames):
        firsts = _peaks(downbeat, reach)
        gaps = np.abs(frames[:, None] - firsts)
        nearest = gaps.argmin(axis=0) if len(firsts) else np.zeros(0, int)
        near = gaps.min(axis=0, initial=np.inf) <= reach
        positions = _positions(len(frames), np.unique(nearest[near]))
    length = len(every) / frame_rate
    return BeatSequence(
        frames / frame_rate,
        positions,
        confidences=every[np.round(frames).astype(int)],
        duration=length if duration is None else max(duration, length),
    )


def _peaks(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the frames of the peaks, means of neighbours, float64 `(peaks,)`."""
    around = np.pad(values, reach, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * reach + 1)
    frames = np.flatnonzero((values > THRESHOLD) & (values == windows.max(axis=1)))
    if not len(frames):
        return np.zeros(0)
    groups = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    return np.array([group.mean() for group in groups])


def _positions(count: int, firsts: np.ndarray) -> np.ndarray | None:
    """Count beats from those that begin bars, from 1."""
    if not len(firsts):
        return None
    bar = np.searchsorted(firsts, np.arange(count), side="right") - 1
    positions = np.arange(count) - firsts[np.maximum(bar, 0)] + 1
    if len(firsts) > 1:  # a pickup ends with the last beat of a bar
        meter = int(firsts[1] - firsts[0])
        positions[: firsts[0]] = (positions[: firsts[0]] - 1) % meter + 1
    else:
        positions[: firsts[0]] = 1 + np.arange(1, firsts[0] + 1)
    return positions
