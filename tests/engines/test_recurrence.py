"""LSTMs on the processor, by ONNX Runtime and by NumPy, against Keras."""

import keras
import numpy as np
import pytest

from keras_musictag.engines import recurrence


@pytest.fixture(params=["ONNX Runtime", "NumPy"])
def lstms(request, monkeypatch):
    with_runtime = request.param == "ONNX Runtime"
    monkeypatch.setattr(recurrence, "runtime_installed", lambda: with_runtime)
    monkeypatch.setattr(recurrence, "PART", 70)
    return recurrence.lstms


def test_parts_of_a_sequence_give_what_keras_gives(lstms):
    layer = keras.layers.LSTM(5, return_sequences=True, bias_initializer="normal")
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1, 200, 3)).astype("float32")
    expected = keras.ops.convert_to_numpy(layer(x))[0]
    weights = [keras.ops.convert_to_numpy(w.value) for w in layer.weights]
    whole, _ = lstms([x[0]], [weights])
    np.testing.assert_allclose(whole[0], expected, atol=2e-6)
    state, pieces = None, []
    for start, end in ((0, 50), (50, 51), (51, 150), (150, 200)):
        piece, state = lstms([x[0, start:end]], [weights], state)
        pieces.append(piece[0])
    np.testing.assert_allclose(np.concatenate(pieces), expected, atol=2e-6)


def test_several_are_what_each_is_alone(lstms):
    rng = np.random.default_rng(3)
    sequences = rng.normal(size=(3, 40, 4)).astype("float32")
    shapes = (4, 24), (6, 24), (24,)
    weights = [
        [rng.normal(size=shape).astype("float32") for shape in shapes] for _ in range(3)
    ]
    together, (h, c) = lstms(list(sequences), weights)
    assert h.shape == c.shape == (3, 1, 6)
    for i in range(3):
        alone, (h_alone, c_alone) = lstms([sequences[i]], [weights[i]])
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6)
        np.testing.assert_allclose(h[i], h_alone[0], atol=1e-6)
        np.testing.assert_allclose(c[i], c_alone[0], atol=1e-6)
