"""What the page draws, as data."""

import pytest

from keras_musictag.beats import BeatSequence
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.demo.downloads import write_downloads
from keras_musictag.demo.view import beat_marks, key_lane
from keras_musictag.keys import KeySequence


def test_beats_know_their_bars():
    beats = BeatSequence([0.5, 1.0, 1.5, 2.0, 2.5], [3, 1, 2, 3, 1])
    assert beat_marks(beats) == [
        [0.5, 3, 0],
        [1.0, 1, 1],
        [1.5, 2, 1],
        [2.0, 3, 1],
        [2.5, 1, 2],
    ]
    unknown = BeatSequence([0.5, 1.0])
    assert beat_marks(unknown) == [[0.5, 0, 0], [1.0, 0, 0]]


def test_keys_have_the_colours_of_their_chords():
    lane = key_lane(KeySequence([[0, 30], [30, 60]], ["Eb:maj", "C:min"]))
    assert [(key["name"], key["about"]) for key in lane] == [
        ("Eb 5B", "Eb major (5B)"),
        ("Cm 5A", "C minor (5A)"),
    ]
    assert [(key["root"], key["minor"]) for key in lane] == [(3, False), (0, True)]
    assert (lane[1]["start"], lane[1]["end"]) == (30, 60)


@pytest.mark.parametrize("beats", [None, BeatSequence([0, 1, 2, 3], [1, 2, 1, 2])])
def test_a_sheet_goes_with_the_chords(tmp_path, beats):
    import numpy as np

    from keras_musictag import Labels, Taggram
    from keras_musictag.pages import SongSummary

    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    taggram = Taggram(np.zeros(1), Labels(["rock"]), np.full((1, 1), 0.5, "float32"))
    chords = ChordSequence([[0, 2], [2, 4]], ["C:maj", "F:maj"])
    summary = SongSummary("song.mp3", taggram, chords, beats)
    files = write_downloads(tmp_path, summary)
    sheet = files["Sheet"].read_text("utf-8")
    assert files["Sheet"].name == "song.txt" and "song.mp3" in sheet
    assert ("| C" in sheet) == (beats is not None)
    assert (".beats" in files) == (beats is not None)
    if beats is not None:
        assert BeatSequence.from_file(files[".beats"]).positions.tolist() == [
            1,
            2,
            1,
            2,
        ]
