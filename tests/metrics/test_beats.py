"""Scores of beats and keys are those of mir_eval."""

import mir_eval
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.beats import BeatSequence
from keras_musictag.errors import ConfigError, LabelError


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(3)
    right = np.arange(0.4, 40, 0.5)
    guess = np.delete(right + rng.normal(0, 0.03, len(right)), [20, 21, 50])
    positions = np.arange(len(right)) % 4 + 1
    return (
        BeatSequence(right, positions),
        BeatSequence(guess, np.delete(positions, [20, 21, 50])),
    )


def test_scores_are_those_of_mir_eval(pair):
    right, guess = pair
    scores = kmt.metrics.beat_scores(right, guess)
    expected = mir_eval.beat.evaluate(right.times, guess.times)
    assert 0.5 < expected["F-measure"] < 1
    for name, theirs in {
        "f_measure": "F-measure",
        "cemgil": "Cemgil",
        "p_score": "P-score",
        "cml_c": "Correct Metric Level Continuous",
        "cml_t": "Correct Metric Level Total",
        "aml_c": "Any Metric Level Continuous",
        "aml_t": "Any Metric Level Total",
        "information_gain": "Information gain",
    }.items():
        assert scores[name] == pytest.approx(expected[theirs]), name
    trimmed = [mir_eval.beat.trim_beats(s.downbeats) for s in pair]
    expected = mir_eval.beat.f_measure(*trimmed)
    assert scores["downbeat_f_measure"] == pytest.approx(expected)
    assert scores["tempo"] == scores["tempo_octave"] == 1.0


def test_double_tempo_is_seen_as_such():
    right, fast = (
        BeatSequence(np.arange(0, 30, 0.5)),
        BeatSequence(np.arange(0, 30, 0.25)),
    )
    scores = kmt.metrics.beat_scores({"a": right}, {"a": fast})
    assert scores["tempo"] == 0.0 and scores["tempo_octave"] == 1.0
    assert scores["aml_t"] > 0.9 > scores["cml_t"]
    assert np.isnan(scores["downbeat_f_measure"])


def test_many_tracks_count_alike(pair):
    right, guess = pair
    none = BeatSequence([])
    scores = kmt.metrics.beat_scores([right, right], [guess, none])
    alone = kmt.metrics.beat_scores(right, guess)
    assert scores["f_measure"] == pytest.approx(alone["f_measure"] / 2)
    assert scores.to_dataframe().loc["track 1", "f_measure"] == 0.0
    table = scores.to_markdown(per_track=False)
    assert f"{scores['f_measure']:.3f}" in table and "track 0" not in table


def test_short_songs_are_judged_from_their_start():
    song = BeatSequence([0.5, 1.0, 1.5, 2.0])
    assert kmt.metrics.beat_scores(song, song)["f_measure"] == 1.0


def test_keys_have_the_scores_of_mir_eval():
    names = [
        "C major",
        "G major",
        "F major",
        "A minor",
        "C minor",
        "Eb major",
        "B minor",
    ]
    for right in names:
        for guess in names:
            expected = mir_eval.key.weighted_score(right, guess)
            scores = kmt.metrics.key_scores(right, guess)
            assert scores["weighted"] == pytest.approx(expected), (right, guess)
            assert scores["correct"] == float(right == guess)


def test_keys_are_compared_as_they_sound():
    scores = kmt.metrics.key_scores(
        {"flat": "Cb:maj", "wheel": "8A"},
        {"flat": "B", "wheel": kmt.chords.Key("A:min")},
    )
    assert scores.mean == {"weighted": 1.0, "correct": 1.0}
    with pytest.raises(LabelError):
        kmt.metrics.key_scores("H:maj", "C:maj")


def test_what_does_not_belong_together_is_refused(pair):
    right, guess = pair
    for both in ((right, [guess]), ({"a": right}, {"b": guess}), ([right], []), (1, 2)):
        with pytest.raises(ConfigError):
            kmt.metrics.beat_scores(*both)
    with pytest.raises(LabelError, match="without beats"):
        kmt.metrics.beat_scores(BeatSequence([]), right)
    with pytest.raises(ConfigError, match="no score of that name"):
        kmt.metrics.beat_scores(right, guess)["f1"]
