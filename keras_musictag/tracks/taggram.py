"""Scores over time: what a tagger says about one track."""

import dataclasses
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from keras_musictag.audio.arrays import is_silent
from keras_musictag.checks import check_choice, check_positive_int
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.labels import NO_GROUP, Labels
from keras_musictag.tracks.segments import THRESHOLD, check_threshold

AGGREGATES: dict[str, Callable] = {
    "mean": np.mean,
    "max": np.max,
    "median": np.median,
}


def aggregate_scores(scores: np.ndarray, how: str, axis: int = 0) -> np.ndarray:
    """Bring the scores of many chunks down to one.

    Args:
        scores: Array whose `axis` runs over chunks.
        how: `"mean"`, `"max"` or `"median"`.
        axis: The axis to take away.

    Returns:
        Array with that axis removed, same dtype.

    Raises:
        ConfigError: If `how` is unknown.
    """
    check_choice(how, tuple(AGGREGATES), name="aggregate")
    return AGGREGATES[how](scores, axis=axis).astype(scores.dtype, copy=False)


def over_chunks(values: np.ndarray, how: str | None) -> np.ndarray:
    """Bring the features of many chunks down to one.

    Args:
        values: `(chunks, ...)`, or `(chunks, frames, ...)` for features over time.
        how: As in `aggregate_scores`, over chunks and frames; `None` changes nothing.

    Returns:
        Array without these axes.

    Raises:
        ConfigError: If `how` is unknown.
    """
    if how is None:
        return values
    if values.ndim > 2:
        values = values.reshape(-1, *values.shape[2:])
    return aggregate_scores(values, how)


def frame_rows(starts: np.ndarray, offsets: np.ndarray, scores: np.ndarray):
    """Turn the scores of frames inside chunks into one row after the other.

    Args:
        starts: Start of each chunk in samples, `(chunks,)`.
        offsets: Start of each frame inside a chunk in samples, `(frames,)`.
        scores: Scores, `(chunks, frames, n_labels)`.

    Returns:
        Starts of the frames in samples, strictly rising, and their scores
        `(rows, n_labels)`. Where chunks overlap, the earlier chunk has its say.
    """
    times = (starts[:, None] + offsets).reshape(-1)
    latest = np.maximum.accumulate(np.append(-np.inf, times))
    new = times > latest[:-1]
    return times[new], scores.reshape(len(times), -1)[new]


@dataclasses.dataclass(frozen=True, eq=False)
class Taggram:
    """The scores of one track, chunk by chunk.

    Args:
        times: Start of each chunk (or frame, in models that score these) in seconds,
            shape `(chunks,)`.
        labels: The label names in output order.
        scores: Scores, shape `(chunks, n_labels)`, float32.
        peak: The largest absolute sample of what was scored, the mean of the channels,
            full scale 1; `None` if unknown.
        duration: Length of the track in seconds; `None` if unknown.

    Example:

    ```python
    import keras_musictag as kmt

    taggram = kmt.MusicnnTagger.from_pretrained().taggram(kmt.audio.demo_path())
    taggram.top(3)
    taggram.to_csv("taggram.csv")
    ```
    """

    times: np.ndarray
    labels: Labels
    scores: np.ndarray
    peak: float | None = None
    duration: float | None = None

    @property
    def silent(self) -> bool | None:
        """Whether nothing was heard, and the scores mean nothing.

        So it is in silence, below -120 dB of full scale, and where channels cancel each
        other in their mean. `None` if the peak is unknown.
        """
        return is_silent(self.peak)

    def aggregate(self, how: str = "mean") -> np.ndarray:
        """Return one score per label, shape `(n_labels,)`, in output order.

        Args:
            how: `"mean"`, `"max"` or `"median"` over the chunks.
        """
        return aggregate_scores(self.scores, how)

    def top(
        self,
        top_k: int | None = 10,
        min_score: float | None = None,
        groups: Iterable[str] | str | None = None,
        sort: str = "score",
        aggregate: str = "mean",
    ) -> list[tuple[str, float]]:
        """Return the labels that fit the track best.

        Args:
            top_k: How many at most; `None` for all.
            min_score: Leave out labels whose score is lower.
            groups: Only labels of these groups, such as `"genre"`.
            sort: `"score"`, or `"lift"`: score over the label's prior, which
                brings up rare labels. The numbers returned are scores either way.
            aggregate: How the chunks come together.

        Returns:
            List of `(label, score)`, best first.

        Raises:
            LabelError: If a group is unknown, or `sort="lift"` and the labels
                have no priors.
            ConfigError: If another argument is out of range.
        """
        if top_k is not None:
            check_positive_int(top_k, name="top_k")
        scores = self.aggregate(aggregate)
        keys = self._sort_keys(scores, sort)
        chosen = [
            i
            for i in self.labels.select(groups)
            if min_score is None or scores[i] >= min_score
        ]
        # Ties go to the later label, as a reversed ascending sort has it.
        chosen.sort(key=lambda i: (keys[i], i), reverse=True)
        return [(self.labels[i], float(scores[i])) for i in chosen[:top_k]]

    def by_group(
        self,
        top_k: int | None = None,
        min_score: float | None = None,
        sort: str = "score",
        aggregate: str = "mean",
    ) -> dict[str, list[tuple[str, float]]]:
        """Return the labels that fit the track best, group by group.

        Args:
            top_k: How many of each group at most; `None` for all.
            min_score: Leave out labels whose score is lower.
            sort: `"score"` or `"lift"`, as in `top`.
            aggregate: How the chunks come together.

        Returns:
            For each group its list of `(label, score)`, best first. Groups come in
            the order in which the labels name them, also those of which nothing is
            left; labels without a group are under `"labels"`.

        Raises:
            LabelError, ConfigError: As `top`.

        Example:

        ```python
        import keras_musictag as kmt

        taggram = kmt.MusicnnTagger.from_pretrained().taggram(kmt.audio.demo_path())
        for group, tags in taggram.by_group(top_k=3).items():
            print(group, [label for label, score in tags])
        ```
        """
        if top_k is not None:
            check_positive_int(top_k, name="top_k")
        group_of = dict(zip(self.labels, self.labels.groups, strict=True))
        tags: dict[str, list[tuple[str, float]]] = {
            group or NO_GROUP: [] for group in self.labels.groups
        }
        for label, score in self.top(None, min_score, None, sort, aggregate):
            tags[group_of[label] or NO_GROUP].append((label, score))
        return {group: best[:top_k] for group, best in tags.items()}

    def segments(
        self,
        what: str,
        *,
        threshold: float | None = None,
        min_duration: float = 0.0,
    ) -> list[tuple[float, float]]:
        """Say where in the track a label is heard.

        A score counts from the start of its chunk to that of the next one, the last one
        to the end of the track; the times are as fine as the chunks.

        Args:
            what: A label, or a group: any of its labels, without those that tell of an
                absence (`"no vocals"`, `"instrumental"`).
            threshold: The lowest score that counts; `None` for the label's prior, the
                share of training items that carry it, since scores of rare labels
                stay low; 0.5 where priors are not known.
            min_duration: Shorter segments are left out, in seconds.

        Returns:
            List of `(start, end)` in seconds, in order; none touches the next.

        Raises:
            LabelError: If there is no such label or group.
            ConfigError: If `min_duration` is below 0, or a number is none.

        Example:

        ```python
        import keras_musictag as kmt

        taggram = kmt.MusicnnTagger.from_pretrained().taggram(kmt.audio.demo_path())
        taggram.segments("guitar", threshold=0.2, min_duration=3)
        ```
        """
        if threshold is not None:
            check_threshold(threshold)
        number = isinstance(min_duration, numbers.Real) and math.isfinite(min_duration)
        if not number or min_duration < 0:
            raise ConfigError(
                "`min_duration` must be a finite number of seconds, at least 0.",
                received=f"min_duration={min_duration!r}",
                advice="Leave it out to keep all segments.",
            )
        columns = self.labels.columns(what)
        least = self._usual_scores(columns) if threshold is None else threshold
        heard = (self.scores[:, columns] >= least).any(axis=1)
        times = np.append(self.times, self._end())
        changes = np.flatnonzero(np.diff(np.r_[False, heard, False]))
        found = times[changes.reshape(-1, 2)]
        return [(float(a), float(b)) for a, b in found if b - a >= min_duration]

    def _usual_scores(self, columns: list[int]) -> np.ndarray:
        """The scores of labels in a song about which nothing is known."""
        if self.labels.priors is None:
            return np.full(len(columns), THRESHOLD)
        priors = np.array(self.labels.priors)[columns]
        return np.where(priors > 0, priors, THRESHOLD)

    def _end(self) -> float:
        """Where the last chunk ends, or the track."""
        last = self.times[-1] if len(self.times) else 0.0
        if len(self.times) > 1:
            last = last + np.diff(self.times).max()
        if self.duration is None:
            return last
        return self.duration if len(self.times) < 2 else min(last, self.duration)

    def _sort_keys(self, scores: np.ndarray, sort: str) -> np.ndarray:
        if check_choice(sort, ("score", "lift"), name="sort") == "score":
            return scores
        if self.labels.priors is None:
            raise LabelError(
                "sort='lift' needs labels with priors.",
                received="labels without priors",
                advice="Use sort='score', or give the labels priors.",
            )
        return scores / np.maximum(self.labels.priors, 1e-6)

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame`: one row per chunk, indexed by seconds."""
        from keras_musictag.errors import import_extra

        pandas = import_extra("pandas", "train", "Taggram.to_dataframe()")
        index = pandas.Index(self.times, name="time")
        return pandas.DataFrame(self.scores, index=index, columns=list(self.labels))

    def to_csv(self, path) -> None:
        """Write a CSV file: a `time` column in seconds, then one per label."""
        import csv

        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["time", *self.labels])
            for time, row in zip(self.times, self.scores, strict=True):
                writer.writerow([f"{time:.3f}", *(f"{score:.6f}" for score in row)])

    def plot(self, top_k: int = 20, ax=None):
        """Draw the strongest labels over time; returns the matplotlib axes.

        Args:
            top_k: How many labels to show, best first from the top.
            ax: Axes to draw into; made if `None`.
        """
        from keras_musictag import plotting

        names = [label for label, _ in self.top(top_k)]
        columns = [self.labels.index(name) for name in names]
        return plotting.plot_taggram(self.times, names, self.scores[:, columns], ax=ax)
