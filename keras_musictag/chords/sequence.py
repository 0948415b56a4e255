"""`ChordSequence`: the chords of a song over time, what every recogniser returns."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_musictag import plotting
from keras_musictag.checks import check_positive
from keras_musictag.chords import harte, keys
from keras_musictag.chords.analysis import Key, estimate_key
from keras_musictag.chords.doors import ChordFiles
from keras_musictag.chords.segments import (
    TOUCH,
    ChordSegment,
    check_segments,
    frame_starts,
    join_frames,
)
from keras_musictag.chords.vocabulary import get_vocabulary
from keras_musictag.errors import ConfigError, LabelError, import_extra


class ChordSequence(ChordFiles):
    """The chords of a song: segments in order, which do not overlap.

    `intervals` and `labels` go straight into `mir_eval.chord.evaluate`. Iterating
    gives `(start, end, label, confidence)`; `sequence[3]` is one segment,
    `sequence[2:5]` a shorter sequence, and `between` cuts by time. A sequence never
    changes: every method returns a new one.

    Args:
        intervals: Start and end of each segment in seconds, shape `(segments, 2)`.
            Neighbours less than 1.5 microseconds apart are made to touch.
        labels: One chord in Harte's notation for each segment.
        confidences: For each segment how sure the recogniser was; `None` (or a `None`
            among them) where that is not known.
        duration: Length of the recording in seconds; `None` for the last end.

    Raises:
        LabelError: If segments are backwards, out of order or overlap, a label is not
            legal, or the lengths do not fit each other.

    Example:

    ```python
    from keras_musictag.chords import ChordSequence

    song = ChordSequence([[0, 2], [2, 4], [4, 8]], ["C:maj", "F:maj", "G:7"])
    for start, end, label, confidence in song:
        print(start, end, label)
    print(song.key().name, song.transpose(2).labels)
    print(song.to_lab())
    ```
    """

    def __init__(self, intervals, labels, confidences=None, duration=None) -> None:
        self._intervals, self._labels = check_segments(intervals, labels)
        self._intervals.flags.writeable = False
        self._confidences = _check_confidences(confidences, len(self._labels))
        self._duration = _check_duration(duration, self._intervals)

    @classmethod
    def from_frames(
        cls,
        path,
        probabilities,
        vocabulary,
        *,
        frame_period: float | None = None,
        times=None,
        offset: float = 0.0,
        duration: float | None = None,
    ) -> "ChordSequence":
        """Make a sequence from one class per frame: equal neighbours are one segment.

        Args:
            path: Class of each frame, int array `(frames,)`, as `decode` gives it.
            probabilities: Array `(frames, classes)`, from which a segment's confidence
                is the mean over its frames; `None` for no confidences.
            vocabulary: Vocabulary of the classes, or its name.
            frame_period: Seconds from one frame to the next.
            times: Instead of `frame_period`: where each frame begins in seconds,
                rising. The last frame lasts as long as the one before it.
            offset: Seconds added to where frames begin; minus half a period puts
                boundaries half-way between the centres of centred frames.
            duration: Length of the recording in seconds. The last chord reaches to its
                end. `None`: to the end of the last frame.

        Returns:
            The sequence, which begins at 0.

        Raises:
            ConfigError: If shapes do not fit or the times are not given one way.
        """
        vocabulary = get_vocabulary(vocabulary)
        if duration is not None:
            duration = check_positive(duration, name="duration")
        starts, end = frame_starts(len(path), frame_period, times, offset)
        end = end if duration is None else duration
        intervals, classes, confidences = join_frames(path, probabilities, starts, end)
        labels = [vocabulary.labels[i] for i in classes]
        return cls(intervals, labels, confidences, duration)

    @property
    def intervals(self) -> np.ndarray:
        """float64 array `(segments, 2)`: start and end in seconds, read-only."""
        return self._intervals

    @property
    def labels(self) -> list[str]:
        """The chords in Harte's notation, a new list."""
        return list(self._labels)

    @property
    def confidences(self) -> np.ndarray | None:
        """float64 array `(segments,)`, NaN where unknown; `None` if none is known."""
        return self._confidences

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return self._duration

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[ChordSegment]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._with(*(self._parts(index)))
        start, end = self._intervals[index].tolist()
        known = self._confidences is not None and self._confidences[index]
        confidence = float(known) if known is not False and known == known else None
        return ChordSegment(start, end, self._labels[index], confidence)

    def __eq__(self, other) -> bool:
        if not isinstance(other, ChordSequence):
            return NotImplemented
        return self.duration == other.duration and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{s:.2f} {label}" for s, _, label, _ in self[:4])
        more = ", ..." if len(self) > 4 else ""
        return (
            f"ChordSequence({len(self)} segments, {self.duration:.2f} s: {shown}{more})"
        )

    def _parts(self, chosen):
        confidences = None if self._confidences is None else self._confidences[chosen]
        labels = [self._labels[i] for i in np.arange(len(self))[chosen]]
        return self._intervals[chosen], labels, confidences

    def _with(self, intervals, labels, confidences):
        return ChordSequence(intervals, labels, confidences, self.duration)

    def between(self, start: float = 0.0, end: float | None = None) -> "ChordSequence":
        """Cut a part out by time; times still count from the start of the song.

        Args:
            start: Where the part begins, in seconds.
            end: Where it ends; `None` for the end of the recording.

        Returns:
            The segments that sound in the part, cut where it begins and ends. Its
            `duration` is `end`.

        Raises:
            ConfigError: If `end` is not above `start`.
        """
        end = self.duration if end is None else float(end)
        if not start < end:
            raise ConfigError(
                "A part of a chord sequence must end after its start.",
                received=f"start={start!r}, end={end!r}",
                advice="Give seconds with start < end.",
            )
        cut = np.clip(self._intervals, start, end)
        intervals, labels, confidences = self._parts(cut[:, 1] > cut[:, 0])
        cut = np.clip(intervals, start, end)
        return ChordSequence(cut, labels, confidences, end)

    def merged(self) -> "ChordSequence":
        """Join neighbours that touch and are the same chord, however it is spelled.

        Returns:
            The shorter sequence; the confidence of a joined segment is the mean
            weighted by duration.
        """
        chords = [harte.parse(label) for label in self._labels]
        joins = [
            chords[i] == chords[i - 1]
            and self._intervals[i, 0] - self._intervals[i - 1, 1] <= TOUCH
            for i in range(1, len(self))
        ]
        first = np.flatnonzero(
            np.append(True, ~np.array(joins, dtype=bool))[: len(self)]
        )
        last = np.append(first[1:], len(self)) - 1 if len(self) else first
        intervals = np.stack(
            [self._intervals[first, 0], self._intervals[last, 1]], axis=1
        )
        confidences = None
        if self._confidences is not None and len(self):
            weights = np.diff(self._intervals)[:, 0]
            total = np.add.reduceat(weights * self._confidences, first)
            confidences = total / np.add.reduceat(weights, first)
        return self._with(intervals, [self._labels[i] for i in first], confidences)

    def filled(self, start: float = 0.0, end: float | None = None) -> "ChordSequence":
        """Put `N` wherever no segment says what sounds.

        Args:
            start: From here on, in seconds.
            end: Up to here; `None` for the end of the recording.

        Returns:
            A sequence without gaps from `start` to `end`.
        """
        part = self.between(start, end)
        bounds = [start, *part.intervals.ravel().tolist(), part.duration]
        segments: list[ChordSegment] = []
        for i, gap in enumerate(zip(bounds[::2], bounds[1::2], strict=True)):
            if gap[1] > gap[0]:
                segments.append(ChordSegment(*gap, harte.NO_CHORD))
            segments += [part[i]] if i < len(part) else []
        return _from_segments(segments, part.duration)

    def sample(self, times) -> list[str]:
        """Return the chord at each of some times.

        Args:
            times: Seconds, shape `(times,)`.

        Returns:
            One label for each; `N` where there is no segment. A segment has its start
            and not its end.
        """
        times = np.asarray(times, dtype="float64")
        at = np.searchsorted(self._intervals[:, 0], times, side="right") - 1
        ends = np.append(self._intervals[:, 1], -np.inf)
        return [
            self._labels[i] if i >= 0 and time < ends[i] else harte.NO_CHORD
            for i, time in zip(at, times, strict=True)
        ]

    def transpose(self, semitones: int) -> "ChordSequence":
        """Move all chords by some semitones, up or (negative) down."""
        labels = [harte.transpose(label, semitones) for label in self._labels]
        return self._with(self._intervals, labels, self._confidences)

    def spelled(self, key: str | None = None) -> "ChordSequence":
        """Write all chords with the accidentals of a key.

        Args:
            key: Such as `"Bb:maj"`, `"Gm"` or `"8A"`; `None` for the key found by
                `key()`, and sharps if there is none.

        Returns:
            The same chords, with flats in a key whose signature has flats.
        """
        if key is None:
            found = self.key()
            key = found.label if found else None
        labels = [keys.spell(label, key) for label in self._labels]
        return self._with(self._intervals, labels, self._confidences)

    def key(self, *, profile: str = "temperley") -> Key | None:
        """Return the key that fits the chords best; `None` if no chord sounds.

        Args:
            profile: `"temperley"` or `"krumhansl"`, see `estimate_key`.
        """
        return estimate_key(self, profile=profile)

    def plot(self, *, chroma=None, times=None, ax=None) -> Any:
        """Draw the chords over time, see `plotting.plot_chords`; returns the axes.

        Filled bars are chords with a major third, open ones have a minor or none.

        Args:
            chroma: Drawn below the chords, array `(frames, 12)` from C to B.
            times: Start of each frame of `chroma` in seconds.
            ax: Matplotlib axes to draw into; made if `None`.
        """
        chords = [harte.parse(label) for label in self._labels]
        return plotting.plot_chords(
            self._intervals,
            [keys.pretty(label) for label in self._labels],
            [-1 if chord.root is None else chord.root for chord in chords],
            filled=[chord.intervals[4] for chord in chords],
            chroma=chroma,
            times=times,
            ax=ax,
        )

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame`: start, end, label, confidence."""
        pandas = import_extra("pandas", "train", "ChordSequence.to_dataframe()")
        return pandas.DataFrame(list(self), columns=list(ChordSegment._fields))


def _from_segments(segments, duration):
    columns = list(zip(*segments, strict=True)) or [(), (), (), ()]
    intervals = np.array(columns[:2], dtype="float64").T
    return ChordSequence(intervals, columns[2], columns[3], duration)


def _check_confidences(confidences, n):
    if confidences is None:
        return None
    array = np.array(
        [np.nan if value is None else value for value in confidences], dtype="float64"
    )
    if array.shape != (n,) or np.isinf(array).any():
        raise LabelError(
            "There must be one finite confidence, or None, for each chord.",
            received=f"confidences of shape {array.shape} for {n} chords",
            advice="Give as many as labels, or leave them out.",
        )
    array.flags.writeable = False
    return None if np.isnan(array).all() else array


def _check_duration(duration, intervals):
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
