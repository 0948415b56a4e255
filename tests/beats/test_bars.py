"""Where bars begin, told by chords."""

import numpy as np
import pytest

from keras_musictag.beats import BeatSequence
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import ConfigError


def chords_at(*beats, step=0.5):
    """Chords that begin on these beats, the last number is the end."""
    edges = step * np.array(beats, "float64")
    labels = [f"{root}:maj" for root in ("CFGA" * 9)[: len(beats) - 1]]
    return ChordSequence(np.stack([edges[:-1], edges[1:]], axis=1), labels)


def beats_from(position, count=24, meter=4):
    places = (np.arange(count) + position - 1) % meter + 1
    return BeatSequence(0.5 * np.arange(count), places, np.full(count, 0.7), 12.0)


def test_bars_begin_with_chords():
    """A bar counted from its third beat, which chords contradict."""
    beats = beats_from(1).with_bars(chords_at(0, 2, 6, 10, 14, 18, 24))
    assert beats.positions.tolist() == [3, 4, *[1, 2, 3, 4] * 5, 1, 2]
    assert beats.downbeats.tolist() == [1, 3, 5, 7, 9, 11]
    old = beats_from(1)
    assert (beats.times == old.times).all() and beats.duration == 12
    assert (beats.confidences == old.confidences).all()


def test_a_waltz_counted_in_four():
    beats = beats_from(2).with_bars(chords_at(0, 3, 6, 9, 15, 18, 24))
    assert beats.meter == 3
    assert beats.positions[:4].tolist() == [1, 2, 3, 1]
    assert beats_from(2).with_bars(chords_at(0, 5, 10, 15, 20, 24), 5).meter == 5


def test_bars_that_nobody_knew():
    beats = BeatSequence(0.5 * np.arange(24)).with_bars(chords_at(0, 1, 5, 9, 13, 24))
    assert beats.positions.tolist() == [4, *[1, 2, 3, 4] * 5, 1, 2, 3]


def test_chords_that_say_nothing_change_nothing():
    for position in (1, 2, 3):
        beats = beats_from(position)
        # Three changes, or changes between beats, or as many on each half of the bar.
        few = chords_at(0, 2, 6, 10, 24)
        between = chords_at(0, *np.arange(2, 20, 4) + 0.499, 24)
        assert beats.with_bars(few) == beats
        assert beats.with_bars(ChordSequence([], [])) == beats
        assert beats.with_bars(between).with_bars(few) == beats.with_bars(between)
    even = chords_at(*range(0, 25, 2))
    assert beats_from(1).with_bars(even) == beats_from(1)
    assert beats_from(3).with_bars(even) == beats_from(3)
    for times in ([], [1.0]):
        assert BeatSequence(times).with_bars(even) == BeatSequence(times)


def test_long_chords_count_more():
    # Changes on beats 0 and 2 of the bar alike, but what begins on 2 lasts.
    song = chords_at(0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 24)
    assert beats_from(1).with_bars(song).positions[1] == 1


def test_bad_meters_are_refused():
    with pytest.raises(ConfigError, match="meters"):
        beats_from(1).with_bars(chords_at(0, 4), meters=())
    with pytest.raises(ConfigError, match="meters"):
        beats_from(1).with_bars(chords_at(0, 4), meters=(0,))
