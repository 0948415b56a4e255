"""S-KEY and KeyNet against the originals: spectrograms, networks, whole tracks."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import keras_musictag as kmt
from keras_musictag import audio
from keras_musictag.chords import camelot
from keras_musictag.conversion import convert_checkpoint
from keras_musictag.errors import ConfigError, PresetError
from keras_musictag.models.key_recognizers.skey import to_decibels
from tests.forward import forward

# The same spectrogram in, and the whole way from the audio. Measured: 2.9e-6 of a logit
# and 5.2e-5 of a probability.
NETWORK = 1e-5
CHAIN = 1e-4
# Where waves cancel each other rounding shows; and the mean. Measured: 3e-4 and 6.7e-7
# on TensorFlow and JAX, 1.4e-3 and 1.9e-6 on PyTorch.
DECIBELS, DECIBELS_MEAN = 2e-3, 3e-6
# Of KeyNet's spectrogram, and where the rate of the file is not 44.1 kHz: another
# resampler than torchaudio's. Measured: 4.9e-5 and 3.6e-4.
SPECTROGRAM, RESAMPLED = 1e-4, 1e-3


@pytest.fixture(scope="module")
def skey(key_models):
    return key_models["skey"]


@pytest.fixture(scope="module")
def keynet(key_models):
    return key_models["keynet"]


def track(corpus, name):
    (path,) = [
        path
        for room in ("chords", "real")
        for path in (corpus / room).glob(f"{name}.*")
        if path.suffix != ".lab"
    ]
    return path


def logits(model, spectrogram):
    """Of a spectrogram as the originals have it, bins first."""
    return ops.convert_to_numpy(forward(model.backbone, spectrogram.T[None]))[0]


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def chosen(names):
    """Few clips where a new length means a new graph."""
    return names[-2:] if keras.backend.backend() == "jax" else names


def test_skey_hears_what_the_original_hears(skey, reference):
    stored = np.load(reference / "skey" / "frontend.npz")
    wave = stored["waveform_int16"].astype("float32") / 32768
    decibels = to_decibels(skey.frontend.magnitudes(wave[None]))
    error = np.abs(ops.convert_to_numpy(decibels)[0].T - stored["vqt"])
    assert error.max() <= DECIBELS and error.mean() <= DECIBELS_MEAN


def test_skeys_network_is_that_of_the_original(skey, reference):
    inputs = np.load(reference / "skey" / "inputs.npz")
    outputs = np.load(reference / "skey" / "outputs.npz")
    for name in inputs.files:
        found = logits(skey, inputs[name])
        expected = outputs[f"{name}__before_softmax"]
        np.testing.assert_allclose(found, expected, atol=NETWORK)


def test_skeys_stages_are_those_of_the_original(skey, reference):
    stored = np.load(reference / "skey" / "stages_crop.npz")
    names = {f"block{i}": f"stage_{i}_add" for i in range(7)}
    layers = [skey.backbone.get_layer(name).output for name in names.values()]
    stages = forward(keras.Model(skey.backbone.input, layers), stored["input"].T[None])
    for name, ours in zip(names, stages, strict=True):
        expected = stored[name]
        found = ops.convert_to_numpy(ours)[0].transpose(2, 1, 0)[: len(expected)]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=NETWORK * max(scale, 1))


def test_skeys_keys_are_those_of_the_original(skey, reference, corpus):
    folder = reference / "skey"
    clips = json.loads((folder / "clips.json").read_text("utf-8"))
    outputs = np.load(folder / "outputs.npz")
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    for name in chosen(list(clips)):
        path, expected = track(corpus, name), outputs[f"{name}__probabilities"]
        samples, _ = audio.load(path, skey.sample_rate)
        whole = ops.convert_to_numpy(forward(skey, samples[None]))[0]
        np.testing.assert_allclose(whole, expected, atol=CHAIN)
        found = skey.recognize(path)
        assert found.key.camelot == place(labels[int(expected.argmax())]), name
        assert found.confidence == pytest.approx(clips[name]["probability"], abs=2e-4)


def place(label):
    """A key by its place on the wheel, however it is spelled."""
    return camelot(label.replace("Major", "major"))


def test_keynets_network_is_that_of_the_original(keynet, reference):
    inputs = np.load(reference / "keynet" / "inputs.npz")
    outputs = np.load(reference / "keynet" / "outputs.npz")
    for name in chosen(inputs.files):
        np.testing.assert_allclose(
            logits(keynet, inputs[name]), outputs[name], atol=NETWORK
        )
    tones = np.load(reference / "keynet" / "synthetic_tones.npz")
    found = logits(keynet, tones["spec"])
    np.testing.assert_allclose(found, tones["logits"], atol=NETWORK)
    assert keynet.labels[found.argmax()] == "A:maj"


def test_keynet_hears_what_the_original_hears(keynet, reference, corpus):
    folder = reference / "keynet"
    clips = json.loads((folder / "clips.json").read_text("utf-8"))
    inputs, outputs = np.load(folder / "inputs.npz"), np.load(folder / "outputs.npz")
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    for name in chosen(list(clips)):
        samples, _ = audio.load(track(corpus, name), keynet.sample_rate)
        spectrogram = ops.convert_to_numpy(forward(keynet.frontend, samples[None]))[0].T
        own = clips[name]["decoded_rate"] == keynet.sample_rate
        atol = SPECTROGRAM if own else RESAMPLED
        np.testing.assert_allclose(spectrogram, inputs[name], atol=atol)
        whole = ops.convert_to_numpy(forward(keynet, samples[None]))[0]
        np.testing.assert_allclose(whole, softmax(outputs[name]), atol=CHAIN)
        best = labels[int(outputs[name].argmax())]
        assert keynet.recognize(samples).notated("camelot") == best["camelot"]


def test_the_order_of_the_labels(keynet, skey, reference):
    theirs = json.loads((reference / "keynet" / "labels.json").read_text("utf-8"))
    assert [camelot(key) for key in keynet.labels] == [r["camelot"] for r in theirs]
    theirs = json.loads((reference / "skey" / "labels.json").read_text("utf-8"))
    assert [camelot(key) for key in skey.labels] == [place(label) for label in theirs]


def test_each_checkpoint_is_known_by_its_keys(reference):
    path = reference / "skey" / "skey.pt"
    with pytest.raises(PresetError, match="look like those of SKeyRecognizer"):
        convert_checkpoint(path, kmt.KeyNetRecognizer)
    with pytest.raises(PresetError, match="look like those of KeyNetRecognizer"):
        convert_checkpoint(reference / "keynet" / "keynet.pt", kmt.SKeyRecognizer)
    with pytest.raises(ConfigError, match="does not take these arguments"):
        convert_checkpoint(path, kmt.SKeyRecognizer, ["a", "b"])
