"""Where models are read from: presets, saved folders, the Hub, `.keras` files."""

import functools
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from keras_musictag.checks import open_file, read_file
from keras_musictag.conversion.layouts import is_foreign
from keras_musictag.errors import PresetError
from keras_musictag.hub.repository import download_repository, repository_id
from keras_musictag.models.loading.foreign import foreign_source
from keras_musictag.models.loading.source import Source, sketch
from keras_musictag.models.loading.upstream import converted_weights
from keras_musictag.presets import origin, records, saved, weights

# What Keras and its readers of archives raise at damaged files.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_source(
    source,
    make: Callable[[dict], keras.Model],
    *,
    revision: str | None,
    token: str | bool | None,
    cache_dir,
    local_files_only: bool,
    force_download: bool,
) -> Source:
    """Read a preset or a saved folder, which may lie on the Hub.

    A folder whose `config.json` another library wrote is read if its layout is known.

    Args:
        source: See `PretrainedModel.from_pretrained`, as are the others.
        make: Function that makes the model that a record describes.

    Returns:
        A `Source`. Weights that are not here are fetched when it fills a model.

    Raises:
        PresetError: If there is no such thing, or its description is damaged, or is
            not that of its weights; no variable has taken any memory by then.
    """
    repository = repository_id(source)
    if repository:
        fetch = functools.partial(
            download_repository,
            repository,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        files = (records.CONFIG_FILE,)
        source = fetch(files, revision=revision, force_download=force_download)
        # What follows is of the same commit.
        fetch = functools.partial(fetch, revision=source.name)
        if not _is_foreign(source):
            fetch(
                (records.WEIGHTS_FILE,),
                optional=records.further_files(source),
                force_download=force_download,
            )
            return _read_folder(source, make)

        def bring(files, optional):
            files = (records.CONFIG_FILE, *files)
            fetch(files, optional=optional, force_download=force_download)

        return foreign_source(source, make, bring, repository)
    if revision is not None or force_download:
        raise PresetError(
            "Only repositories of the Hub have revisions and are fetched anew.",
            received=f"{source!r} with revision={revision!r}, "
            f"force_download={force_download}",
            advice="Pass 'org/name', or leave these arguments out.",
        )
    if isinstance(source, Path) or Path(str(source)).is_dir():
        if _is_foreign(source):
            return foreign_source(source, make, None, None)
        return _read_folder(source, make)
    return _read_preset(source, cache_dir, local_files_only)


def _is_foreign(folder) -> bool:
    """Whether the `config.json` in a folder is that of another library."""
    try:
        return is_foreign(json.loads(read_file(Path(folder) / records.CONFIG_FILE)))
    except (OSError, ValueError, RecursionError):
        return False  # `read_folder` says what is wrong


def read_keras_file(path, wanted: type[keras.Model], make: Callable[[dict], Any]):
    """Load a file made by `model.save`.

    Args:
        path: The file; its class must be registered.
        wanted: The class of the model, or one above it.
        make: Function that makes the model that a record describes.

    Raises:
        PresetError: If it is no such file, is damaged, or holds another model.
    """
    try:
        _check_keras_file(path, make)
        model: Any = keras.saving.load_model(path)
    except PresetError:
        raise
    except _DAMAGE as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise PresetError(
            f"{path} cannot be loaded as a Keras file.",
            received=lines[0],
            advice="Check the path; it must be a file made by `model.save`.",
        ) from error
    if not isinstance(model, wanted):
        raise PresetError(
            f"{path} does not hold a {wanted.__name__}.",
            received=type(model).__name__,
            advice="Use keras.saving.load_model for models of other packages.",
        )
    arrays = {v.path: keras.ops.convert_to_numpy(v.value) for v in model.weights}
    weights.check_finite(arrays, f"The weights in {path}")
    return model


def _check_keras_file(path, make) -> None:
    """Compare the shapes of the weights with those that the configuration implies."""
    import h5py  # Keras brings it

    with open_file(path) as file, zipfile.ZipFile(file) as archive:
        record = json.loads(archive.read("config.json"))
        if not str(record.get("registered_name")).startswith("keras_musictag>"):
            return  # Keras says what it is
        records.check_config(path, record["config"])
        shapes = sketch(make, record)
        stored: Counter = Counter()

        def note(name, item):
            if isinstance(item, h5py.Dataset):
                stored[item.shape] += 1

        with archive.open("model.weights.h5") as inside, h5py.File(inside) as values:
            values.visititems(note)
    missing = Counter(shapes.values()) - stored
    if missing:
        raise PresetError(
            f"The weights in {path} are not those of its configuration; nothing was "
            "loaded.",
            received=f"no weights of the shapes {sorted(missing)[:3]}",
            advice="Save the model again.",
        )


def model_source(model: keras.Model) -> Source:
    """Return the source of copies of a model."""
    record = {"class_name": type(model).__name__, "config": model.get_config()}

    def fill(fresh, skip):
        weights.copy_weights(fresh.weights, model.weights, skip)

    return Source(record, fill)


def _read_folder(folder, make) -> Source:
    record = records.read_folder(folder)
    while True:
        shapes = sketch(make, record)
        newer, arrays = saved.read_arrays(folder, record)
        same = all(newer[k] == record[k] for k in ("class_name", "config"))
        record = newer
        if same:  # else it was saved anew meanwhile
            break
    weights.check_shapes(folder, shapes, {k: a.shape for k, a in arrays.items()})

    def fill(model, skip):
        weights.fill(model.weights, arrays, folder, skip)
        model.origin = record.get("origin")

    return Source(record, fill, Path(folder))


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
        if record["weights"]["source"] == "bundled" and not skip:
            # As a copy would be saved: some of these files have half precision.
            expected = weights.fingerprint(weights.serialize(model.weights))
        model.origin = origin.of_preset(record, expected)

    return Source(record, fill)
