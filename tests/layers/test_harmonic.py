"""HarmonicSTFT against stored filters and its formula; gradients, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import HarmonicSTFT


def noise(samples, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=0.3, size=(batch, samples)).astype("float32")


def built(**settings):
    layer = HarmonicSTFT(**settings)
    layer.build((None, 80000))
    return layer


def filters_by_formula(q, *, rate=16000, n_fft=512, harmonics=6, steps=2, low=24):
    """Triangles in float64, `(bins, harmonics, levels)`, one number at a time."""
    high = round(69 + 12 * np.log2(rate / (2 * harmonics) / 440))
    filters = []
    for harmonic in range(1, harmonics + 1):
        for level in range((high - low) * steps):
            centre = harmonic * 440 * 2 ** ((low + level / steps - 69) / 12)
            width = (0.1079 * centre + 24.7) / q
            bins = np.linspace(0, rate / 2, n_fft // 2 + 1)
            rising, falling = (1 + s * 2 * (bins - centre) / width for s in (1, -1))
            filters.append(np.maximum(0, np.minimum(rising, falling)))
    return np.transpose(filters).reshape(n_fft // 2 + 1, harmonics, -1)


def decibels_by_formula(x, filters, n_fft=512, hop=256):
    """The spectrogram in float64, `(batch, frames, levels, harmonics)`."""
    padded = np.pad(x.astype("float64"), ((0, 0), (n_fft // 2,) * 2), mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    starts = range(0, padded.shape[1] - n_fft + 1, hop)
    frames = np.stack([padded[:, s : s + n_fft] * window for s in starts], axis=1)
    power = np.abs(np.fft.rfft(frames)) ** 2
    return 10 * np.log10(np.maximum(np.einsum("btf,fhl->btlh", power, filters), 1e-10))


def test_filters_are_the_published_ones(reference):
    stored = np.load(reference / "sota" / "frontend.npz")
    got = ops.convert_to_numpy(built().filters())
    # Ours and theirs are float32; slopes reach 0.07 per Hz at distances of kHz.
    np.testing.assert_allclose(got, stored["harmonic_fb_Q1"], atol=1e-5)
    dead = np.flatnonzero(stored["harmonic_fb_Q1"].max(axis=0) == 0)
    np.testing.assert_array_equal(np.flatnonzero(got.max(axis=0) == 0), dead)


@pytest.mark.parametrize("method", ["fft", "dft"])
@pytest.mark.parametrize("q", [0.8, 1.0, 1.25])
def test_equals_the_formula(q, method):
    x = noise(8000)
    x[1, 4000:] = 0  # silence lies on the floor
    got = ops.convert_to_numpy(HarmonicSTFT(initial_q=q, method=method)(x))
    wanted = decibels_by_formula(x, filters_by_formula(q))
    assert got.shape == (2, 32, 128, 6)
    # Bands that hold but the tip of a triangle show float32 rounding in decibels.
    filled = wanted > -60
    assert np.abs(got - wanted)[filled].max() <= 0.05
    np.testing.assert_array_equal(got[1, -10:], -100.0)


def test_other_settings_equal_the_formula():
    settings = {"n_harmonics": 4, "steps_per_semitone": 3, "low_note": 36}
    layer = HarmonicSTFT(22050, n_fft=1024, hop_length=300, **settings)
    x = noise(9000)
    filters = filters_by_formula(
        1.0, rate=22050, n_fft=1024, harmonics=4, steps=3, low=36
    )
    wanted = decibels_by_formula(x, filters, 1024, 300)
    got = ops.convert_to_numpy(layer(x))
    assert layer.compute_output_shape(x.shape) == got.shape == wanted.shape
    filled = wanted > -60
    assert np.abs(got - wanted)[filled].max() <= 0.05


@pytest.mark.parametrize("level", [0.3, 0.0])
def test_training_moves_q_and_keeps_it_finite(level):
    inputs = keras.Input((8000,))
    layer = HarmonicSTFT()
    model = keras.Model(inputs, ops.mean(layer(inputs), axis=(1, 2, 3)))
    model.compile(keras.optimizers.SGD(1e-3), loss="mse")
    model.train_on_batch(level * noise(8000), np.zeros(2, "float32"))
    q = float(ops.convert_to_numpy(layer.q)[0])
    assert np.isfinite(q)
    assert (q != 1.0) == (level > 0)


def test_gradient_of_q_is_the_difference_quotient():
    x = noise(4000, batch=1)

    def mean(q):
        return decibels_by_formula(x, filters_by_formula(q)).mean()

    # Away from 1, where a triangle's tip just reaches no bin.
    inputs = keras.Input((4000,))
    layer = HarmonicSTFT(initial_q=0.6)
    model = keras.Model(inputs, ops.mean(layer(inputs), axis=(1, 2, 3)))
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, y: ops.sum(y))
    model.train_on_batch(x, np.zeros(1, "float32"))
    gradient = 0.6 - float(ops.convert_to_numpy(layer.q)[0])
    wanted = (mean(0.6 + 1e-5) - mean(0.6 - 1e-5)) / 2e-5
    assert gradient == pytest.approx(wanted, rel=0.01)


def test_q_is_the_only_weight_and_can_be_fixed():
    layer = built(name="bands")
    found = [(w.path, tuple(w.shape)) for w in layer.weights]
    assert found == [("bands/q", (1,))]
    assert len(built().trainable_weights) == 1
    assert built(learnable_q=False).trainable_weights == []


def test_computes_in_float32_under_every_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = HarmonicSTFT()
        half = ops.convert_to_numpy(layer(noise(8000)))
    finally:
        keras.config.set_dtype_policy(before)
    assert half.dtype == np.float32
    assert keras.backend.standardize_dtype(layer.q.dtype) == "float32"
    np.testing.assert_array_equal(half, ops.convert_to_numpy(built()(noise(8000))))


def test_saves_and_loads(tmp_path):
    inputs = keras.Input((8000,))
    layer = HarmonicSTFT(n_harmonics=5, alpha=0.1, initial_q=1.1, name="bands")
    model = keras.Model(inputs, layer(inputs))
    layer.q.assign([1.3])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = noise(8000)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.get_layer("bands").get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"low_note": 100}, "`low_note` must lie below.*highest note is 88"),
        ({"n_harmonics": 0}, "`n_harmonics` must be a whole number"),
        ({"initial_q": -1.0}, "`initial_q` must be a number above 0"),
        ({"method": "cqt"}, "Unknown `method`"),
    ],
)
def test_bad_arguments_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        HarmonicSTFT(**settings)


def test_bad_waveforms_are_refused():
    with pytest.raises(ConfigError, match=r"shape \(batch, samples\)"):
        HarmonicSTFT()(np.zeros((1, 2, 8000), "float32"))
    with pytest.raises(ConfigError, match="too short for reflection"):
        HarmonicSTFT()(np.zeros((1, 100), "float32"))
