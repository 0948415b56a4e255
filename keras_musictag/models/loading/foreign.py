"""Models of other libraries: their files, their weights and their terms."""

import collections
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.checks import read_file
from keras_musictag.conversion import read_checkpoint
from keras_musictag.conversion.layouts import layout_of
from keras_musictag.conversion.sota import FittedArrays
from keras_musictag.conversion.transformers import Checkpoint
from keras_musictag.errors import PresetError
from keras_musictag.models.loading.source import Source, sketch
from keras_musictag.presets import records, weights

PREPROCESSOR_FILE, PICKLE_FILE = "preprocessor_config.json", "pytorch_model.bin"
INDEX_FILE, PICKLE_INDEX_FILE = (
    f"{name}.index.json" for name in (records.WEIGHTS_FILE, PICKLE_FILE)
)


def foreign_source(folder, make, fetch: Callable | None, name: str | None) -> Source:
    """Read a model that another library has saved.

    Args:
        folder: Where its files lie; the `config.json` is there.
        make: Function that makes the model that a record describes.
        fetch: Function that brings files into the folder, from names that must exist
            and names that may; `None` if what there is, is there.
        name: The repository that it comes from; `None` for a folder.

    Returns:
        A `Source`.

    Raises:
        PresetError: If its layout is not known, or its weights are missing, damaged
            or others than its description says.
    """
    folder, label = Path(folder), name or folder
    described = _json(folder / records.CONFIG_FILE)
    layout = layout_of(described, label)
    if fetch:
        fetch((), (PREPROCESSOR_FILE, records.CARD_FILE, *layout.files))
    preprocessor = folder / PREPROCESSOR_FILE
    settings = _json(preprocessor) if preprocessor.exists() else {}
    arrays = layout.tidy(_read_weights(folder, fetch))
    config = layout.read_config(Checkpoint(folder, described, settings), arrays)
    records.check_config(label, config)
    record = {"class_name": layout.class_name, "config": config}
    shapes = sketch(make, record)
    try:
        names = layout.names_from(config, set(arrays))
        fitted = FittedArrays(arrays, names, shapes)
    except PresetError as error:
        raise PresetError(
            f"The weights in {label} are not those that its {records.CONFIG_FILE} "
            f"describes; nothing was loaded. {error.problem}",
            received=error.received,
            advice="Get both files anew, of one version.",
        ) from error
    about = _origin(folder, name)

    def fill(model, skip):
        weights.fill(model.weights, fitted, label, skip)
        model.origin = about
        _tell_terms(about, label)

    return Source(record, fill, folder)


# === Files ===


def _read_weights(folder: Path, fetch: Callable | None) -> Mapping[str, np.ndarray]:
    """Open the weights in whichever of the four forms they are there."""
    if fetch:
        fetch((), (records.WEIGHTS_FILE,))
        if not (folder / records.WEIGHTS_FILE).exists():
            fetch((), (INDEX_FILE,))
        if not any((folder / f).exists() for f in (records.WEIGHTS_FILE, INDEX_FILE)):
            fetch((), (PICKLE_FILE, PICKLE_INDEX_FILE))
    for whole, index in (
        (records.WEIGHTS_FILE, INDEX_FILE),
        (PICKLE_FILE, PICKLE_INDEX_FILE),
    ):
        if (folder / whole).exists():
            return _read_arrays(folder / whole)
        if (folder / index).exists():
            return _read_parts(folder, index, fetch)
    raise PresetError(
        f"{folder} has a {records.CONFIG_FILE}, but no weights that can be read.",
        received="neither model.safetensors nor pytorch_model.bin",
        advice="Convert what there is with `model.save_pretrained` of the library that "
        "made it.",
    )


def _read_parts(folder: Path, index: str, fetch: Callable | None) -> Mapping:
    """Open weights that lie in several files."""
    files = set(_json(folder / index).get("weight_map", {}).values())
    for file in files:
        if not isinstance(file, str) or Path(file).name != file or "\\" in file:
            raise PresetError(
                f"The {index} of {folder} names a file that is not beside it.",
                received=f"{file!r}",
                advice="Get the model elsewhere.",
            )
    if fetch:
        fetch(tuple(sorted(files)), ())
    return collections.ChainMap(*(_read_arrays(folder / f) for f in sorted(files)))


def _read_arrays(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return weights.StoredArrays(path)
    arrays = read_checkpoint(path)
    weights.check_finite(arrays, f"The weights in {path}")
    # Whole numbers are counters.
    return {k: a for k, a in arrays.items() if np.issubdtype(a.dtype, np.floating)}


def _json(path: Path) -> dict:
    try:
        found = json.loads(read_file(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PresetError(
            f"{path} cannot be read.", received=error, advice="Get it anew."
        ) from error
    if not isinstance(found, dict):
        raise PresetError(
            f"{path} is no description of a model.",
            received=f"a {type(found).__name__} in JSON",
            advice="Get it anew.",
        )
    return found


# === Terms ===


def _origin(folder: Path, name: str | None) -> dict:
    """Return what copies of the model keep of where its weights came from."""
    origin = {"repository": name, "revision": folder.name} if name else {}
    licence = _licence(folder / records.CARD_FILE)
    return {**origin, **({"license": licence} if licence else {})}


def _licence(card: Path) -> str | None:
    """Return the licence in the head of a model card."""
    from huggingface_hub import metadata_load

    try:
        head = metadata_load(card) or {}
    except (OSError, ValueError):  # no card, or one whose head is no YAML
        return None
    found = head.get("license")
    if found == "other":
        found = head.get("license_name") or found
    listed = found if isinstance(found, list) else [found]
    return ", ".join(str(item) for item in listed if item) or None


def _tell_terms(origin: dict, label) -> None:
    licence = origin.get("license", "")
    if "-nc" in licence.lower():
        warnings.warn(
            f"The authors of {label} forbid commercial use of these weights. "
            f"Received: the licence {licence}. What is made from them is bound by it "
            "too: read it before you share or sell anything.",
            stacklevel=4,
        )
