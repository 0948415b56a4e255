"""Training chord recognisers on tracks with chords."""

from pathlib import Path
from typing import Any

import keras

from keras_musictag.data import TrackList
from keras_musictag.errors import ConfigError
from keras_musictag.models.fitting.chord_crops import BATCH_SIZE, ChordCrops

# Arguments of Keras' `fit` that say something about arrays.
ARRAYS_ONLY = ("y", "sample_weight", "class_weight", "validation_split")


def are_tracks(x) -> bool:
    """Whether `x` is what `fit_tracks` takes, rather than arrays or batches."""
    return isinstance(x, (str, Path, TrackList, ChordCrops))


def fit_tracks(
    model,
    x,
    y=None,
    *,
    crop_seconds: float,
    transpose: bool,
    seed: int | None,
    batch_size: int | None = None,
    validation_data=None,
    **kwargs,
):
    """Train a recogniser on tracks; arguments as in `ChordRecognizer.fit`."""
    given = {**kwargs, "y": y}
    wrong = [key for key in ARRAYS_ONLY if given.get(key) is not None]
    if wrong:
        raise ConfigError(
            "Tracks bring their own targets and weights.",
            received=f"fit(tracks, {', '.join(wrong)}=...)",
            advice="Leave these out; `validation_data` takes tracks as well, such as "
            "those of `tracks.random_splits()`.",
        )
    settings: dict[str, Any] = {
        "batch_size": batch_size or BATCH_SIZE,
        "crop_seconds": crop_seconds,
        "seed": seed,
        "verbose": kwargs.get("verbose", "auto") not in (0, 2),
    }
    if not isinstance(x, ChordCrops):
        x = ChordCrops(model, x, transpose=transpose, **settings)
    if are_tracks(validation_data) and not isinstance(validation_data, ChordCrops):
        validation_data = ChordCrops(model, validation_data, position="all", **settings)
    network = training_network(model)
    return network.fit(x, validation_data=validation_data, **kwargs)


def training_network(model) -> keras.Model:
    """Return the backbone as a model of its own, compiled as the recogniser is.

    It shares weights and optimizer with the recogniser. Metrics are weighted, so that
    what lies beyond the end of a track does not count.
    """
    network = keras.Model(model.backbone.inputs, model.backbone.output)
    settings = dict(model._compile_config.config)
    if settings["weighted_metrics"] is None:
        settings["weighted_metrics"] = settings.pop("metrics")
    settings |= {"optimizer": model.optimizer, "jit_compile": model._jit_choice}
    network.compile(**settings)
    return network
