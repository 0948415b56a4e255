"""What is known about a song, as the pages, commands and files are given it."""

import json

import numpy as np
import pytest

from keras_musictag import Labels, Taggram
from keras_musictag.chords import ChordSequence
from keras_musictag.errors import ConfigError
from keras_musictag.pages import SongSummary


def taggram():
    labels = Labels(["rock", "piano", "odd"], groups=["genre", "instrument", None])
    scores = np.array([[0.9, 0.2, 0.3], [0.7, 0.4, 0.5]], "float32")
    return Taggram(np.array([0.0, 3.0]), labels, scores)


def chords(confidences=None):
    intervals = [[0, 10], [10, 20], [20, 24.123456789]]
    return ChordSequence(intervals, ["C:maj", "A:min", "N"], confidences)


def test_facts_are_what_is_known():
    assert SongSummary("x").facts() == {}
    assert SongSummary("x", chords=chords(), tempo=119.7).facts() == {
        "length": "0:24",
        "key": "C major (8B)",
        "tempo": "120 BPM",
    }
    assert SongSummary("x", duration=65.0, tempo=0).facts() == {"length": "1:05"}
    no_chord = ChordSequence([[0, 2]], ["N"])
    assert SongSummary("x", chords=no_chord).facts() == {"length": "0:02"}


def test_records_go_into_json():
    summary = SongSummary("x", taggram(), chords([0.9, 0.25, 1 / 3]))
    tags = json.loads(json.dumps(summary.tags(min_score=0.35)))
    assert tags == [
        {"label": "rock", "score": pytest.approx(0.8, abs=1e-6), "group": "genre"},
        {"label": "odd", "score": pytest.approx(0.4, abs=1e-6), "group": None},
    ]
    assert [tag["label"] for tag in summary.tags(groups="instrument")] == ["piano"]
    segments = json.loads(json.dumps(summary.segments()))
    assert segments[2] == {
        "start": 20,
        "end": 24.123457,
        "label": "N",
        "confidence": 0.333333,
    }
    without = SongSummary("x", chords=chords()).segments()
    assert [segment["confidence"] for segment in without] == [None] * 3
    assert SongSummary("x").segments() == []


def test_what_cannot_be_known():
    with pytest.raises(ConfigError, match="tempo"):
        SongSummary("x", tempo=-3)
    with pytest.raises(ConfigError, match="duration"):
        SongSummary("x", duration=-1)
    with pytest.raises(ConfigError, match="no tags"):
        SongSummary("x").tags()
