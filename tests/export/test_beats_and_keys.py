"""Exported beat trackers and key recognisers, in each format's own runtime."""

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

TINY = {"units": 16, "blocks": 1, "stem_channels": 8, "head_dim": 8}


@pytest.fixture(scope="module")
def beatnet(tmp_path_factory):
    model = kmt.BeatNetTracker.from_pretrained()
    return model, model.export(tmp_path_factory.mktemp("beats") / "beatnet.onnx")


@pytest.fixture(scope="module")
def skey(tmp_path_factory):
    """The network of S-KEY, its filters and weights random."""
    keras.utils.set_random_seed(0)
    model = kmt.SKeyRecognizer()
    rng = np.random.default_rng(0)
    for variable in model.frontend.weights:
        if variable.path.split("/")[-1] != "lengths":
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return model, model.export(tmp_path_factory.mktemp("keys") / "skey.onnx")


def test_beats_of_a_track_in_onnx(beatnet):
    model, path = beatnet
    light = kmt.OnnxBeatTracker(path)
    demo = kmt.audio.demo_path()
    ours, theirs = model.beatgram(demo), light.beatgram(demo)
    np.testing.assert_allclose(theirs.beat, ours.beat, atol=1e-4)
    np.testing.assert_allclose(theirs.downbeat, ours.downbeat, atol=1e-4)
    assert theirs.duration == ours.duration
    assert list(light.track(demo).times) == list(model.track(demo).times)
    two = light.track([demo, "missing.mp3"], on_error="warn")
    assert two[1] is None and len(two[0])
    assert not len(light.track(np.zeros(22050, "float32")))
    with pytest.raises(PresetError, match="names beats, not tags"):
        kmt.OnnxTagger(path)


def test_keys_of_a_track_in_onnx(skey):
    model, path = skey
    light = kmt.OnnxKeyRecognizer(path)
    rng = np.random.default_rng(0)
    for seconds in (1, 4, 40, 70):  # too short; a window; several; several pieces
        noise = rng.uniform(-0.3, 0.3, seconds * 22050).astype("float32")
        ours, theirs = model.keygram(noise), light.keygram(noise)
        for name in ("probabilities", "intervals", "overall"):
            same = getattr(theirs, name), getattr(ours, name)
            np.testing.assert_allclose(*same, atol=1e-4)


def test_pieces_in_litert(tmp_path):
    """A network that hears 30 s at once, in pieces: nearly what Keras says."""
    keras.utils.set_random_seed(0)
    model = kmt.BeatThisTracker(**TINY)
    # Untrained, its norms blow up what two transforms round differently.
    path = model.export(tmp_path / "beats.tflite", tolerance=0.05)
    light = kmt.LiteRTBeatTracker(path)
    music, _ = kmt.audio.load(kmt.audio.demo_path(), 22050)
    for samples in (music[: 8 * 22050], np.tile(music, 9)[: 40 * 22050 + 100]):
        ours, theirs = model.beatgram(samples), light.beatgram(samples)
        assert len(theirs.beat) == len(ours.beat)
        inner = slice(10, -10)
        np.testing.assert_allclose(theirs.beat[inner], ours.beat[inner], atol=0.05)


def test_what_litert_cannot_take(beatnet, skey, tmp_path):
    for model, _ in (beatnet, skey):
        with pytest.raises(ConfigError, match="no network for LiteRT"):
            model.export(tmp_path / "x.tflite")
    assert not list(tmp_path.iterdir())


def test_commands_without_keras(beatnet, skey, tmp_path):
    for command, (_, path) in {"beats": beatnet, "key": skey}.items():
        code = (
            "import sys\n"
            "from keras_musictag.cli import app\n"
            "try:\n"
            f"    app(['{command}', '--demo', '--preset', {str(path)!r}])\n"
            "except SystemExit as end:\n"
            "    assert not end.code\n"
            "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "demo" in done.stdout


def test_the_command_that_exports(tmp_path):
    out = tmp_path / "beats.onnx"
    source = kmt.BeatThisTracker(**TINY).save_pretrained(tmp_path / "tiny")
    done = CliRunner().invoke(app, ["export", str(source), str(out)])
    assert done.exit_code == 0, done.output
    about = kmt.export.read_metadata(out)
    assert (about["task"], about["hop_length"]) == ("beats", 441)
    assert about["input"]["shape"] == ["batch", 1500 * 441]
    done = CliRunner().invoke(app, ["key", "--demo", "--preset", str(out)])
    assert "names beats, not key" in done.output and done.exit_code
