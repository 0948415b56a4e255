"""Chords that change on beats: who finds the beats, and of what."""

import io

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.errors import ConfigError

RATE = 22050
CHORDS = ("C:maj", "A:min", "F:maj")
FIRST = 0.5  # second of the first beat


@pytest.fixture(scope="module")
def crema():
    return kmt.ChordRecognizer.from_pretrained("crema")


@pytest.fixture(scope="module")
def beats(cadence):
    return kmt.BeatTracker.from_pretrained().track(cadence, RATE)


def test_chords_change_on_the_beats_of_the_tracker(crema, beats, cadence):
    chords = crema.recognize(cadence, RATE, beats="auto", vocabulary="majmin")
    changes = chords.intervals[1:, 0]
    assert np.isin(changes, beats.times).all()
    right = FIRST + 2.0 * np.arange(1, 6)
    assert np.abs(changes[:, None] - right).min(axis=0).max() < 0.05
    middles = FIRST + 1.0 + 2.0 * np.arange(6)
    assert chords.sample(middles) == [*CHORDS] * 2


def test_a_beat_sequence_stands_for_its_times(crema, beats, cadence):
    options = {"vocabulary": "majmin"}
    given = crema.recognize(cadence, RATE, beats=beats, **options)
    assert given == crema.recognize(cadence, RATE, beats=beats.times, **options)
    assert given == crema.recognize(cadence, RATE, beats="auto", **options)
    chordogram = crema.chordogram(cadence, RATE)
    assert given == chordogram.decode("majmin", beats=beats)
    silent = kmt.beats.BeatSequence([])
    assert chordogram.decode("majmin", beats=silent) == chordogram.decode("majmin")
    with pytest.raises(ConfigError, match="list of rising times"):
        crema.recognize(cadence, RATE, beats=beats.times[::-1])


class Pipe(io.RawIOBase):
    """Sound that can be read once."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.data.readinto(buffer)


def test_files_are_heard_again_for_their_beats(crema, cadence, tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, cadence, RATE)
    wanted = crema.recognize(path, beats="auto")
    assert len(wanted) > 3
    with open(path, "rb") as file:
        assert crema.recognize(file, beats="auto") == wanted
    pipe = Pipe(path.read_bytes())
    lazy = crema.iter_chords((song for song in (path, pipe)), beats="auto")
    assert list(lazy) == [wanted, wanted]
    again = Pipe(path.read_bytes())
    assert crema.recognize(again, agreement=crema).agreed_share == 1.0
    (error,) = crema.iter_chords([Pipe(b"")], beats="auto")
    assert "empty" in str(error)


def test_silence_has_no_beats_and_no_chord(crema):
    chords = crema.recognize(np.zeros(3 * RATE), RATE, beats="auto")
    assert [tuple(segment) for segment in chords] == [(0.0, 3.0, "N", 1.0)]
