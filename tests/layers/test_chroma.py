"""Chroma against librosa and stored references."""

import keras
import librosa
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import Chroma
from keras_musictag.layers.chroma import chroma_filterbank, fold_bins
from tests.forward import forward

# Part of the largest value; measured 2e-4 for the constant-Q kind.
TOLERANCE = {"cqt": 1e-3, "stft": 1e-5}


def noise(samples, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=0.3, size=(batch, samples)).astype("float32")


def apply(layer, waveform):
    return ops.convert_to_numpy(forward(layer, waveform))


def test_references(reference):
    paths = sorted((reference / "frontends").glob("*__chroma.npz"))
    if not paths:
        pytest.skip("no chroma references")
    for path in paths:
        with np.load(path) as file:
            data = {key: file[key] for key in file.files}
        for method in ("cqt", "stft"):
            settings = {
                "sample_rate": int(data["sr"]),
                "hop_length": int(data["hop_length"]),
                "method": method,
                "n_chroma": int(data[f"{method}_n_chroma"]),
                "bins_per_octave": int(data["cqt_bins_per_octave"]),
                "n_octaves": int(data["cqt_n_octaves"]),
                "fmin": float(data["cqt_fmin"]),
                "n_fft": int(data["stft_n_fft"]),
            }
            raw = apply(Chroma(norm=None, **settings), data["y"][None])[0].T
            got = apply(Chroma(**settings), data["y"][None])[0].T
            wanted_raw = data[f"chroma_{method}_unnormalised"]
            wanted = data[f"chroma_{method}"]
            assert raw.shape == got.shape == wanted.shape
            limit = TOLERANCE[method]
            assert np.abs(raw - wanted_raw).max() <= limit * wanted_raw.max(), path.name
            # Frames 60 dB below the loudest hold leakage only; dividing by their
            # own maximum enlarges its differences (0.07 in the chirp's last frame).
            loudness = wanted_raw.max(axis=0)
            loud = loudness > 1e-3 * loudness.max()
            assert np.abs(got - wanted)[:, loud].max() <= 0.02, path.name
            best = np.sort(wanted, axis=0)
            tie = best[-1] - best[-2] <= 1e-3 * best[-1]
            same = got.argmax(axis=0) == wanted.argmax(axis=0)
            assert (same | tie).all(), path.name


def test_filters_of_the_references(reference):
    paths = sorted((reference / "frontends").glob("*__chroma.npz"))
    if not paths:
        pytest.skip("no chroma references")
    with np.load(paths[0]) as data:
        bank = chroma_filterbank(sample_rate=int(data["sr"]), n_fft=2048)
        np.testing.assert_allclose(bank.T, data["chroma_filter_stft"], atol=1e-6)
        fold = fold_bins(n_bins=len(data["cq_to_chroma"].T), bins_per_octave=36)
        np.testing.assert_array_equal(fold.T, data["cq_to_chroma"])


@pytest.mark.parametrize(
    ("bins_per_octave", "n_chroma", "fmin"),
    [
        (36, 12, 32.703),
        (24, 24, 55.0),
        (24, 12, 440.0),
        (12, 12, 27.5),
        (36, 36, 51.9),
        (60, 12, 65.4),
    ],
)
def test_fold_equals_librosa(bins_per_octave, n_chroma, fmin):
    settings = {"bins_per_octave": bins_per_octave, "n_chroma": n_chroma, "fmin": fmin}
    bins = 3 * bins_per_octave + 5
    wanted = librosa.filters.cq_to_chroma(bins, **settings)
    np.testing.assert_array_equal(fold_bins(n_bins=bins, **settings).T, wanted)


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_chroma"),
    [(44100, 4096, 12), (16000, 1024, 24), (22050, 512, 36)],
)
def test_filter_bank_equals_librosa(rate, n_fft, n_chroma):
    wanted = librosa.filters.chroma(sr=rate, n_fft=n_fft, n_chroma=n_chroma)
    got = chroma_filterbank(sample_rate=rate, n_fft=n_fft, n_chroma=n_chroma)
    np.testing.assert_allclose(got.T, wanted, atol=1e-6)


@pytest.mark.parametrize(("norm", "theirs"), [("l1", 1), ("l2", 2), ("max", np.inf)])
def test_norms_equal_librosa(norm, theirs):
    x = noise(10000, 1)
    wanted = librosa.feature.chroma_stft(
        y=x[0], sr=16000, n_fft=1024, hop_length=300, tuning=0.0, norm=theirs
    )
    layer = Chroma(16000, 300, "stft", norm=norm, n_fft=1024)
    np.testing.assert_allclose(apply(layer, x)[0].T, wanted, atol=1e-5)


@pytest.mark.parametrize("method", ["cqt", "stft"])
def test_each_pitch_class_wins(method):
    time = np.arange(22050) / 22050
    notes = 60 + np.arange(12)
    hertz = 440.0 * 2.0 ** ((notes - 69) / 12)
    tones = np.sin(2 * np.pi * hertz[:, None] * time).astype("float32")
    got = apply(Chroma(method=method), tones)[:, 20]
    assert got.argmax(axis=1).tolist() == list(range(12))


@pytest.mark.parametrize("method", ["cqt", "stft"])
def test_silence_is_zero(method):
    for norm in ("max", "l1", "l2", None):
        layer = Chroma(method=method, norm=norm)
        assert not apply(layer, np.zeros((1, 5000), "float32")).any()


@pytest.mark.parametrize("method", ["cqt", "stft"])
def test_saved_model_gives_the_same(method, tmp_path):
    layer = Chroma(16000, 256, method, norm="l2", n_octaves=5, n_fft=1024)
    model = keras.Sequential([keras.Input((None,)), layer])
    assert model.output_shape == (None, None, 12)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].get_config() == layer.get_config()
    x = noise(12000)
    np.testing.assert_array_equal(apply(again, x), apply(model, x))
    assert layer.compute_output_shape((2, 12000)) == apply(layer, x).shape


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Chroma(bins_per_octave=30),
            "must be a multiple of `n_chroma`.*Use 24",
        ),
        (lambda: Chroma(method="nnls"), "Unknown `method`"),
        (lambda: Chroma(norm="inf"), "Unknown `norm`"),
        (lambda: Chroma(n_chroma=0), "`n_chroma` must be a whole number"),
        (lambda: Chroma(8000), "half the sample rate, 4000 Hz"),
        (lambda: Chroma()(np.zeros(5000, "float32")), r"shape \(batch, samples\)"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert "Received: " in str(caught.value) and caught.value.advice
