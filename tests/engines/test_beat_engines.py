"""Engines of beat trackers hear what the Keras models hear."""

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.engines.beats import BeatEngine
from keras_musictag.engines.storage import ABOUT
from keras_musictag.errors import PresetError
from keras_musictag.insight.fingerprint import fingerprint

for package in ("onnx", "tf2onnx", "onnxruntime", "tensorflow"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="engines are made there"
    ),
]
RATE = 22050


@pytest.fixture(scope="module", params=[1, 3])
def both(request, tmp_path_factory):
    from keras_musictag.models.engine_making import make_engine

    keras.utils.set_random_seed(0)
    if request.param == 3:
        model = kmt.BeatNetTracker.from_pretrained()
    else:
        model = kmt.BeatNetTracker(nets=1, units=12)
    folder = tmp_path_factory.mktemp("engines") / "engine"
    make_engine(model, folder)
    return model, BeatEngine(folder)


def test_probabilities_are_those_of_keras(both):
    model, engine = both
    assert engine.fingerprint == fingerprint(model, "scores")["sha256"]
    music, rate = kmt.audio.load(kmt.audio.demo_path())
    noise = np.random.default_rng(0).normal(0, 0.1, 200 * RATE).astype("float32")
    for y in (music, music[: rate // 3], noise, np.zeros(RATE, "float32")):
        wanted, got = (m.beatgram(y, rate) for m in (model, engine))
        assert got.duration == wanted.duration
        np.testing.assert_allclose(got.beat, wanted.beat, atol=1e-4)
        np.testing.assert_allclose(got.downbeat, wanted.downbeat, atol=1e-4)
    beats = [m.track(music, rate) for m in (model, engine)]
    np.testing.assert_allclose(beats[0].times, beats[1].times, atol=1e-6)


def test_damage_is_named(both, tmp_path):
    (tmp_path / ABOUT).write_text("{}\n", "utf-8")
    with pytest.raises(PresetError, match="no engine"):
        BeatEngine(tmp_path)
