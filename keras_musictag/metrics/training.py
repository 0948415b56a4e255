"""Loss and metrics for training in which some labels of a track may be unknown.

Targets are 1, 0, or NaN where it is not known whether a track has a label.
"""

import keras
from keras import ops

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError, LabelError

_EDGE = 16.0  # log-odds of the scores 1e-7 and 1 - 1e-7


@keras.saving.register_keras_serializable(package="keras_musictag")
class MaskedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy over the labels that are known.

    The sum over all known targets of a batch, divided by their number: without NaN
    the same as `keras.losses.BinaryCrossentropy`. Scores are probabilities.

    Args:
        positive_weights: How much more a present label counts than an absent one:
            one number for each label, such as `tracks.positive_weights()`.
        label_smoothing: Moves targets towards 0.5: 1 becomes
            `1 - label_smoothing / 2`.
        name: Name of the loss.

    Raises:
        ConfigError: If `label_smoothing` is not in [0, 1), or a weight is negative.
        LabelError: When it is called, if there is not one weight for each label.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    loss = kmt.metrics.MaskedBinaryCrossentropy(positive_weights=[1.0, 10.0])
    float(loss(np.array([[1.0, np.nan]]), np.array([[0.5, 0.1]])))  # 0.693
    ```
    """

    def __init__(
        self,
        positive_weights=None,
        label_smoothing: float = 0.0,
        name: str = "masked_binary_crossentropy",
        reduction: str = "sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        weights = positive_weights
        weights = None if weights is None else [float(w) for w in weights]
        if not 0 <= label_smoothing < 1 or not all(w >= 0 for w in weights or ()):
            raise ConfigError(
                "The loss needs weights of at least 0, a smoothing in [0, 1).",
                received=f"positive_weights={positive_weights!r}, "
                f"label_smoothing={label_smoothing!r}",
                advice="Use `tracks.positive_weights()`, and a smoothing such as 0.1.",
            )
        self.positive_weights = weights
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        y_pred = ops.convert_to_tensor(y_pred)
        weights = self.positive_weights
        if weights is not None and len(weights) != y_pred.shape[-1]:
            raise LabelError(
                "`positive_weights` must have one weight for each label.",
                received=f"{len(weights)} weights for {y_pred.shape[-1]} labels",
                advice="Use `tracks.positive_weights()` of data with these labels.",
            )
        y_true = ops.cast(y_true, y_pred.dtype)
        known = ops.logical_not(ops.isnan(y_true))
        # Not NaN before any arithmetic, or the gradients become NaN too.
        y_true = ops.where(known, y_true, ops.zeros_like(y_true))
        if self.label_smoothing:
            y_true = y_true * (1 - self.label_smoothing) + self.label_smoothing / 2
        present = ops.binary_crossentropy(ops.ones_like(y_true), y_pred)
        absent = ops.binary_crossentropy(ops.zeros_like(y_true), y_pred)
        if weights is not None:
            present = present * ops.convert_to_tensor(weights, present.dtype)
        losses = y_true * present + (1 - y_true) * absent
        losses = ops.where(known, losses, ops.zeros_like(losses))
        # Keras takes the mean of what is returned; it becomes that of the known.
        count = ops.cast(known, losses.dtype)
        share = ops.maximum(ops.mean(count), keras.config.epsilon())
        return ops.mean(losses, axis=-1) / share

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            "positive_weights": self.positive_weights,
            "label_smoothing": self.label_smoothing,
            "name": self.name,
            "reduction": self.reduction,
        }


class _MacroArea(keras.metrics.AUC):
    """`keras.metrics.AUC` of each label, for scores that crowd near zero.

    What differs: the thresholds are equally wide apart in log-odds, unknown targets
    do not count, and the mean leaves out labels that have no positive or no negative,
    for which Keras takes an area of 0.
    """

    def __init__(self, num_labels: int, bins: int, curve: str, name=None, dtype=None):
        super().__init__(
            num_thresholds=check_positive_int(bins, name="bins") + 1,
            curve=curve,
            multi_label=True,
            num_labels=check_positive_int(num_labels, name="num_labels"),
            name=name,
            dtype=dtype,
        )
        self.bins = bins

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count scores.

        Args:
            y_true: 0, 1 or NaN for unknown, shape `(..., num_labels)`.
            y_pred: Scores in [0, 1] of the same shape.
            sample_weight: One weight for each item, or for each target.
        """
        y_true = ops.cast(y_true, "float32")
        y_pred = ops.clip(ops.cast(y_pred, "float32"), 1e-7, 1 - 1e-7)
        weights = ops.cast(ops.logical_not(ops.isnan(y_true)), "float32")
        if sample_weight is not None:
            each = ops.cast(sample_weight, "float32")
            while len(each.shape) < len(weights.shape):
                each = ops.expand_dims(each, -1)
            weights = weights * each
        odds = ops.log(y_pred) - ops.log1p(-y_pred)
        flat = (-1, self.num_labels)
        super().update_state(
            ops.reshape(ops.cast(ops.greater(y_true, 0.5), "float32"), flat),
            ops.reshape(odds / (2 * _EDGE) + 0.5, flat),
            sample_weight=ops.reshape(weights, flat),
        )

    def result(self):
        """Return the mean over the labels that have positives and negatives.

        NaN if there is none.
        """
        true = ops.convert_to_tensor(self.true_positives)
        false = ops.convert_to_tensor(self.false_positives)
        # Before the first threshold lie all scores.
        positive, negative = true[0], false[0]
        defined = ops.cast(ops.logical_and(positive > 0, negative > 0), "float32")
        areas = self._areas(true, false) / ops.maximum(positive, 1e-7)
        return ops.sum(areas * defined) / ops.sum(defined)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            "num_labels": self.num_labels,
            "bins": self.bins,
            "name": self.name,
            "dtype": self.dtype,
        }


@keras.saving.register_keras_serializable(package="keras_musictag")
class MacroROCAUC(_MacroArea):
    """Mean over the labels of the area under the ROC curve, while training goes on.

    Unknown targets (NaN) do not count, nor do labels that have no positive or no
    negative so far: the mean is over the others, NaN if there is none. Scores are
    counted in bins equally wide in log-odds, since those of rare labels crowd near
    zero, and those within a bin are equal: with 1000 bins and hundreds of tracks the
    value is within 0.002 of scikit-learn's.

    Args:
        num_labels: How many labels the model has.
        bins: How many bins.
        name: Name of the metric.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    metric = kmt.metrics.MacroROCAUC(2)
    metric.update_state(np.array([[1, 0], [0, np.nan]]), np.array([[0.8, 0.1]] * 2))
    float(metric.result())  # 0.5
    ```
    """

    def __init__(self, num_labels, bins=1000, name="roc_auc", dtype=None) -> None:
        super().__init__(num_labels, bins, "ROC", name=name, dtype=dtype)

    def _areas(self, true, false):
        # A tie within a bin is half a win.
        wins = (false[:-1] - false[1:]) * (true[:-1] + true[1:]) / 2
        return ops.sum(wins, axis=0) / ops.maximum(false[0], 1e-7)


@keras.saving.register_keras_serializable(package="keras_musictag")
class MacroPRAUC(_MacroArea):
    """Mean over the labels of the average precision, while training goes on.

    The area under the precision-recall curve by steps, as scikit-learn's
    `average_precision_score`; `keras.metrics.AUC(curve="PR")` interpolates. Unknown
    targets, undefined labels and bins are those of `MacroROCAUC`.

    Args:
        num_labels: How many labels the model has.
        bins: How many bins.
        name: Name of the metric.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    metric = kmt.metrics.MacroPRAUC(1)
    metric.update_state(np.array([[1], [0]]), np.array([[0.8], [0.1]]))
    float(metric.result())  # 1.0
    ```
    """

    def __init__(self, num_labels, bins=1000, name="pr_auc", dtype=None) -> None:
        super().__init__(num_labels, bins, "PR", name=name, dtype=dtype)

    def _areas(self, true, false):
        precision = true[:-1] / ops.maximum(true[:-1] + false[:-1], 1e-7)
        return ops.sum((true[:-1] - true[1:]) * precision, axis=0)
