"""Both directions of a GRU in one loop give what Keras gives."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_musictag.layers.bidirectional import Bidirectional


@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_it_equals_keras(reset_after, masked):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 37, 5)).astype("float32")
    mask = None
    if masked:  # lengths of tracks, and a gap
        mask = ops.convert_to_tensor(np.arange(37) < np.array([[37], [20], [1]]))
        mask = ops.logical_and(mask, ops.convert_to_tensor(np.arange(37) != 7))
    gru = layers.GRU(8, return_sequences=True, reset_after=reset_after, name="gru")
    fused, usual = Bidirectional(gru), layers.Bidirectional(gru)
    for layer in (fused, usual):
        layer.build(x.shape)
    weights = [rng.normal(size=w.shape) for w in usual.weights]
    for layer in (fused, usual):
        layer.set_weights(weights)
    y, expected = fused(x, mask=mask), usual(x, mask=mask)
    assert y.shape == expected.shape
    np.testing.assert_allclose(
        ops.convert_to_numpy(y), ops.convert_to_numpy(expected), atol=2e-6
    )


def test_files_of_weights_are_those_of_keras(tmp_path):
    inputs = keras.Input((None, 3))
    gru = layers.GRU(4, return_sequences=True, name="gru")
    fused, usual = (
        keras.Model(inputs, kind(gru, name="both")(inputs))
        for kind in (Bidirectional, layers.Bidirectional)
    )
    usual.save_weights(tmp_path / "usual.weights.h5")
    fused.load_weights(tmp_path / "usual.weights.h5")
    x = np.random.default_rng(0).normal(size=(2, 40, 3)).astype("float32")
    np.testing.assert_allclose(
        fused.predict_on_batch(x), usual.predict_on_batch(x), atol=1e-6
    )
