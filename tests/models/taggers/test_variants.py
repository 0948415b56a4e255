"""FCN and CRNN as others published them: what the sweep over the registry leaves out.

That they are what those trained is in tests/parity/test_choi.py.
"""

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.errors import ConfigError

CASES = {
    "crnn_choi": (kmt.CRNNTagger, {"variant": "choi", "filters": [2, 3, 3, 4]}),
    "fcn_choi": (kmt.FCNTagger, {"variant": "choi", "filters": [2, 3, 3, 3, 4]}),
    "fcn_jamendo": (kmt.FCNTagger, {"variant": "jamendo", "filters": [2, 3, 3, 3, 4]}),
}


@pytest.fixture(scope="module", params=CASES)
def model(request):
    keras.utils.set_random_seed(0)
    kind, settings = CASES[request.param]
    return kind(["calm", "wild"], **settings)


def test_they_come_back_from_a_file(model, tmp_path):
    assert model.sample_rate == 12000 and model.chunking.chunk_samples == 349440
    x = np.random.default_rng(0).normal(0, 0.1, (1, 349440)).astype("float32")
    scores = keras.ops.convert_to_numpy(model(x, training=False))
    assert np.isfinite(scores).all()
    path = tmp_path / "model.keras"
    model.save(path)
    again = kmt.MusicTagger.from_pretrained(path)
    assert again.get_config() == model.get_config()
    found = keras.ops.convert_to_numpy(again(x, training=False))
    np.testing.assert_array_equal(found, scores)


def test_they_hear_half_precision_and_silence(model):
    half = type(model).from_config({**model.get_config(), "dtype": "mixed_float16"})
    for variable, value in zip(half.weights, model.weights, strict=True):
        variable.assign(value.value)
    x = np.random.default_rng(0).normal(0, 0.1, (2, 349440)).astype("float32")
    x[1] = 0
    scores = keras.ops.convert_to_numpy(half(x, training=False))
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_allclose(scores, expected, atol=0.06)


def test_unknown_variants_are_told():
    for kind in (kmt.FCNTagger, kmt.CRNNTagger):
        with pytest.raises(ConfigError, match="Unknown `variant`.*'won', 'choi'"):
            kind(["calm"], variant="pons")
