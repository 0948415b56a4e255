"""SqueezeExcitation against its formula in NumPy; shapes, precision, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import SqueezeExcitation

SHAPES = [(2, 50, 12), (2, 9, 7, 12)]


def values(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def by_formula(x, weights):
    """The output in float64, for weights `[w1, b1, w2, b2]` in Keras' layout."""
    x = x.astype("float64")
    w1, b1, w2, b2 = (w.astype("float64") for w in weights)
    mean = x.mean(axis=tuple(range(1, x.ndim - 1)))
    scales = 1 / (1 + np.exp(-(np.maximum(mean @ w1 + b1, 0) @ w2 + b2)))
    return x * scales.reshape(len(x), *[1] * (x.ndim - 2), -1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", [1, 4, 100])
def test_equals_the_formula(shape, reduction):
    layer = SqueezeExcitation(reduction)
    x = 3 * values(shape)
    layer.build(shape)
    weights = [values(w.shape, seed) for seed, w in enumerate(layer.get_weights())]
    layer.set_weights(weights)
    assert weights[0].shape == (12, max(1, 12 // reduction))
    got = ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(got, by_formula(x, weights), atol=1e-5)
    assert layer.compute_output_shape(shape) == got.shape


def test_half_precision_counts_every_position():
    x = np.full((1, 20000, 4), 0.1, "float32")
    wide, half = SqueezeExcitation(), SqueezeExcitation(dtype="mixed_float16")
    wanted = ops.convert_to_numpy(wide(x))
    half.build(x.shape)
    half.set_weights(wide.get_weights())
    got = half(x)
    assert keras.backend.standardize_dtype(got.dtype) == "float16"
    np.testing.assert_allclose(
        ops.convert_to_numpy(got).astype("float32"), wanted, atol=1e-3
    )


def test_saves_and_loads_alone(tmp_path):
    inputs = keras.Input((None, 12))
    model = keras.Model(inputs, SqueezeExcitation(3, name="excite")(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = values(SHAPES[0])
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert [w.path for w in again.weights] == [
        f"excite/{layer}/{part}"
        for layer in ("reduce", "expand")
        for part in ("kernel", "bias")
    ]


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="`reduction` must be a whole number"):
        SqueezeExcitation(0)
    with pytest.raises(ConfigError, match=r"needs positions.*\(2, 12\)"):
        SqueezeExcitation().build((2, 12))
