"""Bootstrap over tracks: the scores of many resamples at once.

A resample draws as many tracks as there are, with replacement. Here it is a row of
weights, how often each track was drawn, and every score is a weighted one: nothing is
sorted or copied again. A label that has no positives (or no negatives) in some resample
is undefined there, and the macro mean of that resample is over the other labels.

References:
    - Efron and Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993:
      the percentile interval.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError

BLOCK = 16  # resamples at a time: their running sums stay in the cache


class Ranking(NamedTuple):
    """Entries by falling score, cut where the score changes.

    Args:
        tracks: Track of each entry, shape `(entries,)`.
        positives: Tracks of the positive entries, shape `(positives,)`.
        firsts: For each distinct score that has positives, the place of its first one
            among the positives.
        starts: For each such score, the place of its first entry.
        ends: For each such score, the place after its last entry.
    """

    tracks: np.ndarray
    positives: np.ndarray
    firsts: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def rank(targets, scores, tracks) -> Ranking:
    """Sort entries by falling score.

    Args:
        targets: 1 for a positive entry, 0 for a negative, shape `(entries,)`.
        scores: Shape `(entries,)`.
        tracks: Track of each entry, shape `(entries,)`.

    Returns:
        What `areas` needs of them.
    """
    order = np.argsort(-scores, kind="stable")
    tracks, positive = tracks[order], targets[order] == 1
    edges = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    groups = np.searchsorted(edges, np.flatnonzero(positive), side="right") - 1
    used, firsts = np.unique(groups, return_index=True)
    ends = np.append(edges[1:], len(order))
    return Ranking(tracks, tracks[positive], firsts, edges[used], ends[used])


def areas(weights, ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """Compute the weighted ROC-AUC and average precision of each resample.

    Args:
        weights: How often each track counts, shape `(tracks, resamples)`.
        ranking: Of the entries of one label, or of all labels together.

    Returns:
        Two arrays `(resamples,)`; NaN without positives or without negatives.
    """
    resamples = weights.shape[1]
    if not len(ranking.positives):
        return np.full(resamples, np.nan), np.full(resamples, np.nan)
    counts = np.zeros((len(ranking.tracks) + 1, resamples), weights.dtype)
    np.cumsum(weights[ranking.tracks], axis=0, out=counts[1:])
    before, through = counts[ranking.starts], counts[ranking.ends]
    hits = np.add.reduceat(weights[ranking.positives], ranking.firsts, axis=0)
    hits_through = np.cumsum(hits, axis=0)
    positives = hits_through[-1]
    negatives = counts[-1] - positives
    # Negatives below a score, plus half of those that tie with it.
    below = (
        counts[-1] - positives - through + hits_through + (through - before - hits) / 2
    )
    precision = np.divide(
        hits_through, through, out=np.zeros_like(hits_through), where=through > 0
    )
    undefined = (positives == 0) | (negatives == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        auc = (hits * below).sum(axis=0) / (positives * negatives)
        average = (hits * precision).sum(axis=0) / positives
    return np.where(undefined, np.nan, auc), np.where(undefined, np.nan, average)


def draw(n_tracks: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield blocks of weights, each `(tracks, resamples of this block)`.

    Args:
        n_tracks: How many tracks there are, and how many each resample draws.
        n_resamples: How many resamples in all.
        seed: Of the draws; the same seed gives the same resamples.

    Yields:
        float64 arrays of whole numbers, each column adding up to `n_tracks`.
    """
    generator = np.random.default_rng(seed)
    for start in range(0, n_resamples, BLOCK):
        columns = min(BLOCK, n_resamples - start)
        drawn = generator.integers(n_tracks, size=(columns, n_tracks))
        drawn += np.arange(columns)[:, None] * n_tracks
        counts = np.bincount(drawn.ravel(), minlength=columns * n_tracks)
        counts = counts.reshape(columns, n_tracks).T
        yield np.ascontiguousarray(counts, "float64")


def interval(values, confidence: float) -> np.ndarray:
    """Return the percentile interval of resampled values.

    Args:
        values: Shape `(resamples, ...)`; NaN where a resample leaves one undefined.
        confidence: Share of the resamples inside, in (0, 1).

    Returns:
        Array `(..., 2)` of low and high; NaN where no resample defines a value.
    """
    values = np.asarray(values, "float64")
    flat = values.reshape(len(values), -1)
    bounds = np.full((flat.shape[1], 2), np.nan)
    levels = [(1 - confidence) / 2, (1 + confidence) / 2]
    for column, low_high in zip(flat.T, bounds, strict=True):
        known = column[~np.isnan(column)]
        if len(known):
            low_high[:] = np.quantile(known, levels)
    return bounds.reshape(*values.shape[1:], 2)


def intervals(labels, summary, settings: dict) -> dict:
    """Gather what a report keeps of its resamples.

    Args:
        labels: For each figure a list of arrays `(resamples, n_labels)`.
        summary: For each figure over all labels an array `(resamples,)`.
        settings: As `check_settings` gave them.

    Returns:
        `intervals`, `label_intervals` and `resampled` of a `TaggingReport`.
    """
    confidence = settings["confidence"]
    bounds = {n: interval(v, confidence) for n, v in summary.items()}
    return {
        "intervals": {
            n: (float(low), float(high)) for n, (low, high) in bounds.items()
        },
        "label_intervals": {
            name: interval(np.concatenate(values), confidence)
            for name, values in labels.items()
        },
        "resampled": summary,
    }


def check_settings(n_resamples, confidence, seed) -> dict | None:
    """Return the settings of a bootstrap, or refuse them.

    Args:
        n_resamples: How many; 0 for none.
        confidence: Share of the resamples inside an interval.
        seed: Of the draws.

    Returns:
        A dict of them, `None` for no resamples.

    Raises:
        ConfigError: If they cannot work.
    """
    if n_resamples == 0:
        return None
    n_resamples = check_positive_int(n_resamples, name="bootstrap")
    if not 0 < confidence < 1:
        raise ConfigError(
            "`confidence` must lie between 0 and 1.",
            received=f"confidence={confidence!r}",
            advice="Use 0.95 for 95 % intervals.",
        )
    return {"resamples": n_resamples, "confidence": confidence, "seed": seed}
