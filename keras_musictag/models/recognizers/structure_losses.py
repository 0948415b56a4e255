"""What the six choices of a chord should be, and how far they are from it."""

import keras
import numpy as np

from keras_musictag.chords import parse
from keras_musictag.chords.structure import CHOICES, NOT_SAID, structure


def choice_losses() -> dict:
    """Return losses of the six choices and a metric, as arguments of `compile`."""
    return {
        "loss": dict.fromkeys(CHOICES, SaidCrossentropy()),
        "metrics": {"triad": [SaidAccuracy(name="accuracy")]},
    }


def choice_targets(labels: list[str]) -> dict[str, np.ndarray]:
    """Take chords apart, for training.

    Args:
        labels: Chords in Harte's notation.

    Returns:
        int arrays `(labels,)` by choice, -1 where a label does not say, such as the
        seventh of `N` or the triad of a power chord. These do not count in training.
    """
    parts = np.array([structure(parse(label)) for label in labels], int)
    columns = parts.reshape(-1, len(CHOICES)).T
    return dict(zip(CHOICES, columns, strict=True))


@keras.saving.register_keras_serializable(package="keras_musictag")
class SaidCrossentropy(keras.losses.Loss):
    """Cross-entropy of classes, where targets of -1 do not count.

    Args:
        **kwargs: `reduction` and `name`.
    """

    def call(self, y_true, y_pred):
        y_true = keras.ops.cast(y_true, "int32")
        said = keras.ops.cast(y_true != NOT_SAID, y_pred.dtype)
        classes = keras.ops.maximum(y_true, 0)
        losses = keras.ops.sparse_categorical_crossentropy(classes, y_pred)
        return losses * said


@keras.saving.register_keras_serializable(package="keras_musictag")
class SaidAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Share of classes that are right, where targets of -1 do not count."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = keras.ops.cast(y_true, "int32")
        said = keras.ops.cast(y_true != NOT_SAID, y_pred.dtype)
        if sample_weight is not None:
            said = said * keras.ops.cast(sample_weight, said.dtype)
        return super().update_state(keras.ops.maximum(y_true, 0), y_pred, said)
