"""The tutorial's chord network against the authors' PyTorch code."""

import keras
import numpy as np
import pytest

from keras_musictag.models.recognizers.crnn_chords import CRNNChordRecognizer
from keras_musictag.models.recognizers.networks import tutorial_logits

LOGITS = 1e-4  # the authors' code in float32 is up to 6e-6 from itself in float64
BINS, CLASSES = 72, 25


@pytest.fixture(params=["Chord_T64", "Chord"])
def stored(request, reference):
    return read(reference, request.param)


def read(reference, name):
    with np.load(reference / "peeters" / "networks" / f"{name}.npz") as data:
        return dict(data)


def keras_weights(stored):
    """Map the layers of our network to their arrays in Keras' layout."""
    weights = {}
    for i in range(6):
        for layer, part in (("norm", 0), ("conv", 1)):
            names = (f"p.0.{i}.{part}.weight", f"p.0.{i}.{part}.bias")
            weights[f"{layer}_{i}"] = [stored[name].T for name in names]
    weights["recurrent"] = []
    for direction in ("", "_reverse"):

        def array(name, end=direction):
            return stored[f"p.0.7.0.module.{name}_l0{end}"]

        bias = array("bias_ih") + array("bias_hh")
        weights["recurrent"] += [array("weight_ih").T, array("weight_hh").T, bias]
    weights["head"] = [stored["p.1.0.0.weight"].T, stored["p.1.0.0.bias"]]
    return weights


def test_logits_are_those_of_the_authors(stored):
    x = stored["x"][:, 0].transpose(0, 2, 1)
    inputs = keras.Input((None, BINS))
    outputs = tutorial_logits(inputs, CLASSES, patch_frames=x.shape[1])
    model = keras.Model(inputs, outputs)
    for name, arrays in keras_weights(stored).items():
        model.get_layer(name).set_weights(arrays)
    found = keras.ops.convert_to_numpy(model(x))
    wanted = stored["output_BCT"].transpose(0, 2, 1)
    np.testing.assert_allclose(found, wanted, atol=LOGITS)
    np.testing.assert_array_equal(found.argmax(axis=-1), stored["argmax_BT"])


def test_every_array_of_the_authors_has_its_place(stored):
    patch_frames = stored["x"].shape[-1]
    model = CRNNChordRecognizer(variant="tutorial", patch_frames=patch_frames)
    wanted = {name: list(arrays) for name, arrays in keras_weights(stored).items()}
    found = {layer.name: layer for layer in model.backbone.layers if layer.weights}
    assert set(found) == set(wanted)
    for name, layer in found.items():
        shapes = [tuple(weight.shape) for weight in layer.weights]
        assert shapes == [array.shape for array in wanted[name]], name
    used = sum(array.size for arrays in wanted.values() for array in arrays)
    stored_size = sum(a.size for key, a in stored.items() if key.startswith("p."))
    biases = sum(
        stored[k].size for k in stored if k.startswith("p.") and "bias_hh" in k
    )
    # PyTorch has two biases per recurrent gate, which only ever count as their sum.
    assert used == stored_size - biases


def test_decibels_in_between_change_little(reference):
    """The recogniser's network sees decibels, relative to the loudest value."""
    stored = read(reference, "Chord_T64")
    x = stored["x"][:1, 0].transpose(0, 2, 1)
    patch_frames = x.shape[1]
    model = CRNNChordRecognizer(variant="tutorial", patch_frames=patch_frames)
    for name, arrays in keras_weights(stored).items():
        model.backbone.get_layer(name).set_weights(arrays)
    # Magnitudes are not negative and only their proportions reach the network; the
    # first normalisation takes the level out again, up to its epsilon.
    magnitudes = np.abs(x)
    inputs = keras.Input((None, BINS))
    plain = tutorial_logits(inputs, CLASSES, patch_frames=patch_frames)
    plain = keras.Model(inputs, keras.layers.Softmax()(plain))
    for name, arrays in keras_weights(stored).items():
        plain.get_layer(name).set_weights(arrays)
    wanted = keras.ops.convert_to_numpy(plain(magnitudes / magnitudes.max()))
    found = model.whole_track.predict(magnitudes[0])["chord"]
    np.testing.assert_allclose(found, wanted[0], atol=1e-3)
