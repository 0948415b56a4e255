"""Checks of the arrays that an evaluation takes."""

from collections import Counter

import numpy as np

from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.labels import Labels


def check_scores(scores, *, name: str = "scores") -> np.ndarray:
    """Return scores as float64 `(items, n_labels)`, or refuse them.

    Args:
        scores: What the caller gave.
        name: The argument's name, for the message.

    Returns:
        float64 array `(items, n_labels)`, finite.

    Raises:
        ConfigError: If it is no such array, or holds NaN or infinity.
    """
    scores = as_floats(scores, name=name)
    if scores.ndim != 2 or not scores.size:
        raise ConfigError(
            f"`{name}` must be (items, n_labels), with at least one of each.",
            received=f"shape {scores.shape}",
            advice="For one label use `scores[:, None]`.",
        )
    bad = np.argwhere(~np.isfinite(scores))
    if len(bad):
        row, column = bad[0]
        raise ConfigError(
            f"`{name}` must be finite numbers.",
            received=f"{len(bad)} of {scores.size} are not, the first one "
            f"({scores[row, column]}) in row {row}, column {column}",
            advice="Find the track that the model fails on; leave it out or fix it.",
        )
    return scores


def check_targets(targets, shape, *, tracks=None, labels=None) -> np.ndarray:
    """Return targets as float64 of 0, 1 and NaN, or refuse them.

    Args:
        targets: What the caller gave.
        shape: Which shape they must have, `(tracks, n_labels)`.
        tracks: Names for the message.
        labels: Names for the message.

    Returns:
        float64 array of that shape.

    Raises:
        ConfigError: If the shape does not fit.
        LabelError: If there are other values.
    """
    targets = as_floats(targets, name="targets")
    if targets.shape != tuple(shape):
        raise ConfigError(
            "`targets` must have a row for each track and a column for each label.",
            received=f"targets {targets.shape} for scores {tuple(shape)}",
            advice="Give both in the same order of tracks and labels; scores of chunks "
            "need `track_index`.",
        )
    bad = np.argwhere(~np.isnan(targets) & (targets != 0) & (targets != 1))
    if len(bad):
        row, column = bad[0]
        track = f" ({tracks[row]!r})" if tracks else ""
        label = f" ({labels[column]!r})" if labels else ""
        raise LabelError(
            "`targets` must be 0 or 1, or NaN where unknown.",
            received=f"{len(bad)} other values, the first one "
            f"{targets[row, column]:g} in row {row}{track}, column {column}{label}",
            advice="Turn ratings or probabilities into 0 and 1 by a threshold.",
        )
    return targets


def check_labels(labels, n_labels: int) -> Labels:
    """Return the `Labels`, or refuse a number that does not fit.

    Args:
        labels: What the caller gave.
        n_labels: Columns of the scores.

    Returns:
        The `Labels`.

    Raises:
        LabelError: If there are more or fewer.
    """
    labels = Labels.from_config(labels)
    if len(labels) != n_labels:
        raise LabelError(
            "There must be one label for each column of `scores`.",
            received=f"{len(labels)} labels for {n_labels} columns",
            advice="Pass `model.labels` of the model that made the scores.",
        )
    return labels


def check_tracks(tracks, n_tracks: int) -> list[str]:
    """Return names of tracks, made up if there are none, or refuse them.

    Args:
        tracks: What the caller gave: names or paths, or `None`.
        n_tracks: How many there must be.

    Returns:
        A list of strings.

    Raises:
        ConfigError: If the number differs or a name repeats.
    """
    if tracks is None:
        return [f"track {i:0{len(str(n_tracks - 1))}d}" for i in range(n_tracks)]
    names = [str(track) for track in tracks]
    if len(names) != n_tracks or len(set(names)) < n_tracks:
        repeated = [name for name, count in Counter(names).items() if count > 1][:3]
        raise ConfigError(
            "`tracks` must name each track once.",
            received=f"{len(names)} names for {n_tracks} tracks"
            + (f", repeated: {repeated}" if repeated else ""),
            advice="Give one name for each row of `targets`, and each row once.",
        )
    return names


def reorder(targets, target_labels, labels: Labels) -> np.ndarray:
    """Put the columns of targets into the order of a model's labels.

    Args:
        targets: Shape `(tracks, n_labels)`.
        target_labels: Names of its columns.
        labels: The order wanted.

    Returns:
        The targets in that order.

    Raises:
        LabelError: If the names are not the same.
    """
    names = Labels.from_config(target_labels).names
    targets = np.asarray(targets)
    if set(names) != set(labels) or targets.ndim != 2 or targets.shape[1] != len(names):
        raise LabelError(
            "The labels of the data are not those of the model.",
            received=f"missing {sorted(set(labels) - set(names))[:5]}, "
            f"unknown {sorted(set(names) - set(labels))[:5]}, "
            f"{len(names)} names for targets of shape {targets.shape}",
            advice="Pick the columns that both have, in targets and in scores.",
        )
    return targets[:, [names.index(label) for label in labels]]


def check_index(track_index, n_chunks: int, n_tracks: int | None = None):
    """Return the track of each chunk, or refuse it.

    Args:
        track_index: What the caller gave.
        n_chunks: How many chunks there are.
        n_tracks: How many tracks there are; `None` if only the index tells.

    Returns:
        int array `(chunks,)`, in which no track is missing.

    Raises:
        ConfigError: If it is none, or a track has no chunk.
    """
    index = np.asarray(track_index)
    if index.shape != (n_chunks,) or index.dtype.kind not in "iu" or index.min() < 0:
        raise ConfigError(
            "`track_index` must be a whole number from 0 for each chunk.",
            received=f"{index.dtype} of shape {index.shape} for {n_chunks} chunks",
            advice="Give for each row of `scores` the row of its track.",
        )
    chunk_counts = np.bincount(index, minlength=n_tracks or 0)
    missing = np.flatnonzero(chunk_counts == 0)
    if len(missing) or (n_tracks is not None and len(chunk_counts) != n_tracks):
        raise ConfigError(
            "`track_index` must name every track, and no other.",
            received=f"{len(missing)} tracks without chunks {missing[:5].tolist()}, "
            f"highest index {index.max()}"
            + (f" for {n_tracks} tracks" if n_tracks is not None else ""),
            advice="Leave out targets of tracks that gave no chunk, and count anew.",
        )
    return index


def one_hot(targets, shape, tracks, labels) -> np.ndarray:
    """Return targets that exclude each other as rows of 0 and 1.

    Args:
        targets: Indices `(tracks,)` or one-hot `(tracks, n_labels)`, NaN for unknown.
        shape: `(tracks, n_labels)`.
        tracks: Names for the message.
        labels: Names for the message.

    Returns:
        float64 array of that shape; a row is NaN where the target is unknown.

    Raises:
        ConfigError: If the shape does not fit.
        LabelError: If a track has none of the labels, or several, or none is known.
    """
    if np.ndim(targets) == 1:
        return _from_indices(np.asarray(targets), shape, tracks)
    rows = check_targets(targets, shape, tracks=tracks, labels=labels)
    unknown = np.isnan(rows).all(axis=1)
    _refuse(~unknown & (rows.sum(axis=1) != 1), rows.tolist(), unknown, shape, tracks)
    return rows


def _from_indices(targets, shape, tracks):
    if len(targets) != shape[0]:
        raise ConfigError(
            "`targets` must have one entry for each track.",
            received=f"{len(targets)} targets for {shape[0]} tracks",
            advice="Give both in the same order; scores of chunks need `track_index`.",
        )
    if targets.dtype.kind not in "iuf":
        raise LabelError(
            "`targets` must be indices of labels, or one-hot rows.",
            received=f"targets of type {targets.dtype}",
            advice="Turn names into indices by `labels.index(name)`.",
        )
    numbers = np.arange(shape[1])
    unknown = np.isnan(targets)
    _refuse(~unknown & ~np.isin(targets, numbers), targets, unknown, shape, tracks)
    rows = (targets[:, None] == numbers).astype("float64")
    rows[unknown] = np.nan
    return rows


def _refuse(wrong, targets, unknown, shape, tracks):
    if not wrong.any() and not unknown.all():
        return
    received = "no known target"
    if wrong.any():
        row = int(wrong.argmax())
        received = (
            f"{wrong.sum()} tracks with another target, the first one {targets[row]} "
            f"in row {row} ({tracks[row]!r})"
        )
    raise LabelError(
        f"Each track needs exactly one of the {shape[1]} labels.",
        received=received,
        advice=f"Give an index from 0 to {shape[1] - 1}, or NaN where unknown.",
    )


def as_floats(values, *, name: str) -> np.ndarray:
    """Return an array as float64, or refuse it.

    Args:
        values: What the caller gave.
        name: The argument's name, for the message.

    Returns:
        float64 array.

    Raises:
        ConfigError: If these are no numbers, or rows of different lengths.
    """
    try:
        return np.asarray(values, "float64")
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"`{name}` must be an array of numbers.",
            received=f"{type(values).__name__} ({error})",
            advice="Give rows of equal length, with NaN for what is unknown.",
        ) from error
