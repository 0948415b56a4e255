"""The report of an evaluation: text, tables, files, the Hub's words, pictures."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.labels import Labels
from keras_musictag.metrics.predictions import write_predictions
from keras_musictag.metrics.reliability import Calibration
from keras_musictag.metrics.tables import (
    AVERAGES,
    NAMES,
    aligned,
    at,
    markdown,
    number,
    plain,
    shown,
    shown_interval,
    split_key,
    title,
    write_csv,
)


@dataclass(frozen=True, eq=False)
class TaggingReport:
    """What `tagging_scores` and `class_scores` found.

    Args:
        problem_type: `"multi_label_classification"` or
            `"single_label_classification"`.
        labels: The `Labels`, in the order of the columns.
        summary: Figures over all labels, such as `summary["roc_auc_macro"]`. A macro
            figure is the mean over the labels for which it is defined.
        per_label: For each figure an array `(n_labels,)`, NaN where it is undefined,
            besides counts of `targets` and `positives`.
        undefined: For each label that has figures which are undefined, the reason.
        tracks: Name of each track.
        targets: float64 array `(tracks, n_labels)` of 0, 1 and NaN for unknown.
        scores: float64 array `(tracks, n_labels)`.
        calibration: A `Calibration`; `None` if scores are not within [0, 1].
        confusion: int64 array `(n_labels, n_labels)`, rows are the targets; `None` for
            multi-label problems.
        chunk_summary: The summary of chunks, each with the targets of its track;
            `None` if scores came for whole tracks.
        bootstrap: `{"resamples": ..., "confidence": ..., "seed": ...}` or `None`.
        intervals: For each figure of `summary` its `(low, high)`.
        label_intervals: For each figure of `per_label` an array `(n_labels, 2)`.
        resampled: For each figure of `summary` its value in each resample.
        baseline: A `TaggingReport` of something to compare with, on the same tracks;
            tables and bars show it beside. `compare(baseline)` gives the differences.

    Example:

    ```python
    import keras_musictag as kmt

    targets = [[1, 0], [0, 1], [1, 1], [0, 0]]
    scores = [[0.9, 0.2], [0.3, 0.8], [0.6, 0.4], [0.1, 0.5]]
    report = kmt.metrics.tagging_scores(targets, scores, ["rock", "piano"])
    print(report.summary["roc_auc_macro"])  # 0.875
    print(report.to_text())
    ```
    """

    problem_type: str
    labels: Labels
    summary: dict[str, float]
    per_label: dict[str, np.ndarray]
    undefined: dict[str, str]
    tracks: list[str]
    targets: np.ndarray
    scores: np.ndarray
    calibration: Calibration | None = None
    confusion: np.ndarray | None = None
    chunk_summary: dict[str, float] | None = None
    bootstrap: dict | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    label_intervals: dict[str, np.ndarray] = field(default_factory=dict)
    resampled: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    baseline: "TaggingReport | None" = None

    def to_text(self, *, digits: int = 3) -> str:
        """Return the report as aligned plain text.

        Args:
            digits: Decimals.

        Returns:
            The text; a dash stands for what is undefined, with reasons below.
        """
        parts = [self._headline()]
        for header, rows in self._tables(digits):
            parts.append(aligned(header, rows))
        return "\n\n".join([*parts, *self._notes()]) + "\n"

    def to_markdown(self, *, digits: int = 3) -> str:
        """Return the report as Markdown tables.

        Args:
            digits: Decimals.

        Returns:
            The text; a dash stands for what is undefined, with reasons below.
        """
        parts = [self._headline()]
        for header, rows in self._tables(digits):
            parts.append(markdown(header, rows))
        return "\n\n".join([*parts, *self._notes()]) + "\n"

    def to_csv(self, path) -> None:
        """Write one row per average and one per label, with intervals.

        Args:
            path: The file to write. An empty cell stands for what is undefined; the
                column `undefined` has the reason.
        """
        figures = [n for n in NAMES if n in self.per_label or n in self.summary]
        counts = [name for name in self.per_label if name not in NAMES]
        header = ["kind", "label", *counts]
        for name in figures:
            header += [name]
            header += [f"{name}_low", f"{name}_high"] if self.bootstrap else []
            header += [f"{name}_baseline"] if self.baseline else []
        rows = []
        for kind in (*AVERAGES, "overall"):
            keys = [n if kind == "overall" else f"{n}_{kind}" for n in figures]
            if set(keys) & set(self.summary):
                base = self.baseline.summary if self.baseline else {}
                cells = [
                    (self.summary.get(k), self.intervals.get(k), base.get(k))
                    for k in keys
                ]
                rows.append([kind, "", *[""] * len(counts), *self._cells(cells), ""])
        base_labels = self.baseline.per_label if self.baseline else {}
        for i, label in enumerate(self.labels):
            cells = [
                (
                    at(self.per_label.get(name), i),
                    at(self.label_intervals.get(name), i),
                    at(base_labels.get(name), i),
                )
                for name in figures
            ]
            values = [number(self.per_label[name][i]) for name in counts]
            reason = self.undefined.get(label, "")
            rows.append(["label", label, *values, *self._cells(cells), reason])
        write_csv(path, [*header, "undefined"], rows)

    def to_json(self, path) -> None:
        """Write every figure as JSON; `null` stands for what is undefined.

        Args:
            path: The file to write.
        """
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        Path(path).write_text(text + "\n", "utf-8")

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
            "chunk_summary": self.chunk_summary,
            "labels": rows,
            "undefined": self.undefined,
            "calibration": self.calibration and self.calibration._asdict(),
            "confusion": self.confusion,
        }
        if self.baseline:
            record["baseline"] = self.baseline.to_dict()
        return plain(record)

    def model_index(
        self,
        model_name: str,
        *,
        dataset_name: str,
        dataset_type: str | None = None,
        split: str | None = None,
        revision: str | None = None,
    ) -> dict:
        """Return the figures in the form that the Hub reads from a model card.

        Args:
            model_name: Of the model.
            dataset_name: Of the data, as people write it: `"MagnaTagATune"`.
            dataset_type: Its identifier, such as a repository on the Hub; the name if
                `None`.
            split: Which split the tracks are, such as `"won test"`.
            revision: Of the data.

        Returns:
            `{"model-index": [...]}`, to be put into the YAML head of a card. Figures
            that are undefined are left out, since YAML has no place for them.
        """
        dataset = {"name": dataset_name, "type": dataset_type or dataset_name}
        dataset |= {"split": split} if split else {}
        dataset |= {"revision": revision} if revision else {}
        metrics = []
        for key, value in self.summary.items():
            if np.isfinite(value):
                kind, average = split_key(key)
                metric = {"type": kind, "name": title(key), "value": float(value)}
                metrics.append(
                    metric | ({"args": {"average": average}} if average else {})
                )
        task = {"type": "audio-classification", "name": "Audio Classification"}
        result = {"task": task, "dataset": dataset, "metrics": metrics}
        return {"model-index": [{"name": model_name, "results": [result]}]}

    def save_predictions(self, path) -> None:
        """Write the scores and targets of each track.

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

    def compare(self, other: "TaggingReport") -> dict[str, tuple[float, float, float]]:
        """Return by how much this report is above another one of the same tracks.

        Both must come from the same number of resamples and the same seed: then each
        resample has the same tracks in both, and what makes tracks easy or hard drops
        out of the difference.

        Args:
            other: The other report.

        Returns:
            For each figure of the summary the difference, and its low and high.

        Raises:
            ConfigError: If tracks, targets or resamples differ.
            LabelError: If labels differ.
        """
        from keras_musictag.metrics.bootstrap import interval

        if self.labels.names != other.labels.names:
            raise LabelError(
                "Only reports with the same labels can be compared.",
                received=f"{len(self.labels)} and {len(other.labels)} labels, "
                f"not shared: {sorted(set(self.labels) ^ set(other.labels))[:5]}",
                advice="Score both with the same labels in the same order.",
            )
        same = self.tracks == other.tracks and self.bootstrap == other.bootstrap
        same = same and np.array_equal(self.targets, other.targets, equal_nan=True)
        if not same or not self.bootstrap:
            raise ConfigError(
                "Only reports of the same tracks and resamples can be compared.",
                received=f"{len(self.tracks)} and {len(other.tracks)} tracks, "
                f"bootstrap {self.bootstrap} and {other.bootstrap}",
                advice="Score both with the same `bootstrap`, `confidence` and `seed`.",
            )
        differences = {}
        for key in self.resampled.keys() & other.resampled.keys():
            values = self.resampled[key] - other.resampled[key]
            low, high = interval(values, self.bootstrap["confidence"])
            middle = self.summary[key] - other.summary[key]
            differences[key] = (float(middle), float(low), float(high))
        return {key: differences[key] for key in self.summary if key in differences}

    def plot_curves(self, *, axes=None) -> Any:
        """Draw the ROC and precision-recall curves: `plotting.plot_curves`."""
        from keras_musictag.plotting import plot_curves

        return plot_curves(self.targets, self.scores, self.labels, axes=axes)

    def plot_bars(self, figure: str | None = None, *, ax=None):
        """Draw one figure of each label, best first: `plotting.plot_tag_bars`.

        Args:
            figure: One of `per_label`; `None`: ROC-AUC, or recall of classes.
            ax: Matplotlib axes to draw into; a new figure if `None`.

        Returns:
            The matplotlib axes.

        Raises:
            ConfigError: If there is no such figure.
        """
        from keras_musictag.plotting import plot_tag_bars

        figure = figure or ("roc_auc" if "roc_auc" in self.per_label else "recall")
        if figure not in self.per_label or figure not in NAMES:
            raise ConfigError(
                "There is no figure of that name for each label.",
                received=f"figure={figure!r}",
                advice=f"Choose from {sorted(set(NAMES) & set(self.per_label))}.",
            )
        return plot_tag_bars(
            self.labels,
            self.per_label[figure],
            intervals=self.label_intervals.get(figure),
            baseline=self.baseline and self.baseline.per_label.get(figure),
            name=NAMES[figure],
            chance=0.5 if figure == "roc_auc" else None,
            ax=ax,
        )

    def plot_confusion(self, *, ax=None) -> Any:
        """Draw the confusion matrix of classes: `plotting.plot_confusion`."""
        from keras_musictag.plotting import plot_confusion

        if self.confusion is None:
            raise ConfigError(
                "Only classes that exclude each other have a confusion matrix.",
                received=f"problem_type={self.problem_type!r}",
                advice="Use `class_scores`, or draw `plot_bars` and `plot_curves`.",
            )
        return plot_confusion(self.confusion, self.labels, ax=ax)

    def _cells(self, values):
        """CSV cells of values, each with its bounds and baseline if there are any."""
        cells = []
        for value, bounds, baseline in values:
            cells.append(number(value))
            if self.bootstrap:
                cells += map(number, (None, None) if bounds is None else bounds)
            if self.baseline:
                cells.append(number(baseline))
        return cells

    def _headline(self) -> str:
        text = f"{len(self.tracks)} tracks, {len(self.labels)} labels"
        if self.bootstrap:
            text += (
                f"; {100 * self.bootstrap['confidence']:g} % intervals of "
                f"{self.bootstrap['resamples']} resamples of the tracks"
            )
        return text

    def _tables(self, digits):
        """Header and rows of the summary and of the labels."""
        header = ["figure", "value"] + ["interval"] * bool(self.bootstrap)
        header += ["baseline"] * bool(self.baseline)
        header += ["of chunks"] * bool(self.chunk_summary)
        rows = []
        for key, value in self.summary.items():
            row = [title(key), shown(value, digits)]
            if self.bootstrap:
                row.append(shown_interval(self.intervals.get(key), digits))
            if self.baseline:
                row.append(shown(self.baseline.summary.get(key), digits))
            if self.chunk_summary:
                row.append(shown(self.chunk_summary.get(key), digits))
            rows.append(row)
        yield header, rows
        columns = {}
        for name, values in self.per_label.items():
            places = digits if values.dtype.kind == "f" else 0
            columns[NAMES.get(name, name)] = [shown(v, places) for v in values]
            # One interval in the table, so that it fits on a page; CSV has them all.
            if name in self.label_intervals and "interval" not in columns:
                bounds = self.label_intervals[name]
                columns["interval"] = [shown_interval(b, digits) for b in bounds]
            # Likewise one of the baseline: that of the first figure.
            if self.baseline and name in NAMES and "baseline" not in columns:
                values = self.baseline.per_label[name]
                columns["baseline"] = [shown(v, digits) for v in values]
        yield (
            ["label", *columns],
            list(zip(self.labels, *columns.values(), strict=True)),
        )

    def _notes(self) -> list[str]:
        notes = []
        if self.undefined:
            reasons = [f"{label} ({why})" for label, why in self.undefined.items()]
            notes.append(
                f"Undefined for {len(reasons)} of {len(self.labels)} labels, which "
                f"macro figures leave out: {', '.join(reasons)}."
            )
        if self.calibration is None:
            notes.append("No calibration: scores are not within [0, 1].")
        return notes
