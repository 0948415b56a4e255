"""Arrays as audio: types, shapes, rates, resampling."""

import numpy as np
import pytest

from keras_musictag.audio import (
    resample,
    resample_blocks,
    to_mono,
)
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.errors import AudioError


@pytest.mark.parametrize(
    "rate", [16000, 16000.0, np.int32(16000), np.uint16(16000), np.float32(16000)]
)
def test_good_rates(rate):
    assert check_sample_rate(rate) == 16000
    assert type(check_sample_rate(rate)) is int


@pytest.mark.parametrize(
    "rate",
    [0, -1, 44100.5, float("nan"), float("inf"), True, np.True_, "44100", None, 1j],
)
def test_bad_rates(rate):
    with pytest.raises(AudioError, match="sample rate .* Received: sample_rate=.*Pass"):
        check_sample_rate(rate)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("int8", [-128, 64], [-1, 0.5]),
        ("uint8", [0, 192], [-1, 0.5]),
        ("int16", [-32768, 16384], [-1, 0.5]),
        (">i2", [-32768, 16384], [-1, 0.5]),
        ("int32", [-(2**31), 2**30], [-1, 0.5]),
        ("float16", [1.5, -0.25], [1.5, -0.25]),
        ("float32", [1.5, -0.25], [1.5, -0.25]),
        (">f4", [1.5, -0.25], [1.5, -0.25]),
        ("float64", [1.5, -0.25], [1.5, -0.25]),
    ],
)
def test_types(dtype, values, expected):
    y = to_mono(np.array(values, dtype))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, np.array(expected, "float32"))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_32", "FLOAT"])
def test_pcm_scale_is_that_of_soundfile(subtype, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.wav"
    y = np.random.default_rng(0).uniform(-1, 1, 1000)
    soundfile.write(path, y, 16000, subtype=subtype)
    stored = {"PCM_U8": "int16", "PCM_16": "int16", "PCM_32": "int32"}
    as_stored, _ = soundfile.read(path, dtype=stored.get(subtype, "float64"))
    as_float, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(to_mono(as_stored), as_float)


@pytest.mark.parametrize("channels", range(1, 9))
def test_mean_of_channels(channels):
    y = np.random.default_rng(0).standard_normal((channels, 50)).astype("float32")
    got = to_mono(y)
    assert got.shape == (50,) and got.dtype == np.float32
    np.testing.assert_allclose(got, y.astype("float64").mean(axis=0), atol=1e-6)


def test_few_samples_of_many_channels_are_no_mistake():
    assert to_mono(np.ones((8, 3))).tolist() == [1, 1, 1]
    assert to_mono(np.ones((1, 1))).tolist() == [1]


def test_input_is_not_changed():
    y = np.array([2.0, -3.0], "float32")
    resample(y, 8000, 16000)
    assert y.tolist() == [2.0, -3.0]
    assert to_mono(y).tolist() == [2.0, -3.0]


@pytest.mark.parametrize("rows", [9, 44100])
@pytest.mark.parametrize("columns", range(1, 9))
def test_samples_first_is_refused(rows, columns):
    message = rf"\(samples, channels\).*\({rows}, {columns}\).*pass x\.T"
    with pytest.raises(AudioError, match=message):
        to_mono(np.zeros((rows, columns), "float32"))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.float32(1), "must have the shape"),
        (np.zeros((2, 3, 4)), r"must have the shape.*\(2, 3, 4\).*one track"),
        (np.zeros(0), "has no samples"),
        (np.zeros((2, 0)), "has no samples"),
        (np.zeros((0, 5)), "has no samples"),
        (np.zeros(5, complex), "type that audio is stored in.*complex128"),
        (np.zeros(5, object), "type that audio is stored in.*object"),
        (np.array(["a"]), "type that audio is stored in.*<U1"),
        (np.zeros(5, bool), "type that audio is stored in.*bool"),
        (np.zeros(5, "int64"), "int64.*int16 or int32"),
        (np.zeros(5, "uint16"), "uint16"),
        (np.array([0, np.nan]), "NaN or infinite.*nan at sample 1 of 2"),
        (np.array([[0, 0], [0, -np.inf]]), "NaN or infinite.*-inf at sample 1 of 2"),
        (np.array([1e300]), "NaN or infinite"),
        ([0.1, 0.2], "must be a NumPy array.*list"),
        ("song.mp3", "must be a NumPy array.*str"),
        (None, "must be a NumPy array.*NoneType"),
    ],
)
def test_bad_arrays(y, message):
    with pytest.raises(AudioError, match=message):
        to_mono(y)


def test_name_in_message():
    with pytest.raises(AudioError, match="The second track has no samples"):
        to_mono(np.zeros(0), name="second track")


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    y = torch.tensor([[0.5, -1.0], [0.0, 1.0]], requires_grad=True)
    np.testing.assert_array_equal(to_mono(y), [0.25, 0.0])
    np.testing.assert_array_equal(to_mono(y.bfloat16()), [0.25, 0.0])
    pcm = torch.tensor([16384, -32768], dtype=torch.int16)
    np.testing.assert_array_equal(to_mono(pcm), [0.5, -1.0])
    with pytest.raises(AudioError, match="complex"):
        to_mono(y.detach().to(torch.complex64))


def test_jax_arrays():
    jnp = pytest.importorskip("jax.numpy")
    np.testing.assert_array_equal(to_mono(jnp.array([0.5, -1.0])), [0.5, -1.0])
    y = jnp.array([0.5, -1.0], dtype="bfloat16")
    np.testing.assert_array_equal(to_mono(y), [0.5, -1.0])


RATES = [8000, 11025, 16001, 22050, 32000, 44100, 48000, 96000, 192000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("target", [8000, 16000, 22050])
def test_resample_is_librosa(rate, target):
    librosa = pytest.importorskip("librosa")
    rng = np.random.default_rng(rate)
    for samples in (1, 2, 3, 100, 9999, 30001):
        y = rng.standard_normal(samples).astype("float32")
        expected = librosa.resample(
            y, orig_sr=rate, target_sr=target, res_type="soxr_hq"
        )
        got = resample(y, rate, target)
        assert got.shape == expected.shape == (int(np.ceil(samples * target / rate)),)
        np.testing.assert_allclose(got, expected, atol=1e-6)
        cuts = np.sort(rng.integers(0, samples + 1, 4))
        joined = np.concatenate(list(resample_blocks(np.split(y, cuts), rate, target)))
        assert joined.shape == expected.shape
        np.testing.assert_allclose(joined, expected, atol=1e-6)


def test_resample_takes_the_mean_and_checks():
    y = np.stack([np.ones(100), -np.ones(100)])
    np.testing.assert_array_equal(resample(y, 44100, 16000), np.zeros(37, "float32"))
    with pytest.raises(AudioError, match="sample_rate=0"):
        resample(y, 0, 16000)
    with pytest.raises(AudioError, match="sample_rate=-5"):
        resample(y, 44100, -5)
    with pytest.raises(AudioError, match="sample rate"):
        list(resample_blocks([y[0]], 44100, "x"))
