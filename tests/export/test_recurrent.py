"""Recurrent layers in ONNX, each as one operator, beside Keras."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_musictag.export.formats import convert
from keras_musictag.export.recurrent import recurrence, with_operators

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="TensorFlow converts"
    ),
]
CELLS = {
    "gru": lambda **k: layers.GRU(5, **k),
    "gru, reset first": lambda **k: layers.GRU(5, reset_after=False, **k),
    "gru, no offset": lambda **k: layers.GRU(5, use_bias=False, **k),
    "gru, hard": lambda **k: layers.GRU(5, recurrent_activation="hard_sigmoid", **k),
    "lstm": lambda **k: layers.LSTM(5, **k),
}


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_numbers_are_those_of_keras(cell, both, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 3), name="x")
    outputs = {}
    for every in (True, False):
        layer = CELLS[cell](return_sequences=every, bias_initializer="random_normal")
        layer = layers.Bidirectional(layer) if both else layer
        outputs["all" if every else "last"] = layer(inputs)
    network = keras.Model(inputs, outputs)
    operators = with_operators(network, inputs)
    x = np.random.default_rng(0).normal(size=(4, 17, 3)).astype("float32")
    wanted = network(x)
    model = keras.Model(inputs, operators(inputs))
    model(x)
    convert(model, tmp_path / "network.onnx", "onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "network.onnx").graph.node]
    assert kinds.count(cell[:4].strip(",").upper()) == 2 and "Loop" not in kinds
    session = runtime.InferenceSession(str(tmp_path / "network.onnx"))
    for name, values in wanted.items():
        (got,) = session.run([name], {"x": x})
        np.testing.assert_allclose(got, np.asarray(values), atol=2e-6)


def test_what_onnx_cannot_say_stays_a_loop():
    layer = layers.GRU(5, recurrent_activation="gelu")
    layer.build((None, None, 3))
    assert recurrence(layer) is None
    assert recurrence(layers.Dense(3)) is None
