"""Calibration: how far scores can be read as probabilities.

References:
    - Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using
      Bayesian binning", AAAI 2015: the expected calibration error.
"""

from typing import NamedTuple

import numpy as np

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError
from keras_musictag.metrics.arrays import check_scores, check_targets


class Calibration(NamedTuple):
    """How far scores can be read as probabilities.

    Args:
        error: Expected calibration error of all labels together: the mean distance
            between score and share of positives over the bins, weighted by their
            counts.
        label_errors: The same within each label, float64 array `(n_labels,)`.
        edges: Edges of the bins, float64 array `(bins + 1,)`.
        counts: Scores in each bin, int64 array `(bins,)`.
        mean_scores: Mean score of each bin; NaN where it is empty.
        positive_rates: Share of positives of each bin; NaN where it is empty.
    """

    error: float
    label_errors: np.ndarray
    edges: np.ndarray
    counts: np.ndarray
    mean_scores: np.ndarray
    positive_rates: np.ndarray

    @property
    def n_scores(self) -> int:
        """How many scores were judged."""
        return int(self.counts.sum())


def calibration(targets, scores, *, bins: int = 10) -> Calibration:
    """Compare scores with the shares of positives among tracks that got them.

    This takes each label as a yes-or-no question, also where labels exclude each
    other; it is not the error of the most likely class alone.

    Args:
        targets: 0, 1 or NaN for unknown, shape `(tracks, n_labels)`.
        scores: In [0, 1], shape `(tracks, n_labels)`.
        bins: Number of bins of equal width; a score on an edge belongs below it.

    Returns:
        A `Calibration`.

    Raises:
        ConfigError: If shapes do not fit, or scores are not within [0, 1].
        LabelError: If targets are neither 0 nor 1 nor NaN.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    scores = np.full((4, 1), 0.75)
    targets = [[1], [1], [0], [0]]
    kmt.metrics.calibration(targets, scores).error  # 0.25
    ```
    """
    scores = check_scores(scores)
    targets = check_targets(targets, scores.shape)
    bins = check_positive_int(bins, name="bins")
    if scores.min() < 0 or scores.max() > 1:
        raise ConfigError(
            "Calibration needs scores within [0, 1].",
            received=f"scores from {scores.min():.4g} to {scores.max():.4g}",
            advice="Pass probabilities: the outputs after sigmoid or softmax.",
        )
    edges = np.linspace(0.0, 1.0, bins + 1)
    known = ~np.isnan(targets)
    places = np.searchsorted(edges[1:-1], scores)
    places = places + bins * np.arange(scores.shape[1])
    size = bins * scores.shape[1]

    def sums(values):
        summed = np.bincount(places[known], values[known], minlength=size)
        return summed.reshape(-1, bins)

    counts, score_sums, hits = sums(known.astype(float)), sums(scores), sums(targets)
    n_known = counts.sum(axis=1)
    label_errors = np.full(len(n_known), np.nan)
    gaps = np.abs(score_sums - hits).sum(axis=1)
    np.divide(gaps, n_known, out=label_errors, where=n_known > 0)
    total = counts.sum(axis=0)
    means, rates = np.full((2, bins), np.nan)
    np.divide(score_sums.sum(axis=0), total, out=means, where=total > 0)
    np.divide(hits.sum(axis=0), total, out=rates, where=total > 0)
    error = np.abs((score_sums - hits).sum(axis=0)).sum() / max(total.sum(), 1)
    error = float(error) if total.sum() else float("nan")
    return Calibration(error, label_errors, edges, total.astype(int), means, rates)


def calibration_if_possible(targets, scores, bins: int) -> Calibration | None:
    """Return the calibration, or `None` if scores are not within [0, 1]."""
    if scores.min() < 0 or scores.max() > 1:
        return None
    return calibration(targets, scores, bins=bins)
