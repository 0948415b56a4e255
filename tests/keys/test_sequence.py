"""`KeySequence` and its files, read by other programs where there are some."""

import json

import numpy as np
import pytest

from keras_musictag.chords import read_keys
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.keys import KeySequence

jams = pytest.importorskip("jams")


@pytest.fixture
def song():
    intervals = [[0.5, 60.0], [60.0, 90.0], [95.0, 120.0]]
    labels = ["Bb major", "8A", "Cb:maj"]
    return KeySequence(
        intervals, labels, [0.9, 0.5, None], key="Gm", confidence=0.6, duration=125.0
    )


def test_what_a_sequence_knows(song):
    assert song.labels == ("Bb:maj", "A:min", "Cb:maj")
    assert song.key.label == "G:min" and song.confidence == 0.6
    shown = [song.notated(n) for n in ("musical", "camelot", "openkey")]
    assert shown == ["Gm", "6A", "11m"]
    assert song[1] == (60.0, 90.0, "A:min", 0.5) and song[1].key.camelot == "8A"
    assert len(song) == 3 and song.duration == 125.0
    assert song.to_dataframe()["label"].tolist() == list(song.labels)
    with pytest.raises(ConfigError, match="notation"):
        song.notated("solfege")


def test_the_key_of_a_song_is_the_one_that_lasts_longest():
    song = KeySequence([[0, 10], [10, 25], [25, 31]], ["C", "G", "C"])
    assert song.key.label == "C:maj" and song.confidence is None
    none = KeySequence([], [], confidence=0.0, duration=3.0)
    assert none.key is None and none.notated() is None and len(none) == 0
    assert "no key" in repr(none)


def test_own_files(song, tmp_path):
    for suffix in ("json", "csv", "lab", "jams"):
        path = tmp_path / f"song.{suffix}"
        text = getattr(song, f"to_{suffix}")(path)
        assert path.read_text("utf-8") == text
        again = KeySequence.from_file(path)
        np.testing.assert_allclose(again.intervals, song.intervals)
        assert again.labels == song.labels
    assert KeySequence.from_json(tmp_path / "song.json") == song
    assert KeySequence.from_csv(tmp_path / "song.csv").confidences == song.confidences
    assert KeySequence.from_lab(tmp_path / "song.lab").duration == 125.0


def test_the_form_of_isophonics(song, tmp_path):
    song.to_lab(tmp_path / "song.lab")
    written = [(s.start, s.end, s.key) for s in read_keys(tmp_path / "song.lab")]
    assert written == [
        (0.0, 0.5, None),
        (0.5, 60.0, "Bb:maj"),
        (60.0, 90.0, "A:min"),
        (90.0, 95.0, None),
        (95.0, 120.0, "Cb:maj"),
        (120.0, 125.0, None),
    ]
    assert "Key\tA:minor\n" in song.to_lab() and "Key\tBb\n" in song.to_lab()


def test_jams_reads_what_is_written(song, tmp_path):
    song.to_jams(tmp_path / "song.jams", title="Waltz")
    document = jams.load(str(tmp_path / "song.jams"), validate=True, strict=True)
    (annotation,) = document.search(namespace="key_mode")
    intervals, values = annotation.to_interval_values()
    np.testing.assert_allclose(intervals, song.intervals)
    assert values == ["Bb:major", "A:minor", "Cb:major"]


def test_jams_of_others(tmp_path):
    annotation = jams.Annotation(namespace="key_mode", duration=9.0)
    for time, value in ((4.0, "D:dorian"), (0.0, "N"), (2.0, "Eb")):
        annotation.append(time=time, duration=2.0, value=value)
    document = jams.JAMS(annotations=[annotation])
    document.file_metadata.duration = 9.0
    document.save(str(tmp_path / "song.jams"))
    read = KeySequence.from_file(tmp_path / "song.jams")
    assert list(read) == [(2, 4, "Eb:maj", None), (4, 6, "D:min", None)]
    assert read.duration == 9.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.lab", "0 1 C:maj\n", "start, end, Key and its name"),
        ("a.csv", "from,to,key\n0,1,C\n", "lacks the columns start, end and label"),
        ("a.csv", "start,end,label\n0,1,H\n", "line 2 of .*'H' is no key"),
        ("a.csv", "start,end,label\n0,2,C\n1,3,D\n", "line 3 of .* must end after"),
        ("a.csv", "start,end,label,confidence\n0,2,C,2\n", "no confidence from 0 to 1"),
        ("a.json", json.dumps({"regions": []}), "no keys of this package"),
        ("a.json", "[", "is no JSON"),
        ("a.jams", json.dumps({"annotations": []}), "no key annotation"),
        ("a.key", "C major\n", "no file of keys"),
    ],
)
def test_malformed_files_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelError, match=message):
        KeySequence.from_file(tmp_path / name)


@pytest.mark.parametrize(
    "arguments",
    [
        {"intervals": [[0, 1]], "labels": ["H"]},
        {"intervals": [[1, 0]], "labels": ["C"]},
        {"intervals": [[0, 2], [1, 3]], "labels": ["C", "D"]},
        {"intervals": [[0, 1]], "labels": ["C"], "confidences": [2.0]},
        {"intervals": [[0, 1]], "labels": ["C"], "confidences": []},
        {"intervals": [[0, 1]], "labels": ["C"], "duration": 0.5},
        {"intervals": [[0, 1]], "labels": ["C"], "key": "N"},
    ],
)
def test_what_is_no_sequence_is_refused(arguments):
    with pytest.raises(LabelError):
        KeySequence(**arguments)
