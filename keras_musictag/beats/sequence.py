"""`BeatSequence`: the beats of a song, their places in the bar, and the tempo."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from keras_musictag.beats.bars import check_meters, positions_by_chords
from keras_musictag.beats.doors import BeatFiles
from keras_musictag.chords.analysis import tempo_of_line
from keras_musictag.errors import LabelError, import_extra

# A straight line through fewer beats says little.
FEWEST_BEATS = 5
# Times written with two decimals may stand still for a hundredth.
SHORTEST = 1e-6


class Beat(NamedTuple):
    """A beat.

    Args:
        time: In seconds.
        position: In the bar, 1 for a downbeat; `None` where bars are not known.
        confidence: How sure the tracker was, 0 to 1; `None` where that is not known.
    """

    time: float
    position: int | None = None
    confidence: float | None = None


class BeatSequence(BeatFiles):
    """The beats of a song in order.

    Iterating gives `(time, position, confidence)`. A sequence never changes.

    Args:
        times: The beats in seconds, rising, `(beats,)`.
        positions: Their positions in the bar, whole numbers with 1 for a downbeat;
            `None` if bars are not known.
        confidences: For each beat how sure the tracker was; `None` if not known.
        duration: Length of the recording in seconds; `None` for the last beat.

    Raises:
        LabelError: If times do not rise, positions are no whole numbers above 0, or
            the lengths do not fit each other.

    Example:

    ```python
    from keras_musictag.beats import BeatSequence

    waltz = BeatSequence([0.1, 0.6, 1.1, 1.6, 2.1, 2.6], [1, 2, 3, 1, 2, 3])
    print(waltz.tempo, waltz.meter, waltz.downbeats)  # 120.0 3 [0.1 1.6]
    ```
    """

    def __init__(self, times, positions=None, confidences=None, duration=None) -> None:
        self._times = _check_times(times)
        count = len(self._times)
        self._positions = _check_positions(positions, count)
        self._confidences = _check_confidences(confidences, count)
        last = float(self._times[-1]) if count else 0.0
        if duration is not None and not last <= duration < np.inf:
            raise LabelError(
                "The duration of a beat sequence must reach to its last beat.",
                received=f"duration={duration!r}, last beat at {last}",
                advice="Give the length of the recording in seconds.",
            )
        self._duration = last if duration is None else float(duration)

    @property
    def times(self) -> np.ndarray:
        """float64 array `(beats,)`: the beats in seconds, read-only."""
        return self._times

    @property
    def positions(self) -> np.ndarray | None:
        """int array `(beats,)`: positions in the bar from 1; `None` if not known."""
        return self._positions

    @property
    def confidences(self) -> np.ndarray | None:
        """float64 array `(beats,)`; `None` if not known."""
        return self._confidences

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return self._duration

    @property
    def downbeats(self) -> np.ndarray:
        """float64 array `(bars,)`: the beats that begin bars; none if not known."""
        if self._positions is None:
            return self._times[:0]
        return self._times[self._positions == 1]

    @property
    def meter(self) -> int | None:
        """The most common number of beats from one downbeat to the next.

        `None` if there are fewer than two downbeats.
        """
        if self._positions is None:
            return None
        lengths = np.diff(np.flatnonzero(self._positions == 1))
        return int(np.bincount(lengths).argmax()) if len(lengths) else None

    @property
    def tempo(self) -> float:
        """Beats per minute, one number for the whole song; 0 for fewer than 2 beats.

        The slope of a straight line through the beats, which a few wrong ones do not
        move: to 0.1 where the playing is even. Of music whose tempo moves it is a
        mean; see `tempo_curve`.
        """
        if len(self) < 2:
            return 0.0
        if len(self) < FEWEST_BEATS:
            return float(60 / np.median(np.diff(self._times)))
        return tempo_of_line(self._times)

    def tempo_curve(self, window: int = 8) -> tuple[np.ndarray, np.ndarray]:
        """Return the tempo over time.

        Args:
            window: Over how many intervals between beats it is taken: their median.

        Returns:
            Middles of the intervals in seconds, float64 `(beats - 1,)`, and beats per
            minute, float64 `(beats - 1,)`.
        """
        intervals = np.diff(self._times)
        if not len(intervals):
            return intervals, intervals
        half = max(int(window), 1) // 2
        around = np.pad(intervals, half, mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(around, 2 * half + 1)
        middles = self._times[:-1] + intervals / 2
        return middles, 60 / np.median(views, axis=1)

    def with_bars(self, chords, meters=(3, 4)) -> "BeatSequence":
        """Let the chords of the song say where its bars begin.

        Chords change with bars more often than within them. Of all ways to count the
        beats in one of `meters` the one with most changes on first beats is taken, if
        it has clearly more of them than the bars that are known; it holds for the
        whole song. Long chords count more.

        Args:
            chords: The `ChordSequence` of the same recording.
            meters: How many beats a bar may have.

        Returns:
            The same beats with other positions; these where fewer than four chords
            change on beats.

        Raises:
            ConfigError: If there is no meter, or one is no whole number from 1 on.

        Example:

        ```python
        import keras_musictag as kmt

        song = kmt.audio.demo_path()
        chords = kmt.ChordRecognizer.from_pretrained().recognize(song)
        beats = kmt.BeatTracker.from_pretrained().track(song).with_bars(chords)
        print(chords.to_sheet(beats))
        ```
        """
        meters = check_meters(meters)
        places = positions_by_chords(self._times, self._positions, chords, meters)
        return BeatSequence(self._times, places, self._confidences, self.duration)

    def __len__(self) -> int:
        return len(self._times)

    def __iter__(self) -> Iterator[Beat]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Beat:
        return Beat(
            float(self._times[index]),
            None if self._positions is None else int(self._positions[index]),
            None if self._confidences is None else float(self._confidences[index]),
        )

    def __eq__(self, other) -> bool:
        if not isinstance(other, BeatSequence):
            return NotImplemented
        return self.duration == other.duration and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        meter = f", {self.meter} to the bar" if self.meter else ""
        return (
            f"BeatSequence({len(self)} beats, {self.duration:.2f} s, "
            f"{self.tempo:.1f} per minute{meter})"
        )

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame`: time, position, confidence."""
        pandas = import_extra("pandas", "train", "BeatSequence.to_dataframe()")
        return pandas.DataFrame(list(self), columns=list(Beat._fields))


def _check_times(times):
    try:
        array = np.array(times, dtype="float64")
    except (TypeError, ValueError):
        array = np.zeros((1, 1))
    if array.ndim != 1 or not np.isfinite(array).all():
        raise LabelError(
            "Beats are given by their times, one finite number each.",
            received=f"times of shape {np.shape(times)}",
            advice="Give seconds.",
        )
    steps = np.diff(array, prepend=-1.0)
    wrong = np.flatnonzero((array < 0) | (steps < SHORTEST))
    if len(wrong):
        at = int(wrong[0])
        before = f" after {array[at - 1]:g} s" if at else ""
        raise LabelError(
            "The times of beats must rise, from 0 on.",
            received=f"beat {at} at {array[at]:g} s{before}",
            advice="Sort the beats, and leave out what is there twice.",
        )
    array.flags.writeable = False
    return array


def _check_positions(positions, count):
    if positions is None:
        return None
    try:
        given = np.asarray(positions, dtype="float64")
    except (TypeError, ValueError):
        given = np.zeros(0)
    whole = given.shape == (count,) and np.isfinite(given).all()
    if not whole or (given < 1).any() or (given != np.floor(given)).any():
        raise LabelError(
            "The position of a beat in its bar is a whole number, 1 for a downbeat.",
            received=f"positions={positions!r:.80} for {count} beats",
            advice="Give one for each beat, or none at all.",
        )
    array = given.astype(int)
    array.flags.writeable = False
    return array


def _check_confidences(confidences, count):
    if confidences is None:
        return None
    array = np.array(confidences, dtype="float64")
    if array.shape != (count,) or not np.isfinite(array).all():
        raise LabelError(
            "There must be one finite confidence for each beat.",
            received=f"confidences of shape {array.shape} for {count} beats",
            advice="Give as many as beats, or leave them out.",
        )
    array.flags.writeable = False
    return array
