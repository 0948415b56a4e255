"""The pooling that JAX trains faster is Keras' own pooling."""

import keras
import numpy as np
import pytest

from keras_musictag.layers import MaxPooling1D


def gradient(layer, x, weights):
    """Gradient of `sum(weights * layer(x))` with respect to `x`."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tensor = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = tf.reduce_sum(layer(tensor) * weights)
        return tape.gradient(loss, tensor).numpy()
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(lambda t: (layer(t) * weights).sum())(x))
    import torch

    tensor = torch.tensor(x, requires_grad=True)
    (layer(tensor) * torch.tensor(weights)).sum().backward()
    return tensor.grad.numpy()


@pytest.mark.parametrize("samples", [27, 28, 29])
def test_values_and_gradients_are_those_of_keras(samples):
    rng = np.random.default_rng(samples)
    x = rng.normal(size=(2, samples, 4)).astype("float32")
    weights = rng.normal(size=(2, 9, 4)).astype("float32")
    ours, theirs = MaxPooling1D(3), keras.layers.MaxPooling1D(3)
    expected = keras.ops.convert_to_numpy(theirs(x))
    y = ours(x)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(y), expected)
    assert tuple(y.shape) == ours.compute_output_shape(x.shape)
    np.testing.assert_allclose(
        gradient(ours, x, weights), gradient(theirs, x, weights), atol=1e-6
    )


def test_config_round_trip():
    layer = MaxPooling1D(3, name="pool")
    again = MaxPooling1D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.pool_size == layer.pool_size
