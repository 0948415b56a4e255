"""TCNBlock against PyTorch's weight normalisation where it is there; causality."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import TCNBlock, WeightNormConv1D


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_weight_normalised_convolution_equals_pytorch():
    torch = pytest.importorskip("torch")
    v, g, b = noise((5, 3, 4)), noise((5,), 1), noise((5,), 2)
    x = noise((2, 30, 3), 3)
    with torch.no_grad():
        conv = torch.nn.Conv1d(3, 5, 4, dilation=2)
        conv = torch.nn.utils.parametrizations.weight_norm(conv)
        conv.parametrizations.weight.original1.copy_(torch.tensor(v))
        conv.parametrizations.weight.original0.copy_(torch.tensor(g)[:, None, None])
        conv.bias.copy_(torch.tensor(b))
        padded = torch.nn.functional.pad(torch.tensor(x.transpose(0, 2, 1)), (6, 0))
        wanted = conv(padded).numpy().transpose(0, 2, 1)
    layer = WeightNormConv1D(5, 4, 2)
    layer.build(x.shape)
    layer.direction.assign(v.transpose(2, 1, 0))
    layer.gain.assign(g)
    layer.bias.assign(b)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), wanted, atol=1e-5)


def test_a_fresh_kernel_is_its_direction():
    layer = WeightNormConv1D(6, 3)
    layer.build((None, None, 4))
    kernel, direction = (
        ops.convert_to_numpy(w) for w in (layer.kernel(), layer.direction)
    )
    np.testing.assert_allclose(kernel, direction, rtol=1e-5)
    assert np.abs(direction).max() <= 1 / np.sqrt(12)


@pytest.mark.parametrize(("kernel_size", "dilation"), [(2, 1), (2, 8), (3, 4)])
def test_hears_the_past_only_and_as_far_as_it_says(kernel_size, dilation):
    layer = TCNBlock(4, kernel_size, dilation)
    x = noise((1, 60, 4))
    before = ops.convert_to_numpy(layer(x))
    x[0, 30] += 100.0
    changed = np.flatnonzero(np.any(ops.convert_to_numpy(layer(x)) != before, (0, 2)))
    assert changed.min() == 30
    assert changed.max() <= 30 + layer.receptive_field - 1
    assert layer.receptive_field == 1 + 2 * (kernel_size - 1) * dilation
    assert layer.compute_output_shape(x.shape) == before.shape


def test_dropout_is_for_training_only():
    layer = TCNBlock(16, dropout=0.5)
    x = noise((1, 40, 16))
    still = [ops.convert_to_numpy(layer(x, training=False)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert not np.array_equal(ops.convert_to_numpy(layer(x, training=True)), still[0])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy):
    x = noise((2, 50, 3))
    wide, half = TCNBlock(8, 3, 2), TCNBlock(8, 3, 2, dtype=policy)
    wanted = ops.convert_to_numpy(wide(x))
    half.build(x.shape)
    half.set_weights(wide.get_weights())
    got = half(x)
    assert keras.backend.standardize_dtype(got.dtype) == policy.removeprefix("mixed_")
    got = ops.convert_to_numpy(ops.cast(got, "float32"))
    np.testing.assert_allclose(got, wanted, atol=5e-3 if "bf" not in policy else 4e-2)


def test_saves_and_loads_alone(tmp_path):
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, TCNBlock(4, name="block")(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = noise((2, 20, 3))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert [w.path for w in again.weights] == [w.path for w in model.weights]


def test_bad_arguments_are_refused():
    for name in ("filters", "kernel_size", "dilation_rate"):
        with pytest.raises(ConfigError, match=f"`{name}` must be a whole number"):
            TCNBlock(**{"filters": 4, name: 0})
