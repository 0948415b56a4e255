"""LogMelSpectrogram against stored references, librosa and Kaldi's definition."""

import keras
import librosa
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import LogMelSpectrogram, mel_filterbank
from keras_musictag.layers.mel import round_to_float16

METHODS = ("fft", "dft")
# Float32 rounding of either transform; measured: 9e-7 of the largest mel power.
PEAK_TOLERANCE = 2e-6
# torchaudio computes its triangles in float32, up to 1.3e-5 off (their README);
# ours are float64. Measured: 1.43e-5 of the largest mel power.
TORCHAUDIO_TOLERANCE = 2e-5
# One half-float step may flip; largest step in log10 units.
FLOAT16_STEP = 4.3e-4


def noise(samples, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=0.3, size=(batch, samples)).astype("float32")


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def reference_files(reference, kind):
    files = sorted((reference / "frontends").glob(f"*__{kind}.npz"))
    if not files:
        pytest.skip(f"no file *__{kind}.npz in the front-end references")
    for path in files:
        with np.load(path) as data:
            yield path.name, {key: data[key] for key in data.files}


def outputs_of(data):
    """The reference spectrograms of a file, `(mel, frame)`, without the input."""
    outputs = {key: value for key, value in data.items() if value.ndim == 2}
    assert outputs
    return outputs


def stated_settings(data):
    """The layer's arguments as the reference file states them."""
    assert str(data["window"]) == "hann (periodic)"
    norm = str(data["mel_norm"]) if "mel_norm" in data else "slaney"
    return {
        "sample_rate": int(data["sr"]),
        "n_fft": int(data["n_fft"]),
        "win_length": int(data["win_length"]),
        "hop_length": int(data["hop_length"]),
        "center": bool(data["center"]),
        "fmin": float(data["fmin"]),
        "fmax": float(data["fmax"]),
        "mel_scale": str(data["mel_scale"]) if "mel_scale" in data else "slaney",
        "norm": None if norm == "none" else norm,
        "power": float(data["power"]),
    }


def apply(layer, waveform):
    return numpy_of(layer(waveform[None]))[0].T


def assert_close_to_peak(got, wanted, tolerance=PEAK_TOLERANCE):
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= tolerance * np.abs(wanted).max()


def assert_decibels(got, wanted, tolerance=PEAK_TOLERANCE):
    """0.01 dB down to 80 dB below the peak; below that, what float32 can hold."""
    assert got.shape == wanted.shape
    heard = wanted > wanted.max() - 80.0
    assert np.abs(got - wanted)[heard].max() <= 0.01
    # Further down the transform's own rounding shows, in the reference as well.
    powers = 10.0 ** (got / 10.0), 10.0 ** (wanted / 10.0)
    assert_close_to_peak(*powers, tolerance=tolerance + 1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_musicnn_references(reference, method):
    for name, data in reference_files(reference, "musicnn"):
        for key, wanted in outputs_of(data).items():
            what, padding = key.rsplit("_", 1)
            settings = {
                **stated_settings(data),
                "n_mels": int(data["n_mels"]),
                "pad_mode": {"reflect": "reflect", "constant": "zeros"}[padding],
                "method": method,
            }
            if what == "mel_power":
                settings |= {"round_mel": None, "compression": None}
            elif what == "logmel":
                settings |= {"round_mel": None}
            else:
                assert what == "logmel_float16cast", (name, key)
            layer = LogMelSpectrogram.from_convention("musicnn", **settings)
            got = apply(layer, data["y"])
            if what == "mel_power":
                assert_close_to_peak(got, wanted)
            else:
                # Measured without the rounding: 6e-5, in the quietest bands.
                limit = FLOAT16_STEP if "float16" in what else 1e-4
                assert got.shape == wanted.shape
                assert np.abs(got - wanted).max() <= limit, (name, key)


@pytest.mark.parametrize("method", METHODS)
def test_librosa_references(reference, method):
    changes = {
        "mel_power": {"compression": None, "top_db": None},
        "db_ref1_no_topdb": {"top_db": None},
        "db_ref1_topdb80": {"top_db": 80.0},
        "db_refmax_topdb80": {"top_db": 80.0, "ref": "max"},
    }
    for _, data in reference_files(reference, "lms"):
        for key, wanted in outputs_of(data).items():
            layer = LogMelSpectrogram.from_convention(
                "librosa",
                **stated_settings(data),
                n_mels=int(data["n_mels"]),
                amin=float(data["amin"]),
                pad_mode={"constant": "zeros"}[str(data["pad_mode"])],
                method=method,
                **changes[key],
            )
            check = assert_close_to_peak if key == "mel_power" else assert_decibels
            check(apply(layer, data["y"]), wanted)


@pytest.mark.parametrize("method", METHODS)
def test_torchaudio_references(reference, method):
    for _, data in reference_files(reference, "torchaudio"):
        for key, wanted in outputs_of(data).items():
            what, n_mels = key.rsplit("_", 1)
            assert what in ("mel_power", "db")
            layer = LogMelSpectrogram.from_convention(
                "torchaudio",
                **stated_settings(data),
                n_mels=int(n_mels),
                amin=float(data["amin"]),
                pad_mode=str(data["pad_mode"]),
                method=method,
                compression="db" if what == "db" else None,
            )
            check = assert_decibels if what == "db" else assert_close_to_peak
            check(apply(layer, data["y"]), wanted, tolerance=TORCHAUDIO_TOLERANCE)


def test_filter_bank_references(reference):
    path = reference / "frontends" / "filterbanks.npz"
    with np.load(path) as data:
        banks = {key: data[key] for key in data.files if data[key].ndim == 2}
    assert banks
    for key, wanted in banks.items():
        source, scale, rate, n_fft, n_mels = key.split("_")
        got = mel_filterbank(
            sample_rate=int(rate.removeprefix("sr")),
            n_fft=int(n_fft.removeprefix("nfft")),
            n_mels=int(n_mels),
            mel_scale=scale,
            norm="slaney" if scale == "slaney" else None,
        ).T
        tolerance = TORCHAUDIO_TOLERANCE if source == "torchaudio" else 2e-7
        assert_close_to_peak(got, wanted, tolerance)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "fmin", "fmax"),
    [
        (22050, 2048, 128, 0.0, None),
        (16000, 512, 96, 0.0, 8000.0),
        (44100, 1024, 64, 30.0, 11000.0),
        (8000, 333, 1, 1500.0, 3999.0),
        (11025, 400, 40, 60.0, None),
    ],
)
def test_filter_bank_equals_librosa(scale, norm, rate, n_fft, n_mels, fmin, fmax):
    settings = {"n_fft": n_fft, "n_mels": n_mels, "fmin": fmin, "fmax": fmax}
    got = mel_filterbank(sample_rate=rate, mel_scale=scale, norm=norm, **settings)
    wanted = librosa.filters.mel(sr=rate, htk=scale == "htk", norm=norm, **settings)
    assert got.dtype == np.float32
    assert_close_to_peak(got.T, wanted, tolerance=2e-7)


def kaldi_filters(*, rate, n_fft, n_mels, low, high):
    """Kaldi's filters bin by bin, from the definition."""

    def mel(hz):
        return 1127.0 * np.log(1.0 + hz / 700.0)

    step = (mel(high) - mel(low)) / (n_mels + 1)
    filters = np.zeros((n_fft // 2 + 1, n_mels))
    for band in range(n_mels):
        left = mel(low) + band * step
        for index in range(n_fft // 2):
            position = (mel(rate / n_fft * index) - left) / step
            if 0 < position < 2:
                filters[index, band] = min(position, 2 - position)
    return filters


@pytest.mark.parametrize(
    ("rate", "n_mels", "low", "high"),
    [(16000, 23, 20.0, None), (16000, 80, 20.0, 7600.0), (8000, 40, 0.0, None)],
)
def test_kaldi_filters_equal_the_definition(rate, n_mels, low, high):
    got = mel_filterbank(
        sample_rate=rate,
        n_fft=512,
        n_mels=n_mels,
        fmin=low,
        fmax=high,
        mel_scale="kaldi",
        norm=None,
    )
    top = high or rate / 2
    wanted = kaldi_filters(rate=rate, n_fft=512, n_mels=n_mels, low=low, high=top)
    assert_close_to_peak(got, wanted, tolerance=2e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("rate", "length", "n_fft"), [(16000, 400, 512), (8000, 200, 256)]
)
def test_kaldi_log_mel_equals_the_definition(method, rate, length, n_fft):
    x = noise(5000, 1) * 0.1 + np.float32(0.01)
    hop = rate // 100
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))) ** 0.85
    powers = []
    for start in range(0, 5000 - length + 1, hop):
        frame = x[0, start : start + length].astype("float64")
        frame -= frame.mean()
        before = np.concatenate([frame[:1], frame[:-1]])
        spectrum = np.fft.fft((frame - 0.97 * before) * window, n_fft)
        powers.append(np.abs(spectrum[: n_fft // 2 + 1]) ** 2)
    filters = kaldi_filters(rate=rate, n_fft=n_fft, n_mels=23, low=20.0, high=rate / 2)
    wanted = np.log(np.maximum(np.array(powers) @ filters, 2.0**-23))
    layer = LogMelSpectrogram.from_convention("kaldi", rate, method=method)
    got = numpy_of(layer(x))[0]
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("transform", "bank", "power", "decibels"),
    [
        (
            {"n_fft": 1024, "hop_length": 300, "win_length": 800},
            {"n_mels": 64, "fmin": 30.0, "fmax": 11000.0, "htk": True, "norm": None},
            2,
            {"ref": "max", "top_db": 60.0},
        ),
        (
            {"n_fft": 512, "hop_length": 256, "center": False, "window": "hamming"},
            {"n_mels": 40},
            2,
            {"ref": 0.5, "top_db": None, "amin": 1e-3},
        ),
        (
            {"n_fft": 400, "hop_length": 160, "pad_mode": "reflect"},
            {"n_mels": 30, "htk": True},
            1,
            {"ref": 1.0, "top_db": 40.0, "amin": 1e-5},
        ),
        (
            {"n_fft": 2048, "hop_length": 512},
            {"n_mels": 128, "norm": None},
            1,
            {"ref": "max", "top_db": 80.0, "amin": 1e-5},
        ),
    ],
)
def test_equals_librosa(transform, bank, power, decibels, method):
    x = noise(12000, 1)
    x[0, 6000:] *= 0.001
    mel = librosa.feature.melspectrogram(
        y=x[0],
        sr=22050,
        power=power,
        **{**transform, "pad_mode": transform.get("pad_mode", "constant")},
        **bank,
    )
    to_db = librosa.power_to_db if power == 2 else librosa.amplitude_to_db
    scale = np.max if decibels["ref"] == "max" else decibels["ref"]
    wanted = to_db(mel, **{**decibels, "ref": scale})
    own_bank = {key: value for key, value in bank.items() if key != "htk"}
    layer = LogMelSpectrogram(
        22050,
        power=power,
        mel_scale="htk" if bank.get("htk") else "slaney",
        method=method,
        **transform,
        **own_bank,
        **decibels,
    )
    got = apply(layer, x[0])
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 0.01


def test_librosa_convention_is_its_defaults():
    x = noise(22050, 1)[0]
    wanted = librosa.power_to_db(librosa.feature.melspectrogram(y=x))
    got = apply(LogMelSpectrogram.from_convention("librosa"), x)
    assert_decibels(got, wanted)


def test_logarithms():
    x = noise(4000, 1)[0]
    mel = librosa.feature.melspectrogram(
        y=x, sr=16000, n_fft=512, hop_length=256, n_mels=40
    ).astype("float64")
    settings = {"n_fft": 512, "hop_length": 256, "n_mels": 40}
    for compression, wanted in {
        "log10_1p": np.log10(1 + 500 * mel),
        "log1p": np.log(1 + 500 * mel),
        "log": np.log(np.maximum(mel, 0.1)),
        None: mel,
    }.items():
        layer = LogMelSpectrogram(
            16000, compression=compression, gain=500, amin=0.1, **settings
        )
        np.testing.assert_allclose(apply(layer, x), wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("settings", [{"ref": "max"}, {"top_db": 30.0}])
def test_maxima_are_taken_per_item(settings):
    x = noise(8000, 3)
    x[0] *= 0.001
    x[2] = 0.0
    x[:, 4000:] *= 0.01
    layer = LogMelSpectrogram(16000, 512, 256, n_mels=40, **settings)
    together = numpy_of(layer(x))
    for index, row in enumerate(x):
        mel = librosa.feature.melspectrogram(
            y=row, sr=16000, n_fft=512, hop_length=256, n_mels=40
        )
        ref = np.max if "ref" in settings else 1.0
        wanted = librosa.power_to_db(mel, ref=ref, top_db=settings.get("top_db"))
        assert np.abs(together[index].T - wanted).max() <= 0.01


def compiled(function):
    """The function as the active backend compiles it, with XLA where there is XLA."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    return function


def values_for_rounding():
    """Over the whole range: subnormals, ties, neighbours of powers of two, edges."""
    rng = np.random.default_rng(0)
    wide = np.exp2(rng.uniform(-30, 17, 200_000)).astype("float32")
    held = np.arange(0x7C00, dtype="uint16").view("float16").astype("float32")
    ties = (held[1:] + held[:-1]) / 2
    edges = np.array([0.0, 65504, 65519.996, 65520, 1e6, 3e38], "float32")
    near = [
        np.nextafter(part, np.float32(limit))
        for part in (held, ties)
        for limit in (0, 1e9)
    ]
    return np.concatenate([wide, held, ties, edges, *near])


def test_rounding_is_that_of_numpy():
    x = values_for_rounding()
    with np.errstate(over="ignore"):
        half = x.astype("float16").astype("float32")
    wanted = np.minimum(half, 65504)
    np.testing.assert_array_equal(
        numpy_of(round_to_float16(ops.convert_to_tensor(x))), wanted
    )
    # Compiled amid other arithmetic too, where a compiler could merge steps.
    np.testing.assert_array_equal(numpy_of(compiled(round_to_float16)(x)), wanted)
    surrounded = compiled(lambda x: round_to_float16(x * 1.0 + 0.0) * 2.0)
    np.testing.assert_array_equal(numpy_of(surrounded(x)), wanted * 2)


def test_rounding_keeps_nan():
    rounded = numpy_of(round_to_float16(ops.convert_to_tensor([np.nan, 1.0])))
    np.testing.assert_array_equal(rounded, [np.nan, 1.0])


def test_compiled_layer_rounds():
    inputs = keras.Input((8000,))
    layer = LogMelSpectrogram.from_convention("musicnn", compression=None)
    model = keras.Model(inputs, layer(inputs))
    model.compile(jit_compile=keras.backend.backend() != "torch")
    got = model.predict(noise(8000), verbose=0)
    # Every value is one that a half float holds, and they are not far away.
    np.testing.assert_array_equal(got, got.astype("float16").astype("float32"))
    plain = LogMelSpectrogram.from_convention(
        "musicnn", compression=None, round_mel=None
    )
    np.testing.assert_allclose(got, numpy_of(plain(noise(8000))), rtol=2**-11 * 1.01)


@pytest.mark.parametrize("method", METHODS)
def test_symbolic_and_static_shapes(method):
    layer = LogMelSpectrogram.from_convention("musicnn", method=method)
    assert layer(keras.Input((None,))).shape == (None, None, 96)
    assert layer(keras.Input((48128,))).shape == (None, 189, 96)
    assert layer.compute_output_shape((None, 48128)) == (None, 189, 96)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        spec = tf.TensorSpec((None, 48128), tf.float32)
        function = tf.function(lambda x: layer(x), input_signature=[spec])
        shape = function.get_concrete_function().output_shapes.as_list()
        assert shape == [None, 189, 96]


@pytest.mark.parametrize("name", ["librosa", "torchaudio", "kaldi", "musicnn"])
@pytest.mark.parametrize("method", METHODS)
def test_saved_model_file_gives_the_same(tmp_path, name, method):
    layer = LogMelSpectrogram.from_convention(name, method=method, name="logmel")
    assert not layer.weights
    again = LogMelSpectrogram.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    inputs = keras.Input((None,))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("logmel").get_config() == layer.get_config()
    x = noise(5000)
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )


def test_float32_under_mixed_precision(reference):
    _, data = next(reference_files(reference, "musicnn"))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = LogMelSpectrogram.from_convention("musicnn", pad_mode="reflect")
        output = layer(data["y"][None])
        symbolic = layer(keras.Input((5000,), dtype="float32"))
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(output.dtype) == symbolic.dtype == "float32"
    wanted = data["logmel_float16cast_reflect"]
    assert np.abs(numpy_of(output)[0].T - wanted).max() <= FLOAT16_STEP


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_rate": 0}, "`sample_rate` must be a whole number"),
        ({"n_mels": 0}, "`n_mels` must be a whole number of at least 1"),
        ({"fmax": 8001.0}, "`fmax` is above half the sample rate, 8000 Hz"),
        ({"fmin": 4000.0, "fmax": 4000.0}, "`fmin` must be at least 0 and below"),
        ({"fmin": -1.0}, "`fmin` must be at least 0.*fmin=-1.0"),
        ({"fmin": "low"}, "`fmin` must be at least 0"),
        ({"mel_scale": "bark"}, "Unknown `mel_scale`.*'kaldi'"),
        ({"norm": "l1"}, "Unknown `norm`"),
        ({"compression": "ln"}, "Unknown `compression`.*'log10_1p'"),
        ({"power": None}, "Unknown `power`"),
        ({"gain": -1.0}, "`gain` must be a number above 0"),
        ({"amin": 0.0}, "`amin` must be a number above 0"),
        ({"ref": "min"}, "`ref` must be a number above 0"),
        ({"top_db": -80.0}, "`top_db` must be a number above 0"),
        ({"compression": "log", "top_db": 80.0}, 'belong to compression="db"'),
        ({"round_mel": "bfloat16"}, "Unknown `round_mel`"),
        ({"win_length": 4096}, "must not exceed `n_fft`"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        LogMelSpectrogram(**{"sample_rate": 16000, **arguments})


def test_unknown_convention_names_the_known():
    with pytest.raises(
        ConfigError, match="'librosa', 'torchaudio', 'kaldi', 'musicnn'"
    ):
        LogMelSpectrogram.from_convention("essentia")


def test_bad_input_is_refused():
    layer = LogMelSpectrogram.from_convention("musicnn")
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"\(batch, samples\)"):
            layer(np.zeros(1000, "float32"))
        with pytest.raises(ConfigError, match="too short for reflection"):
            layer(np.zeros((1, 256), "float32"))
        layer(np.zeros((1, 1000), "float32"))


def test_band_without_a_bin_is_silent():
    filters = mel_filterbank(
        sample_rate=16000, n_fft=512, n_mels=128, mel_scale="htk", norm=None
    )
    empty = np.flatnonzero(~filters.any(axis=0))
    assert len(empty) == 1
    layer = LogMelSpectrogram(
        16000, 512, 256, n_mels=128, mel_scale="htk", norm=None, amin=1e-10
    )
    assert numpy_of(layer(noise(2000)))[..., empty] == pytest.approx(-100.0, abs=1e-4)


def test_a_large_batch_gives_what_single_items_give():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 60_000)).astype("float32")  # more than one group
    layer = LogMelSpectrogram.from_convention("librosa", top_db=None)
    whole = ops.convert_to_numpy(layer(x))
    expected = librosa.power_to_db(
        librosa.feature.melspectrogram(y=x), top_db=None
    ).swapaxes(1, 2)
    np.testing.assert_allclose(whole, expected, atol=2e-3)
