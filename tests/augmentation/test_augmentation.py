"""The layers that change music in training: one contract for all, then each alone."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag import augmentation
from keras_musictag.augmentation import (
    DynamicRangeCompression,
    FrequencyShift,
    MixUp,
    RandomCrop,
    RandomFilter,
    RandomGain,
    RandomNoise,
    RandomPolarity,
    RandomTilt,
    SpecAugment,
)
from keras_musictag.errors import ConfigError

RATE, SAMPLES, ITEMS = 8000, 4000, 6
WAVES = {
    "gain": lambda **k: RandomGain(-12, 6, **k),
    "noise": lambda **k: RandomNoise(5, 30, **k),
    "pink": lambda **k: RandomNoise(5, 30, color="pink", **k),
    "polarity": lambda **k: RandomPolarity(**k),
    "crop": lambda **k: RandomCrop(SAMPLES // 2, **k),
    "filter": lambda **k: RandomFilter(RATE, "band_pass", 300, 3000, **k),
    "tilt": lambda **k: RandomTilt(RATE, **k),
    "compression": lambda **k: DynamicRangeCompression(RATE, **k),
}
SPECTRA = {
    "masks": lambda **k: SpecAugment(2, 5, 2, 4, **k),
    "shift": lambda **k: FrequencyShift(3, **k),
}
EVERY = [(name, make, "wave") for name, make in WAVES.items()]
EVERY += [(name, make, "spectrum") for name, make in SPECTRA.items()]
each = pytest.mark.parametrize(
    ("make", "kind"), [e[1:] for e in EVERY], ids=[e[0] for e in EVERY]
)


def data(kind, items=ITEMS, seed=0):
    generator = np.random.default_rng(seed)
    shape = (items, SAMPLES) if kind == "wave" else (items, 20, 16)
    return (0.1 * generator.standard_normal(shape)).astype("float32")


def run(layer, x, training=True):
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(x), training=training))


def decibels(ratio):
    return 10 * np.log10(ratio)


# === What all of them keep ===


def test_sweep_names_every_layer():
    layers = {
        name
        for name in augmentation.__all__
        if isinstance(getattr(augmentation, name), type)
        and issubclass(getattr(augmentation, name), keras.layers.Layer)
    }
    swept = {type(make()).__name__ for _, make, _ in EVERY} | {"MixUp"}
    assert swept == layers


@each
def test_nothing_changes_outside_of_training(make, kind):
    x, layer = data(kind), make(seed=1)
    expected = x[:, SAMPLES // 4 : 3 * SAMPLES // 4] if "Crop" in str(layer) else x
    np.testing.assert_array_equal(run(layer, x, training=False), expected)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), expected)


@each
def test_equal_items_are_changed_differently(make, kind):
    x = np.repeat(data(kind, items=1), 16, axis=0)
    y = run(make(seed=3), x)
    assert y.dtype == "float32" and np.isfinite(y).all()
    different = {row.tobytes() for row in y}
    # Polarity has two outcomes, a profile five, a shift seven.
    assert len(different) >= 2


@each
def test_items_do_not_leak_into_each_other(make, kind):
    x = data(kind)
    other = x.copy()
    other[1:] = 5 * data(kind, seed=9)[1:]
    first, second = run(make(seed=4), x), run(make(seed=4), other)
    np.testing.assert_allclose(first[0], second[0], rtol=1e-5, atol=1e-6)
    assert not np.allclose(first[1], second[1])


@each
def test_the_seed_decides(make, kind):
    x = data(kind, items=16)
    layer, twin = make(seed=5), make(seed=5)
    first = run(layer, x)
    np.testing.assert_array_equal(first, run(twin, x))
    assert not np.array_equal(first, run(layer, x))  # drawn anew in each step
    assert not np.array_equal(first, run(make(seed=6), x))


@each
def test_compiled_graph_gives_the_same(make, kind):
    x = data(kind)
    eager, layer = run(make(seed=7), x), make(seed=7)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        spec = tf.TensorSpec((None, *x.shape[1:]), "float32")
        graph = tf.function(lambda v: layer(v, training=True), input_signature=[spec])
        y = graph(x)
    elif keras.backend.backend() == "jax":
        import jax

        layer.build(x.shape)
        state = [v.value for v in layer.non_trainable_variables]
        step = jax.jit(lambda s, v: layer.stateless_call([], s, v, training=True)[0])
        y = step(state, x)
    else:
        y = layer(ops.convert_to_tensor(x), training=True)
    np.testing.assert_allclose(ops.convert_to_numpy(y), eager, atol=1e-5)


@each
def test_trains_inside_a_compiled_model(make, kind):
    x = data(kind)
    inputs = keras.Input(x.shape[1:])
    y = keras.layers.Flatten()(make(seed=8)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(y))
    jit = keras.backend.backend() != "torch"
    model.compile("sgd", "mse", jit_compile=jit)
    before = model.get_weights()[0].copy()
    history = model.fit(x, np.ones((len(x), 1)), batch_size=3, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert not np.array_equal(
        before, [w for w in model.get_weights() if w.ndim == 2][0]
    )


@each
def test_config_round_trip(make, kind):
    layer = make(seed=11, name="change")
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = data(kind)
    np.testing.assert_array_equal(run(layer, x), run(again, x))
    loaded = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert loaded.get_config() == layer.get_config()


@each
def test_shapes(make, kind):
    layer, x = make(), data(kind)
    assert layer.compute_output_shape(x.shape) == run(layer, x).shape
    symbolic = layer(keras.KerasTensor((None, *x.shape[1:])))
    assert symbolic.shape == (None, *run(layer, x).shape[1:])
    with pytest.raises(ConfigError, match="must have the shape"):
        layer(x[0, 0] if kind == "spectrum" else x[None])


@each
def test_mixed_precision(make, kind):
    x = data(kind)
    full = run(make(seed=12), x)
    half = run(make(seed=12, dtype="mixed_float16"), x)
    assert half.dtype == ("float32" if kind == "wave" else "float16")
    np.testing.assert_allclose(half, full, atol=0 if kind == "wave" else 2e-3)


@each
def test_probability(make, kind):
    if "Crop" in str(make()):
        assert "probability" not in make().get_config()
        return
    x = data(kind, items=64)
    assert np.array_equal(run(make(probability=0.0, seed=1), x), x)
    changed = (run(make(probability=0.5, seed=1), x) != x).any(
        axis=tuple(range(1, x.ndim))
    )
    assert 10 < changed.sum() < 54
    with pytest.raises(ConfigError, match="probability"):
        make(probability=1.5)


@each
def test_gradient_passes(make, kind):
    x, layer = data(kind), make(seed=13)

    def total(v):
        return ops.sum(ops.square(layer(v, training=True)))

    gradient = gradient_of(total, x, layer)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    silent = gradient_of(total, 0 * x, layer)
    assert np.isfinite(silent).all()


def gradient_of(function, x, layer):
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        v = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(v)
            y = function(v)
        return tf.convert_to_tensor(tape.gradient(y, v)).numpy()
    if backend == "jax":
        import jax

        layer.build(x.shape)
        state = [v.value for v in layer.non_trainable_variables]

        def pure(v):
            y = layer.stateless_call([], state, v, training=True)[0]
            return ops.sum(ops.square(y))

        return np.asarray(jax.grad(pure)(x))
    import torch

    v = torch.tensor(x, requires_grad=True)
    function(v).backward()
    return v.grad.numpy()


# === What each one promises ===


def test_gain_is_even_within_its_limits():
    x = data("wave", items=400)
    y = run(RandomGain(-12, 6, seed=0), x)
    gains = 20 * np.log10(y[:, 0] / x[:, 0])
    np.testing.assert_allclose(y, x * 10 ** (gains[:, None] / 20), atol=1e-6)
    assert -12 <= gains.min() < -11.5 and 5.5 < gains.max() <= 6
    assert abs(gains.mean() + 3) < 1


@pytest.mark.parametrize("color", ["white", "pink"])
def test_noise_has_the_ratio_asked_for(color):
    x = data("wave")
    x[0] *= 100
    y = run(RandomNoise(20, 20, color=color, seed=0), x)
    measured = decibels((x**2).mean(axis=1) / ((y - x) ** 2).mean(axis=1))
    np.testing.assert_allclose(measured, 20, atol=0.1)
    spread = run(RandomNoise(5, 30, color=color, seed=0), data("wave", items=100))
    ratio = decibels(0.01 / ((spread - data("wave", items=100)) ** 2).mean(axis=1))
    assert 4.5 < ratio.min() < 8 and 27 < ratio.max() < 30.5


def test_silence_stays_silent_under_noise():
    assert not run(RandomNoise(seed=0), np.zeros((2, 1000), "float32")).any()


def test_colours_of_noise_by_octaves():
    scipy_signal = pytest.importorskip("scipy.signal")
    x = np.full((8, 32000), 0.1, "float32")
    for color, slope in (("white", 3.01), ("pink", 0.0)):
        noise = run(RandomNoise(0, 0, color=color, seed=0), x) - x
        hertz, power = scipy_signal.welch(noise, RATE, nperseg=4096, axis=1)
        octaves = [
            power[:, (hertz >= low) & (hertz < 2 * low)].sum()
            for low in (125, 500, 2000)
        ]
        # Two octaves apart.
        rises = np.diff(decibels(np.array(octaves))) / 2
        np.testing.assert_allclose(rises, slope, atol=0.3)


def test_polarity_is_a_coin():
    x = data("wave", items=400)
    sign = run(RandomPolarity(seed=0), x) / x
    assert set(np.unique(sign)) == {-1.0, 1.0}
    assert (sign == sign[:, :1]).all()
    assert 150 < (sign[:, 0] < 0).sum() < 250


def test_crops_are_pieces_from_everywhere():
    x = np.arange(40.0, dtype="float32") + 100 * np.arange(300.0)[:, None]
    y = run(RandomCrop(10, seed=0), x.astype("float32"))
    starts = (y[:, 0] - 100 * np.arange(300)).astype(int)
    np.testing.assert_array_equal(y, x[:, :10] + starts[:, None])
    assert set(starts) == set(range(31))
    with pytest.raises(ConfigError, match="shorter than one chunk"):
        RandomCrop(50)(x)
    whole = run(RandomCrop(40, seed=0), x.astype("float32"))
    np.testing.assert_array_equal(whole, x)


@pytest.mark.parametrize("kind", ["low_pass", "high_pass", "band_pass"])
@pytest.mark.parametrize("order", [1, 4])
def test_filters_are_butterworth(kind, order):
    scipy_signal = pytest.importorskip("scipy.signal")
    cutoff, octaves = 1000.0, 2.0
    click = np.zeros((1, SAMPLES), "float32")
    click[0, SAMPLES // 2] = 1
    layer = RandomFilter(RATE, kind, cutoff, cutoff, order=order, octaves=octaves)
    response = np.abs(np.fft.rfft(run(layer, click)[0]))
    hertz = np.fft.rfftfreq(SAMPLES, 1 / RATE)[1:]
    turns = 2 * np.pi * hertz
    expected = np.ones(len(hertz))
    edges = {"low_pass": {"low": cutoff}, "high_pass": {"high": cutoff}}
    edges["band_pass"] = {"low": cutoff * 2, "high": cutoff / 2}
    for side, edge in edges[kind].items():
        b, a = scipy_signal.butter(order, 2 * np.pi * edge, side, analog=True)
        expected *= np.abs(scipy_signal.freqs(b, a, turns)[1])
    np.testing.assert_allclose(response[1:], expected, atol=5e-3)


def test_tilt_in_decibels_per_octave():
    click = np.zeros((1, SAMPLES), "float32")
    click[0, SAMPLES // 2] = 1
    response = np.abs(np.fft.rfft(run(RandomTilt(RATE, 3, 3), click)[0]))
    levels = 20 * np.log10(response[[125, 250, 500, 1000]])  # bins of 2 Hz
    np.testing.assert_allclose(levels, [-6, -3, 0, 3], atol=0.1)


def follower(x, profile, *, rate, initial):
    """`compand` of SoX, sample by sample, from its manual and source."""
    points = augmentation.compression.PROFILES[profile]
    rise, fall = 1 - np.exp(-1 / (0.1 * rate)), 1 - np.exp(-1 / (0.3 * rate))
    level, levels = initial, []
    for size in np.abs(x).tolist():
        level += (size - level) * (rise if size > level else fall)
        levels.append(level)
    ahead = np.minimum(np.arange(len(x)) + rate // 10, len(x) - 1)
    decibel = 20 * np.log10(np.maximum(np.array(levels)[ahead], 1e-9))
    gain = np.interp(decibel, points[0], np.subtract(points[1], points[0]))
    return x * 10 ** (gain / 20)


@pytest.mark.parametrize("profile", list(augmentation.compression.PROFILES))
@pytest.mark.parametrize("level", [0.5, 0.02, 0.0005])
def test_compression_follows_sox(profile, level):
    seconds = np.arange(2 * RATE) / RATE
    envelope = np.where(seconds % 1 < 0.5, 1.0, 0.1)
    wave = level * envelope * np.sin(2 * np.pi * 440 * seconds)
    layer = DynamicRangeCompression(RATE, profile, initial_db=0.0)
    found = run(layer, wave[None].astype("float32"))[0]
    expected = follower(wave, profile, rate=RATE, initial=1.0)
    heard = np.abs(wave) > 0.01 * level
    off = 20 * np.log10(found[heard] / expected[heard])
    assert np.abs(off).max() < 0.15


def test_compression_begins_without_a_fade():
    wave = 0.05 * np.sin(np.arange(RATE) * 0.3).astype("float32")[None]
    found = run(DynamicRangeCompression(RATE, "speech"), wave)
    early = np.abs(found[0, : RATE // 10]).max()
    late = np.abs(found[0, -RATE // 10 :]).max()
    assert abs(20 * np.log10(early / late)) < 2


def test_masks_are_stripes_of_drawn_widths():
    x = np.random.default_rng(0).normal(5, 1, (500, 30, 24)).astype("float32")
    y = run(SpecAugment(1, 6, 1, 4, fill=-1.0, seed=0), x)
    hidden = y == -1
    assert (y[~hidden] == x[~hidden]).all()
    frames, bins = hidden.all(axis=2), hidden.all(axis=1)
    np.testing.assert_array_equal(hidden, frames[:, :, None] | bins[:, None])
    for stripes, width in ((frames, 6), (bins, 4)):
        counts = np.bincount(stripes.sum(axis=1))
        assert len(counts) == width + 1  # 0 up to the largest, all of them
        assert counts.min() > 0.5 * len(x) / (width + 1)
        edges = np.abs(np.diff(stripes.astype(int), axis=1)).sum(axis=1)
        assert edges.max() <= 2  # one stripe
        assert stripes.any(axis=0).all()  # anywhere


@pytest.mark.parametrize("fill", ["mean", "min"])
def test_masks_take_the_value_of_their_item(fill):
    x = np.random.default_rng(0).normal(5, 1, (8, 30, 24, 2)).astype("float32")
    y = run(SpecAugment(1, 30, 0, 4, fill=fill, seed=0), x)
    reduce = getattr(np, fill)
    for before, after in zip(x, y, strict=True):
        changed = (after != before).any(axis=(1, 2))
        np.testing.assert_allclose(after[changed], reduce(before), rtol=1e-5)
        np.testing.assert_array_equal(after[~changed], before[~changed])


def test_masks_may_be_wider_than_the_picture():
    x = np.ones((4, 3, 2), "float32")
    y = run(SpecAugment(1, 99, 0, 1, fill=0.0, seed=0), x)
    assert y.shape == x.shape and set(np.unique(y)) <= {0.0, 1.0}


@pytest.mark.parametrize("channels", [(), (2,)])
def test_shift_moves_by_whole_bins(channels):
    x = np.random.default_rng(0).normal(size=(200, 5, 12, *channels))
    x = x.astype("float32")
    y = run(FrequencyShift(3, fill=0.0, seed=0), x)
    found = set()
    for before, after in zip(x, y, strict=True):
        moves = [
            n
            for n in range(-3, 4)
            if np.array_equal(
                np.roll(before, n, 1)[:, max(0, n) : 12 + min(0, n)],
                after[:, max(0, n) : 12 + min(0, n)],
            )
        ]
        assert len(moves) == 1
        shift = moves[0]
        entered = after[:, :shift] if shift > 0 else after[:, 12 + shift :]
        assert shift == 0 or not entered.any()
        found.add(shift)
    assert found == set(range(-3, 4))


# === Mix-up ===


def blended(layer, x, y, training=True):
    return [ops.convert_to_numpy(v) for v in layer((x, y), training=training)]


def test_mix_up_blends_inputs_and_targets_alike():
    x = np.eye(32, dtype="float32")
    mixed, targets = blended(MixUp(1.0, seed=0), x, x)
    np.testing.assert_allclose(mixed, targets, atol=1e-6)
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-5)
    assert (np.count_nonzero(mixed > 1e-6, axis=1) <= 2).all()
    assert (mixed.diagonal() < 0.99).sum() > 20
    np.testing.assert_allclose(blended(MixUp(1.0, seed=0), x, x)[0], mixed)
    same = blended(MixUp(1.0, seed=0), x, x, training=False)
    np.testing.assert_array_equal(same[0], x)


def test_mix_up_weights_follow_beta():
    stats = pytest.importorskip("scipy.stats")
    x = np.eye(1000, dtype="float32")
    weights = blended(MixUp(0.4, seed=0), x, x)[0].diagonal()
    assert stats.kstest(weights, stats.beta(0.4, 0.4).cdf).pvalue > 0.01


def test_mix_up_keeps_unknown_targets_unknown():
    x = np.ones((8, 100), "float32")
    y = np.zeros((8, 2), "float32")
    y[3] = np.nan
    _, targets = blended(MixUp(1.0, seed=0), x, y)
    assert np.isnan(targets[3]).all()
    assert 1 <= np.isnan(targets[:, 0]).sum() <= 2
    untouched = blended(MixUp(1.0, probability=0.0, seed=0), x, y)[1]
    assert np.isnan(untouched[:, 0]).sum() == 1


def test_mix_up_config_and_shapes():
    layer = MixUp(0.3, probability=0.7, seed=4)
    again = MixUp.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape([(4, 100), (4, 2)]) == ((4, 100), (4, 2))
    half = MixUp(0.3, dtype="mixed_float16")
    x, y = half((np.ones((4, 9, 3), "float32"), np.eye(4)), training=True)
    assert x.dtype != y.dtype


# === Bad arguments ===


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomGain(6, -6), "min_db"),
        (lambda: RandomGain("loud"), "min_db"),
        (lambda: RandomNoise(color="brown"), "color"),
        (lambda: RandomCrop(0), "chunk_samples"),
        (lambda: RandomFilter(RATE, max_hz=9000), "half the sample rate"),
        (lambda: RandomFilter(RATE, "notch", max_hz=900), "kind"),
        (lambda: RandomFilter(RATE, max_hz=900, order=9), "order"),
        (lambda: DynamicRangeCompression(RATE, "radio"), "profiles"),
        (lambda: DynamicRangeCompression(RATE, []), "profiles"),
        (lambda: SpecAugment(time_masks=-1), "time_masks"),
        (lambda: SpecAugment(fill="zero"), "fill"),
        (lambda: FrequencyShift(0), "max_bins"),
        (lambda: MixUp(0), "alpha"),
    ],
)
def test_arguments_that_cannot_work(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
