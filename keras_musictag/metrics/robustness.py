"""How a tagger's scores hold when its music is changed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate, is_array
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.metrics.arrays import check_targets, check_tracks, one_hot
from keras_musictag.metrics.classes import class_scores
from keras_musictag.metrics.report import TaggingReport
from keras_musictag.metrics.tables import markdown, shown, write_csv
from keras_musictag.metrics.tagging import tagging_scores

FIGURES = {
    "multi_label_classification": {
        "ROC-AUC": "roc_auc_macro",
        "PR-AUC": "average_precision_macro",
    },
    "single_label_classification": {"accuracy": "accuracy", "F1": "f1_macro"},
}
JUDGES: dict[str, Callable] = {
    "multi_label_classification": tagging_scores,
    "single_label_classification": class_scores,
}
CLEAN = ("clean", "")
BLOCK = 32  # tracks in memory at a time


@dataclass(frozen=True, eq=False)
class RobustnessReport:
    """What `robustness` found.

    Args:
        clean: The `TaggingReport` of the tracks as they are.
        deformed: A `TaggingReport` for each `(name, strength)`, in order.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    tagger = kmt.MusicnnTagger.from_pretrained()
    targets = np.arange(2)[:, None] == np.zeros((1, len(tagger.labels)))
    tracks = np.random.uniform(-0.1, 0.1, (2, 50000)).astype("float32")
    noises = kmt.augmentation.deformations(
        time_stretch=(), pitch_shift=(), compression=()
    )
    report = kmt.metrics.robustness(tagger, tracks, targets, deformations=noises)
    print(report.to_markdown())
    ```
    """

    clean: TaggingReport
    deformed: dict[tuple[str, str], TaggingReport]

    @property
    def figures(self) -> dict[str, str]:
        """Figures of the table, with their keys in the summary of each report.

        ROC-AUC and PR-AUC; accuracy and F1 of labels that exclude each other.
        """
        return FIGURES[self.clean.problem_type]

    def rows(self) -> list[tuple]:
        """Return `(name, strength, value, change, value, change)`, clean first.

        One pair for each of `figures`. Changes are differences from the clean tracks,
        `None` for these themselves.
        """
        found: list[tuple] = []
        cases = [(CLEAN, self.clean), *self.deformed.items()]
        for (name, strength), report in cases:
            row: list = [name, strength]
            for figure in self.figures.values():
                value, clean = report.summary[figure], self.clean.summary[figure]
                row += [value, None if report is self.clean else value - clean]
            found.append(tuple(row))
        return found

    def to_markdown(self, *, digits: int = 3) -> str:
        """Return a Markdown table: a row for each deformation and strength.

        Args:
            digits: Decimals.
        """
        header = ["deformation", "strength"]
        header += [cell for name in self.figures for cell in (name, "change")]
        rows = []
        for name, strength, *values in self.rows():
            cells = [
                shown(value, digits)
                if place % 2 == 0 or value is None
                # Adding zero takes the sign from what rounds to nothing.
                else f"{round(value, digits) + 0.0:+.{digits}f}"
                for place, value in enumerate(values)
            ]
            rows.append([name, strength, *cells])
        return markdown(header, rows) + "\n"

    def to_csv(self, path) -> None:
        """Write the table as CSV.

        Args:
            path: The file to write.
        """
        header = ["deformation", "strength"]
        for key in self.figures.values():
            header += [key, f"{key}_change"]
        rows = [["" if cell is None else cell for cell in row] for row in self.rows()]
        write_csv(path, header, rows)

    def plot(self, *, axes=None) -> Any:
        """Draw the table: `plotting.plot_robustness`.

        Args:
            axes: One matplotlib axes for each of `figures`; new ones if `None`.

        Returns:
            A list of the axes.
        """
        from keras_musictag.plotting import plot_robustness

        clean, *changed = self.rows()
        names = [f"{name}, {strength}" for name, strength, *_ in changed]
        places = {name: 2 + 2 * i for i, name in enumerate(self.figures)}
        return plot_robustness(
            names,
            {name: [row[place] for row in changed] for name, place in places.items()},
            {name: clean[place] for name, place in places.items()},
            axes=axes,
        )


def robustness(
    tagger,
    tracks,
    targets,
    *,
    labels=None,
    sample_rate: int | None = None,
    deformations: Iterable | None = None,
    seed: int = 0,
    **options,
) -> RobustnessReport:
    """Judge a tagger on tracks that are stretched, transposed, compressed or noisy.

    Won et al.'s study for any tagger: the same tracks and targets with each
    deformation at each strength, beside the clean ones.

    Args:
        tagger: A tagger, or a function `(waveforms, sample_rate)` of a list of arrays
            `(samples,)` that gives `(tracks, n_labels)`; this one needs `labels` and
            `sample_rate`.
        tracks: Paths, or arrays `(samples,)`.
        targets: 0, 1 or NaN for unknown, shape `(tracks, n_labels)`; of a tagger whose
            labels exclude each other also indices `(tracks,)`.
        labels: Names of the columns of `targets`, all known to the tagger; `None` for
            the tagger's own. With fewer, only these are judged.
        sample_rate: Of arrays, in Hz, and that at which files are deformed; `None`
            for the tagger's own.
        deformations: A list of `augmentation.Deformation`s; `None` for those of the
            study: `augmentation.deformations()`.
        seed: Of what is drawn, such as noise: each track has its own at each
            deformation, whatever else is in the list.
        **options: For `tagger.predict`, such as `batch_size`.

    Returns:
        A `RobustnessReport`.

    Raises:
        AudioError: If a track is not usable audio.
        ConfigError: If shapes do not fit, there is no sample rate, or a deformation
            comes twice.
        LabelError: If the tagger lacks a label, or targets are neither 0 nor 1 nor
            NaN.
        MissingExtraError: If librosa is not installed, for time and pitch.

    References:
        - Won et al., "Evaluation of CNN-based automatic music tagging models", SMC
          2020.

    Example: see `RobustnessReport`.
    """
    rate = _rate(tagger, sample_rate)
    names, columns = _columns(tagger, labels)
    kind = getattr(tagger, "problem_type", "multi_label_classification")
    if kind not in JUDGES:
        raise ConfigError(
            "Robustness is studied for taggers and classifiers.",
            received=f"problem_type={kind!r}",
            advice="Judge regression by `regression_scores` on changed tracks.",
        )
    tracks = list(tracks)
    shape = (len(tracks), len(names))
    # Before hours of work, not after.
    if kind == "single_label_classification":
        one_hot(targets, shape, check_tracks(None, len(tracks)), names)
    else:
        check_targets(targets, shape, labels=names)
    cases = _cases(deformations)
    predict = getattr(tagger, "predict", tagger)
    scores: dict[tuple[str, str], list] = {case: [] for case in cases}
    for first in range(0, len(tracks), BLOCK):
        waveforms = [_waveform(t, rate) for t in tracks[first : first + BLOCK]]
        for case, deformation in cases.items():
            changed = _changed(deformation, waveforms, rate, seed, first)
            scores[case].append(np.asarray(predict(changed, rate, **options)))
    reports = {
        case: JUDGES[kind](targets, np.concatenate(found)[:, columns], names)
        for case, found in scores.items()
    }
    return RobustnessReport(reports.pop(CLEAN), reports)


def _cases(deformations):
    """Deformations by name and strength; the clean tracks come first."""
    if deformations is None:
        from keras_musictag.augmentation import deformations as study

        deformations = study()
    cases: dict[tuple[str, str], Any] = {CLEAN: None}
    for deformation in deformations:
        case = (deformation.name, deformation.strength)
        if case in cases:
            raise ConfigError(
                "Each deformation may come once at each strength.",
                received=f"{deformation.name!r} at {deformation.strength!r} twice",
                advice="Give them different names or strengths.",
            )
        cases[case] = deformation
    return cases


def _waveform(track, rate):
    return audio.to_mono(track) if is_array(track) else audio.load(track, rate)[0]


def _changed(deformation, waveforms, rate, seed, first):
    """Deform waveforms, of which the first one is track number `first`."""
    if deformation is None:
        return waveforms
    # From the name, so that a shorter list of deformations gives the same numbers.
    word = f"{deformation.name}/{deformation.strength}".encode()
    return [
        deformation.apply(
            waveform, rate, np.random.default_rng([seed, index, *word])
        ).astype("float32", copy=False)
        for index, waveform in enumerate(waveforms, first)
    ]


def _rate(tagger, sample_rate):
    rate = getattr(tagger, "sample_rate", None) if sample_rate is None else sample_rate
    if rate is None:
        raise ConfigError(
            "The sample rate of the tracks is not known.",
            received=f"sample_rate=None, and {type(tagger).__name__} has none",
            advice="Pass `sample_rate`.",
        )
    return check_sample_rate(rate)


def _columns(tagger, labels):
    """Names to judge, and their columns in what the tagger gives."""
    own = getattr(tagger, "labels", labels)
    if own is None:
        raise LabelError(
            "The names of the scores are not known.",
            received=f"labels=None, and {type(tagger).__name__} has none",
            advice="Pass `labels`, in the order of the columns of the scores.",
        )
    own = list(own)
    names = own if labels is None else list(labels)
    missing = [name for name in names if name not in own]
    if missing:
        raise LabelError(
            "The tagger does not know some of the labels.",
            received=f"{missing[:5]} ({len(missing)} of {len(names)})",
            advice="Give the columns of `targets` that both have.",
        )
    return names, [own.index(name) for name in names]
