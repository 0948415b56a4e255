"""Scores of some tracks, and which estimate belongs to which reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.metrics.tables import markdown, shown


@dataclass(frozen=True)
class TrackScores:
    """Scores of one track or many, each track counting alike.

    `scores["f_measure"]` is the mean over tracks.

    Args:
        tracks: For each track by name its scores; NaN where there is none.
    """

    tracks: dict[str, dict[str, float]]

    def __getitem__(self, name: str) -> float:
        if name not in self.mean:
            raise ConfigError(
                "There is no score of that name.",
                received=repr(name),
                advice=f"Choose from {', '.join(self.mean)}.",
            )
        return self.mean[name]

    @property
    def mean(self) -> dict[str, float]:
        """Each score as the mean over the tracks that have it; NaN if none has."""
        rows = list(self.tracks.values())
        means = {}
        for name in rows[0]:
            values = np.array([row[name] for row in rows])
            values = values[~np.isnan(values)]
            means[name] = float(values.mean()) if len(values) else float("nan")
        return means

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame` with one row per track."""
        pandas = import_extra("pandas", "train", f"{type(self).__name__}.to_dataframe")
        return pandas.DataFrame.from_dict(self.tracks, orient="index")

    def to_markdown(self, *, per_track: bool = True, digits: int = 3) -> str:
        """Return a table as Markdown text.

        Args:
            per_track: Whether each track has a row; the mean is below it in any case.
            digits: Decimals.

        Returns:
            The text, with a dash where a score does not exist.
        """
        rows = dict(self.tracks) if per_track else {}
        if len(self.tracks) > 1 or not per_track:
            rows["**mean**"] = self.mean
        cells = [
            [track, *(shown(value, digits) for value in row.values())]
            for track, row in rows.items()
        ]
        return markdown(["track", *self.mean], cells) + "\n"


def pairs(reference, estimate, kind: type | tuple[type, ...], name: str) -> list[tuple]:
    """Return `(name, reference, estimate)` for one track, a list or a dict.

    Args:
        reference: One track's, a list of them, or a dict from names to them.
        estimate: In the same form.
        kind: The type, or types, of one track's.
        name: What to call it in a message.

    Raises:
        ConfigError: If both do not have the same tracks.
    """
    if isinstance(reference, kind) and isinstance(estimate, kind):
        return [("track", reference, estimate)]
    if isinstance(reference, Mapping) and isinstance(estimate, Mapping):
        if reference.keys() != estimate.keys() or not reference:
            odd = sorted(map(str, reference.keys() ^ estimate.keys()))
            raise ConfigError(
                "Reference and estimate must have the same tracks, at least one.",
                received=f"only in one of them: {odd[:8]}",
                advice="Leave out the tracks that lack one.",
            )
        return [(str(key), reference[key], estimate[key]) for key in reference]
    lists = all(isinstance(x, (list, tuple)) for x in (reference, estimate))
    if not lists or len(reference) != len(estimate) or not len(reference):
        raise ConfigError(
            f"Reference and estimate must be two {name}, or two lists or dicts "
            "of them with the same tracks.",
            received=" and ".join(map(_describe, (reference, estimate))),
            advice="Give both in the same form.",
        )
    width = len(str(len(reference) - 1))
    names = [f"track {i:0{width}d}" for i in range(len(reference))]
    return list(zip(names, reference, estimate, strict=True))


def _describe(value):
    size = f" of {len(value)}" if hasattr(value, "__len__") else ""
    return f"{type(value).__name__}{size}"
