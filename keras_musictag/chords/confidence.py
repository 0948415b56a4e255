"""Confidence: from the mean probability of a chord to how often such chords are right.

References:
    - Platt, "Probabilistic outputs for support vector machines and comparisons to
      regularized likelihood methods", 1999: the curve.
"""

import math
from collections.abc import Mapping

import numpy as np

from keras_musictag.errors import ConfigError

# Probabilities of exactly 0 or 1 have no logit.
EDGE = 1e-4
Calibration = Mapping[str, tuple[float, float]]


def check_calibration(calibration) -> dict[str, tuple[float, float]]:
    """Return the curves of a recogniser by the name of the vocabulary.

    Args:
        calibration: For names of vocabularies a slope above 0 and an offset, those
            of `calibrated`; `None` for none.

    Raises:
        ConfigError: If they are something else.
    """
    given = {} if calibration is None else calibration
    try:
        curves = {str(name): (float(a), float(b)) for name, (a, b) in given.items()}
    except (AttributeError, TypeError, ValueError):
        curves = {"": (math.nan, math.nan)}
    if not all(a > 0 and math.isfinite(a * b) for a, b in curves.values()):
        raise ConfigError(
            "A calibration holds a slope above 0 and an offset for vocabularies.",
            received=f"calibration={calibration!r}",
            advice='Give such as {"majmin": [1.2, 0.4]}, or None.',
        )
    return curves


def calibrated(probabilities, slope: float, offset: float) -> np.ndarray:
    """Map mean probabilities to the share of the time that such chords are right.

    Args:
        probabilities: Array of any shape, in [0, 1].
        slope: Of the line that maps logits to logits; above 0, so that what was surer
            stays surer.
        offset: Of that line.

    Returns:
        float64 array of the same shape.
    """
    values = np.asarray(probabilities, "float64")
    # 0 and 1 stay what they are: silence is certainly no chord.
    inside = np.clip(values, EDGE, 1 - EDGE)
    curve = 1 / (1 + np.exp(-slope * np.log(inside / (1 - inside)) - offset))
    return np.where((values > 0) & (values < 1), curve, values)


def fit_calibration(
    probabilities: np.ndarray, right: np.ndarray, steps: int = 50
) -> tuple[float, float]:
    """Fit slope and offset to chords that are known to be right or wrong.

    Args:
        probabilities: float array `(moments,)`: the confidence of the chord at each.
        right: bool or 0 and 1, `(moments,)`.
        steps: Of Newton's method.

    Returns:
        `(slope, offset)` of the greatest likelihood.
    """
    inside = np.clip(np.asarray(probabilities, "float64"), EDGE, 1 - EDGE)
    features = np.stack([np.log(inside / (1 - inside)), np.ones(len(inside))])
    line = np.array([1.0, 0.0])
    for _ in range(steps):
        said = 1 / (1 + np.exp(-line @ features))
        gradient = features @ (said - np.asarray(right, "float64"))
        curvature = (features * said * (1 - said)) @ features.T
        line = line - np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
    return float(line[0]), float(line[1])
