"""STFT against librosa, scipy and the definition; shapes, saving, gradients."""

import itertools

import keras
import librosa
import numpy as np
import pytest
import scipy.signal
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import STFT, LogMelSpectrogram
from keras_musictag.layers.stft import window_values

METHODS = ("fft", "dft")
# What float32 rounding of either transform may amount to.
PEAK_TOLERANCE = 1e-5


def noise(samples, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=0.3, size=(batch, samples)).astype("float32")


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def assert_close_to_peak(got, wanted, tolerance=PEAK_TOLERANCE):
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= tolerance * np.abs(wanted).max()


def kaldi_frames(x, *, length, hop, window, n_fft):
    """Complex Kaldi spectrum of one waveform, sample by sample in float64."""
    spectra = []
    for start in range(0, len(x) - length + 1, hop):
        frame = x[start : start + length].astype("float64")
        frame = frame - frame.sum() / length
        emphasised = np.array(
            [frame[i] - 0.97 * frame[max(i - 1, 0)] for i in range(length)]
        )
        spectra.append(np.fft.rfft(emphasised * window, n_fft))
    return np.array(spectra)


def gradient(layer, waveform):
    """Gradient of the summed output: what one step of SGD takes off a bias."""
    inputs = keras.Input((1,))
    source = keras.layers.Dense(
        waveform.shape[-1],
        kernel_initializer="zeros",
        bias_initializer=lambda shape, dtype: ops.convert_to_tensor(waveform[0]),
    )
    model = keras.Model(inputs, layer(source(inputs)))
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, y: ops.sum(y))
    before = numpy_of(source.bias)
    model.train_on_batch(np.zeros((1, 1), "float32"), np.zeros((1, 1), "float32"))
    return before - numpy_of(source.bias)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("n_fft", "hop", "win_length", "window", "center", "pad_mode", "power"),
    [
        (512, 256, None, "hann", True, "reflect", 1),
        (512, 256, None, "hann", True, "zeros", 2),
        (2048, 512, None, "hann", True, "zeros", 1),
        (512, 160, 400, "hann", True, "reflect", 2),
        (512, 100, 301, "hamming", True, "zeros", 1),
        (512, 256, 400, "hamming", False, "zeros", 2),
        (400, 200, None, "ones", False, "zeros", 1),
        (333, 70, None, "hann", True, "reflect", 2),
        (256, 300, None, "hann", False, "zeros", 1),
    ],
)
def test_equals_librosa(
    n_fft, hop, win_length, window, center, pad_mode, power, method
):
    x = noise(9001)
    layer = STFT(
        n_fft,
        hop,
        win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
        power=power,
        method=method,
    )
    spectrum = librosa.stft(
        x,
        n_fft=n_fft,
        hop_length=hop,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode="constant" if pad_mode == "zeros" else pad_mode,
    )
    wanted = np.abs(spectrum.transpose(0, 2, 1)) ** power
    assert_close_to_peak(numpy_of(layer(x)), wanted)
    assert layer.compute_output_shape(x.shape) == wanted.shape


@pytest.mark.parametrize("method", METHODS)
def test_complex_parts_equal_librosa(method):
    x = noise(5000)
    got = numpy_of(STFT(512, 128, power=None, method=method)(x))
    wanted = librosa.stft(x, n_fft=512, hop_length=128).transpose(0, 2, 1)
    assert_close_to_peak(got, np.stack([wanted.real, wanted.imag], axis=-1))


def test_quiet_bins_are_as_exact_as_the_loudest_of_their_frame_allows():
    """float32 rounds by the loudest bin: 63 dB below it an error of 2e-4 dB is left."""
    x = 0.1 * noise(48000, 1) + 0.3 * np.sin(np.arange(48000) * 0.0288)[None]
    x = x.astype("float32")
    got = numpy_of(STFT(1024, 480, center=False)(x))[0]
    frames = np.lib.stride_tricks.sliding_window_view(x[0], 1024)[::480]
    window = scipy.signal.windows.hann(1024, sym=False)
    wanted = np.abs(np.fft.rfft(frames * window))
    loudest = wanted.max(axis=1, keepdims=True)
    assert np.max(np.abs(got - wanted) / loudest) < 2e-7


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_equals_kaldi_definition(method, offset):
    x = noise(4321) + np.float32(offset)
    layer = STFT(
        512,
        160,
        400,
        window="povey",
        center=False,
        window_position="start",
        remove_dc=True,
        preemphasis=0.97,
        power=None,
        method=method,
    )
    window = scipy.signal.windows.hann(400, sym=True) ** 0.85
    wanted = np.array(
        [kaldi_frames(row, length=400, hop=160, window=window, n_fft=512) for row in x]
    )
    got = numpy_of(layer(x))
    assert got.shape == (2, 1 + (4321 - 400) // 160, 257, 2)
    assert_close_to_peak(got, np.stack([wanted.real, wanted.imag], axis=-1))


@pytest.mark.parametrize("length", [1, 2, 5, 400, 512])
def test_windows_equal_scipy(length):
    for name in ("hann", "hamming"):
        wanted = scipy.signal.get_window(name, length, fftbins=True)
        np.testing.assert_allclose(window_values(name, length), wanted, atol=1e-7)
    wanted = scipy.signal.windows.hann(length, sym=True) ** 0.85
    np.testing.assert_allclose(window_values("povey", length), wanted, atol=1e-7)
    np.testing.assert_array_equal(window_values("ones", length), np.ones(length))


@pytest.mark.parametrize("samples", [257, 512, 513, 767, 768, 1000])
def test_shapes_agree_at_every_length(samples):
    x = noise(samples)
    for center, pad_mode in itertools.product((True, False), ("zeros", "reflect")):
        if not center and samples < 512:
            continue
        layer = STFT(512, 256, center=center, pad_mode=pad_mode)
        shape = tuple(layer(x).shape)
        assert shape == layer.compute_output_shape((2, samples))
        wanted = librosa.stft(x, n_fft=512, hop_length=256, center=center).shape
        assert shape == (2, wanted[2], wanted[1])


@pytest.mark.parametrize("method", METHODS)
def test_one_sample_is_padded_with_zeros(method):
    x = np.array([[1.0]], "float32")
    got = numpy_of(STFT(8, 4, method=method)(x))
    # The sample lies in the middle of the frame, where the window is 1.
    np.testing.assert_allclose(got, np.ones((1, 1, 5)), atol=1e-6)


@pytest.mark.parametrize("power", [1, 2, None])
def test_symbolic_shapes(power):
    layer = STFT(512, 256, power=power)
    end = (257,) if power else (257, 2)
    assert layer(keras.Input((None,))).shape == (None, None, *end)
    assert layer(keras.Input((48128,))).shape == (None, 189, *end)
    assert layer(keras.Input((48128,), batch_size=4)).shape == (4, 189, *end)


@pytest.mark.parametrize("method", METHODS)
def test_predict_with_any_length_and_batch(method):
    inputs = keras.Input((None,))
    layer = STFT(512, 256, pad_mode="reflect", method=method)
    model = keras.Model(inputs, layer(inputs))
    for samples, batch in ((600, 1), (5000, 3)):
        x = noise(samples, batch)
        wanted = np.abs(
            librosa.stft(x, n_fft=512, hop_length=256, pad_mode="reflect")
        ).transpose(0, 2, 1)
        assert_close_to_peak(model.predict(x, verbose=0), wanted)


@pytest.mark.parametrize("method", METHODS)
def test_compiled_by_xla(method):
    if keras.backend.backend() == "torch":
        pytest.skip("PyTorch has no XLA here")
    inputs = keras.Input((5000,))
    model = keras.Model(inputs, STFT(512, 256, method=method)(inputs))
    model.compile(jit_compile=True)
    x = noise(5000)
    wanted = np.abs(librosa.stft(x, n_fft=512, hop_length=256)).transpose(0, 2, 1)
    assert_close_to_peak(model.predict(x, verbose=0), wanted)


@pytest.mark.parametrize("signature", [(None, None), (None, 5000), (2, 5000)])
@pytest.mark.parametrize("method", METHODS)
def test_static_shape_in_tf_function(signature, method):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
    import tensorflow as tf

    layer = STFT(512, 256, method=method)
    spec = tf.TensorSpec(signature, tf.float32)
    function = tf.function(lambda x: layer(x), input_signature=[spec])
    frames = None if signature[1] is None else 20
    shape = function.get_concrete_function().output_shapes.as_list()
    assert shape == [signature[0], frames, 257]
    x = noise(5000)
    wanted = np.abs(librosa.stft(x, n_fft=512, hop_length=256)).transpose(0, 2, 1)
    assert_close_to_peak(function(x).numpy(), wanted)


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "mixed_bfloat16"])
def test_float32_whatever_the_policy(dtype):
    x = noise(5000)
    wanted = np.abs(librosa.stft(x, n_fft=512, hop_length=256)).transpose(0, 2, 1)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        layer = STFT(512, 256)
        output = layer(x)
        symbolic = layer(keras.Input((5000,), dtype="float32"))
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    assert symbolic.dtype == "float32"
    assert_close_to_peak(numpy_of(output), wanted)
    assert STFT(512, 256, dtype=dtype).compute_dtype == "float32"


def test_saved_model_file_gives_the_same(tmp_path):
    x = noise(5000)
    layer = STFT(
        512,
        160,
        400,
        window="povey",
        center=False,
        pad_mode="reflect",
        power=None,
        method="dft",
        window_position="start",
        remove_dc=True,
        preemphasis=0.97,
        name="transform",
    )
    assert not layer.weights
    assert STFT.from_config(layer.get_config()).get_config() == layer.get_config()
    inputs = keras.Input((None,))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("transform").get_config() == layer.get_config()
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "make",
    [
        lambda method: STFT(256, 128, power=1, method=method),
        lambda method: STFT(256, 128, power=2, method=method),
        lambda method: LogMelSpectrogram(
            16000, 256, 128, n_mels=20, power=1, top_db=80.0, method=method
        ),
        lambda method: LogMelSpectrogram.from_convention(
            "musicnn", n_mels=40, method=method
        ),
        lambda method: LogMelSpectrogram.from_convention("kaldi", method=method),
    ],
    ids=["magnitude", "power", "db_top_db", "musicnn", "kaldi"],
)
def test_gradient_is_finite_at_silence(make, method):
    silence = np.zeros((1, 2000), "float32")
    assert np.isfinite(gradient(make(method), silence)).all()
    half = np.concatenate([silence, noise(2000, 1)], axis=1)
    got = gradient(make(method), half)
    assert np.isfinite(got).all()
    assert np.abs(got[2000:]).max() > 0


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_gradient_equals_finite_differences(power, method):
    x = noise(1500, 1)
    direction = noise(1500, 1, seed=1).astype("float64")

    def total(step):
        moved = x.astype("float64") + step * direction
        spectrum = librosa.stft(moved, n_fft=256, hop_length=128, dtype="complex128")
        return (np.abs(spectrum) ** power).sum()

    wanted = (total(1e-5) - total(-1e-5)) / 2e-5
    got = gradient(STFT(256, 128, power=power, method=method), x) @ direction[0]
    assert got == pytest.approx(wanted, rel=1e-4, abs=1e-2)


def test_gradient_passes_through_the_rounding():
    x = noise(2000, 1)
    settings = {"n_mels": 40, "compression": None}
    rounded = LogMelSpectrogram.from_convention("musicnn", **settings)
    plain = LogMelSpectrogram.from_convention("musicnn", round_mel=None, **settings)
    wanted = gradient(plain, x)
    np.testing.assert_allclose(
        gradient(rounded, x), wanted, atol=1e-6 * np.abs(wanted).max()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_fft": 0}, "`n_fft` must be a whole number.*n_fft=0.*int"),
        ({"n_fft": 512.0}, "`n_fft` must be a whole number"),
        ({"hop_length": -1}, "`hop_length` must be a whole number"),
        ({"win_length": True}, "`win_length` must be a whole number"),
        ({"n_fft": 512, "win_length": 600}, "must not exceed `n_fft`"),
        ({"window": "kaiser"}, "Unknown `window`.*kaiser.*'povey'"),
        ({"pad_mode": "edge"}, "Unknown `pad_mode`"),
        ({"power": 3}, "Unknown `power`"),
        ({"method": "fast"}, "Unknown `method`"),
        ({"window_position": "end"}, "Unknown `window_position`"),
        ({"window_position": "start"}, "Pass `center=False`"),
        ({"preemphasis": 2.0}, "`preemphasis` must be a number"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        STFT(**arguments)


def test_bad_input_is_refused_before_and_after_first_use():
    layer = STFT(512, 256, pad_mode="reflect")
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"\(batch, samples\).*x\[None\]"):
            layer(np.zeros(1000, "float32"))
        with pytest.raises(ConfigError, match="too short for reflection.*257"):
            layer(np.zeros((1, 256), "float32"))
        layer(np.zeros((1, 257), "float32"))
    with pytest.raises(ConfigError, match="too short for one frame.*512"):
        STFT(512, 256, center=False)(np.zeros((1, 511), "float32"))
    with pytest.raises(ConfigError, match="too short for reflection"):
        layer(keras.Input((100,)))
    with pytest.raises(ConfigError, match="too short for one frame. Received: 0"):
        STFT(512, 256)(np.zeros((1, 0), "float32"))
