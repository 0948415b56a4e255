"""`ChordSequence`: what it refuses, cuts, joins, and gives to mir_eval."""

import mir_eval
import numpy as np
import pytest

from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import ConfigError, LabelError

SONG = ChordSequence(
    [[0, 1.5], [1.5, 2.0], [2.0, 4.0], [5.0, 6.0]],
    ["N", "Db:maj", "C#:maj", "A:min7/b3"],
    [0.9, 0.5, 0.7, None],
    duration=7.5,
)


def test_it_iterates_as_named_tuples_and_indexes():
    assert [s.label for s in SONG] == ["N", "Db:maj", "C#:maj", "A:min7/b3"]
    start, end, label, confidence = SONG[1]
    assert (start, end, label, confidence) == (1.5, 2.0, "Db:maj", 0.5)
    assert SONG[-1].confidence is None and SONG.duration == 7.5
    assert SONG[1:3].labels == ["Db:maj", "C#:maj"] and len(SONG) == 4
    again = ChordSequence(SONG.intervals, SONG.labels, [0.9, 0.5, 0.7, None], 7.5)
    assert again == SONG
    assert SONG[:3] != SONG and "4 segments" in repr(SONG)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0, 2], [1, 3]], ["N", "N"]), "before the one above it ends: segment 1"),
        (([[2, 3], [0, 1]], ["N", "N"]), "before the one above it ends"),
        (([[2, 1]], ["N"]), "does not end after its start: segment 0"),
        (([[1, 1]], ["N"]), "does not end after its start"),
        (([[-1, 1]], ["N"]), "no number of at least 0"),
        (([[0, np.nan]], ["N"]), "no number of at least 0"),
        (([[0, 1], [1, 2]], ["N", "C:mjaor"]), "label of segment 1 is not legal"),
        (([[0, 1]], ["N", "N"]), "one start and one end for each label"),
        (([["a", "b"]], ["N"]), "one start and one end"),
        (([[0, 1]], ["N"], [0.1, 0.2]), "one finite confidence"),
        (([[0, 1]], ["N"], None, 0.5), "must reach to its last segment"),
    ],
)
def test_bad_segments_are_refused_in_three_parts(arguments, message):
    with pytest.raises(LabelError, match=message) as caught:
        ChordSequence(*arguments)
    assert caught.value.received is not None and caught.value.advice


def test_rounding_is_no_overlap():
    # 0.1 + 0.2 lies above 0.3, which mir_eval refuses as an overlap.
    song = ChordSequence([[0, 0.1 + 0.2], [0.3, 1]], ["C:maj", "G:maj"])
    assert song.intervals[0, 1] == song.intervals[1, 0] == 0.3
    mir_eval.util.validate_intervals(song.intervals)


def test_it_goes_straight_into_mir_eval():
    reference = ChordSequence([[0, 2], [2, 4]], ["C:maj", "A:min"])
    estimate = ChordSequence([[0, 1], [1, 4]], ["C:maj", "A:min7"])
    scores = mir_eval.chord.evaluate(
        reference.intervals, reference.labels, estimate.intervals, estimate.labels
    )
    assert scores["majmin"] == pytest.approx(0.75)


def test_cutting_by_time():
    part = SONG.between(1.0, 5.5)
    np.testing.assert_array_equal(
        part.intervals, [[1.0, 1.5], [1.5, 2.0], [2.0, 4.0], [5.0, 5.5]]
    )
    assert part.labels == SONG.labels and part.duration == 5.5
    assert SONG.between(1.5, 2.0).labels == ["Db:maj"]
    assert len(SONG.between(4.0, 5.0)) == 0
    with pytest.raises(ConfigError, match="end after its start"):
        SONG.between(3, 2)


def test_joining_equal_neighbours_weighs_confidence_by_duration():
    merged = SONG.merged()
    assert merged.labels == ["N", "Db:maj", "A:min7/b3"]
    np.testing.assert_array_equal(merged.intervals, [[0, 1.5], [1.5, 4], [5, 6]])
    assert merged[1].confidence == pytest.approx((0.5 * 0.5 + 2 * 0.7) / 2.5)
    apart = ChordSequence([[0, 1], [2, 3]], ["C:maj", "C:maj"])
    assert apart.merged() == apart
    empty = ChordSequence([], [])
    assert empty.merged() == empty == empty[:0] and list(empty) == []


def test_filling_gaps_and_sampling():
    filled = SONG.filled(0, 8)
    assert filled.labels == ["N", "Db:maj", "C#:maj", "N", "A:min7/b3", "N"]
    assert filled.intervals[3].tolist() == [4, 5] and filled.intervals[-1, 1] == 8
    assert SONG.sample([0, 1.5, 3.9, 4.0, 5.0, 99]) == [
        *("N", "Db:maj", "C#:maj"),
        *("N", "A:min7/b3", "N"),
    ]
    assert ChordSequence([], []).filled(0, 2).labels == ["N"]


def test_frames_become_segments():
    path = np.array([0, 0, 9, 9, 9, 24])
    probabilities = np.full((6, 25), 0.01)
    probabilities[np.arange(6), path] = [0.2, 0.4, 0.3, 0.6, 0.9, 0.5]
    song = ChordSequence.from_frames(
        path, probabilities, "majmin", frame_period=0.5, offset=-0.25, duration=2.6
    )
    # Centred frames: boundaries half-way; the last frame's end is the song's.
    np.testing.assert_allclose(song.intervals, [[0, 0.75], [0.75, 2.25], [2.25, 2.6]])
    assert song.labels == ["C:maj", "A:maj", "N"]
    np.testing.assert_allclose(song.confidences, [0.3, 0.6, 0.5])
    short = ChordSequence.from_frames(
        path, None, "majmin", frame_period=1, duration=1.5
    )
    assert short.labels == ["C:maj"] and short.intervals.tolist() == [[0, 1.5]]
    uneven = ChordSequence.from_frames([3, 4, 4], None, "majmin", times=[0, 1, 5])
    assert uneven.intervals.tolist() == [[0, 1], [1, 9]] and uneven.confidences is None
    assert len(ChordSequence.from_frames([], None, "majmin", frame_period=1)) == 0


def test_bad_frames_are_refused():
    with pytest.raises(ConfigError, match="either `frame_period` or `times`"):
        ChordSequence.from_frames([1], None, "majmin")
    with pytest.raises(ConfigError, match="rising"):
        ChordSequence.from_frames([1, 2], None, "majmin", times=[1, 0])
    with pytest.raises(ConfigError, match="one row for each frame"):
        ChordSequence.from_frames([1], np.ones((2, 25)), "majmin", frame_period=1)


def test_original_segments_follow_from_the_original_paths(reference):
    """The stored Viterbi paths of crema, cut into segments, give its `.lab` files."""
    folder = reference / "crema"
    frames = np.load(folder / "frames_chords.npz")
    checked = 0
    for lab in sorted((folder / "annotations" / "chords").glob("*.lab")):
        path = frames[f"{lab.stem}__viterbi"]
        # The original's last segment ends one frame late.
        song = ChordSequence.from_frames(
            path,
            None,
            "crema170",
            frame_period=4096 / 44100,
            duration=(len(path) + 1) * 4096 / 44100,
        )
        stored = ChordSequence.from_lab(lab)
        np.testing.assert_allclose(song.intervals, stored.intervals, atol=1e-6)
        assert song.labels == [label.split("/")[0] for label in stored.labels]
        checked += 1
    assert checked


def test_transposing_and_spelling():
    assert SONG.transpose(-2).labels == ["N", "B:maj", "B:maj", "G:min7/b3"]
    assert SONG.transpose(12) == SONG
    assert SONG.spelled("Db:maj").labels[1:3] == ["Db:maj", "Db:maj"]
    assert SONG.spelled("E:maj").labels[1:3] == ["C#:maj", "C#:maj"]
    assert ChordSequence([[0, 1]], ["N"]).spelled().labels == ["N"]


def test_a_dataframe_and_a_picture():
    pytest.importorskip("pandas")
    frame = SONG.to_dataframe()
    assert list(frame.columns) == ["start", "end", "label", "confidence"]
    assert frame["label"].tolist() == SONG.labels
    pytest.importorskip("matplotlib")
    ax = SONG.plot()
    assert [text.get_text() for text in ax.texts] == ["N.C.", "Db", "C#", "Am7/C"]
