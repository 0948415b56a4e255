"""A whole training run and its judgement: from tracks to a saved, scored tagger."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_musictag import metrics, plotting
from keras_musictag.checks import check_choice, check_positive, check_positive_int
from keras_musictag.data.cache import AudioCache
from keras_musictag.data.collection import TrackList
from keras_musictag.data.pipeline import TrackBatches
from keras_musictag.data.track import listed
from keras_musictag.errors import AudioError, ConfigError, LabelError
from keras_musictag.models.fitting.backup import FILE, ResumableBackup
from keras_musictag.models.fitting.fine_tuning import FREEZE
from keras_musictag.models.heads import PROBLEM_TYPES
from keras_musictag.models.tagger import MusicTagger
from keras_musictag.presets import records, weights
from keras_musictag.training.folder import (
    BACKUP,
    BEST,
    SPLITS,
    BestEpoch,
    clear,
    open_folder,
    unfinished,
    write_splits,
)

# What says which epoch is best, and whether more is better.
MONITORS = {
    "multi_label_classification": ("val_roc_auc", 1),
    "single_label_classification": ("val_accuracy", 1),
    "regression": ("val_loss", -1),
}
RATES = {"backbone": 1e-3, "normalization": 3e-4, None: 1e-4}
VALID_CHUNKS = 4  # of each track, equally spaced


@dataclass(frozen=True)
class TrainingRun:
    """What `train_tagger` did.

    Args:
        model: The tagger, with the weights of the best epoch.
        folder: Where it is saved.
        history: For each epoch a dict of `epoch`, loss and metrics.
        best: The dict of the best epoch.
        monitor: Name of the figure that says which one is best.
    """

    model: MusicTagger
    folder: Path
    history: list[dict[str, float]]
    best: dict[str, float]
    monitor: str

    def plot(self, axes=None):
        """Draw the training curves, see `plotting.plot_history`.

        Args:
            axes: Matplotlib axes, one for each figure; a new figure if `None`.

        Returns:
            The axes.

        Raises:
            MissingExtraError: If matplotlib is not installed.
        """
        return plotting.plot_history(self.history, best=self.best["epoch"], axes=axes)


def train_tagger(
    tracks: TrackList,
    folder,
    *,
    preset: str = "musicnn_msd",
    problem_type: str = "multi_label_classification",
    probe: bool = True,
    freeze: str | None = "normalization",
    rate: float | None = None,
    epochs: int = 50,
    batch_size: int = 16,
    patience: int = 10,
    seed: int = 0,
    cache: AudioCache | None = None,
    workers: int = 1,
    resume: bool = False,
    on_epoch: Callable[[dict[str, float]], object] | None = None,
) -> TrainingRun:
    """Fine-tune a pretrained tagger on the `train` part, and save the best epoch.

    A linear probe comes first: a good last layer keeps what the others have learnt.
    Then chunks are cut at random from the training tracks; after each epoch, the probe
    being number 0, the `valid` part is scored at equally spaced chunks. Training ends
    early when nothing gets better any more. The folder then holds the model as
    `save_pretrained` writes it, `history.csv`, the arguments (`training.json`), and
    `splits.csv` if the tracks had no splits and were dealt out here (80, 10 and 10 %).

    Args:
        tracks: With the labels to learn, and splits `train` and `valid` or none.
        folder: Where to save; made if missing.
        preset: What to start from: as in `MusicTagger.from_pretrained`.
        problem_type: As in `MusicTagger`.
        probe: Whether to start from `model.probe`, or else from a random last layer.
        freeze: `"backbone"` trains the head alone; `"normalization"` all but batch
            normalisation, which few tracks would spoil; `None` everything.
        rate: Learning rate of Adam; if `None` 1e-3 for the head alone, 3e-4 without
            batch normalisation, 1e-4 for everything.
        epochs: At most so many.
        batch_size: Chunks in a batch.
        patience: How many epochs may pass without a better one.
        seed: Makes the run repeatable: fresh weights, dropout, order and crops.
        cache: Keeps decoded audio.
        workers: Threads that read ahead.
        resume: Whether to go on with a run of the same arguments that was killed; the
            weights become those of an uninterrupted run.
        on_epoch: Called after each epoch with its dict of figures.

    Returns:
        A `TrainingRun`.

    Raises:
        ConfigError: If an argument cannot work, a split is missing, the folder holds
            a run already, or one of other arguments.
        LabelError: If a label has no track to learn it from, or the labels do not fit
            `problem_type`.
        PresetError: If there is no such preset.
        AudioError: If no track can be read.

    References:
        - Kumar et al., "Fine-tuning can distort pretrained features and underperform
          out-of-distribution", ICLR 2022, for the probe at the start.
    """
    check_choice(problem_type, tuple(PROBLEM_TYPES), name="problem_type")
    check_choice(freeze, FREEZE, name="freeze")
    check_positive_int(epochs, name="epochs")
    check_positive_int(patience, name="patience")
    rate = RATES[freeze] if rate is None else rate
    check_positive(rate, name="rate")
    folder = Path(folder)
    parted = _with_splits(tracks)
    train, valid = _parts(parted, problem_type)
    settings: dict[str, Any] = {
        "preset": str(preset),
        "problem_type": problem_type,
        "probe": probe,
        "freeze": freeze,
    }
    settings |= {"rate": rate, "batch_size": batch_size, "patience": patience}
    settings |= {"seed": seed, "labels": list(train.labels or ())}
    settings |= {"train_tracks": len(train), "valid_tracks": len(valid)}
    open_folder(folder, settings, resume)
    if parted is not tracks:
        write_splits(folder / SPLITS, parted)
    monitor, sign = MONITORS[problem_type]
    best = BestEpoch(folder, monitor, sign, patience, on_epoch)
    if (folder / records.CONFIG_FILE).exists():  # the run is complete
        model = MusicTagger.from_pretrained(folder)
        if unfinished(folder):  # killed at the very end
            model.save_pretrained(folder)
        clear(folder)
        return TrainingRun(model, folder, best.history, best.best, monitor)
    keras.utils.set_random_seed(seed)
    model = MusicTagger.from_pretrained(
        preset, labels=train.labels, problem_type=problem_type
    )
    if not best.is_over(epochs):
        model.compile(keras.optimizers.Adam(rate))
        options = {"batch_size": batch_size, "cache": cache, "workers": workers}
        spaced = {"chunks": "spaced", "chunks_per_track": VALID_CHUNKS}
        judged = _batches(valid, model, shuffle=False, **spaced, **options)
        if probe and not (folder / BACKUP / FILE).is_file():  # else it was done
            model.probe(train, seed=seed)
            best.start(model, model.evaluate(judged, verbose=0, return_dict=True))
        model.fit(
            _batches(train, model, seed=seed, **options),
            validation_data=judged,
            epochs=epochs,
            freeze=freeze,
            verbose=0,
            # It removes itself no sooner than the model is saved.
            callbacks=[best, ResumableBackup(folder / BACKUP, delete_checkpoint=False)],
        )
    weights.load_weights(folder / BEST, model.weights)
    model.save_pretrained(folder)
    clear(folder)
    return TrainingRun(model, folder, best.history, best.best, monitor)


def train_seeds(
    tracks: TrackList, folder, seeds: Sequence[int], **options
) -> tuple[list[TrainingRun], dict[str, tuple[float, float]]]:
    """Train once for each seed, and tell how much the figures depend on it.

    Args:
        tracks: As in `train_tagger`.
        folder: Each run gets a folder in it, such as `seed-3`; `splits.csv` is here.
        seeds: At least two.
        **options: Other arguments of `train_tagger`.

    Returns:
        `(runs, figures)`: mean and standard deviation by the name of each figure, on
        the `test` part if there is one, of the best epoch otherwise.

    Raises:
        ConfigError: If there are fewer than two seeds, and as `train_tagger`.
        LabelError, PresetError, AudioError: As `train_tagger`.
    """
    if len(seeds) < 2:
        raise ConfigError(
            "A deviation needs at least two seeds.",
            received=f"{len(seeds)}",
            advice="Give more seeds, or use `train_tagger`.",
        )
    parted = _with_splits(tracks)
    if parted is not tracks:
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_splits(Path(folder) / SPLITS, parted)
    tracks = parted
    test = tracks.split("test") if "test" in tracks.splits else None
    runs, rows = [], []
    for seed in seeds:
        run = train_tagger(tracks, Path(folder) / f"seed-{seed}", seed=seed, **options)
        runs.append(run)
        rows.append(run.best if test is None else judge_tagger(run.model, test).summary)
    names = [name for name in rows[0] if name != "epoch"]
    values = {name: np.array([row[name] for row in rows]) for name in names}
    return runs, {n: (float(v.mean()), float(v.std(ddof=1))) for n, v in values.items()}


def judge_tagger(
    model: MusicTagger,
    tracks: TrackList,
    *,
    train: TrackList | None = None,
    batch_size: int | None = None,
    bootstrap: int = 0,
    seed: int = 0,
):
    """Score whole tracks and judge the scores.

    Args:
        model: The tagger.
        tracks: With the labels of the model. What cannot be read is named in an
            `AudioWarning` and left out.
        train: Tracks for the baseline `metrics.mfcc_baseline`, which is then shown
            beside; `None` for none.
        batch_size: Chunks per forward pass.
        bootstrap: Resamples of the tracks, for intervals; 0 for none.
        seed: Of the resamples.

    Returns:
        A `metrics.TaggingReport`, or a `metrics.RegressionReport`.

    Raises:
        LabelError: If the labels differ, or there is nothing to judge.
        AudioError: If no track can be read.
        ConfigError: If a baseline is asked for numbers.
    """
    tracks = tracks.with_labels(model.labels)
    kind = model.problem_type
    if kind == "regression" and train is not None:
        raise ConfigError(
            "The baseline is for tags and classes.",
            received="a model of numbers (regression)",
            advice="Leave the baseline out.",
        )
    chunks = model.predict(
        _sources(tracks, model.sample_rate), batch_size=batch_size, aggregate=None
    )
    read = np.array([len(rows) > 0 for rows in chunks])
    if not read.any():
        raise AudioError(
            "No track can be read.",
            received=listed(tracks.paths, 3),
            advice="Check the folder of the audio.",
        )
    tracks, chunks = tracks.take(read), [rows for rows in chunks if len(rows)]
    options: dict[str, Any] = {
        "tracks": tracks.ids,
        "bootstrap": bootstrap,
        "seed": seed,
    }
    if kind == "regression":
        means = np.stack([rows.mean(axis=0) for rows in chunks])
        return metrics.regression_scores(tracks.targets, means, model.labels, **options)
    if train is not None:
        train = train.with_labels(model.labels)
        options["baseline"] = metrics.mfcc_baseline(
            _sources(train, model.sample_rate),
            train.targets,
            _sources(tracks, model.sample_rate),
            sample_rate=model.sample_rate,
        )
    options["track_index"] = np.repeat(np.arange(len(chunks)), list(map(len, chunks)))
    scores = np.concatenate(chunks)
    if kind == "single_label_classification":
        return metrics.class_scores(tracks.classes, scores, model.labels, **options)
    return metrics.tagging_scores(tracks.targets, scores, model.labels, **options)


# === The data ===


def _with_splits(tracks: TrackList) -> TrackList:
    # Always dealt out alike, so that runs of several seeds have the same tracks.
    return tracks if any(tracks.splits) else tracks.random_splits(seed=0)


def _parts(tracks: TrackList, problem_type: str) -> tuple[TrackList, TrackList]:
    """Return the tracks for training and for validation, if they can be learnt."""
    train, valid = tracks.split("train"), tracks.split("valid")
    if problem_type == "single_label_classification":
        train.class_weights()  # refuses a class without tracks
        valid.classes  # noqa: B018  refuses tracks of several classes
    elif problem_type == "multi_label_classification":
        train.positive_weights()  # refuses a label without tracks
        targets = valid.targets
        if not ((targets > 0).any(axis=0) & (targets <= 0).any(axis=0)).any():
            raise LabelError(
                "No label has positive and negative tracks in the split 'valid': it "
                "cannot tell which epoch is best.",
                received=f"{len(valid)} tracks",
                advice="Put more tracks into it.",
            )
    return train, valid


def _batches(tracks: TrackList, model: MusicTagger, **options):
    single = model.problem_type == "single_label_classification"
    return TrackBatches(
        tracks,
        sample_rate=model.sample_rate,
        chunk_samples=model.chunking.chunk_samples,
        targets=tracks.classes if single else None,
        **options,
    )


def _sources(tracks: TrackList, rate: int) -> list:
    """Return paths, and arrays of tracks that lie in HDF5 files."""
    return [
        os.fspath(track.path) if track.member is None else track.load(rate)[0]
        for track in tracks
    ]
