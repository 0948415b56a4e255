"""The cheap order of steps gives the numbers of the usual one."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_musictag.layers import FrequencyMaxConv2D
from keras_musictag.layers.spectral_max import strongest, transform


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_it_equals_the_usual_order(norm_first, padding):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 12, 20, 3)).astype("float32")
    layer = FrequencyMaxConv2D(16, (4, 7), padding=padding, norm_first=norm_first)
    layer.build(x.shape)
    for variable in layer.weights:
        value = rng.normal(size=variable.shape)  # scales of both signs
        variable.assign(abs(value) if "variance" in variable.path else value)
    conv = layers.Conv2D(16, (4, 7), padding=padding)
    norm = layers.BatchNormalization()
    conv.build(x.shape)
    norm.build(conv.compute_output_shape(x.shape))
    conv.set_weights([v.value for v in layer.conv.weights])
    norm.set_weights([v.value for v in layer.norm.weights])
    y = norm(conv(x)) if norm_first else norm(ops.relu(conv(x)))
    expected = ops.max(ops.relu(y) if norm_first else y, axis=2)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(expected), atol=1e-5
    )
    assert layer(x).shape == layer.compute_output_shape(x.shape)


def test_training_normalises_by_the_batch():
    x = np.random.default_rng(0).normal(size=(8, 12, 20, 1)).astype("float32")
    layer = FrequencyMaxConv2D(4, (3, 5), norm_first=True)
    y = ops.convert_to_numpy(layer(x, training=True))
    response = ops.convert_to_numpy(layer.conv(x))
    mean, variance = response.mean(axis=(0, 1, 2)), response.var(axis=(0, 1, 2))
    expected = np.maximum((response - mean) / np.sqrt(variance + 1e-3), 0).max(axis=2)
    np.testing.assert_allclose(y, expected, atol=1e-4)
    moved = ops.convert_to_numpy(layer.norm.moving_mean)
    np.testing.assert_allclose(moved, 0.01 * mean, atol=1e-5)


def test_config_round_trip():
    layer = FrequencyMaxConv2D(4, (3, 5), padding="same", momentum=0.9)
    again = FrequencyMaxConv2D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert keras.saving.get_registered_name(FrequencyMaxConv2D) == (
        "keras_musictag>FrequencyMaxConv2D"
    )


@pytest.mark.parametrize(
    ("bands", "height", "padding"),
    [(96, 38, "valid"), (96, 67, "valid"), (50, 21, "same")],
)
def test_tall_kernels_are_transformed(bands, height, padding):
    """Odd and even numbers of positions, and a last part that ends early."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 9, bands, 2)).astype("float32")
    layer = FrequencyMaxConv2D(5, (4, height), padding=padding)
    layer.build(x.shape)
    layer.conv.kernel.assign(rng.normal(size=layer.conv.kernel.shape) / height)
    layer.norm.gamma.assign([1.0, -1.0, 2.0, -0.5, 0.0])
    direct = layer.conv(x)
    expected = ops.max(layer.norm(ops.relu(direct)), axis=2)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(expected), atol=2e-6
    )
    margin = height - 1 if padding == "same" else 0
    by = transform(bands + margin, height, 4 * 2)
    largest = strongest(layer._pad(ops.convert_to_tensor(x)), layer.conv.kernel, by)
    np.testing.assert_allclose(
        ops.convert_to_numpy(largest),
        ops.convert_to_numpy(ops.max(direct, axis=2)),
        atol=2e-6,
    )


def test_other_kernels_are_not():
    assert transform(96, 1, 128) is None
    assert transform(20, 7, 4) is None
