"""The folder of a training run: arguments, history, the best weights so far."""

import csv
import json
import math
import os
from pathlib import Path

import keras

from keras_musictag.checks import read_file
from keras_musictag.data.collection import TrackList
from keras_musictag.data.track import listed
from keras_musictag.errors import ConfigError
from keras_musictag.models.tagger import MusicTagger
from keras_musictag.presets import records, weights
from keras_musictag.replacing import SUFFIX, clear_leftovers, replacing

SETTINGS, HISTORY, SPLITS = "training.json", "history.csv", "splits.csv"
BEST, BACKUP = "best.safetensors", "backup"


def open_folder(folder: Path, settings: dict, resume: bool) -> None:
    """Refuse a folder that holds another run; note the arguments in it."""
    file = folder / SETTINGS
    if resume:
        for name in (SETTINGS, HISTORY, SPLITS, BEST):
            clear_leftovers(folder / name)
    if file.exists() or (folder / records.CONFIG_FILE).exists():
        if not resume:
            raise ConfigError(
                "The folder holds a training run or a model already.",
                received=os.fspath(folder),
                advice="Pass resume (--resume) to go on with it, or another folder.",
            )
        before = _read_settings(file) if file.exists() else {}
        other = [key for key in settings if before.get(key) != settings[key]]
        if other:
            changes = (f"{k}: {before.get(k)!r}, now {settings[k]!r}" for k in other)
            raise ConfigError(
                "The run in the folder had other arguments.",
                received=listed(changes, 3),
                advice="Give the same ones, or another folder.",
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(file, durable=True) as part:
        part.write_text(json.dumps(settings, indent=1) + "\n", "utf-8")


def _read_settings(file: Path) -> dict:
    try:
        before = json.loads(read_file(file))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            "The arguments of the run in the folder cannot be read.",
            received=f"{file} ({error})",
            advice="Remove the file to train from the beginning.",
        ) from error
    return before if isinstance(before, dict) else {}


def unfinished(folder: Path) -> bool:
    """Whether the process was killed while it saved the model of a run."""
    return any(p.name.startswith(".") and p.suffix == SUFFIX for p in folder.iterdir())


def clear(folder: Path) -> None:
    """Remove what only an interrupted run needs."""
    (folder / BEST).unlink(missing_ok=True)
    for file in (folder / BACKUP).glob("*"):
        file.unlink()
    if (folder / BACKUP).is_dir():
        (folder / BACKUP).rmdir()


class BestEpoch(keras.callbacks.Callback):
    """Keeps the best weights and the history on disk, and ends training early.

    Keras' `EarlyStopping` forgets the best epoch when a run is resumed.
    """

    def __init__(self, folder: Path, monitor: str, sign: int, patience: int, on_epoch):
        super().__init__()
        self.folder, self.monitor, self.sign = folder, monitor, sign
        self.patience, self.on_epoch = patience, on_epoch
        self.history = _read_history(folder / HISTORY)

    @property
    def best(self) -> dict[str, float]:
        """The first of the best epochs."""
        return max(self.history, key=self._goodness)

    def _goodness(self, row: dict[str, float]) -> float:
        value = row[self.monitor]
        return -math.inf if math.isnan(value) else self.sign * value

    def is_over(self, epochs: int) -> bool:
        """Whether a resumed run has nothing left to train."""
        if not self.history:
            return False
        last = self.history[-1]["epoch"]
        return last >= epochs or last - self.best["epoch"] >= self.patience

    def start(self, model: MusicTagger, figures: dict[str, float]) -> None:
        """Take what there is before training as epoch 0."""
        self.history = []
        self._add(0, {f"val_{name}": value for name, value in figures.items()}, model)

    def _add(self, epoch: int, figures: dict[str, float], model: MusicTagger) -> None:
        """Keep what is best."""
        row = {"epoch": epoch} | {name: float(v) for name, v in figures.items()}
        self.history.append(row)
        if self.best is row:
            weights.save_weights(self.folder / BEST, model.weights)
        _write_history(self.folder / HISTORY, self.history)
        if self.on_epoch is not None:
            self.on_epoch(row)

    def on_epoch_begin(self, epoch, logs=None):
        """Forget epochs that are done once more after an interruption."""
        self.history = [row for row in self.history if row["epoch"] <= epoch]

    def on_epoch_end(self, epoch, logs=None):
        """Keep what is best, and stop if that was long ago."""
        self._add(epoch + 1, logs or {}, self.model)
        if epoch + 1 - self.best["epoch"] >= self.patience:
            self.model.stop_training = True


def _read_history(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            {k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)
        ]
    return [row | {"epoch": int(row["epoch"])} for row in rows]


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        # Before the first epoch there are no figures of the training part.
        rows = csv.DictWriter(file, list(history[-1]), lineterminator="\n")
        rows.writeheader()
        rows.writerows(history)


def write_splits(path: Path, tracks: TrackList) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["path", "tags", "split"])
        for track in tracks:
            where = os.path.abspath(track.path)
            rows.writerow([where, "|".join(track.tags), track.split])
