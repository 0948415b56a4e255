"""Scores of one track, brought down to what fits it best."""

import numpy as np
import pytest

from keras_musictag import Labels, Taggram
from keras_musictag.errors import ConfigError, LabelError

NAMES = ["rock", "sad", "jazz", "odd", "glad", "pop"]
GROUPS = ["genre", "mood", "genre", None, "mood", "genre"]
SCORES = [[0.6, 0.2, 0.1, 0.5, 0.3, 0.3], [0.8, 0.4, 0.3, 0.1, 0.1, 0.1]]


def taggram(groups=GROUPS, priors=None):
    labels = Labels(NAMES, groups, priors)
    return Taggram(np.array([0.0, 3.0]), labels, np.array(SCORES, "float32"))


def names(groups):
    return {group: [label for label, _ in tags] for group, tags in groups.items()}


def test_groups_in_the_order_of_the_labels_and_best_first():
    groups = taggram().by_group()
    # Means: rock 0.7, sad 0.3, jazz 0.2, odd 0.3, glad 0.2, pop 0.2; ties go to the
    # later label.
    assert list(names(groups).items()) == [
        ("genre", ["rock", "pop", "jazz"]),
        ("mood", ["sad", "glad"]),
        ("labels", ["odd"]),
    ]
    scores = [score for _, score in groups["genre"]]
    np.testing.assert_allclose(scores, [0.7, 0.2, 0.2], atol=1e-6)
    assert names(taggram().by_group(aggregate="max", top_k=2)) == {
        "genre": ["rock", "pop"],  # 0.8 and 0.3, as jazz
        "mood": ["sad", "glad"],
        "labels": ["odd"],
    }


def test_each_group_is_as_top_has_it():
    one = taggram(priors=[0.9, 0.1, 0.01, 0.5, 0.1, 0.3])
    for options in ({}, {"sort": "lift"}, {"aggregate": "median"}):
        for group, tags in one.by_group(2, 0.15, **options).items():
            if group != "labels":
                assert tags == one.top(2, 0.15, group, **options)


def test_a_group_of_which_nothing_is_left_stays():
    assert taggram().by_group(min_score=0.5) == {
        "genre": [("rock", pytest.approx(0.7))],
        "mood": [],
        "labels": [],
    }


def test_labels_without_groups_have_one_name():
    assert list(taggram(groups=None).by_group()) == ["labels"]
    assert list(taggram(groups=["genre"] * 6).by_group()) == ["genre"]


def test_wrong_arguments():
    with pytest.raises(ConfigError, match="top_k"):
        taggram().by_group(top_k=0)
    with pytest.raises(LabelError, match="priors"):
        taggram().by_group(sort="lift")


def test_segments_last_as_long_as_the_scores():
    scores = np.array([[0.1, 0.6], [0.7, 0.2], [0.8, 0.1], [0.2, 0.1], [0.6, 0.7]])
    times = np.array([0.0, 3.0, 6.0, 9.0, 10.0])  # the last chunk ends with the track
    labels = Labels(["sad", "vocal"], ["mood", "vocals"])
    song = Taggram(times, labels, scores.astype("float32"), duration=13.0)
    assert song.segments("sad") == [(3.0, 9.0), (10.0, 13.0)]
    assert song.segments("sad", min_duration=4) == [(3.0, 9.0)]
    assert song.segments("sad", threshold=0.75) == [(6.0, 9.0)]
    assert (
        song.segments("vocals")
        == song.segments("vocal")
        == [
            (0.0, 3.0),
            (10.0, 13.0),
        ]
    )
    assert song.segments("mood", threshold=0.0) == [(0.0, 13.0)]
    one = Taggram(np.zeros(1), labels, np.ones((1, 2), "float32"), duration=2.0)
    assert one.segments("sad") == [(0.0, 2.0)]
    nothing = Taggram(np.zeros(0), labels, np.zeros((0, 2), "float32"), duration=0.0)
    assert nothing.segments("sad") == []
    with pytest.raises(LabelError, match="Did you mean 'vocal"):
        song.segments("vocalss")
    with pytest.raises(ConfigError, match="min_duration"):
        song.segments("sad", min_duration=-1)


def test_a_group_counts_where_any_of_its_labels_is_heard():
    assert taggram().segments("genre", threshold=0.75) == [(3.0, 6.0)]
    assert taggram().segments("mood", threshold=0.3) == [(0.0, 6.0)]


def test_a_score_above_the_usual_one_is_heard():
    labels = Labels(
        ["rock", "voice", "no voice", "harp"],
        ["genre", "vocals", "vocals", None],
        [0.3, 0.1, 0.2, 0.0],
    )
    scores = np.array([[0.29, 0.1, 0.9, 0.4], [0.3, 0.09, 0.9, 0.6]], "float32")
    song = Taggram(np.array([0.0, 3.0]), labels, scores, duration=6.0)
    assert song.segments("rock") == [(3.0, 6.0)]
    assert song.segments("vocals") == song.segments("voice") == [(0.0, 3.0)]
    assert song.segments("harp") == [(3.0, 6.0)]  # nobody knows what is usual
    assert song.segments("voice", threshold=0.0) == [(0.0, 6.0)]
    with pytest.raises(ConfigError, match="finite"):
        song.segments("rock", threshold=float("inf"))
