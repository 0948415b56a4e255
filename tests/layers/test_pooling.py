"""The pools against formulas in NumPy; masks, bounds, precision, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import AutoPool, AutoPoolWeightSplit, SoftmaxWeightPool

POOLS = [AutoPool, AutoPoolWeightSplit, SoftmaxWeightPool]


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def auto_pool(alpha):
    return AutoPool(alpha_initializer=keras.initializers.Constant(alpha))


def run(layer, x):
    return ops.convert_to_numpy(layer(x))


def softmax_mean(values, logits):
    weights = np.exp(logits.astype("float64"))
    return (values * weights).sum(1) / weights.sum(1)


def test_auto_pool_lies_between_mean_and_maximum():
    x = noise((3, 20, 5))
    cases = {0.0: x.mean(1), 1.0: softmax_mean(x, x), 1e4: x.max(1), -1e4: x.min(1)}
    for alpha, wanted in cases.items():
        got = ops.convert_to_numpy(auto_pool(alpha)(x))
        np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_split_pools_weigh_the_first_half_by_the_second():
    x = noise((3, 20, 8))
    wanted = softmax_mean(x[..., :4], x[..., 4:])
    np.testing.assert_allclose(run(SoftmaxWeightPool(), x), wanted, atol=1e-5)
    layer = AutoPoolWeightSplit(per_channel=True)
    np.testing.assert_allclose(run(layer, x), x[..., :4].mean(1), atol=1e-6)
    alpha = np.array([0, 1, 2, -3], "float32")
    layer.alpha.assign(alpha)
    wanted = softmax_mean(x[..., :4], alpha * x[..., 4:])
    np.testing.assert_allclose(run(layer, x), wanted, atol=1e-5)


@pytest.mark.parametrize("pool", POOLS)
def test_masked_time_never_counts(pool):
    options = {} if pool is SoftmaxWeightPool else {"alpha_initializer": "ones"}
    layer = pool(**options)
    x = noise((2, 12, 6))
    mask = np.zeros((2, 12), bool)
    mask[0, :7], mask[1, 3:] = True, True
    filled = np.where(mask[..., None], x, np.nan).astype("float32")
    got = ops.convert_to_numpy(layer(filled, mask=mask))
    np.testing.assert_allclose(got[0], ops.convert_to_numpy(layer(x[:1, :7]))[0], 1e-5)
    np.testing.assert_allclose(got[1], ops.convert_to_numpy(layer(x[1:, 3:]))[0], 1e-5)
    nothing = layer(x, mask=np.zeros((2, 12), bool))
    np.testing.assert_array_equal(ops.convert_to_numpy(nothing), 0.0)


def test_a_mask_comes_along_from_the_layer_before():
    inputs = keras.Input((None, 4))
    masked = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, AutoPool()(masked))
    x = noise((1, 6, 4))
    padded = np.concatenate([x, np.zeros((1, 5, 4), "float32")], axis=1)
    np.testing.assert_allclose(model.predict(padded), x.mean(1), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("pool", POOLS)
def test_half_precision(pool, policy):
    x = 1 + 0.1 * noise((1, 5000, 4))
    wanted = ops.convert_to_numpy(pool()(x))
    got = pool(dtype=policy)(x)
    assert keras.backend.standardize_dtype(got.dtype) == policy.removeprefix("mixed_")
    got = ops.convert_to_numpy(ops.cast(got, "float32"))
    # The format itself: 11 bits of float16, 8 of bfloat16.
    np.testing.assert_allclose(got, wanted, rtol=2e-3 if "bf" not in policy else 8e-3)


def test_constraint_and_regulariser():
    layer = AutoPool(
        per_channel=True, alpha_constraint="non_neg", alpha_regularizer="l2"
    )
    model = keras.Sequential([keras.Input((9, 3)), layer])
    layer.alpha.assign([1.0, 2.0, 3.0])
    assert float(ops.convert_to_numpy(layer.losses[0])) == pytest.approx(0.01 * 14)
    model.compile(keras.optimizers.SGD(100.0), "mse")
    model.fit(noise((4, 9, 3)), -9 * np.ones((4, 3), "float32"), epochs=2, verbose=0)
    alpha = ops.convert_to_numpy(layer.alpha)
    assert np.all(alpha >= 0)
    assert np.any(alpha == 0)


@pytest.mark.parametrize("pool", POOLS)
def test_saves_and_loads_alone(pool, tmp_path):
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, pool(name="pool")(inputs))
    for variable in model.weights:
        variable.assign(2.0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = noise((2, 7, 6))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.layers[-1].compute_output_shape(x.shape) == model.predict(x).shape


def test_bad_input_is_refused():
    for pool in (AutoPoolWeightSplit, SoftmaxWeightPool):
        with pytest.raises(
            ConfigError, match="(?s)even number of channels.*5 channels"
        ):
            pool().build((2, 10, 5))
    with pytest.raises(ConfigError, match=r"(?s)time axis.*\(2, 10\)"):
        AutoPool().build((2, 10))
