"""Chord scores against mir_eval, scikit-learn and the stored scores of crema."""

import json
import warnings

import mir_eval
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.chords.vocabulary import get_vocabulary
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.metrics import (
    COMPARISONS,
    SEGMENTATION,
    chord_confusion,
    chord_scores,
    frame_scores,
)

NAMES = (*COMPARISONS, *SEGMENTATION)


@pytest.fixture(scope="module")
def songs(rendered_labels, reference):
    folder = reference / "crema"
    stored = json.loads((folder / "scores.json").read_text())
    right, guess = (
        {
            name: ChordSequence.from_lab(where / f"{name}.lab")
            for name in stored["songs"]
        }
        for where in (rendered_labels, folder / "annotations" / "chords")
    )
    return stored, right, guess


@pytest.fixture(scope="module")
def scores(songs):
    return chord_scores(songs[1], songs[2])


def random_song(seed, n=30, start=0.0):
    rng = np.random.default_rng(seed)
    edges = start + np.append(0, np.cumsum(rng.uniform(0.05, 2, n)))
    vocabulary = get_vocabulary("inversions").labels
    near = [label for label in vocabulary if label[0] in "CN" or label == "X"]
    labels = [str(label) for label in rng.choice(near, n)]
    return ChordSequence(np.stack([edges[:-1], edges[1:]], axis=1), labels)


def test_every_stored_score_of_the_original_is_reproduced(songs, scores):
    stored = songs[0]
    for song, row in stored["songs"].items():
        for name, value in row.items():
            if not name.startswith("n_"):
                assert scores.tracks[song][name] == pytest.approx(value, abs=1e-4)
    total = stored["total"]
    assert scores.duration == pytest.approx(total["total_duration"])
    for ours, theirs in (
        (scores.pooled, total["pooled_over_all_segments"]),
        (scores.weighted, total["duration_weighted_mean_over_songs"]),
        (scores.mean, total["unweighted_mean_over_songs"]),
    ):
        for name, value in theirs.items():
            assert ours[name] == pytest.approx(value, abs=1e-4), name
    for name, value in total["duration_evaluated"].items():
        judged = sum(track[name] for track in scores.evaluated.values())
        assert judged == pytest.approx(value, abs=1e-3)
    assert scores["majmin"] == scores.weighted["majmin"]


def test_groups_of_songs(songs):
    stored, right, guess = songs
    for group, row in stored["by_group_duration_weighted"].items():
        names = [name for name in right if name.startswith(group)][:3]
        part = chord_scores([right[n] for n in names], [guess[n] for n in names])
        wanted = np.mean([stored["songs"][n]["tetrads"] for n in names])
        assert part["tetrads"] == pytest.approx(wanted, abs=1e-4)
        assert list(part.tracks) == ["track 0", "track 1", "track 2"] and row["n"]


@pytest.mark.parametrize("seed", range(4))
def test_one_track_scores_as_in_mir_eval(seed):
    # The estimate begins and ends elsewhere: mir_eval cuts it and fills with N.
    right = random_song(seed, start=0.5 * (seed % 2))
    guess = random_song(seed + 100, n=25 + 3 * seed, start=0.3 * (seed // 2))
    ours = chord_scores(right, guess)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = mir_eval.chord.evaluate(
            right.intervals, right.labels, guess.intervals, guess.labels
        )
    assert set(theirs) == set(NAMES)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


def test_gaps_count_as_no_chord():
    right = ChordSequence([[0, 1], [2, 4]], ["C:maj", "G:maj"])
    guess = ChordSequence([[0, 1], [1, 2], [2, 4]], ["C:maj", "N", "G:maj"])
    assert chord_scores(right, guess)["root"] == pytest.approx(1)
    assert chord_scores(guess, right)["root"] == pytest.approx(1)


def test_a_comparison_that_knows_no_chord_is_no_number():
    sus = ChordSequence([[0, 1]], ["C:sus4"])
    major = ChordSequence([[0, 3]], ["C:maj"])
    assert np.isnan(chord_scores(sus, sus)["majmin"])
    both = chord_scores({"a": sus, "b": major}, {"a": sus, "b": major})
    assert both["majmin"] == both.mean["majmin"] == both.pooled["majmin"] == 1
    assert "–" in both.to_markdown()


def test_labels_without_tones_in_mir_eval_are_scored():
    song = ChordSequence([[0, 1]], ["C:aug7"])
    assert chord_scores(song, song)["tetrads"] == 1


def test_estimates_that_only_touch_the_reference_do_not_matter():
    right = ChordSequence([[5, 6], [6, 8]], ["C:maj", "G:maj"])
    guess = ChordSequence([[0, 5], [5, 8], [8, 9]], ["A:maj", "C:maj", "N"])
    assert chord_scores(right, guess)["root"] == pytest.approx(1 / 3)
    empty = ChordSequence([], [])
    assert chord_scores(right, empty)["root"] == 0


def test_tables(scores, songs):
    text = scores.to_markdown()
    lines = text.splitlines()
    assert len(lines) == 2 + len(songs[1]) + 3
    assert len({line.count("|") for line in lines}) == 1
    pooled = songs[0]["total"]["pooled_over_all_segments"]
    assert f"{pooled['majmin']:.3f}" in lines[-1]
    one = chord_scores(random_song(1), random_song(2)).to_markdown()
    assert len(one.splitlines()) == 3
    pytest.importorskip("pandas")
    frame = scores.to_dataframe()
    assert frame.shape == (len(songs[1]), len(NAMES) + 1)
    assert frame["root"].mean() == pytest.approx(scores.mean["root"])


def test_confusions_add_up(songs, scores):
    _, right, guess = songs
    confusion = chord_confusion(right, guess)
    assert confusion.seconds.sum() == pytest.approx(scores.duration)
    assert len(confusion.labels) == 26 and confusion.labels[-1] == "other"
    # mir_eval's majmin: right time over the time whose reference is major, minor or N.
    judged = confusion.seconds[:-1]
    assert judged.sum() == pytest.approx(
        sum(track["majmin"] for track in scores.evaluated.values()), abs=1e-6
    )
    share = np.trace(confusion.seconds[:-1, :-1]) / judged.sum()
    assert share == pytest.approx(scores.pooled["majmin"], abs=1e-6)
    shares = confusion.normalized()
    known = ~np.isnan(shares).any(axis=1)
    np.testing.assert_allclose(shares[known].sum(axis=1), 1)
    large = chord_confusion(right, guess, vocabulary="crema170")
    assert large.labels == tuple(get_vocabulary("crema170").labels)
    assert large.seconds.sum() == pytest.approx(scores.duration)


@pytest.mark.parametrize("vocabulary", ["majmin", "crema170"])
def test_frames_are_scored_as_in_scikit_learn(songs, vocabulary):
    _, right, guess = songs
    ours = frame_scores(right, guess, vocabulary=vocabulary)
    classes = get_vocabulary(vocabulary)
    period = 512 / 22050
    truth, found = [], []
    for name, song in right.items():
        times = np.arange(0, song.duration, period)
        truth += [classes.index(label) for label in song.sample(times)]
        found += [classes.index(label) for label in guess[name].sample(times)]
    truth, found = np.array(truth), np.array(found)
    known = truth >= 0
    truth, found = truth[known], found[known]
    assert ours["frames"] == len(truth)
    assert ours["accuracy"] == pytest.approx(accuracy_score(truth, found))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that only the estimate has
        expected = balanced_accuracy_score(truth, found)
    assert ours["macro_recall"] == pytest.approx(expected)


def test_uncovered_frames_do_not_count():
    right = ChordSequence([[0, 1], [2, 3]], ["C:maj", "N"], duration=5)
    guess = ChordSequence([[0, 5]], ["C:maj"])
    found = frame_scores(right, guess, frame_period=0.25)
    assert found == {"accuracy": 0.5, "macro_recall": 0.5, "frames": 8}
    nothing = ChordSequence([[0, 1]], ["C:sus4"])
    assert frame_scores(nothing, nothing)["frames"] == 0


def test_bad_arguments_are_refused():
    one, many = random_song(1), [random_song(2)]
    for pair in ((one, many), (many, many * 2), ([], []), (one, "C:maj")):
        with pytest.raises(ConfigError, match="Received: .*same form"):
            chord_scores(*pair)
    with pytest.raises(ConfigError, match="same tracks.*'b'"):
        chord_scores({"a": one}, {"a": one, "b": one})
    with pytest.raises(LabelError, match="without chords"):
        chord_scores(ChordSequence([], []), one)
    with pytest.raises(ConfigError, match="no chord score.*'f1'"):
        chord_scores(one, one)["f1"]
    with pytest.raises(ConfigError, match="'majmin'"):
        chord_confusion(one, one, vocabulary="majmni")
