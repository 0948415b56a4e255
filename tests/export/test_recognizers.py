"""Chords from exported networks, without Keras.

`data/tag_output.onnx.gz` is a narrow, random network as version 0.1.0 wrote it before
its output was called `chord`; `tag_output.npz` is what it said about the demo clip.
"""

import gzip
import itertools
import json
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.chords import get_vocabulary
from keras_musictag.cli import app
from keras_musictag.errors import AudioError, AudioWarning, ConfigError, PresetError
from keras_musictag.export.recognizers import piece_starts

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
HEAVY = ("keras", "tensorflow", "jax", "torch", "onnx", "librosa", "sklearn")
RATE, HOP = 4000, 1024


@pytest.fixture(scope="module")
def old(request, tmp_path_factory):
    """A file from before the output was renamed, and what it says."""
    data = request.path.parent / "data"
    path = tmp_path_factory.mktemp("old") / "tag_output.onnx"
    path.write_bytes(gzip.decompress((data / "tag_output.onnx.gz").read_bytes()))
    with np.load(data / "tag_output.npz") as stored:
        return path, stored["tag"]


# === Files of before ===


def test_an_older_file_is_still_read(old):
    path, stored = old
    about = kmt.export.read_metadata(path)
    assert [output["name"] for output in about["outputs"]] == ["chord"]
    recognizer = kmt.OnnxChordRecognizer(path)
    assert recognizer.vocabulary == get_vocabulary("majmin")
    assert (recognizer.sample_rate, recognizer.hop_length) == (RATE, HOP)
    assert recognizer.boundary_shift == -0.5
    chordogram = recognizer.chordogram(kmt.audio.demo_path())
    np.testing.assert_allclose(chordogram.probabilities(), stored, atol=1e-4)
    assert chordogram.duration == pytest.approx(10.0)
    assert len(set(stored.argmax(axis=1))) > 1
    assert set(kmt.export.open_exported(path)(np.zeros((1, RATE), "float32"))) == {
        "chord"
    }


def test_metadata_that_cannot_be_used_is_refused(old, tmp_path):
    network = onnx.load(old[0])
    for key, value in (
        ("vocabulary", '["C:maj", "no chord at all"]'),
        ("hop_length", "0"),
        ("boundary_shift", '"late"'),
        ("outputs", "null"),
        ("vocabulary_rule", '"other"'),
    ):
        entries = {p.key: p.value for p in network.metadata_props} | {key: value}
        copy = onnx.ModelProto()
        copy.CopyFrom(network)
        onnx.helper.set_model_props(copy, entries)
        onnx.save(copy, tmp_path / "changed.onnx")
        with pytest.raises(PresetError, match="cannot be used"):
            kmt.OnnxChordRecognizer(tmp_path / "changed.onnx")


# === What it shares with the recognisers of Keras ===


def test_tracks_of_all_kinds(old, tmp_path):
    recognizer = kmt.OnnxChordRecognizer(old[0])
    music, _ = kmt.audio.load(kmt.audio.demo_path(), RATE)
    file, bad = tmp_path / "music.wav", tmp_path / "bad.mp3"
    soundfile.write(file, music, RATE, subtype="FLOAT")
    bad.write_text("no music")
    short = np.zeros(HOP - 1, "float32")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = recognizer.recognize([file, bad, short, music], vocabulary="majmin")
    assert found[1] is found[2] is None
    assert found[0] == found[3] == recognizer.recognize(music)
    assert sum(issubclass(w.category, AudioWarning) for w in caught) == 2
    with pytest.raises(AudioError, match="shorter than one frame"):
        recognizer.chordogram(short)
    with pytest.raises(ConfigError, match="majmin"):
        recognizer.recognize(file, vocabulary="majmn")
    one = recognizer.chordogram(music[:HOP])
    assert one.probabilities().shape == (1, 25)


def test_silence_is_no_chord(old):
    recognizer = kmt.OnnxChordRecognizer(old[0])
    quiet = np.full(3 * RATE, 1e-7, "float32")
    for y in (np.zeros(3 * RATE, "float32"), quiet):
        assert [tuple(s) for s in recognizer.recognize(y)] == [(0.0, 3.0, "N", 1.0)]


def test_beats_are_found_in_each_track(old):
    librosa = pytest.importorskip("librosa")
    path = kmt.audio.demo_path()
    y, _ = librosa.load(path, sr=22050)
    _, beats = librosa.beat.beat_track(y=y, sr=22050, units="time")
    options = {"decoder": "argmax"}
    recognizer = kmt.OnnxChordRecognizer(old[0])
    chords, again = recognizer.recognize([path, y], 22050, beats="auto", **options)
    changes = chords.intervals[1:, 0]
    assert len(changes)
    assert np.abs(changes[:, None] - beats).min(axis=1).max() < 0.03
    assert chords.labels == again.labels


def test_networks_of_the_other_kind_are_refused(old, tmp_path):
    with pytest.raises(PresetError, match="names chords, not tags.*ChordRecognizer"):
        kmt.OnnxTagger(old[0])
    with pytest.raises(PresetError, match="format 'onnx', expected 'litert'"):
        kmt.LiteRTChordRecognizer(old[0])
    with pytest.raises(PresetError, match="no exported network"):
        kmt.OnnxChordRecognizer(tmp_path / "missing.onnx")


def test_pieces_cover_a_track_evenly():
    for size in (1, 2, 7, 32):
        for frames in range(1, 200):
            starts = np.array(piece_starts(frames, size))
            covered = np.zeros(max(frames, size), int)
            for start in starts:
                covered[start : start + size] += 1
            assert starts[0] == 0 and starts[-1] == max(0, frames - size)
            assert covered.min() >= 1 and len(covered) == max(frames, size)
            assert np.diff(starts).max(initial=0) <= max(1, (size + 1) // 2)


# === The command ===


def test_what_the_command_loads(old):
    """No Keras, no backend: that is what makes it start in a second."""
    code = (
        "import sys; from keras_musictag.cli import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    options = ("--preset", str(old[0]), "--format", "lab", "--decoder", "argmax")
    process = subprocess.run(
        [sys.executable, "-c", code, "chords", "--demo", *options],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"},
    )
    assert process.stderr == "[]\n"
    rows = [line.split("\t") for line in process.stdout.splitlines()]
    labels = [get_vocabulary("majmin").labels[i] for i in old[1].argmax(axis=1)]
    assert [row[2] for row in rows] == [label for label, _ in itertools.groupby(labels)]
    assert float(rows[-1][1]) == pytest.approx(10.0)


def test_the_command_says_what_is_missing(old, tmp_path):
    run = CliRunner().invoke
    named = ["chords", "--demo", "--preset", str(old[0])]
    for arguments, message in (
        (
            ["chords", "--demo", "--engine", "onnx"],
            "needs an exported chord recogniser",
        ),
        ([*named, "--engine", "litert"], "expected 'litert'"),
        ([*named, "--vocabulary", "majmn"], "majmin"),
        (["tag", "--demo", "--preset", str(old[0])], "names chords, not tags"),
    ):
        result = run(app, arguments)
        assert result.exit_code == 2, result.output
        assert message in result.output
    transitions = tmp_path / "songs"
    transitions.mkdir()
    (transitions / "a.lab").write_text("0 1 C:maj\n1 2 F:maj\n")
    hmm = ("--decoder", "hmm", "--transitions", str(transitions), "--format", "json")
    result = run(app, [*named, *hmm])
    assert result.exit_code == 0, result.output
    (track,) = json.loads(result.stdout)
    assert track["segments"][-1]["end"] == pytest.approx(10.0)


# === The bundled recogniser ===


@pytest.mark.slow
@pytest.mark.xdist_group("exported chords")
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes long there")
def test_chords_are_those_of_keras(tmp_path, corpus):
    """The same chords in ONNX; in LiteRT, whose pieces are shorter, nearly so."""
    pytest.importorskip("tf2onnx")
    pytest.importorskip("ai_edge_litert")
    model = kmt.CRNNChordRecognizer.from_pretrained("crnn_majmin_rendered")
    onnx_file = model.export(tmp_path / "chords.onnx")
    litert_file = model.export(tmp_path / "chords.tflite", seconds=5)
    files = sorted((corpus / "real").glob("*.ogg"))
    assert files
    expected = model.chordogram(files)
    whole = kmt.OnnxChordRecognizer(onnx_file).chordogram(files)
    pieces = kmt.LiteRTChordRecognizer(litert_file).chordogram(files)
    agreement = []
    for one, same, near in zip(expected, whole, pieces, strict=True):
        np.testing.assert_allclose(same.probabilities(), one.probabilities(), atol=2e-3)
        assert same.decode().labels == one.decode().labels
        np.testing.assert_allclose(same.decode().intervals, one.decode().intervals)
        both = (c.probabilities().argmax(axis=1) for c in (one, near))
        agreement.append(np.mean(np.equal(*both)))
    assert np.mean(agreement) > 0.9
