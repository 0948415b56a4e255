"""The network of the ISMIR 2019 chord recogniser: a CQT in, six choices out."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.chords.chordogram import CHORD
from keras_musictag.chords.composing import questions
from keras_musictag.chords.structure import CHOICES
from keras_musictag.chords.vocabulary import (
    TINY,
    Vocabulary,
    vocabulary_from_config,
    vocabulary_to_config,
)
from keras_musictag.engines.structure_blocks import CONVOLUTIONS, EPSILON, STARTS
from keras_musictag.layers.instance_normalization import InstanceNormalization
from keras_musictag.models.recognizers.networks import KeepValid

N_BINS = 252
UNITS = 96
IMPOSSIBLE = -1e30


@keras.saving.register_keras_serializable(package="keras_musictag")
class ComposeChords(layers.Layer):
    """Turn the six choices of a chord into probabilities of a vocabulary.

    What `chords.composing.compose` does, in a graph.

    Args:
        vocabulary: The `chords.Vocabulary`, its name or its config.
        **kwargs: `name` and `dtype`.

    Input: float tensor of shape (..., 100), the choices in order.

    Output: shape (..., classes), which sum to 1.
    """

    def __init__(self, vocabulary, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary = vocabulary_from_config(vocabulary)

    def call(self, inputs):
        asked, possible = questions(self.vocabulary)
        scores = ops.matmul(ops.log(ops.maximum(inputs, TINY)), asked)
        forbidden = np.where(possible, 0.0, IMPOSSIBLE).astype("float32")
        # PyTorch cannot add an array to what it differentiates.
        return ops.softmax(ops.add(scores, forbidden), axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.vocabulary))

    def get_config(self):
        config = {"vocabulary": vocabulary_to_config(self.vocabulary)}
        return {**super().get_config(), **config}


def backbone(vocabulary: Vocabulary, nets: int) -> keras.Model:
    """Build an ensemble of networks.

    Args:
        vocabulary: The chords that `"chord"` names.
        nets: How many networks; their probabilities are averaged.

    Returns:
        Model from magnitudes `(batch, frames, 252)` and a bool mask
        `(batch, frames)` to `"chord"` and the six choices, by name.
    """
    track = keras.Input((None, N_BINS), name="magnitudes")
    mask = keras.Input((None,), dtype="bool", name="mask")
    each = [_network(track, mask, f"net{i}") for i in range(nets)]
    mean = each[0]
    if nets > 1:
        mean = layers.Average(dtype="float32", name="ensemble")(each)
    outputs = {CHORD: ComposeChords(vocabulary, dtype="float32", name="chord")(mean)}
    for name, classes in CHOICES.items():
        outputs[name] = mean[..., STARTS[name] : STARTS[name] + classes]
    return keras.Model([track, mask], outputs, name="backbone")


def _network(track, mask, name: str):
    x = layers.Reshape((-1, N_BINS, 1), name=f"{name}_add_channel")(track)
    x = KeepValid(name=f"{name}_valid")([x, mask])
    for layer, filters, padding, pool in CONVOLUTIONS:
        layer = f"{name}_{layer}"
        x = layers.ZeroPadding2D((1, padding), name=f"{layer}_pad")(x)
        # Without an offset, which the norm would take off again.
        x = layers.Conv2D(filters, 3, use_bias=False, name=layer)(x)
        x = InstanceNormalization(epsilon=EPSILON, name=f"{layer}_norm")(x, mask=mask)
        x = layers.Activation("selu", name=f"{layer}_selu")(x)
        # Each convolution sees zeros beyond the end of a track, filled up or not.
        x = KeepValid(name=f"{layer}_valid")([x, mask])
        if pool > 1:
            x = layers.MaxPooling2D((1, pool), name=f"{layer}_pool")(x)
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]), name=f"{name}_flatten")(x)
    lstm = layers.LSTM(UNITS, return_sequences=True, name="lstm")
    x = layers.Bidirectional(lstm, name=f"{name}_lstm")(x, mask=mask)
    # In float32: half precision rounds small probabilities to nothing.
    logits = layers.Dense(sum(CHOICES.values()), dtype="float32", name=f"{name}_dense")(
        x
    )
    parts = [
        ops.softmax(logits[..., start : start + CHOICES[choice]], axis=-1)
        for choice, start in STARTS.items()
    ]
    return layers.Concatenate(dtype="float32", name=f"{name}_choices")(parts)
