"""Files that keep the scores and targets of each track."""

from pathlib import Path

import numpy as np

from keras_musictag.errors import ConfigError
from keras_musictag.metrics.tables import number, write_csv

PREDICTION_FILES = (".csv", ".npz")


def check_predictions_path(path) -> str:
    """Return the ending of such a file in small letters.

    Raises:
        ConfigError: If it is another.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in PREDICTION_FILES:
        raise ConfigError(
            "Predictions are saved as .npz or .csv.",
            received=f"path={str(path)!r}",
            advice="Give the file one of these endings.",
        )
    return suffix


def write_predictions(path, tracks, labels, *, scores, targets) -> None:
    """Write scores and targets `(tracks, n_labels)`, as `.npz` or `.csv`."""
    if check_predictions_path(path) == ".npz":
        np.savez_compressed(
            path,
            tracks=np.array(tracks, dtype=str),
            labels=np.array(labels, dtype=str),
            targets=targets,
            scores=scores,
        )
        return
    header = ["track"]
    header += [f"{what}: {name}" for what in ("score", "target") for name in labels]
    both = np.concatenate([scores, targets], axis=1)
    rows = [[track, *map(number, row)] for track, row in zip(tracks, both, strict=True)]
    write_csv(path, header, rows)
