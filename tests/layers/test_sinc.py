"""SincConv: cut-offs stay in order whatever training does; what it lets through."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import SincConv

SCALES = (1.0, 1e2, 1e4, 1e6)


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
@pytest.mark.parametrize("min_low", [0, 50])
def test_cutoffs_stay_in_order_after_any_update(rate, min_low):
    layer = SincConv(20, 31, rate, min_low_hz=min_low)
    layer.build((1, 400))
    for seed, scale in enumerate((0.0, *SCALES)):
        for i, weight in enumerate((layer.low_hz, layer.band_hz)):
            weight.assign(scale * noise((20,), 2 * seed + i))
        low, high = (ops.convert_to_numpy(f) for f in layer.cutoffs())
        assert np.all(low > 0)
        assert np.all(low < high)
        assert np.all(high <= rate / 2)
        assert np.isfinite(ops.convert_to_numpy(layer.filters())).all()


def test_order_holds_in_training_with_a_huge_learning_rate():
    inputs = keras.Input((400,))
    layer = SincConv(8, 31, 8000)
    y = keras.layers.GlobalMaxPooling1D()(layer(inputs))
    model = keras.Model(inputs, y)
    model.compile(keras.optimizers.SGD(1e5), "mse")
    before = ops.convert_to_numpy(layer.low_hz)
    model.fit(noise((8, 400)), noise((8, 8), 1), epochs=3, verbose=0)
    low, high = (ops.convert_to_numpy(f) for f in layer.cutoffs())
    assert not np.array_equal(ops.convert_to_numpy(layer.low_hz), before)
    assert np.all((low > 0) & (low < high) & (high <= 4000))


def test_output_is_numpy_correlation():
    layer = SincConv(4, 21, 8000, strides=3)
    x = noise((2, 100))
    y = ops.convert_to_numpy(layer(x))
    filters = ops.convert_to_numpy(layer.filters())
    for item in range(2):
        for channel in range(4):
            wanted = np.correlate(x[item], filters[channel], "valid")[::3]
            np.testing.assert_allclose(y[item, :, channel], wanted, atol=1e-4)
    assert layer.compute_output_shape(x.shape) == y.shape
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x[..., None])), y)


def test_filters_pass_their_bands():
    layer = SincConv(10, 501, 16000, min_low_hz=1, min_band_hz=1)
    layer.build((1, 600))
    frequencies, response = layer.frequency_response(4096)
    assert response.shape == (10, 2049)
    low, high = (ops.convert_to_numpy(f) for f in layer.cutoffs())
    for i in range(3, 10):  # wider than the window blurs
        middle = np.argmin(np.abs(frequencies - (low[i] + high[i]) / 2))
        assert response[i, middle] > 0.9
        far = (frequencies < low[i] - 200) | (frequencies > high[i] + 200)
        assert response[i, far].max() < 0.05
        edge = np.argmin(np.abs(frequencies - low[i]))
        assert response[i, edge] == pytest.approx(0.5, abs=0.08)


def test_half_precision_policies_change_nothing():
    x = noise((1, 300))
    wanted = ops.convert_to_numpy(SincConv(4, 21)(x))
    for policy in ("mixed_float16", "mixed_bfloat16"):
        got = SincConv(4, 21, dtype=policy)(x)
        assert keras.backend.standardize_dtype(got.dtype) == "float32"
        np.testing.assert_array_equal(ops.convert_to_numpy(got), wanted)


def test_saves_and_loads_alone(tmp_path):
    inputs = keras.Input((300,))
    model = keras.Model(inputs, SincConv(4, 21, name="sinc")(inputs))
    model.layers[-1].low_hz.assign([100, 200, 300, 400])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = noise((2, 300))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert [w.path for w in again.weights] == ["sinc/low_hz", "sinc/band_hz"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"fmin": 0}, "`fmin` must be a number above 0"),
        ({"min_low_hz": -1}, "`min_low_hz` must not be negative.*min_low_hz=-1"),
        ({"min_band_hz": 0}, "`min_band_hz` must be above 0.*min_band_hz=0"),
        ({"fmin": 12000}, "below half the sample rate.*fmin=12000"),
        ({"filters": 0}, "`filters` must be a whole number"),
    ],
)
def test_bad_arguments_are_refused(arguments, match):
    with pytest.raises(ConfigError, match=f"(?s){match}"):
        SincConv(**arguments)


def test_bad_audio_is_refused():
    with pytest.raises(ConfigError, match="(?s)longer than the audio.*200 samples"):
        SincConv()(noise((1, 200)))
    with pytest.raises(ConfigError, match=r"(?s)mono.*\(1, 400, 2\)"):
        SincConv()(noise((1, 400, 2)))
