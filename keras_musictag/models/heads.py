"""The head of a tagger and how it is trained by default; models that have none."""

import keras

from keras_musictag.errors import LabelError
from keras_musictag.labels import Labels
from keras_musictag.metrics.training import (
    MacroPRAUC,
    MacroROCAUC,
    MaskedBinaryCrossentropy,
)

PROBLEM_TYPES = {
    "multi_label_classification": "sigmoid",
    "single_label_classification": "softmax",
    "regression": "linear",
}


def make_head(shape, labels: Labels, problem_type: str, dropout: float):
    inputs = x = keras.Input(shape, name="embedding")
    x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    x = keras.layers.Dense(len(labels), name="logits")(x)
    # float32 whatever the policy: half precision rounds scores visibly.
    activation = PROBLEM_TYPES[problem_type]
    scores = keras.layers.Activation(activation, dtype="float32", name="scores")(x)
    return keras.Model(inputs, scores, name="head")


def default_objective(problem_type: str, n_labels: int, frames: bool = False) -> dict:
    if problem_type == "single_label_classification":
        return {
            "loss": keras.losses.SparseCategoricalCrossentropy(),
            "metrics": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        }
    if problem_type == "regression":
        metrics = [keras.metrics.MeanAbsoluteError(name="mae")]
        return {"loss": keras.losses.MeanSquaredError(), "metrics": metrics}
    # Unknown targets (NaN) count in neither of them.
    areas: list[keras.metrics.Metric] = [MacroROCAUC(n_labels), MacroPRAUC(n_labels)]
    if frames:  # over all labels at once
        areas = [
            keras.metrics.AUC(name="roc_auc"),
            keras.metrics.AUC(name="pr_auc", curve="PR"),
        ]
    return {"loss": MaskedBinaryCrossentropy(), "metrics": areas}


def refuse_labels(
    source, labels, problem_type, problem: str, *, advice: str = "Leave these out."
) -> None:
    """Refuse labels for a model that has none to choose.

    Args:
        source: What the model is made from.
        labels, problem_type: As `from_pretrained` was given them.
        problem: What is wrong with giving any.
        advice: What to do.

    Raises:
        LabelError: If one of them is given.
    """
    given = {"labels": labels, "problem_type": problem_type}
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise LabelError(
            problem,
            received=f"from_pretrained({source!r}, {', '.join(wrong)}=...)",
            advice=advice,
        )
