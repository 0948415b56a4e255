"""Bars of rendered songs, whose chords and beats are known exactly."""

import json

import numpy as np
import pytest

from keras_musictag.beats import BeatSequence
from keras_musictag.chords.bars import lay_bars
from keras_musictag.chords.sequence import ChordSequence

SECONDS = 45.0


@pytest.fixture(scope="module")
def grids(reference):
    """The beats of 24 songs, with their positions in the bar."""
    text = (reference / "beatnet" / "beat_grid.json").read_text("utf-8")
    grids = {}
    for name, song in json.loads(text)["songs"].items():
        count = int(np.searchsorted(song["beats"], SECONDS))
        places = song["positions"][:count]
        grids[name] = BeatSequence(song["beats"][:count], places, None, SECONDS)
    return grids


def test_chords_find_the_bars_of_every_song(grids, rendered_labels):
    """However they were counted before, in the right meter or in another."""
    assert len(grids) == 24
    for name, right in grids.items():
        chords = ChordSequence.from_lab(rendered_labels / f"{name}.lab")
        counts = np.arange(len(right))
        ways = [None, *((counts + k) % 4 + 1 for k in range(4)), counts % 3 + 1]
        for places in ways:
            beats = BeatSequence(right.times, places, None, SECONDS)
            found = beats.with_bars(chords).positions
            assert found is not None, name
            np.testing.assert_array_equal(found, right.positions, err_msg=name)


def test_the_sheet_of_a_waltz(grids, rendered_labels):
    chords = ChordSequence.from_lab(rendered_labels / "majmin_2026_0003.lab")
    text = chords.to_sheet(grids["majmin_2026_0003"], roman=True)
    # From its `.lab`, where G lasts from 10.89 to 13.61 s: two bars of 1.36 s.
    assert text.splitlines()[:10] == [
        "Key: G major   Time: 3/4   Tempo: 132   Length: 0:45",
        "",
        " 0:00 | G . .   | C  . . | D . .  | Em . . |",
        "        I         IV       V        vi",
        " 0:05 | C  . .  | Am . . | D . .  | Em . . |",
        "        IV        ii       V        vi",
        " 0:10 | G . .   | %      | A  . . | Am . . |",
        "        I                  II       ii",
        " 0:16 | Bm  . . | %      | D . .  | Em . . |",
        "        iii                V        vi",
    ]


def test_all_chords_of_all_songs_have_their_beats(grids, rendered_labels):
    """The labels were made on these beats: each chord is on its own, to 10 ms."""
    for name, beats in grids.items():
        chords = ChordSequence.from_lab(rendered_labels / f"{name}.lab").merged()
        chart = lay_bars(chords, beats)
        shown, last = [], None
        for bar in chart.bars:
            for beat, label in bar.changes():
                if label != last:
                    shown.append((bar.times[beat], label))
                last = label
        shown = [(time, label) for time, label in shown if label != "N"]
        wanted = [(x.start, x.label) for x in chords if x.label != "N"]
        assert chart.hidden == (), name
        assert [label for _, label in shown] == [label for _, label in wanted], name
        # Off-beat styles: the first chord begins with its first tone.
        gaps = np.subtract([time for time, _ in shown], [time for time, _ in wanted])
        assert np.abs(gaps[1:]).max() < 0.01, name
