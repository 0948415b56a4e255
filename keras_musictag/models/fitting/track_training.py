"""Training on tracks: chord recognisers and beat trackers."""

from pathlib import Path
from typing import Any

import keras

from keras_musictag.data import TrackList
from keras_musictag.errors import ConfigError

BATCH_SIZE = 16
# Arguments of Keras' `fit` that say something about arrays.
ARRAYS_ONLY = ("y", "sample_weight", "class_weight", "validation_split")


def are_tracks(x, crops: type) -> bool:
    """Whether `x` is what `fit_tracks` takes, rather than arrays or batches."""
    return isinstance(x, (str, Path, TrackList, crops))


def fit_tracks(
    model,
    crops: type,
    x,
    y=None,
    *,
    batch_size: int | None = None,
    validation_data=None,
    settings: dict[str, Any],
    random: dict[str, Any] | None = None,
    **kwargs,
):
    """Train the backbone of a model on crops of tracks.

    Args:
        model: A compiled model with a `backbone`.
        crops: Makes batches: `crops(model, x, position=, batch_size=, verbose=, ...)`.
        x, y, batch_size, validation_data: As in the `fit` of the model.
        settings: More arguments of `crops`.
        random: Those for training alone.
        **kwargs: Arguments of `keras.Model.fit`.

    Returns:
        Keras' `History`.

    Raises:
        ConfigError: If an argument belongs to arrays.
    """
    given = {**kwargs, "y": y}
    wrong = [key for key in ARRAYS_ONLY if given.get(key) is not None]
    if wrong:
        raise ConfigError(
            "Tracks bring their own targets and weights.",
            received=f"fit(tracks, {', '.join(wrong)}=...)",
            advice="Leave these out; `validation_data` takes tracks as well, such as "
            "those of `tracks.random_splits()`.",
        )
    settings = {
        **settings,
        "batch_size": batch_size or BATCH_SIZE,
        "verbose": kwargs.get("verbose", "auto") not in (0, 2),
    }
    if not isinstance(x, crops):
        x = crops(model, x, **settings, **(random or {}))
    if are_tracks(validation_data, crops) and not isinstance(validation_data, crops):
        validation_data = crops(model, validation_data, position="all", **settings)
    network = training_network(model)
    return network.fit(x, validation_data=validation_data, **kwargs)


def training_network(model) -> keras.Model:
    """Return the backbone as a model of its own, compiled as the whole one is.

    It shares weights and optimizer with it. Metrics are weighted, so that what lies
    beyond the end of a track does not count.
    """
    network = keras.Model(model.backbone.inputs, model.backbone.output)
    settings = dict(model._compile_config.config)
    if settings["weighted_metrics"] is None:
        settings["weighted_metrics"] = settings.pop("metrics")
    settings |= {"optimizer": model.optimizer, "jit_compile": model._jit_choice}
    network.compile(**settings)
    return network
