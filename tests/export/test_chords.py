"""Exported chord recognisers: probabilities of frames in each format's own runtime."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app
from keras_musictag.errors import ConfigError, PresetError

for package in ("onnx", "tf2onnx", "onnxruntime", "ai_edge_litert", "tensorflow"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="takes long there"
    ),
]

# Blocks of audio give slightly other low-passes than a whole track.
OF_WHOLE_TRACK = 2e-3


@pytest.fixture(scope="module")
def recognizer():
    return kmt.CRNNChordRecognizer.from_pretrained("crnn_majmin_rendered")


@pytest.fixture(scope="module")
def exported(recognizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chords")
    return {
        "onnx": recognizer.export(folder / "chords.onnx"),
        "litert": recognizer.export(folder / "chords.tflite", seconds=1.5),
        "tf_saved_model": recognizer.export(folder / "saved"),
    }


@pytest.fixture(scope="module")
def music(recognizer):
    return kmt.audio.load(kmt.audio.demo_path(), recognizer.sample_rate)[0]


def check(recognizer, x, found):
    expected = keras.ops.convert_to_numpy(recognizer(x, training=False))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for row, track in zip(found, x, strict=True):
        whole = recognizer.chordogram(track).probabilities()
        np.testing.assert_allclose(row, whole, atol=OF_WHOLE_TRACK)


def test_onnx_takes_any_length(recognizer, exported, music):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(exported["onnx"]))
    assert session.get_inputs()[0].shape == ["batch", "samples"]
    for x in (music[None], np.stack([music[:40000], music[-40000:]])):
        check(recognizer, x, session.run(["chord"], {"waveform": x})[0])


def test_litert_takes_pieces_of_one_length(recognizer, exported, music):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(exported["litert"])).get_signature_runner()
    size = 32 * 1024  # 1.5 s in whole frames
    assert kmt.export.read_metadata(exported["litert"])["input"]["shape"][1] == size
    for x in (music[None, :size], np.stack([music[5000:][:size], music[-size:]])):
        check(recognizer, x, runner(waveform=x)["chord"])
    with pytest.raises(ConfigError, match="pieces of one length"):
        kmt.export.open_exported(exported["litert"])(music[None])


def test_a_saved_model_needs_tensorflow_alone(recognizer, exported, music, tmp_path):
    tracks = {"long": music[None], "two": np.stack([music[:40000], music[-40000:]])}
    np.savez(tmp_path / "tracks.npz", **tracks)
    code = (
        "import sys\n"  # as if these were not installed
        "sys.modules |= dict.fromkeys(['jax', 'matplotlib', 'pandas', 'sklearn'])\n"
        "import numpy as np, tensorflow as tf\n"
        "serve = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "tracks = np.load(sys.argv[2])\n"
        "found = {k: serve(waveform=tf.constant(tracks[k]))['chord'] for k in tracks}\n"
        "np.savez(sys.argv[3], **found)\n"
        "assert 'keras_musictag' not in sys.modules\n"
    )
    arguments = [
        exported["tf_saved_model"],
        tmp_path / "tracks.npz",
        tmp_path / "found",
    ]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    with np.load(tmp_path / "found.npz") as found:
        for name, x in tracks.items():
            check(recognizer, x, found[name])


def test_the_network_says_what_it_is(recognizer, exported):
    for format, path in exported.items():
        about = kmt.export.read_metadata(path)
        assert about["vocabulary"] == list(recognizer.vocabulary.labels)
        assert (about["task"], about["hop_length"]) == ("chords", 1024)
        frames = 32 if format == "litert" else "frames"
        assert about["outputs"] == [{"name": "chord", "shape": ["batch", frames, 25]}]
    with pytest.raises(PresetError, match="names chords, not tags"):
        kmt.OnnxTagger(exported["onnx"])


def test_several_outputs_and_the_command(tmp_path):
    """CREMA's layers, narrow: four outputs, two recurrent layers."""
    keras.utils.set_random_seed(0)
    options = {"sample_rate": 8000, "hop_length": 1024, "n_octaves": 2}
    model = kmt.CremaChordRecognizer(conv_filters=4, recurrent_units=4, **options)
    out = tmp_path / "crema.tflite"
    source = str(model.save_pretrained(tmp_path / "narrow"))
    done = CliRunner().invoke(app, ["export", source, str(out), "--seconds", "0.5"])
    assert done.exit_code == 0, done.output
    x = kmt.audio.load(kmt.audio.demo_path(), 8000)[0][None, : 4 * 1024]
    found = kmt.export.open_exported(out)(x)
    expected = model(x, training=False)
    assert set(found) == {"chord", "pitch", "root", "bass"}
    for name, values in found.items():
        same = keras.ops.convert_to_numpy(expected[name])
        np.testing.assert_allclose(values, same, atol=1e-4)


def test_lengths_that_cannot_be_met(recognizer, tmp_path):
    with pytest.raises(ConfigError, match="Only LiteRT needs a fixed length"):
        recognizer.export(tmp_path / "x.onnx", seconds=5)
    for seconds in (0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="seconds"):
            recognizer.export(tmp_path / "x.tflite", seconds=seconds)
    out = ["export", "musicnn_mtt", str(tmp_path / "x.tflite"), "--seconds", "3"]
    assert "this network takes is its own" in CliRunner().invoke(app, out).output
    assert not list(tmp_path.iterdir())
