"""Scores of tags and of classes, by scikit-learn.

ROC-AUC asks how often a track that has a label scores above one that has not; average
precision is the mean precision at each track that has it (steps, no trapezoids).
Neither needs a threshold. Precision, recall (also called sensitivity), specificity and
F1 count a label as given where its score is at least a threshold.

What a label lacks makes figures undefined: without positives all but specificity;
without negatives ROC-AUC, average precision and specificity. They are NaN, named in
`report.undefined`, and macro means are over the other labels. Micro figures pool the
decisions on all labels, these included. A label that has positives but is never given
has precision 0.

References:
    - Won et al., "Evaluation of CNN-based automatic music tagging models", SMC 2020.
    - Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters, 2006.
"""

import warnings

import numpy as np

from keras_musictag.checks import check_choice
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.labels import Labels
from keras_musictag.metrics import bootstrap as resampling
from keras_musictag.metrics.arrays import (
    as_floats,
    check_index,
    check_labels,
    check_scores,
    check_targets,
    check_tracks,
    reorder,
)
from keras_musictag.metrics.baseline import check_baseline
from keras_musictag.metrics.rates import decisions, defined_mean, rates
from keras_musictag.metrics.reliability import calibration_if_possible
from keras_musictag.metrics.report import TaggingReport

RANKED = ("roc_auc", "average_precision")
RATES = ("precision", "recall", "specificity", "f1")


def tagging_scores(
    targets,
    scores,
    labels,
    *,
    tracks=None,
    target_labels=None,
    thresholds=0.5,
    track_index=None,
    aggregate: str = "mean",
    bootstrap: int = 0,
    confidence: float = 0.95,
    seed: int = 0,
    bins: int = 10,
    baseline=None,
) -> TaggingReport:
    """Judge a tagger: any number of labels for each track.

    Args:
        targets: 1 where a track has a label, 0 where not, NaN where unknown (left out
            for that label), shape `(tracks, n_labels)`.
        scores: Shape `(tracks, n_labels)`; with `track_index` `(chunks, n_labels)`.
        labels: `Labels` or a list of names, one for each column of `scores`.
        tracks: Names of the tracks; numbers if `None`.
        target_labels: Names of the columns of `targets` if they are in another order.
        thresholds: From which score on a label counts as given: one number, or one
            for each label as `tune_thresholds` gives.
        track_index: For each row of `scores` its row in `targets`, shape `(chunks,)`:
            scores are then those of chunks. The report is on the tracks, and
            `report.chunk_summary` on the chunks.
        aggregate: `"mean"` or `"max"` of the chunks of a track.
        bootstrap: Resamples of the tracks, for intervals; 0 for none.
        confidence: Share of the resamples within an interval, in (0, 1).
        seed: Of the resamples.
        bins: Of the calibration, which needs scores in [0, 1].
        baseline: Something to show beside: scores `(tracks, n_labels)`, for example
            of `mfcc_baseline`, judged at the threshold 0.5, or a report of the same
            tracks.

    Returns:
        A `TaggingReport`.

    Raises:
        ConfigError: If shapes do not fit, scores are not finite, or an argument
            cannot work.
        LabelError: If labels differ, targets are neither 0 nor 1 nor NaN, or no label
            has both positives and negatives.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    generator = np.random.default_rng(0)
    targets = generator.random((200, 3)) < 0.3
    scores = np.clip(0.4 * targets + 0.6 * generator.random((200, 3)), 0, 1)
    report = kmt.metrics.tagging_scores(
        targets, scores, ["rock", "piano", "sad"], bootstrap=200
    )
    print(report.to_markdown())
    ```
    """
    scores = check_scores(scores)
    labels = check_labels(labels, scores.shape[1])
    if target_labels is not None:
        targets = reorder(targets, target_labels, labels)
    if track_index is not None:
        chunks, index = scores, check_index(track_index, len(scores), len(targets))
        scores = aggregate_chunks(chunks, index, method=aggregate)
    tracks = check_tracks(tracks, len(scores))
    targets = check_targets(targets, scores.shape, tracks=tracks, labels=labels)
    thresholds = _check_thresholds(thresholds, len(labels))
    settings = resampling.check_settings(bootstrap, confidence, seed)
    undefined = _undefined(targets, labels)

    per_label = {
        "targets": np.sum(~np.isnan(targets), axis=0),
        "positives": np.nansum(targets, axis=0).astype(int),
        "threshold": thresholds,
    }
    figures, summary = _figures(targets, scores, thresholds)
    calibrated = calibration_if_possible(targets, scores, bins)
    if calibrated:
        figures["calibration_error"] = calibrated.label_errors
        summary["calibration_error"] = calibrated.error
    chunk_summary = None
    if track_index is not None:
        chunk_summary = _figures(targets[index], chunks, thresholds)[1]
    report = TaggingReport(
        problem_type="multi_label_classification",
        labels=labels,
        summary=summary,
        per_label=per_label | figures,
        undefined=undefined,
        tracks=tracks,
        targets=targets,
        scores=scores,
        calibration=calibrated,
        chunk_summary=chunk_summary,
        bootstrap=settings,
        **(_resample_tags(targets, scores, thresholds, settings) if settings else {}),
    )

    def judge(scores):
        return tagging_scores(
            targets,
            scores,
            labels,
            tracks=tracks,
            thresholds=0.5,
            bootstrap=bootstrap,
            confidence=confidence,
            seed=seed,
            bins=bins,
        )

    return check_baseline(baseline, judge, report)


def tune_thresholds(targets, scores, *, labels=None, default: float = 0.5):
    """Find for each label the threshold of the best F1, on validation scores.

    Args:
        targets: 0, 1 or NaN for unknown, shape `(tracks, n_labels)`; not those of the
            tracks to be judged.
        scores: Shape `(tracks, n_labels)`.
        labels: Names for the warning.
        default: Threshold of a label that has no positives or no negatives here; a
            warning names these labels.

    Returns:
        float64 array `(n_labels,)` for `tagging_scores(..., thresholds=)`: half-way
        between the lowest score taken and the next one below; the highest such
        threshold if several are best.

    Raises:
        ConfigError: If shapes do not fit or scores are not finite.
        LabelError: If targets are neither 0 nor 1 nor NaN.

    References:
        - Lipton, Elkan and Naryanaswamy, "Optimal thresholding of classifiers to
          maximize F1 measure", ECML PKDD 2014.

    Example:

    ```python
    import keras_musictag as kmt

    thresholds = kmt.metrics.tune_thresholds([[0], [1], [1]], [[0.1], [0.3], [0.4]])
    # [0.2]
    ```
    """
    scores = check_scores(scores)
    targets = check_targets(targets, scores.shape)
    names = list(range(scores.shape[1]))
    if labels is not None:
        names = list(check_labels(labels, scores.shape[1]))
    thresholds = np.full(scores.shape[1], float(default))
    untuned = []
    for column, name in enumerate(names):
        known = ~np.isnan(targets[:, column])
        truth, values = targets[known, column], scores[known, column]
        if truth.size and truth.min() < truth.max():
            thresholds[column] = _best_threshold(truth, values)
        else:
            untuned.append(name)
    if untuned:
        warnings.warn(
            "Some labels have no positives or no negatives to tune a threshold on. "
            f"Received: {len(untuned)} such labels: {untuned[:10]}. "
            f"They get {default:g}: pass `default` for another threshold.",
            stacklevel=2,
        )
    return thresholds


def aggregate_chunks(scores, track_index, *, method: str = "mean") -> np.ndarray:
    """Turn scores of chunks into scores of tracks.

    Args:
        scores: Shape `(chunks, n_labels)`.
        track_index: Track of each chunk, whole numbers from 0 without gaps, in any
            order, shape `(chunks,)`.
        method: `"mean"` or `"max"` over the chunks of a track.

    Returns:
        float64 array `(tracks, n_labels)`.

    Raises:
        ConfigError: If shapes do not fit, or a track has no chunk.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.metrics.aggregate_chunks([[0.2], [0.4], [0.9]], [0, 0, 1])
    # [[0.3], [0.9]]
    ```
    """
    check_choice(method, ("mean", "max"), name="method")
    scores = check_scores(scores)
    index = check_index(track_index, len(scores))
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(index.max() + 1))
    reduce = np.maximum if method == "max" else np.add
    summed = reduce.reduceat(scores[order], starts, axis=0)
    return summed / np.bincount(index)[:, None] if method == "mean" else summed


def _figures(targets, scores, thresholds):
    """Figures of each label, and over all labels."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    known = ~np.isnan(targets)
    ranked = np.full((2, targets.shape[1]), np.nan)
    for column, rows in enumerate(known.T):
        truth, values = targets[rows, column], scores[rows, column]
        if truth.size and truth.min() < truth.max():
            ranked[0, column] = roc_auc_score(truth, values)
            ranked[1, column] = average_precision_score(truth, values)
    every = np.ones((1, len(targets)))
    counts = [every @ part for part in decisions(targets, scores >= thresholds)]
    figures = dict(zip(RANKED, ranked, strict=True))
    figures |= {name: rate[0] for name, rate in rates(*counts).items()}
    micro = {
        "roc_auc": roc_auc_score(targets[known], scores[known]),
        "average_precision": average_precision_score(targets[known], scores[known]),
    }
    micro |= rates(*(part.sum() for part in counts))
    summary = {f"{name}_macro": float(defined_mean(v)) for name, v in figures.items()}
    summary |= {f"{name}_micro": float(value) for name, value in micro.items()}
    return figures, summary


def _resample_tags(targets, scores, thresholds, settings):
    rows = np.arange(len(targets))
    known = ~np.isnan(targets)
    rankings = [
        resampling.rank(targets[some, j], scores[some, j], rows[some])
        for j, some in enumerate(known.T)
    ]
    entries = np.nonzero(known)
    pooled = resampling.rank(targets[entries], scores[entries], entries[0])
    parts = decisions(targets, scores >= thresholds)
    labels: dict[str, list] = {name: [] for name in (*RANKED, *RATES)}
    micro: dict[str, list] = {name: [] for name in (*RANKED, *RATES)}
    draws = resampling.draw(len(targets), settings["resamples"], settings["seed"])
    for weights in draws:
        areas = [resampling.areas(weights, ranking) for ranking in rankings]
        ranked = dict(zip(RANKED, np.stack(areas, axis=2), strict=True))
        counts = [weights.T @ part for part in parts]
        for name, values in (ranked | rates(*counts)).items():
            labels[name].append(values)
        ranked = dict(zip(RANKED, resampling.areas(weights, pooled), strict=True))
        totals = [part.sum(axis=1) for part in counts]
        for name, values in (ranked | rates(*totals)).items():
            micro[name].append(values)
    summary = {f"{n}_macro": defined_mean(np.concatenate(v)) for n, v in labels.items()}
    summary |= {f"{n}_micro": np.concatenate(v) for n, v in micro.items()}
    return resampling.intervals(labels, summary, settings)


def _best_threshold(truth, values) -> float:
    order = np.argsort(-values, kind="stable")
    values, hits = values[order], np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])
    lasts = np.flatnonzero(np.append(np.diff(values) != 0, True))
    best = lasts[np.argmax(f1[lasts])]
    if best + 1 == len(values):
        return float(values[best])
    middle = (values[best] + values[best + 1]) / 2
    return float(middle if middle > values[best + 1] else values[best])


def _undefined(targets, labels: Labels) -> dict[str, str]:
    known, positives = np.sum(~np.isnan(targets), axis=0), np.nansum(targets, axis=0)
    undefined = {}
    for label, total, count in zip(labels, known, positives, strict=True):
        if not total:
            undefined[label] = "no known targets"
        elif not count:
            undefined[label] = "no positives"
        elif count == total:
            undefined[label] = "no negatives"
    if len(undefined) == len(labels):
        raise LabelError(
            "No label has both positives and negatives: there is nothing to judge.",
            received=f"{len(targets)} tracks with {int(positives.sum())} positives "
            f"among {int(known.sum())} known targets of {len(labels)} labels",
            advice="Check that the tags of the data were matched to these labels, and "
            "that the split is not empty.",
        )
    return undefined


def _check_thresholds(thresholds, n_labels: int) -> np.ndarray:
    values = as_floats(thresholds, name="thresholds")
    if values.shape not in ((), (n_labels,)) or np.isnan(values).any():
        raise ConfigError(
            "`thresholds` must be one number, or one for each label.",
            received=f"shape {values.shape} for {n_labels} labels: {thresholds!r}",
            advice="Use 0.5, or what `tune_thresholds` gives.",
        )
    return np.broadcast_to(values, n_labels).copy()
