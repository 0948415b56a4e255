"""BeatNet against the original: madmom's features, PyTorch's networks."""

import json

import keras
import numpy as np
import pytest

from keras_musictag.models.tracker import BeatTracker
from keras_musictag.models.trackers.beatnet import filterbank

FEATURES = 2e-6
# The same features in, and the whole way from the audio; measured: 2.4e-7 and 2.1e-6.
NETWORK = 1e-5
PROBABILITIES = 1e-4


@pytest.fixture(scope="module")
def model():
    return BeatTracker.from_pretrained("beatnet")


@pytest.fixture(scope="module")
def folder(reference):
    return reference / "beatnet"


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def mean_of_three(stored, clip):
    nets = [
        softmax(stored[f"{clip}__model1_logits"]),
        stored[f"{clip}__model2_probabilities"],
        stored[f"{clip}__model3_probabilities"],
    ]
    return np.mean(nets, axis=0)


def test_features_are_those_of_madmom(model, folder):
    stored = np.load(folder / "frontend.npz")
    np.testing.assert_allclose(filterbank(22050), stored["filterbank"], atol=1e-7)
    samples = stored["waveform_int16"].astype("float32") / 32768
    bands = model.frontend(samples[None])
    features = model.backbone.get_layer("with_rise")(bands)
    ours = keras.ops.convert_to_numpy(features)[0]
    assert ours.shape == (300, 272)
    theirs = stored["features_of_int16"]
    # The last frames of the stored ones hear what follows the excerpt.
    np.testing.assert_allclose(ours[:298], theirs[:298], atol=FEATURES)


def test_networks_are_those_of_the_original(model, folder):
    inputs = np.load(folder / "inputs_first500.npz")
    stored = np.load(folder / "activations.npz")
    for i, clip in enumerate(inputs.files):
        bands = inputs[clip][:, :136]
        expected = mean_of_three(stored, clip)[:500]
        if i == 0:  # a loop over frames is slow
            graph = keras.ops.convert_to_numpy(model.backbone(bands[None, :200]))[0]
            np.testing.assert_allclose(graph, expected[:200], atol=NETWORK)
        np.testing.assert_allclose(model._probabilities(bands), expected, atol=NETWORK)


def test_whole_tracks_have_the_probabilities_of_the_original(model, folder, corpus):
    stored = np.load(folder / "activations.npz")
    clips = json.loads((folder / "clips.json").read_text("utf-8"))
    names = [name for name in clips if name in ("majmin_2026_0003", "05_folk")]
    assert len(names) == 2
    for name in names:
        (path,) = [
            path
            for room in ("chords", "real")
            for path in (corpus / room).glob(f"{name}.*")
            if path.suffix != ".lab"
        ]
        expected = mean_of_three(stored, name)
        found = model.beatgram(path)
        assert found.frame_rate == 50
        ours = np.stack([found.beat, found.downbeat], axis=1)
        np.testing.assert_allclose(ours, expected[:, :2], atol=PROBABILITIES)
