"""Scores of classes that exclude each other: accuracy, recall, confusion matrix."""

import numpy as np

from keras_musictag.metrics import bootstrap as resampling
from keras_musictag.metrics.arrays import (
    check_index,
    check_labels,
    check_scores,
    check_tracks,
    one_hot,
)
from keras_musictag.metrics.baseline import check_baseline
from keras_musictag.metrics.rates import decisions, defined_mean, rates
from keras_musictag.metrics.reliability import calibration_if_possible
from keras_musictag.metrics.report import TaggingReport
from keras_musictag.metrics.tagging import aggregate_chunks

CLASS_RATES = ("recall", "precision", "f1")


def class_scores(
    targets,
    scores,
    labels,
    *,
    tracks=None,
    track_index=None,
    aggregate: str = "mean",
    bootstrap: int = 0,
    confidence: float = 0.95,
    seed: int = 0,
    bins: int = 10,
    baseline=None,
) -> TaggingReport:
    """Judge a classifier: exactly one label for each track, the one that scores best.

    Args:
        targets: Index of each track's label, shape `(tracks,)`, or one-hot
            `(tracks, n_labels)`. NaN (a row of NaN) for unknown: left out.
        scores: Shape `(tracks, n_labels)`; with `track_index` `(chunks, n_labels)`.
        labels: `Labels` or a list of names, one for each column of `scores`.
        tracks: As in `tagging_scores`, like all that follow.
        track_index: For each row of `scores` its row in `targets`.
        aggregate: `"mean"` or `"max"` of the chunks of a track.
        bootstrap: Resamples of the tracks, for intervals; 0 for none.
        confidence: Share of the resamples within an interval, in (0, 1).
        seed: Of the resamples.
        bins: Of the calibration, which needs scores in [0, 1].
        baseline: Something to show beside: scores `(tracks, n_labels)`, for example
            of `mfcc_baseline`, or a report of the same tracks.

    Returns:
        A `TaggingReport` with a confusion matrix. `summary["recall_macro"]` is also
        called balanced accuracy; a label without tracks is undefined and left out.

    Raises:
        ConfigError: If shapes do not fit, scores are not finite, or an argument
            cannot work.
        LabelError: If labels differ, or targets are none of the labels.

    Example:

    ```python
    import keras_musictag as kmt

    scores = [[0.7, 0.3], [0.4, 0.6], [0.8, 0.2]]
    report = kmt.metrics.class_scores([0, 1, 1], scores, ["jazz", "rock"])
    report.confusion  # [[1, 0], [1, 1]]
    ```
    """
    scores = check_scores(scores)
    labels = check_labels(labels, scores.shape[1])
    if track_index is not None:
        chunks, index = scores, check_index(track_index, len(scores), len(targets))
        scores = aggregate_chunks(chunks, index, method=aggregate)
    tracks = check_tracks(tracks, len(scores))
    targets = one_hot(targets, scores.shape, tracks, labels)
    settings = resampling.check_settings(bootstrap, confidence, seed)
    known = ~np.isnan(targets[:, 0])
    counts = targets[known].sum(axis=0).astype(int)
    empty = [label for label, count in zip(labels, counts, strict=True) if not count]
    guesses = np.eye(len(labels))[scores.argmax(axis=1)]
    figures, summary = _class_figures(targets, guesses)
    calibrated = calibration_if_possible(targets, scores, bins)
    if calibrated:
        summary["calibration_error"] = calibrated.error
        figures["calibration_error"] = calibrated.label_errors
    chunk_summary = None
    if track_index is not None:
        chunk_guesses = np.eye(len(labels))[chunks.argmax(axis=1)]
        chunk_summary = _class_figures(targets[index], chunk_guesses)[1]
    report = TaggingReport(
        problem_type="single_label_classification",
        labels=labels,
        summary=summary,
        per_label={"targets": counts, **figures},
        undefined=dict.fromkeys(empty, "no tracks"),
        tracks=tracks,
        targets=targets,
        scores=scores,
        calibration=calibrated,
        confusion=(targets[known].T @ guesses[known]).astype(int),
        chunk_summary=chunk_summary,
        bootstrap=settings,
        **(_resample_classes(targets, guesses, settings) if settings else {}),
    )

    def judge(scores):
        return class_scores(
            targets,
            scores,
            labels,
            tracks=tracks,
            bootstrap=bootstrap,
            confidence=confidence,
            seed=seed,
            bins=bins,
        )

    return check_baseline(baseline, judge, report)


def _class_figures(targets, guesses):
    every = np.ones((1, len(targets)))
    counts = [every @ part for part in decisions(targets, guesses)]
    rated = rates(*counts)
    figures = {name: rated[name][0] for name in CLASS_RATES}
    hits, misses = counts[0].sum(), counts[2].sum()
    summary = {"accuracy": float(hits / (hits + misses))}
    summary |= {f"{name}_macro": float(defined_mean(v)) for name, v in figures.items()}
    return figures, summary


def _resample_classes(targets, guesses, settings):
    parts = decisions(targets, guesses)
    labels: dict[str, list] = {name: [] for name in CLASS_RATES}
    accuracy = []
    draws = resampling.draw(len(targets), settings["resamples"], settings["seed"])
    for weights in draws:
        counts = [weights.T @ part for part in parts]
        rated = rates(*counts)
        for name in CLASS_RATES:
            labels[name].append(rated[name])
        hits, misses = counts[0].sum(axis=1), counts[2].sum(axis=1)
        accuracy.append(rates(hits, 0 * hits, misses, 0 * hits)["recall"])
    summary = {"accuracy": np.concatenate(accuracy)}
    summary |= {
        f"{n}_macro": defined_mean(np.concatenate(v)) for n, v in labels.items()
    }
    return resampling.intervals(labels, summary, settings)
