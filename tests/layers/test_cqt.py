"""CQT and HCQT against librosa, stored references and the definition."""

import keras
import librosa
import numpy as np
import pytest
import soundfile
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import CQT, HCQT
from keras_musictag.layers.compression import compress
from tests.forward import forward

# Largest difference, as a part of the largest magnitude. Measured: 7e-4 (edges of the
# noise clips); bins up to 0.94 of half the rate: 1.5e-3, where the slope of
# the low-pass passes through them.
TOLERANCE = 2e-3
# librosa warns where a filter is longer than the clip, which these tests do on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")


def noise(samples, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=0.3, size=(batch, samples)).astype("float32")


def apply(layer, waveform):
    return ops.convert_to_numpy(forward(layer, waveform))


def distance(got, wanted):
    assert got.shape == wanted.shape
    return np.abs(got - wanted).max() / np.abs(wanted).max()


def arrays_of(paths):
    paths = sorted(paths)
    if not paths:
        pytest.skip("no such reference files")
    for path in paths:
        with np.load(path) as data:
            yield path, {key: data[key] for key in data.files}


@pytest.mark.timeout(600)  # JAX compiles anew for each length
def test_cqt_references(reference):
    cases = {}  # settings and length -> the signals, to run as one batch
    paths = (reference / "frontends").glob("*__cqt*.npz")
    if keras.backend.backend() == "jax":
        # The tones are the only signal of their length; six more compiled layers.
        paths = (path for path in paths if not path.name.startswith("sine_"))
    for path, data in arrays_of(paths):
        assert str(data["window"]) == "hann" and float(data["norm"]) == 1
        keys = [key for key in data if key.startswith("mag_")]
        assert keys
        for key in keys:
            _, bins_per_octave, *kind = key.split("_")
            settings = {
                "sample_rate": int(data["sr"]),
                "hop_length": int(data["hop_length"]),
                "fmin": float(data["fmin"]),
                "n_bins": int(data[f"n_bins_{bins_per_octave}"]),
                "bins_per_octave": int(bins_per_octave),
                "filter_scale": float(data["filter_scale"]),
                "sparsity": 0.0 if kind else float(data["sparsity"]),
            }
            limit = TOLERANCE
            if kind == ["direct"]:
                # One long filter per bin, no halving: librosa itself, whose filters
                # are sampled and cut differently, is up to 6.4 % away from it.
                limit = distance(data[f"mag_{bins_per_octave}"], data[key]) + 0.005
            case = (tuple(settings.items()), len(data["y"]))
            cases.setdefault(case, []).append((path, key, data, limit))
    for (settings, _), items in cases.items():
        got = apply(CQT(**dict(settings)), np.stack([item[2]["y"] for item in items]))
        for values, (path, key, data, limit) in zip(got, items, strict=True):
            assert distance(values.T, data[key]) <= limit, (path.name, key)


def test_hcqt_references(reference):
    for path, data in arrays_of((reference / "frontends").glob("*__hcqt.npz")):
        layer = HCQT(
            harmonics=data["harmonics"].tolist(),
            sample_rate=int(data["sr"]),
            hop_length=int(data["hop_length"]),
            fmin=float(data["fmin"]),
            n_bins=int(data["n_bins"]),
            bins_per_octave=int(data["bins_per_octave"]),
        )
        got = apply(layer, data["y"][None])[0].transpose(2, 1, 0)
        assert distance(got, data["mag"]) <= TOLERANCE, path.name


def test_tutorial_features(reference):
    folder = reference / "peeters" / "features"
    if not (folder / "hcqt_3s.npz").is_file():
        pytest.skip("needs reference/peeters/features")
    with np.load(folder / "features_3s.npz") as data:
        audio, wanted_cqt = data["audio"], data["cqt"]
    with np.load(folder / "hcqt_3s.npz") as data:
        harmonics, wanted = data["h_l"].tolist(), data["hcqt"]
    got = apply(HCQT(harmonics, fmin=32.7), audio[None])[0].transpose(2, 1, 0)
    assert distance(got, wanted) <= TOLERANCE
    got = apply(CQT(fmin=32.7, n_bins=72), audio[None])[0].T
    assert distance(got, wanted_cqt[0]) <= TOLERANCE


def test_chord_model_features(reference):
    """44.1 kHz and hop 4096: two halvings come before the highest octave."""
    layer = HCQT((1, 2), 216, sample_rate=44100, hop_length=4096, bins_per_octave=36)
    for path, data in arrays_of((reference / "crema").glob("features_*.npz")):
        audio = path.name.replace("features_", "audio_").replace(".npz", ".flac")
        y, rate = soundfile.read(path.with_name(audio), dtype="float32")
        assert rate == 44100
        frames = len(data["hcqt"])
        got = apply(layer, y[None])[:, :frames]
        for channel, key in enumerate(("cqt_abs_h1", "cqt_abs_h2")):
            assert distance(got[0, ..., channel], data[key]) <= 5e-4, path.name
        db = compress(got, compression="db", ref="max", top_db=80.0)
        error = np.abs(ops.convert_to_numpy(db)[0] - data["hcqt"])
        # Measured: 0.0016 and 0.3 dB; the largest values lie 60 dB and more down.
        assert error.mean() <= 0.003 and error.max() <= 0.5, path.name


@pytest.mark.parametrize(
    "settings",
    [
        {"bins_per_octave": 24, "n_bins": 24 * 6, "fmin": 55.0},
        {"bins_per_octave": 36, "n_bins": 200, "fmin": 41.2, "hop_length": 256},
        {"bins_per_octave": 12, "n_bins": 5, "fmin": 440.0, "hop_length": 441},
        {"n_bins": 72, "filter_scale": 0.5, "sparsity": 0.05, "hop_length": 1024},
        # The hop turns odd before the lowest octave: halved twice, and never.
        {"bins_per_octave": 24, "n_bins": 105, "fmin": 65.0, "hop_length": 1764},
        {"bins_per_octave": 12, "n_bins": 30, "fmin": 110.0, "hop_length": 441},
    ],
)
def test_librosa(settings):
    x = noise(30001)
    wanted = np.abs(librosa.cqt(x, **settings)).transpose(0, 2, 1)
    got = apply(CQT(**settings), x)
    assert got.dtype == np.float32
    assert distance(got, wanted) <= TOLERANCE


@pytest.mark.parametrize(
    "settings",
    [
        {"bins_per_octave": 12, "n_bins": 49, "fmin": 65.4, "sample_rate": 44100},
        {"bins_per_octave": 17, "n_bins": 60, "fmin": 50.0, "window": "hamming"},
        {"n_bins": 1, "fmin": 440.0, "window": "blackman"},
    ],
)
def test_librosa_after_early_halvings(settings):
    x = noise(22050)
    arguments = dict(settings)
    rate = arguments.pop("sample_rate", 22050)
    wanted = np.abs(librosa.cqt(x, sr=rate, **arguments)).transpose(0, 2, 1)
    got = apply(CQT(**settings), x)
    # librosa goes down by 8 at once, we halve thrice. White noise shows where the two
    # low-passes differ: 0.8 % (measured), and 6 % in the last frames, where
    # the resampler treats the end of the waveform in its own way. Music, whose clips
    # seldom end at full loudness, comes within 0.02 %: see the chord model's features.
    assert distance(got[:, :-4], wanted[:, :-4]) <= 0.01
    assert distance(got, wanted) <= 0.08


@pytest.mark.parametrize(
    ("rate", "bins_per_octave"), [(22050, 12), (16000, 12), (22050, 36)]
)
def test_tone_at_each_centre_peaks_there(rate, bins_per_octave):
    layer = CQT(rate, n_bins=7 * bins_per_octave, bins_per_octave=bins_per_octave)
    time = np.arange(int(1.5 * rate)) / rate
    middle = len(time) // 2 // layer.hop_length
    for part in np.array_split(layer.frequencies, 7):
        tones = np.sin(2 * np.pi * part[:, None] * time).astype("float32")
        got = apply(layer, tones)[:, middle]
        first = np.flatnonzero(layer.frequencies == part[0])[0]
        assert got.argmax(axis=1).tolist() == list(range(first, first + len(part)))


def test_gain_of_a_tone():
    rate, frequency = 22050, 440.0
    tone = 0.5 * np.cos(2 * np.pi * frequency * np.arange(2 * rate) / rate)
    layer = CQT(rate, fmin=110.0, n_bins=48, sparsity=0.0)
    got = apply(layer, tone[None].astype("float32"))[0, 40, 24]
    ratio = 2 ** (1 / 12)
    quality = (ratio**2 + 1) / (ratio**2 - 1)
    wanted = 0.5 / 2 * np.sqrt(quality * rate / frequency)
    assert got == pytest.approx(wanted, rel=5e-3)


def test_hcqt_stacks_cqts():
    x = noise(30000)
    settings = {"n_bins": 48, "bins_per_octave": 24, "hop_length": 256}
    got = apply(HCQT((0.5, 1, 2, 3), fmin=110.0, **settings), x)
    for channel, harmonic in enumerate((0.5, 1, 2, 3)):
        wanted = apply(CQT(fmin=110.0 * harmonic, **settings), x)
        assert distance(got[..., channel], wanted) <= 1e-3


def test_decibels_per_item_equal_librosa():
    x = noise(20000) * np.array([[1.0], [0.01]], "float32")
    magnitudes = apply(CQT(), x)
    settings = [
        ({"ref": "max", "top_db": 40.0}, {"ref": np.max, "top_db": 40.0}),
        ({"ref": 0.5}, {"ref": 0.5, "top_db": None}),
    ]
    for ours, theirs in settings:
        wanted = [librosa.amplitude_to_db(item, **theirs) for item in magnitudes]
        for power in (1, 2):
            arguments = dict(ours)
            if power == 2 and ours["ref"] != "max":
                arguments["ref"] = ours["ref"] ** 2
            got = apply(CQT(compression="db", power=power, **arguments), x)
            np.testing.assert_allclose(got, wanted, atol=2e-3)
    np.testing.assert_allclose(apply(CQT(power=2), x), magnitudes**2, rtol=1e-4)
    got = apply(CQT(compression="log"), x)
    np.testing.assert_allclose(got, np.log(np.maximum(magnitudes, 1e-5)), atol=1e-4)


def test_decibels_of_hcqt_are_per_harmonic():
    got = apply(
        HCQT((1, 2), 36, compression="db", ref="max", top_db=30.0), noise(20000)
    )
    np.testing.assert_allclose(got.max(axis=(1, 2)), 0.0, atol=1e-5)
    assert got.min() == pytest.approx(-30.0, abs=1e-4)


@pytest.mark.parametrize("signature", [(None, None), (None, 30000), (2, 30000)])
def test_shapes_in_tf_function(signature):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
    import tensorflow as tf

    layer = HCQT((1, 2), 36)
    spec = tf.TensorSpec(signature, tf.float32)
    function = tf.function(lambda x: layer(x), input_signature=[spec])
    frames = None if signature[1] is None else 59
    shape = function.get_concrete_function().output_shapes.as_list()
    assert shape == [signature[0], frames, 36, 2]
    x = noise(30000)
    np.testing.assert_allclose(function(x).numpy(), apply(layer, x), atol=1e-4)


def test_compiled_model_equals_eager():
    inputs = keras.Input((15000,))
    layer = CQT()
    model = keras.Model(inputs, layer(inputs))
    assert model.output.shape == (None, 30, 84)
    model.compile(jit_compile=keras.backend.backend() != "torch")
    x = noise(15000)
    assert distance(model.predict(x, verbose=0), apply(layer, x)) <= 1e-5


def test_variable_length_model():
    model = keras.Model(inputs := keras.Input((None,)), CQT()(inputs))
    assert model.output.shape == (None, None, 84)
    for samples in (5631, 5632):
        x = noise(samples)
        wanted = np.abs(librosa.cqt(x)).transpose(0, 2, 1)
        assert distance(ops.convert_to_numpy(model(x)), wanted) <= TOLERANCE


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_float32_whatever_the_policy(dtype):
    x = noise(15000)
    wanted = apply(CQT(), x)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        layer = CQT(trainable=True)
        output = layer(x)
        symbolic = layer(keras.Input((5000,), dtype="float32"))
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(output.dtype) == symbolic.dtype == "float32"
    assert distance(ops.convert_to_numpy(output), wanted) <= 1e-6


def test_filters_learn_only_if_asked():
    x = noise(15000)
    frozen, learning = CQT(n_bins=24), CQT(n_bins=24, trainable=True)
    before = apply(frozen, x)
    assert distance(apply(learning, x), before) <= 1e-6
    assert frozen.weights == []
    assert len(learning.trainable_weights) == 2
    model = keras.Sequential([keras.Input((15000,)), learning])
    model.compile(keras.optimizers.SGD(1e-4), "mse")
    weights = [ops.convert_to_numpy(w) for w in learning.weights]
    # Silence in the first item: the gradient of the root at zero must not spoil it.
    x[0] = 0.0
    model.train_on_batch(x, np.zeros((2, 30, 24), "float32"))
    for old, new in zip(weights, learning.weights, strict=True):
        new = ops.convert_to_numpy(new)
        assert np.isfinite(new).all() and np.abs(new - old).max() > 0


@pytest.mark.parametrize(
    "layer",
    [
        CQT(16000, 256, 55.0, 36, 18, "hamming", 0.9, 0.02, 2, "db", 1e-9, "max", 60.0),
        HCQT((1, 3), 30, compression="log", trainable=True),
    ],
)
def test_saved_model_gives_the_same(layer, tmp_path):
    model = keras.Sequential([keras.Input((None,)), layer])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].get_config() == layer.get_config()
    x = noise(12000)
    np.testing.assert_array_equal(apply(again, x), apply(model, x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CQT(n_bins=110), "reaches up to .* half the sample rate, 11025 Hz"),
        (lambda: HCQT((1, 9)), "half the sample rate.*Use fewer bins"),
        (lambda: CQT(hop_length=0), "`hop_length` must be a whole number"),
        (lambda: CQT(sample_rate=0), "`sample_rate` must be a number above 0"),
        (lambda: CQT(fmin=-1.0), "`fmin` must be a number above 0"),
        (lambda: CQT(n_bins=0), "`n_bins` must be a whole number"),
        (lambda: CQT(bins_per_octave=0), "`bins_per_octave` must be a whole number"),
        (lambda: CQT(filter_scale=0), "`filter_scale` must be a number above 0"),
        (lambda: CQT(window="kaiser"), "Unknown `window`.*'hann'"),
        (lambda: CQT(sparsity=1.0), "`sparsity` must be a number from 0"),
        (lambda: CQT(power=3), "Unknown `power`"),
        (lambda: CQT(compression="mu-law"), "Unknown `compression`.*'db'"),
        (lambda: CQT(top_db=80.0), '`ref` and `top_db` belong to compression="db"'),
        (lambda: HCQT(()), "`harmonics` must list at least one"),
        (lambda: HCQT((1, 0)), "`harmonics` must be a number above 0"),
        (lambda: CQT()(np.zeros(22050, "float32")), r"shape \(batch, samples\)"),
        (lambda: CQT()(noise(80)), "Every filter is longer than the waveform.*80 sam"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert "Received: " in str(caught.value) and caught.value.advice
