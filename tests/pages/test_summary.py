"""What is known about a song, as the pages, commands and files are given it."""

import json

import numpy as np
import pytest

from keras_musictag import Labels, Taggram
from keras_musictag.beats import BeatSequence
from keras_musictag.chords import ChordSequence
from keras_musictag.errors import ConfigError
from keras_musictag.keys import KeySequence
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


def test_a_key_that_was_heard_wins_over_that_of_the_chords():
    keys = KeySequence([[0, 90]], ["Eb:min"], duration=95.0)
    assert SongSummary("x", keys=keys).facts() == {
        "length": "1:35",
        "key": "Eb minor (2A)",
    }
    both = SongSummary("x", chords=chords(), keys=keys, key_notation="openkey")
    assert both.facts()["key"] == "7m" and both.duration < 25
    none = KeySequence([], [], duration=24.0)
    assert SongSummary("x", chords=chords(), keys=none).key.label == "C:maj"


def test_chords_tell_the_keys_if_nothing_else_does():
    summary = SongSummary("x", chords=chords()).with_keys()
    assert summary.keys.duration == summary.duration
    assert summary.key is summary.keys.key
    assert summary.with_keys() is summary
    for other in (SongSummary("x"), SongSummary("x", chords=ChordSequence([], []))):
        assert other.with_keys() is other


def test_the_meter_is_that_of_the_beats():
    beats = BeatSequence([0, 0.5, 1, 1.5], [1, 2, 3, 1])
    assert SongSummary("x", beats=beats).facts() == {
        "length": "0:01",
        "tempo": "120 BPM",
        "meter": "3/4",
    }
    assert "meter" not in SongSummary("x", beats=BeatSequence([0, 1])).facts()


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
