"""How good predicted numbers are, such as arousal and valence."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.labels import Labels
from keras_musictag.metrics import bootstrap as resampling
from keras_musictag.metrics.arrays import (
    as_floats,
    check_labels,
    check_scores,
    check_tracks,
)
from keras_musictag.metrics.predictions import write_predictions
from keras_musictag.metrics.rates import defined_mean
from keras_musictag.metrics.tables import (
    aligned,
    at,
    markdown,
    number,
    plain,
    shown,
    shown_interval,
    write_csv,
)

FIGURES = {"r2": "R2", "rmse": "RMSE", "mae": "MAE", "pearson": "Pearson r"}


@dataclass(frozen=True, eq=False)
class RegressionReport:
    """What `regression_scores` found.

    Args:
        labels: The `Labels`, in the order of the columns.
        summary: Each figure as the mean over the labels for which it is defined:
            `r2_macro`, `rmse_macro`, `mae_macro`, `pearson_macro`.
        per_label: For each figure an array `(n_labels,)`, NaN where it is undefined,
            besides the count of `targets`.
        tracks: Name of each track.
        targets: float64 array `(tracks, n_labels)`, NaN for unknown.
        scores: float64 array `(tracks, n_labels)`.
        bootstrap: `{"resamples": ..., "confidence": ..., "seed": ...}` or `None`.
        intervals: For each figure of `summary` its `(low, high)`.
        label_intervals: For each figure of `per_label` an array `(n_labels, 2)`.
        resampled: For each figure of `summary` its value in each resample.

    Example:

    ```python
    import keras_musictag as kmt

    targets = [[0.1, 0.9], [0.5, 0.4], [0.8, 0.3]]
    scores = [[0.2, 0.8], [0.5, 0.5], [0.7, 0.1]]
    report = kmt.metrics.regression_scores(targets, scores, ["arousal", "valence"])
    print(report.to_markdown())
    ```
    """

    labels: Labels
    summary: dict[str, float]
    per_label: dict[str, np.ndarray]
    tracks: list[str]
    targets: np.ndarray
    scores: np.ndarray
    bootstrap: dict | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    label_intervals: dict[str, np.ndarray] = field(default_factory=dict)
    resampled: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def problem_type(self) -> str:
        """`"regression"`, as the Hub spells it."""
        return "regression"

    def to_text(self, *, digits: int = 3) -> str:
        """Return the report as aligned plain text; a dash stands for undefined.

        Args:
            digits: Decimals.
        """
        return f"{len(self.tracks)} tracks\n\n{aligned(*self._table(digits))}\n"

    def to_markdown(self, *, digits: int = 3) -> str:
        """Return the report as a Markdown table; a dash stands for undefined.

        Args:
            digits: Decimals.
        """
        return f"{len(self.tracks)} tracks\n\n{markdown(*self._table(digits))}\n"

    def to_csv(self, path) -> None:
        """Write one row for each label, then one for their mean.

        Args:
            path: The file to write. An empty cell stands for what is undefined.
        """
        header = ["label", "targets"]
        for name in FIGURES:
            header += [name] + [f"{name}_low", f"{name}_high"] * bool(self.bootstrap)
        rows = []
        for place, (label, known) in enumerate(self._names()):
            row = [label, known]
            for value, bounds in self._pairs(place):
                row.append(number(value))
                if self.bootstrap:
                    row += map(number, bounds)
            rows.append(row)
        write_csv(path, header, rows)

    def save_predictions(self, path) -> None:
        """Write the numbers and targets of each track.

        Args:
            path: `.npz` with the arrays `tracks`, `labels`, `targets` and `scores`, or
                `.csv` with the columns `track`, `score: LABEL` ..., `target: LABEL`
                ... and empty cells for unknown targets.

        Raises:
            ConfigError: If the name ends otherwise.
        """
        write_predictions(
            path,
            self.tracks,
            self.labels.names,
            scores=self.scores,
            targets=self.targets,
        )

    def to_dict(self) -> dict:
        """Return every figure in plain lists and numbers, without the predictions."""
        rows: dict[str, dict] = {}
        for i, label in enumerate(self.labels):
            rows[label] = {name: v[i] for name, v in self.per_label.items()}
            rows[label] |= {
                f"{n}_interval": v[i] for n, v in self.label_intervals.items()
            }
        record = {
            "problem_type": self.problem_type,
            "n_tracks": len(self.tracks),
            "summary": self.summary,
            "intervals": self.intervals,
            "bootstrap": self.bootstrap,
            "labels": rows,
        }
        return plain(record)

    def to_json(self, path) -> None:
        """Write every figure as JSON; `null` stands for what is undefined.

        Args:
            path: The file to write.
        """
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        Path(path).write_text(text + "\n", "utf-8")

    def _names(self):
        """Each label with its count of targets, then their mean without."""
        counts = map(str, self.per_label["targets"])
        return [*zip(self.labels, counts, strict=True), ("mean", "")]

    def _pairs(self, place):
        """Each figure of a label, or of their mean, with its bounds or `None`."""
        for name in FIGURES:
            if place < len(self.labels):
                bounds = at(self.label_intervals.get(name), place)
                yield self.per_label[name][place], bounds
            else:
                key = f"{name}_macro"
                yield self.summary[key], self.intervals.get(key)

    def _table(self, digits):
        header = ["label", "tracks"]
        for title in FIGURES.values():
            header += [title] + ["interval"] * bool(self.bootstrap)
        rows = []
        for place, (label, known) in enumerate(self._names()):
            row = [label, known]
            for value, bounds in self._pairs(place):
                row.append(shown(value, digits))
                if self.bootstrap:
                    row.append(shown_interval(bounds, digits))
            rows.append(row)
        return header, rows


def regression_scores(
    targets,
    scores,
    labels,
    *,
    tracks=None,
    bootstrap: int = 0,
    confidence: float = 0.95,
    seed: int = 0,
) -> RegressionReport:
    """Judge predicted numbers, such as arousal and valence.

    Args:
        targets: Numbers, NaN where unknown (left out for that label), shape
            `(tracks, n_labels)`.
        scores: Predictions, shape `(tracks, n_labels)`.
        labels: `Labels` or a list of names, one for each column.
        tracks: Names of the tracks; numbers if `None`.
        bootstrap: Resamples of the tracks, for intervals; 0 for none.
        confidence: Share of the resamples within an interval, in (0, 1).
        seed: Of the resamples.

    Returns:
        A `RegressionReport`: for each label the coefficient of determination R2, the
        root of the mean squared error, the mean absolute error and Pearson's
        correlation. R2 is undefined if all targets are equal, the correlation also
        if all predictions are.

    Raises:
        ConfigError: If shapes do not fit or scores are not finite.
        LabelError: If there is not one label for each column, or a target is infinite,
            or none is known.

    Example: see `RegressionReport`.
    """
    scores = check_scores(scores)
    labels = check_labels(labels, scores.shape[1])
    tracks = check_tracks(tracks, len(scores))
    targets = _check_numbers(targets, scores.shape, labels)
    settings = resampling.check_settings(bootstrap, confidence, seed)
    figures = _figures(np.ones((len(targets), 1)), targets, scores)
    per_label = {name: values[0] for name, values in figures.items()}
    options: dict = {}
    if settings:
        draws = resampling.draw(len(targets), settings["resamples"], settings["seed"])
        parts = [_figures(weights, targets, scores) for weights in draws]
        values = {name: [part[name] for part in parts] for name in FIGURES}
        macro = {
            f"{n}_macro": defined_mean(np.concatenate(v)) for n, v in values.items()
        }
        options = resampling.intervals(values, macro, settings)
    return RegressionReport(
        labels=labels,
        summary={f"{n}_macro": float(defined_mean(v)) for n, v in per_label.items()},
        per_label={"targets": np.sum(~np.isnan(targets), axis=0), **per_label},
        tracks=tracks,
        targets=targets,
        scores=scores,
        bootstrap=settings,
        **options,
    )


def _check_numbers(targets, shape, labels):
    targets = as_floats(targets, name="targets")
    if targets.shape != shape:
        raise ConfigError(
            "`targets` must have a row for each track and a column for each label.",
            received=f"targets {targets.shape} for scores {shape}",
            advice="Give both in the same order of tracks and labels.",
        )
    infinite = np.argwhere(np.isinf(targets))
    if len(infinite) or np.isnan(targets).all():
        received = "no known target"
        if len(infinite):
            row, column = infinite[0]
            received = f"{targets[row, column]} in row {row}, {labels[column]!r}"
        raise LabelError(
            "Targets must be finite numbers, or NaN where unknown.",
            received=received,
            advice="Check the columns of the table that they come from.",
        )
    return targets


def _figures(weights, targets, scores) -> dict[str, np.ndarray]:
    """Each figure `(resamples, n_labels)` of tracks weighted `(tracks, resamples)`."""
    known = ~np.isnan(targets)
    count = weights.T @ known

    def mean(values):
        total = weights.T @ np.where(known, values, 0.0)
        return np.divide(
            total, count, out=np.full(count.shape, np.nan), where=count > 0
        )

    # Around one mean for all resamples: products of small numbers stay exact.
    truth = targets - np.nanmean(np.where(known.any(axis=0), targets, 0.0), axis=0)
    guess = scores - scores.mean(axis=0)
    error = scores - targets
    squares = mean(error**2)
    spread = _positive(mean(truth**2) - mean(truth) ** 2)
    guessed = _positive(mean(guess**2) - mean(guess) ** 2)
    together = mean(truth * guess) - mean(truth) * mean(guess)
    return {
        "r2": 1 - squares / spread,
        "rmse": np.sqrt(squares),
        "mae": mean(np.abs(error)),
        "pearson": together / np.sqrt(spread * guessed),
    }


def _positive(variance):
    """The variance, NaN where it is nothing but rounding."""
    return np.where(variance > 1e-14, variance, np.nan)
