"""`BeatSequence` and its files, read by other programs where there are some."""

import io
import json

import mido
import numpy as np
import pytest

from keras_musictag.beats import BeatSequence
from keras_musictag.errors import LabelError

jams = pytest.importorskip("jams")

TIMES = [0.35, 0.93, 1.44, 2.0, 2.51, 3.04, 3.6, 4.1]


@pytest.fixture
def song():
    positions = [3, 1, 2, 3, 1, 2, 3, 1]
    sure = np.linspace(0.5, 0.9, len(TIMES))
    return BeatSequence(TIMES, positions, sure, duration=4.5)


def test_what_a_sequence_knows(song):
    assert song.meter == 3
    np.testing.assert_array_equal(song.downbeats, [0.93, 2.51, 4.1])
    assert song.tempo == pytest.approx(60 / np.polyfit(range(8), TIMES, 1)[0], abs=0.6)
    assert list(song)[1] == (0.93, 1, pytest.approx(0.5 + 0.4 / 7))
    assert song.to_dataframe()["position"].tolist() == [3, 1, 2, 3, 1, 2, 3, 1]


def test_exact_beats_have_their_exact_tempo():
    assert BeatSequence(np.arange(20) * 0.5).tempo == pytest.approx(120, abs=1e-6)


def test_own_files_lose_nothing(song, tmp_path):
    for name in ("to_json", "to_csv", "to_beats"):
        suffix = name.removeprefix("to_")
        path = tmp_path / f"song.{suffix}"
        text = getattr(song, name)(path)
        assert path.read_text("utf-8") == text
        again = BeatSequence.from_file(path)
        np.testing.assert_array_equal(again.times, song.times)
        np.testing.assert_array_equal(again.positions, song.positions)
    assert BeatSequence.from_json(tmp_path / "song.json") == song


def test_jams_reads_what_is_written(song, tmp_path):
    song.to_jams(tmp_path / "song.jams", title="Waltz")
    document = jams.load(str(tmp_path / "song.jams"), validate=True, strict=True)
    (annotation,) = document.search(namespace="beat")
    times, values = annotation.to_event_values()
    np.testing.assert_allclose(times, TIMES)
    np.testing.assert_array_equal(values, song.positions)
    assert document.file_metadata.title == "Waltz"
    again = BeatSequence.from_jams(tmp_path / "song.jams")
    assert again == song


def test_jams_of_others(tmp_path):
    annotation = jams.Annotation(namespace="beat_position", duration=2.0)
    for i, time in enumerate((0.5, 1.0, 1.5)):
        value = {"position": i + 1, "measure": 1, "num_beats": 3, "beat_units": 4}
        annotation.append(time=time, duration=0.0, value=value)
    document = jams.JAMS(annotations=[annotation])
    document.file_metadata.duration = 2.0
    document.save(str(tmp_path / "song.jams"))
    read = BeatSequence.from_file(tmp_path / "song.jams")
    np.testing.assert_array_equal(read.times, [0.5, 1.0, 1.5])
    np.testing.assert_array_equal(read.positions, [1, 2, 3])
    assert read.duration == 2.0


def test_a_sequencer_has_the_beats_of_the_recording(song):
    file = mido.MidiFile(file=io.BytesIO(song.to_midi()))
    now, strokes, meters = 0.0, [], []
    for message in file:
        now += message.time
        if message.type == "note_on":
            strokes.append((now, message.note))
        if message.type == "time_signature":
            meters.append(message.numerator)
    times, notes = zip(*strokes, strict=True)
    np.testing.assert_allclose(times, TIMES, atol=1e-5)
    high = [note == 76 for note in notes]  # General MIDI: high wood block
    np.testing.assert_array_equal(high, song.positions == 1)
    assert meters == [3, 3, 3]
    for times in ([], [0.0], [0.0, 40.0, 40.5], [70.0]):  # longer than a MIDI quarter
        file = mido.MidiFile(file=io.BytesIO(BeatSequence(times).to_midi()))
        now, heard = 0.0, []
        for message in file:
            now += message.time
            heard += [now] if message.type == "note_on" else []
        np.testing.assert_allclose(heard, times, atol=1e-5)


def test_clicks_begin_on_the_beats(song):
    track = song.clicks(8000)
    assert track.shape == (36000,) and track.dtype == np.float32
    assert 0.5 < np.abs(track).max() <= 1
    for time in TIMES:
        at = round(time * 8000)
        assert np.abs(track[at : at + 40]).max() > 0.3
        assert np.abs(track[at - 400 : at]).max() < 0.02


def test_label_tracks_of_audacity(song):
    lines = song.to_audacity().splitlines()
    assert lines[1] == "0.930000\t0.930000\t1"
    assert BeatSequence([1.0]).to_audacity() == "1.000000\t1.000000\tbeat\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0\n0.5\n", "line 2 of .* is not after the beat before"),
        ("# comment\n0.5 1\n0.5 2\n", "line 3 of .* is not after"),
        ("a b\n", "line 1 of .* no time in seconds"),
        ("-1\n", "no time in seconds"),
        ("inf\n", "no time in seconds"),
        ("1 1 1\n", "more than a time and a position"),
        ("1 0\n", "no position in the bar"),
        ("1 1.5\n", "no position in the bar"),
        ("1 1\n2\n", "positions of some beats only"),
        ("\n", "has no beats"),
    ],
)
def test_malformed_files_are_named(tmp_path, text, message):
    path = tmp_path / "song.beats"
    path.write_text(text)
    with pytest.raises(LabelError, match=message):
        BeatSequence.from_file(path)


def test_other_malformed_files(tmp_path):
    for name, text in {
        "a.json": json.dumps({"beats": []}),
        "b.json": "[",
        "c.jams": json.dumps({"annotations": [{"namespace": "chord", "data": []}]}),
        "d.csv": "when,position\n1,1\n",
        "e.lab": "0 1 C:maj\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(LabelError):
            BeatSequence.from_file(tmp_path / name)


@pytest.mark.parametrize(
    "arguments",
    [
        {"times": [1.0, 1.0]},
        {"times": [[1.0]]},
        {"times": [1.0, np.nan]},
        {"times": [1.0], "positions": [0]},
        {"times": [1.0], "positions": [1, 2]},
        {"times": [1.0], "confidences": [np.inf]},
        {"times": [1.0], "duration": 0.5},
    ],
)
def test_what_is_no_sequence_is_refused(arguments):
    with pytest.raises(LabelError):
        BeatSequence(**arguments)
