"""The head of a tagger, and how each problem type is trained by default."""

import keras

from keras_musictag.labels import Labels

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
    # With frames, over all labels at once: Keras has no area per label there.
    auc = {} if frames else {"multi_label": True, "num_labels": n_labels}
    return {
        "loss": keras.losses.BinaryCrossentropy(),
        "metrics": [
            keras.metrics.AUC(name="roc_auc", **auc),
            keras.metrics.AUC(name="pr_auc", curve="PR", **auc),
        ],
    }
