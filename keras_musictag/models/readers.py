"""Three places that a model is read from: presets, saved folders, `.keras` files."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras

from keras_musictag.errors import PresetError
from keras_musictag.hub.repository import download_repository, repository_id
from keras_musictag.models.upstream import converted_weights
from keras_musictag.presets import origin, records, weights


@dataclasses.dataclass(frozen=True)
class Source:
    """What a model is made from.

    Attributes:
        record: `class_name`, `config` and what else its description says.
        fill: Function that gives a model made from `config` its weights, and its
            `origin`; variables of the layers named in its second argument stay as
            they are.
    """

    record: dict
    fill: Callable[[keras.Model, tuple[str, ...]], None]


def read_source(
    source,
    *,
    revision: str | None,
    token: str | bool | None,
    cache_dir,
    local_files_only: bool,
    force_download: bool,
) -> Source:
    """Read a preset or a saved folder, which may lie on the Hub.

    Args:
        source: See `PretrainedModel.from_pretrained`, as are the others.

    Returns:
        A `Source`. Weights that are not here are fetched when it fills a model.

    Raises:
        PresetError: If there is no such thing, or its description is damaged.
    """
    repository = repository_id(source)
    if repository:
        source = download_repository(
            repository,
            (records.CONFIG_FILE, records.WEIGHTS_FILE),
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )
    elif revision is not None or force_download:
        raise PresetError(
            "Only repositories of the Hub have revisions and are fetched anew.",
            received=f"{source!r} with revision={revision!r}, "
            f"force_download={force_download}",
            advice="Pass 'org/name', or leave these arguments out.",
        )
    if isinstance(source, Path) or Path(str(source)).is_dir():
        return _read_folder(source)
    return _read_preset(source, cache_dir, local_files_only)


def read_keras_file(path, wanted: type):
    """Load a file made by `model.save`.

    Args:
        path: The file; its class must be registered.
        wanted: The class of the model, or one above it.

    Raises:
        PresetError: If it is no such file, or holds another model.
    """
    try:
        model = keras.saving.load_model(path)
    except (OSError, ValueError, TypeError) as error:
        raise PresetError(
            f"{path} cannot be loaded as a Keras file.",
            received=str(error).strip().splitlines()[0],
            advice="Check the path; it must be a file made by `model.save`.",
        ) from error
    if not isinstance(model, wanted):
        raise PresetError(
            f"{path} does not hold a {wanted.__name__}.",
            received=type(model).__name__,
            advice="Use keras.saving.load_model for models of other packages.",
        )
    return model


def model_source(model: keras.Model) -> Source:
    """Return the source of copies of a model."""
    record = {"class_name": type(model).__name__, "config": model.get_config()}

    def fill(fresh, skip):
        weights.copy_weights(fresh.weights, model.weights, skip)

    return Source(record, fill)


def _read_folder(folder) -> Source:
    record = records.read_folder(folder)

    def fill(model, skip):
        path = records.folder_weights(folder, record)
        weights.load_weights(path, model.weights, expected=record["weights"], skip=skip)
        model.origin = record.get("origin")

    return Source(record, fill)


def _read_preset(name, cache_dir, local_files_only: bool) -> Source:
    record = records.preset_info(name)

    def fill(model, skip):
        expected = record["weights"]
        if expected["source"] == "upstream":
            path, expected = converted_weights(
                type(model), record, cache_dir, local_files_only
            )
        else:
            path = records.preset_weights(record)
        weights.load_weights(path, model.weights, expected=expected, skip=skip)
        model.origin = origin.of_preset(record, expected)

    return Source(record, fill)
