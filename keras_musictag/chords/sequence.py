"""`ChordSequence`: the chords of a song over time, what every recogniser returns."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_musictag import plotting
from keras_musictag.checks import check_positive
from keras_musictag.chords import harte, keys
from keras_musictag.chords.agreement import agreed_shares
from keras_musictag.chords.analysis import Key, estimate_key
from keras_musictag.chords.doors import ChordFiles
from keras_musictag.chords.roman import numerals_in_keys
from keras_musictag.chords.segments import (
    TOUCH,
    ChordSegment,
    check_duration,
    check_segments,
    check_shares,
    frame_starts,
    join_frames,
    labels_of_regions,
)
from keras_musictag.chords.vocabulary import get_vocabulary
from keras_musictag.errors import ConfigError, import_extra


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
        agreements: For each segment the share of its time for which another
            recogniser names the same triad, as `compared_with` gives it; `None` (or
            a `None` among them) where that is not known.

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

    def __init__(
        self, intervals, labels, confidences=None, duration=None, agreements=None
    ) -> None:
        self._intervals, self._labels = check_segments(intervals, labels)
        self._intervals.flags.writeable = False
        n = len(self._labels)
        self._confidences = check_shares(confidences, n, "confidence")
        self._agreements = check_shares(agreements, n, "agreement")
        self._duration = check_duration(duration, self._intervals)

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
    def agreements(self) -> np.ndarray | None:
        """float64 array `(segments,)`: for how much of each segment another recogniser
        names the same triad, NaN where unknown; `None` if nobody else was asked."""
        return self._agreements

    @property
    def agreed_share(self) -> float | None:
        """Share of the time for which another recogniser agrees; `None` if unknown."""
        if self._agreements is None:
            return None
        known = ~np.isnan(self._agreements)
        seconds = np.diff(self._intervals)[known, 0]
        return float(np.average(self._agreements[known], weights=seconds))

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
        stored = self._confidences is not None and self._confidences[index]
        confidence = float(stored) if stored is not False and stored == stored else None
        return ChordSegment(start, end, self._labels[index], confidence)

    def __eq__(self, other) -> bool:
        if not isinstance(other, ChordSequence):
            return NotImplemented
        return (
            self.duration == other.duration
            and list(self) == list(other)
            and _same(self._agreements, other._agreements)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{s:.2f} {label}" for s, _, label, _ in self[:4])
        more = ", ..." if len(self) > 4 else ""
        return (
            f"ChordSequence({len(self)} segments, {self.duration:.2f} s: {shown}{more})"
        )

    def _parts(self, chosen):
        columns = (self._confidences, self._agreements)
        shares = [None if column is None else column[chosen] for column in columns]
        labels = [self._labels[i] for i in np.arange(len(self))[chosen]]
        return self._intervals[chosen], labels, *shares

    def _with(self, intervals, labels, confidences, agreements):
        return ChordSequence(intervals, labels, confidences, self.duration, agreements)

    def with_confidences(self, confidences) -> "ChordSequence":
        """Return the same segments with other confidences, one for each or `None`."""
        return self._with(self._intervals, self._labels, confidences, self._agreements)

    def _renamed(self, labels):
        return self._with(self._intervals, labels, self._confidences, self._agreements)

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
        intervals, labels, *shares = self._parts(cut[:, 1] > cut[:, 0])
        cut = np.clip(intervals, start, end)
        return ChordSequence(cut, labels, shares[0], end, shares[1])

    def merged(self) -> "ChordSequence":
        """Join neighbours that touch and are the same chord, however it is spelled.

        Returns:
            The shorter sequence; confidence and agreement of a joined segment are
            means weighted by duration.
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
        shares: list[np.ndarray | None] = [self._confidences, self._agreements]
        for i, column in enumerate(shares):
            if column is not None and len(self):
                weights = np.diff(self._intervals)[:, 0]
                total = np.add.reduceat(weights * column, first)
                shares[i] = total / np.add.reduceat(weights, first)
        return self._with(intervals, [self._labels[i] for i in first], *shares)

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
        rows: list[tuple] = []
        for i, gap in enumerate(zip(bounds[::2], bounds[1::2], strict=True)):
            if gap[1] > gap[0]:
                rows.append((*gap, harte.NO_CHORD, None, None))
            if i < len(part):
                agreements = part.agreements
                rows.append((*part[i], None if agreements is None else agreements[i]))
        return _from_rows(rows, part.duration)

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

    def compared_with(self, other: "ChordSequence") -> "ChordSequence":
        """Say of each segment for how long another sequence names the same triad.

        Triads are the same if root, third and fifth are; a seventh, a bass or what
        lies above does not count, nor does how a root is spelled. Where `other` has no
        segment it counts as `N`.

        Args:
            other: The chords of the same recording by another recogniser.

        Returns:
            This sequence with `agreements`; `agreed_share` sums them up.

        Example:

        ```python
        from keras_musictag.chords import ChordSequence

        one = ChordSequence([[0, 2], [2, 4]], ["C:maj", "A:min"])
        two = ChordSequence([[0, 3], [3, 4]], ["C:maj7", "A:min/b3"])
        print(one.compared_with(two).agreements)  # [1.  0.5]
        ```
        """
        shares = agreed_shares(self, other)
        return self._with(self._intervals, self._labels, self._confidences, shares)

    def transpose(self, semitones: int) -> "ChordSequence":
        """Move all chords by some semitones, up or (negative) down."""
        return self._renamed([harte.transpose(x, semitones) for x in self._labels])

    def spelled(self, key=None) -> "ChordSequence":
        """Write all chords with the accidentals of a key.

        Args:
            key: Such as `"Bb:maj"`, `"Gm"` or `"8A"`; `None` for the key found by
                `key()`, and sharps if there is none. Or a `KeySequence`: each chord
                is in the key of its region.

        Returns:
            The same chords, with flats in a key whose signature has flats.
        """
        named = zip(self._labels, self._keys(key), strict=True)
        return self._renamed([keys.spell(label, name) for label, name in named])

    def _keys(self, key):
        """The key of each chord; `None` where it is not known."""
        if key is None or not len(key):
            key = getattr(self.key(), "label", None)
        if key is None or isinstance(key, str):
            return [key] * len(self)
        return labels_of_regions(self._intervals, list(key))

    def key(self, *, profile: str = "mean") -> Key | None:
        """Return the key that fits the chords best; `None` if no chord sounds.

        Args:
            profile: `"mean"`, `"temperley"` or `"krumhansl"`, see `estimate_key`.
        """
        return estimate_key(self, profile=profile)

    def to_roman(self, key=None) -> list[str]:
        """Name the chords by the degrees of a key: `ii7`, `V65`, `V7/V`, `bVII`.

        Args:
            key: As in `spelled`; C major where none is found.

        Returns:
            A Roman numeral for each segment; how they are written, and what is said
            about each besides, is in `chords.numerals`.

        Raises:
            LabelError: If the key is malformed.

        Example:

        ```python
        from keras_musictag.chords import ChordSequence

        song = ChordSequence([[0, 1], [1, 2], [2, 3]], ["C:maj", "G:7/3", "C:maj"])
        print(song.to_roman())  # ['I', 'V65', 'I']
        ```
        """
        names = [name or "C:maj" for name in self._keys(key)]
        return [numeral.figure for numeral in numerals_in_keys(self._labels, names)]

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
        """Return a `pandas.DataFrame`: start, end, label, confidence.

        A column `agreement` follows if another recogniser was asked.
        """
        pandas = import_extra("pandas", "train", "ChordSequence.to_dataframe()")
        table = pandas.DataFrame(list(self), columns=list(ChordSegment._fields))
        if self._agreements is not None:
            table["agreement"] = self._agreements
        return table


def _from_rows(rows, duration):
    columns = list(zip(*rows, strict=True)) or [()] * 5
    intervals = np.array(columns[:2], dtype="float64").T
    return ChordSequence(intervals, columns[2], columns[3], duration, columns[4])


def _same(one, other) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other, equal_nan=True)
