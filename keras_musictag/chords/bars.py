"""Chords by bars: which one stands on each beat, where beats and bars are known."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keras_musictag.checks import check_positive_int
from keras_musictag.chords import harte
from keras_musictag.chords.analysis import tempo_of_line
from keras_musictag.chords.beat_frames import check_beats
from keras_musictag.chords.segments import ChordSegment

# Beats on either side from which the length of one is taken.
AROUND = 4
# A pause of so many beats holds more than one.
PAUSE = 1.5


class Bar(NamedTuple):
    """A bar with a chord on each of its beats.

    Args:
        number: From 1 on; 0 for beats before the first bar begins.
        times: Its beats in seconds, and the end of the last one, `beats + 1` numbers.
        labels: For each beat a chord in Harte's notation.
    """

    number: int
    times: tuple[float, ...]
    labels: tuple[str, ...]

    @property
    def tempo(self) -> float:
        """Beats per minute."""
        return 60 * len(self.labels) / (self.times[-1] - self.times[0])

    def changes(self) -> Iterator[tuple[int, str]]:
        """Give the beats, counted from 0, on which a chord begins, with the chord."""
        for beat, label in enumerate(self.labels):
            if not beat or harte.parse(label) != harte.parse(self.labels[beat - 1]):
                yield beat, label


@dataclass(frozen=True)
class BarChart:
    """The chords of a song by bars.

    Args:
        bars: In order.
        meter: Beats in most bars.
        tempo: In beats per minute.
        counted: Whether it was not known where bars begin, so that they were counted
            from the first beat.
        hidden: Chords that are in no bar: shorter than a beat, and between two beats
            that others are nearer to.
    """

    bars: tuple[Bar, ...]
    meter: int
    tempo: float
    counted: bool
    hidden: tuple[ChordSegment, ...]


def lay_bars(sequence, beats, beats_per_bar: int = 4) -> BarChart | None:
    """Put the chords of a song onto its beats, and these into bars.

    A chord begins on the beat that is nearest to its start. One that would begin and
    end on the same beat has no place: it is shorter than a beat, and told as hidden.
    Beats are taken to go on as they do nearby where there are none for more than a
    beat, before the first beat and after the last one as long as chords begin there,
    and to the end of the last bar. Bars at the end that are silent, or begin after the
    recording is over, are left out.

    Args:
        sequence: The `ChordSequence`.
        beats: A `BeatSequence`, or the times of beats in seconds, rising.
        beats_per_bar: How bars are counted, from the first beat on, if `beats` does
            not know where they begin.

    Returns:
        The `BarChart`; `None` for fewer than two beats.

    Raises:
        ConfigError: If the times do not rise, or `beats_per_bar` is no number from 1.
    """
    meter = check_positive_int(beats_per_bar, name="beats_per_bar")
    times = check_beats(getattr(beats, "times", beats))
    if len(times) < 2:
        return None
    positions = getattr(beats, "positions", None)
    counted = positions is None or not (np.asarray(positions) == 1).any()
    if counted:
        positions = np.ones(len(times), int)
    else:
        meter = _meter(np.asarray(positions))
    tempo = tempo_of_line(times)
    segments = list(sequence.filled().merged()) if len(sequence) else []
    times, positions = _without_pauses(times, positions, meter)
    if counted:
        positions = [i % meter + 1 for i in range(len(times))]
    times, positions = _lengthened(times, positions, meter, segments)
    labels, hidden = _snapped(times, segments)
    bars = _bars(times, positions, labels)
    while len(bars) > 1 and _is_over(bars[-1], sequence.duration):
        bars.pop()
    return BarChart(tuple(bars), meter, tempo, counted, tuple(hidden))


def _meter(positions):
    lengths = np.diff(np.flatnonzero(positions == 1))
    return int(np.bincount(lengths).argmax() if len(lengths) else positions.max())


def _without_pauses(times, positions, meter):
    """Fill up where beats lack: as many as fit in evenly."""
    steps = np.diff(times)
    filled, places = [float(times[0])], [int(positions[0])]
    for i, step in enumerate(steps):
        # The longer one: where the tempo falls there is no pause.
        near = (steps[max(0, i - AROUND) : i], steps[i + 1 : i + 1 + AROUND])
        usual = max((np.median(part) for part in near if len(part)), default=step)
        count = round(step / usual) if step > PAUSE * usual else 1
        for j in range(1, count):
            filled.append(float(times[i] + j * step / count))
            places.append(places[-1] % meter + 1)
        filled.append(float(times[i + 1]))
        places.append(int(positions[i + 1]))
    return filled, places


def _lengthened(times, positions, meter, segments):
    """Let beats begin and end with the chords, and end with a bar."""
    sounding = [s for s in segments if harte.parse(s.label).root is not None]
    steps = np.diff(times)
    first, last = np.median(steps[:AROUND]), np.median(steps[-AROUND:])
    begin = sounding[0].start if sounding else times[0]
    # None begins before the recording does but by less than half a beat.
    while begin < times[0] - first / 2 and times[0] > first / 2:
        times.insert(0, times[0] - first)
        positions.insert(0, (positions[0] - 2) % meter + 1)
    begun = sounding[-1].start if sounding else times[-1]
    while times[-1] + last / 2 < begun or positions[-1] % meter:
        times.append(times[-1] + last)
        positions.append(positions[-1] % meter + 1)
    return np.array([*times, times[-1] + last]), positions


def _snapped(times, segments):
    """Give a label for each beat, and the chords that have none."""
    before, after = 2 * times[0] - times[1], 2 * times[-1] - times[-2]
    middles = np.convolve([before, *times, after], [0.5, 0.5], "valid")
    # How many beats are over when a segment begins.
    begins = np.searchsorted(middles[:-1], [s.start for s in segments], side="right")
    begins = np.append(np.maximum(begins - 1, 0), len(times) - 1)
    labels = [harte.NO_CHORD] * (len(times) - 1)
    hidden = []
    for segment, begin, end in zip(segments, begins, begins[1:], strict=False):
        labels[begin:end] = [segment.label] * (end - begin)
        if begin == end and harte.parse(segment.label).root is not None:
            hidden.append(segment)
    return labels, hidden


def _bars(times, positions, labels):
    starts = [i for i, place in enumerate(positions) if not i or place == 1]
    first, ends = int(positions[0] == 1), [*starts[1:], len(positions)]
    return [
        Bar(number, tuple(times[begin : end + 1].tolist()), tuple(labels[begin:end]))
        for number, (begin, end) in enumerate(zip(starts, ends, strict=True), first)
    ]


def _is_over(bar, duration):
    return bar.times[0] >= duration or set(bar.labels) == {harte.NO_CHORD}
