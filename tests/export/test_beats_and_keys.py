"""Exported beat trackers and key recognisers, in each format's own runtime."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app
from keras_musictag.conversion import convert_checkpoint
from keras_musictag.errors import ConfigError, PresetError

for package in ("onnx", "tf2onnx", "onnxruntime", "ai_edge_litert", "tensorflow"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="takes long there"
    ),
]

TINY = {"units": 32, "blocks": 2, "stem_channels": 8, "head_dim": 8}
RANDOM = Path(__file__).parent.parent / "parity/data/beat_this/random.ckpt"


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


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A network that hears 30 s at once, and its export by the command."""
    folder = tmp_path_factory.mktemp("tiny")
    model = convert_checkpoint(RANDOM, kmt.BeatThisTracker, **TINY)
    source = model.save_pretrained(folder / "tiny")
    out = folder / "beats.onnx"
    done = CliRunner().invoke(app, ["export", str(source), str(out)])
    assert done.exit_code == 0, done.output
    return model, out


def test_pieces_of_thirty_seconds(tiny):
    model, path = tiny
    light = kmt.OnnxBeatTracker(path)
    about = light.metadata
    assert (about["piece_frames"], about["border_frames"]) == (1500, 6)
    rng = np.random.default_rng(0)
    for seconds in (0.5, 8, 31.013):
        noise = rng.uniform(-0.3, 0.3, round(seconds * 22050)).astype("float32")
        ours, theirs = model.beatgram(noise), light.beatgram(noise)
        assert len(theirs.beat) == len(ours.beat)
        if seconds < 29:  # one piece: the same
            np.testing.assert_allclose(theirs.beat, ours.beat, atol=1e-3)
        assert np.median(np.abs(theirs.beat - ours.beat)) < 1e-3


def test_what_litert_cannot_take(beatnet, skey, tiny, tmp_path):
    for model, _ in (beatnet, skey, tiny):
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


def test_commands_refuse_what_names_something_else(tiny):
    done = CliRunner().invoke(app, ["key", "--demo", "--preset", str(tiny[1])])
    assert "names beats, not key" in done.output and done.exit_code
