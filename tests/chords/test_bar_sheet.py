"""Sheets by bars: every line by hand."""

import numpy as np
import pytest

from keras_musictag.beats import BeatSequence
from keras_musictag.chords.bars import lay_bars
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import ConfigError, LabelError


def beats_of(count, meter=4, position=1):
    """Beats from 0 s on, 120 a minute, the first one at some position in its bar."""
    return BeatSequence(
        0.5 * np.arange(count), (np.arange(count) + position - 1) % meter + 1
    )


def song_of(*parts):
    """Chords by their lengths in beats of half a second: `("C", 4), ("F", 2)`."""
    edges = 0.5 * np.cumsum([0, *(beats for _, beats in parts)])
    intervals = np.stack([edges[:-1], edges[1:]], axis=1)
    return ChordSequence(intervals, [label for label, _ in parts])


VERSE = song_of(
    *[("C", 4), ("A:min", 2), ("F", 2), ("G:7", 4), ("G:7", 4)],
    *[("C", 3), ("C/3", 1), ("F:maj7", 4)],
)
WALTZ = song_of(("G:7", 1), ("C", 3), ("A:min", 3), ("C", 3))


def lines(text):
    return text.splitlines()


def bars_of(text):
    """The bars of a sheet without numerals, blanks at their ends aside."""
    rows = [row for row in lines(text) if row[2:3] == ":"]
    return [[bar.strip() for bar in row[5:].split("|")[:-1]] for row in rows]


def test_four_bars_to_a_line():
    text = VERSE.to_sheet(beats_of(24), title="Song", artist="Band")
    assert lines(text) == [
        "Song",
        "Band",
        "Key: C major   Time: 4/4   Tempo: 120   Length: 0:12",
        "",
        " 0:00 | C . . .   | Am . F .    | G7 . . . | % |",
        " 0:08 | C . . C/E | Fmaj7 . . . |",
    ]
    assert text.endswith("|\n")


def test_a_file_for_the_sheet(tmp_path):
    text = VERSE.to_sheet(beats_of(24), tmp_path / "song.txt", key="F:maj")
    assert (tmp_path / "song.txt").read_text("utf-8") == text
    assert "Key: F major" in text


def test_numerals_stand_below_the_chords():
    text = VERSE.to_sheet(beats_of(24), roman=True, bars_per_line=2)
    assert lines(text)[2:] == [
        " 0:00 | C . . .   | Am . F  .    |",
        "        I           vi   IV",
        " 0:04 | G7 . . .  | %            |",
        "        V7",
        " 0:08 | C . . C/E | Fmaj7  . . . |",
        "        I     I6    IVmaj7",
    ]
    song = song_of(("C", 4), ("D:7", 4), ("G", 4), ("F:min", 4), ("C", 4))
    notes = lines(song.to_sheet(beats_of(20), roman=True, key="C:maj"))[-2:]
    assert notes == [
        "Borrowed from the parallel minor: iv.",
        "Lead to another degree: V7/V.",
    ]


def test_a_pickup_stands_before_the_first_bar():
    text = WALTZ.to_sheet(beats_of(10, 3, 3), bars_per_line=2)
    assert lines(text) == [
        "Key: C major   Time: 3/4   Tempo: 120   Length: 0:05",
        "",
        " 0:00 G7 | C . . | Am . . |",
        " 0:03    | C . . |",
    ]


def test_grids_of_chordpro():
    assert lines(VERSE.to_chordpro(beats=beats_of(24), title="Song")) == [
        *["{title: Song}", "{key: C}", "{time: 4/4}", "{tempo: 120}"],
        *["{duration: 0:12}", "", "{start_of_grid 1+4x4}"],
        "0:00 | C . . . | Am . F . | G7 . . . | % . . . |",
        "0:08 | C . . C/E | Fmaj7 . . . |",
        "{end_of_grid}",
    ]
    # The pickup is filled up; ChordPro knows no other bars than whole ones.
    assert lines(WALTZ.to_chordpro(beats=beats_of(10, 3, 3), bars_per_line=2))[-5:] == [
        "{start_of_grid 1+2x3}",
        "0:00 | . . G7 |",
        "0:00 | C . . | Am . . |",
        "0:03 | C . . |",
        "{end_of_grid}",
    ]


def test_chords_begin_on_the_nearest_beat():
    song = ChordSequence(
        [[0, 1.2], [1.2, 1.8], [1.8, 2.4], [2.4, 2.7], [2.7, 4]],
        ["C", "F", "G", "D:min", "C"],
    )
    # Half a beat is 0.25 s: F moves to 1.0, G to 2.0, D minor and C both to 2.5.
    text = song.to_sheet(beats_of(8), key="C:maj")
    assert bars_of(text) == [["", "C . F .", "G C . ."]]
    assert lines(text)[-1] == "Not shown, shorter than a beat: Dm at 0:02."
    chart = lay_bars(song, beats_of(8))
    assert [segment.label for segment in chart.hidden] == ["D:min"]


@pytest.mark.parametrize("seed", range(20))
def test_a_chord_of_a_beat_is_never_lost(seed):
    rng = np.random.default_rng(seed)
    edges = np.concatenate([[0.0], np.cumsum(rng.uniform(0.5, 1.5, 40))])
    labels = [f"{root}:maj" for root in rng.permutation(list("CDEFGAB") * 8)[:40]]
    song = ChordSequence(np.stack([edges[:-1], edges[1:]], axis=1), labels).merged()
    chart = lay_bars(song, beats_of(100))
    assert chart.hidden == ()
    shown = [label for bar in chart.bars for _, label in bar.changes()]
    changes = [x for i, x in enumerate(shown) if not i or x != shown[i - 1]]
    assert changes == song.labels


def test_beats_that_lack_are_filled_in():
    """None before 1.5 s, none from 3.5 to 5.5 s, none after 8 s."""
    times = [1.5, 2.0, 2.5, 3.0, 3.5, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0]
    beats = BeatSequence(times, [4, 1, 2, 3, 4, 4, 1, 2, 3, 4, 1])
    song = song_of(("C", 4), ("F", 5), ("G", 4), ("C", 4), ("A:min", 6))
    assert bars_of(song.to_sheet(beats)) == [
        ["", "C . . .", "F . . .", "F G . .", "G C . ."],
        ["", "C Am . ."],
    ]
    # Half the tempo from some beat on is no pause.
    slower = BeatSequence(
        [0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    )
    assert bars_of(song_of(("C", 4), ("F", 12)).to_sheet(slower)) == [
        ["", "C . . .", "F . . .", "%"]
    ]


def test_silence_and_bars_of_other_lengths():
    beats = BeatSequence(
        0.5 * np.arange(15), [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 1, 2, 3, 4, 1]
    )
    song = song_of(("N", 4), ("C", 4), ("G", 2), ("C", 3), ("N", 9), ("X", 1))
    assert bars_of(song.to_sheet(beats)) == [
        ["", "N.C. . . .", "C . . .", "G .", "C . . N.C."]
    ]
    grid = song.to_chordpro(beats=beats)
    assert "0:00 | N.C. . . . | C . . . | G . | C . . N.C. |" in grid


def test_bars_end_with_the_recording():
    song = song_of(("C", 4), ("G", 3))
    assert bars_of(song.to_sheet(beats_of(60))) == [["", "C . . .", "G . . ."]]
    later = BeatSequence([50.0, 50.5, 51.0], [1, 2, 3])
    assert bars_of(song.to_sheet(later, beats_per_bar=4))[0][1] == "C . ."


def test_bars_are_counted_if_nobody_knows_them():
    told = (
        "Bars are counted in 3 from the first beat: it is not known where they begin."
    )
    times = 0.5 * np.arange(9)
    song = song_of(("C", 3), ("F", 3), ("G", 3))
    for beats in (times, list(times), BeatSequence(times)):
        text = song.to_sheet(beats, beats_per_bar=3)
        assert bars_of(text) == [["", "C . .", "F . .", "G . ."]]
        assert lines(text)[-1] == told
    assert told in song.to_chordpro(beats=times, beats_per_bar=3)
    assert told not in song.to_sheet(beats_of(9, 3))


def test_without_beats_chords_stand_in_lines_of_four():
    song = song_of(("C", 4), ("A:min", 2), ("F", 2), ("G:7", 2), ("C", 120))
    rows = ["", " 0:00  C  Am  F  G7", " 0:05  C"]
    assert lines(song.to_sheet()) == ["Key: C major   Length: 1:05", *rows]
    for none in (BeatSequence([]), [1.0]):
        text = song.to_sheet(none)
        note = "No beats were found, so there are no bars."
        assert lines(text) == ["Key: C major   Length: 1:05", *rows, "", note]
        assert song.to_chordpro(beats=none) == (
            song.to_chordpro() + f"\n{{comment: {note}}}\n"
        )
    assert " 0:00  C  Am  F   G7\n       I  vi  IV  V7\n" in song.to_sheet(roman=True)
    assert ChordSequence([], []).to_sheet() == "Length: 0:00\n"
    assert bars_of(ChordSequence([], []).to_sheet(beats_of(8))) == [["", "N.C. . . ."]]


def test_bad_arguments_are_refused():
    for write in (
        VERSE.to_sheet,
        lambda beats, **x: VERSE.to_chordpro(beats=beats, **x),
    ):
        with pytest.raises(ConfigError, match="list of rising times"):
            write([1.0, 0.5])
        with pytest.raises(ConfigError, match="bars_per_line"):
            write(beats_of(8), bars_per_line=0)
        with pytest.raises(ConfigError, match="beats_per_bar"):
            write(beats_of(8), beats_per_bar=0)
        with pytest.raises(LabelError, match="no name of a key"):
            write(beats_of(8), key="H")
