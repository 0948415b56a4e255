"""What the page draws, as data."""

import pytest

from keras_musictag.beats import BeatSequence
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.demo.downloads import write_downloads
from keras_musictag.demo.view import beat_marks, key_lane, wanted_lanes
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


def test_lanes_are_what_is_wanted_or_what_comes_and_goes():
    import numpy as np

    from keras_musictag import Labels, Taggram

    names = ["rock", "no vocals", "voice", "piano", "flute", "harp"]
    groups = ["genre", "vocals", "vocals", "instrument", "instrument", "instrument"]
    scores = np.array([[0.9, 0.9, 0.1, 0.6, 0.2, 0.4], [0.9, 0, 0.5, 0.6, 0.1, 0.2]])
    times = np.array([0.0, 3.0])
    labels = Labels(names, groups, [0.3] * 6)
    song = Taggram(times, labels, scores.astype("float32"), 0.9, 6.0)
    assert wanted_lanes(song, ()) == {
        "piano": [(0, 6)],
        "voice": [(3, 6)],
        "harp": [(0, 3)],
    }
    wanted = (("flute", 0.15), ("vocals", 0.5), ("drums", 0.5), ("harp", 0.9))
    assert wanted_lanes(song, wanted) == {
        "flute": [(0, 3)],
        "vocals": [(3, 6)],  # though no vocals score high at the start
        "harp": [],
    }
    plain = Taggram(times, Labels(names), scores.astype("float32"), 0.9, 6.0)
    assert wanted_lanes(plain, ()) == {}
