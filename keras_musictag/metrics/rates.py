"""Right and wrong decisions, and the rates that come of them."""

import numpy as np


def decisions(targets, given) -> list[np.ndarray]:
    """Mark the decisions on each track and label.

    Args:
        targets: 0, 1 or NaN for unknown, shape `(tracks, n_labels)`.
        given: Whether the label was given, the same shape.

    Returns:
        Four float64 arrays of that shape, 1 where a decision is a true positive, a
        false positive, a false negative, a true negative; 0 in all where the target
        is unknown.
    """
    positive, negative = targets == 1, targets == 0
    given = np.asarray(given, bool)
    parts = (positive & given, negative & given, positive & ~given, negative & ~given)
    return [part.astype("float64") for part in parts]


def rates(hits, false_alarms, misses, rejections) -> dict[str, np.ndarray]:
    """Turn counts of decisions into rates.

    Args:
        hits: True positives, any shape.
        false_alarms: False positives, the same shape.
        misses: False negatives.
        rejections: True negatives.

    Returns:
        `precision`, `recall`, `specificity` and `f1`, arrays of that shape. Without
        positives all but specificity is NaN; without negatives specificity is. With
        positives, but none given, precision is 0.
    """

    def share(part, whole, defined):
        part, whole = np.broadcast_arrays(part, whole)
        quotient = np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
        return np.where(defined, quotient, np.nan)

    positives, negatives = hits + misses, false_alarms + rejections
    given = hits + false_alarms
    return {
        "precision": share(hits, given, positives > 0),
        "recall": share(hits, positives, positives > 0),
        "specificity": share(rejections, negatives, negatives > 0),
        "f1": share(2 * hits, positives + given, positives > 0),
    }


def defined_mean(values) -> np.ndarray:
    """Average over the last axis, leaving NaN out.

    Args:
        values: Shape `(..., n_labels)`.

    Returns:
        Array `(...)`; NaN where nothing is left.
    """
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
