"""The cheap order of steps gives the numbers of the usual one."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_musictag.layers import ConvBlock2D, PooledConv2D


def with_random_weights(layer, shape):
    """Build a layer; scales have both signs, and one of them is zero."""
    rng = np.random.default_rng(0)
    layer.build(shape)
    for variable in layer.weights:
        value = rng.normal(size=variable.shape)
        variable.assign(abs(value) if "variance" in variable.path else value)
    gamma = ops.convert_to_numpy(layer.norm.gamma).copy()
    gamma[:3] = [0.0, -1.0, 1.0]
    layer.norm.gamma.assign(gamma)
    return layer


@pytest.mark.parametrize(
    ("size", "strides"), [((4, 1), 2), ((2, 2), None), ((3, 2), (1, 2))]
)
def test_pooling_first_changes_no_number(size, strides):
    x = np.random.default_rng(1).normal(size=(2, 11, 12, 3)).astype("float32")
    conv = layers.Conv2D(8, 3, padding="same")
    layer = PooledConv2D(conv, layers.BatchNormalization(), size, strides)
    with_random_weights(layer, x.shape)
    usual = layer.norm(ops.relu(layer.conv(x)))
    wanted = ops.max_pool(usual, size, strides or size)
    got = layer(x)
    assert got.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(
        ops.convert_to_numpy(got), ops.convert_to_numpy(wanted), rtol=1e-6, atol=2e-6
    )


@pytest.mark.parametrize("activation", ["relu", "elu"])
def test_in_blocks_as_well(activation):
    x = np.random.default_rng(1).normal(size=(2, 11, 12, 3)).astype("float32")
    layer = with_random_weights(ConvBlock2D(8, (4, 2), activation=activation), x.shape)
    usual = getattr(ops, activation)(layer.norm(layer.conv(x)))
    wanted = ops.max_pool(usual, (4, 2), (4, 2))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)),
        ops.convert_to_numpy(wanted),
        rtol=1e-6,
        atol=2e-6,
    )


def test_training_normalises_by_all_values_of_the_batch():
    x = np.random.default_rng(0).normal(size=(8, 12, 20, 1)).astype("float32")
    norm = layers.BatchNormalization()
    layer = PooledConv2D(layers.Conv2D(4, 3, padding="same"), norm, (2, 2))
    y = ops.convert_to_numpy(layer(x, training=True))
    response = np.maximum(ops.convert_to_numpy(layer.conv(x)), 0)
    mean, variance = response.mean(axis=(0, 1, 2)), response.var(axis=(0, 1, 2))
    wanted = (response - mean) / np.sqrt(variance + 1e-3)
    wanted = wanted.reshape(8, 6, 2, 10, 2, 4).max(axis=(2, 4))
    np.testing.assert_allclose(y, wanted, atol=1e-4)
    moved = ops.convert_to_numpy(norm.moving_mean)
    np.testing.assert_allclose(moved, 0.01 * mean, atol=1e-5)


def test_config_round_trip():
    inner = layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization()
    layer = PooledConv2D(*inner, (4, 1), 2, name="pool_1")
    again = PooledConv2D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again(np.zeros((1, 9, 9, 1), "float32")).shape == (1, 3, 5, 4)
    assert keras.saving.get_registered_name(PooledConv2D) == (
        "keras_musictag>PooledConv2D"
    )
