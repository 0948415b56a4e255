"""Reading preset records and saved folders; none of it knows a model class."""

import fnmatch
import functools
import importlib.resources
import json
from pathlib import Path

from keras_musictag.checks import did_you_mean, read_file
from keras_musictag.errors import PresetError

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"
# What models that read texts have beside these.
TOKENIZER_FILE = "tokenizer.json"
# Of `config.json`; rises when an older version of this package would misread it.
FORMAT_VERSION = 1
# No model has more, by the ends of settings' names. What makes weights is compared with
# them, but these make windows, filters, frames and layers. And so long is no list.
LARGEST = {
    "chunk_samples": 10**7,
    "sample_rate": 10**6,
    "hop_length": 10**6,
    "_frames": 2**17,
    "n_fft": 2**18,
    "n_mels": 2**14,
    "n_bins": 2**14,
    "bins_per_octave": 1200,
    "n_octaves": 16,
    "n_harmonics": 100,
    "steps_per_semitone": 100,
    "blocks": 1000,
}
LONGEST = {"labels": 2**16, "names": 2**16, "groups": 2**16, "priors": 2**16}
LONGEST_OTHER = 2**12
# Where the objects live that a configuration may name.
PACKAGES = ("keras", "keras_musictag")

# Names that the pattern `<architecture>_<dataset>` leads to, though nobody published
# such weights; what comes closest.
NOT_PUBLISHED = {
    "short_chunk_mtat": "harmonic_cnn_mtat",
    "short_chunk_msd": "short_chunk_resnet_msd",
    "short_chunk_jamendo": "short_chunk_resnet_jamendo",
    "short_chunk_resnet_mtat": "harmonic_cnn_mtat",
}
# Names that do not say whose Musicnn is meant.
AMBIGUOUS = ("musicnn", "musicnn_mtat", "musicnn_jamendo", "musicnn_won")


def list_presets(pattern: str = "*") -> list[str]:
    """List the names of the published models.

    Args:
        pattern: A shell-style wildcard, for example `"musicnn*"`.

    Returns:
        The matching names, sorted.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.list_presets("vgg*")  # ['vgg_msd', 'vgg_mtt']
    ```
    """
    return [name for name in _names() if fnmatch.fnmatchcase(name, pattern)]


def preset_info(name: str) -> dict:
    """Return everything that is known about one preset.

    Args:
        name: A name from `list_presets()`.

    Returns:
        A dict with `class_name`, `task` (`"tags"`, `"chords"`, `"beats"` or `"key"`),
        `config` (the constructor's arguments, with the labels in output order),
        `weights` (file, bytes, sha256), `license`, `commercial_use`,
        `training_data_terms`, `authors`, `citation`,
        `trained_on`, `reported` scores with their named split, `origin` and
        `deviations`; for chords also what a `confidence` means and how it was judged.
        `commercial_use` is `True` or `False` where the licence of the weights says so,
        and `None` where that is not known. `training_data_terms` is what is known of
        the terms of the data that the weights were trained on, or `None`; whether
        these reach the weights is not decided here.

    Raises:
        PresetError: If there is no such preset; the message has the nearest.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.preset_info("musicnn_msd")["reported"]
    ```
    """
    if name not in _names():
        _explain_absence(str(name).lower())
        raise PresetError(
            "There is no such preset, and no such folder.",
            received=repr(name),
            advice=did_you_mean(name, _names()),
        )
    return json.loads(_folder().joinpath(f"{name}.json").read_text("utf-8"))


def preset_weights(record: dict) -> Path:
    """Return the path of a preset's bundled weights file."""
    return Path(str(_folder().joinpath(_plain_name(record["weights"], "the preset"))))


def folder_weights(folder, record: dict) -> Path:
    """Return the path of a saved model's weights file.

    Args:
        folder: A folder made by `save_pretrained`.
        record: Its `config.json`, from `read_folder`.

    Returns:
        The path of the file in this folder, which need not exist.

    Raises:
        PresetError: If the record names a file elsewhere, or gives no checksum.
    """
    weights = record["weights"]
    name = _plain_name(weights, folder)
    has_size = isinstance(weights.get("bytes"), int)
    if (
        name != WEIGHTS_FILE
        or not has_size
        or not isinstance(weights.get("sha256"), str)
    ):
        raise PresetError(
            f"The {CONFIG_FILE} of {folder} does not describe its weights.",
            received=f"weights={weights!r}",
            advice=f"It must give file={WEIGHTS_FILE!r}, bytes and sha256, as "
            "`save_pretrained` writes them.",
        )
    return Path(folder) / name


def read_folder(folder) -> dict:
    """Read the `config.json` of a saved model.

    Args:
        folder: A folder made by `save_pretrained`.

    Returns:
        The record.

    Raises:
        PresetError: If the folder does not hold a saved model.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        record = json.loads(read_file(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PresetError(
            f"{folder} does not hold a saved model: its {CONFIG_FILE} cannot be read.",
            received=error,
            advice="Pass a folder made by `save_pretrained`, or a preset's name.",
        ) from error
    wanted = {"class_name": str, "config": dict, "weights": dict}
    values = record if isinstance(record, dict) else {}
    bad = [k for k, t in wanted.items() if not isinstance(values.get(k), t)]
    if bad:
        raise PresetError(
            f"{path} is not the description of a saved model of this package.",
            received=f"no usable {', '.join(bad)}",
            advice="Pass a folder made by `save_pretrained`, or a preset's name.",
        )
    _check_version(path, record)
    check_config(path, record["config"])
    # Folders saved before `task` was written lack it.
    record.setdefault("task", "chords" if "vocabulary" in record["config"] else "tags")
    return record


def further_files(folder) -> tuple[str, ...]:
    """Return the names of the files that a saved model has beside its weights."""
    try:
        named = read_folder(folder).get("files")
    except PresetError:
        return ()  # whoever reads the folder is told why
    return (TOKENIZER_FILE,) if named == [TOKENIZER_FILE] else ()


def read_record(source) -> dict:
    """Read the record of a preset, or of a saved model if there is such a folder.

    Args:
        source: Name of a preset, or a folder made by `save_pretrained`.

    Raises:
        PresetError: If there is neither.
    """
    return (read_folder if Path(source).is_dir() else preset_info)(source)


def _check_version(path, record: dict) -> None:
    version = record.get("format_version", 1)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise PresetError(
            f"{path} was written by a newer keras-musictag than this one.",
            received=f"format_version={version!r} "
            f"(keras-musictag {record.get('keras_musictag_version')}); "
            f"this one reads up to {FORMAT_VERSION}",
            advice="Upgrade keras-musictag.",
        )


def check_config(path, config: dict) -> None:
    """Refuse a configuration that names foreign objects, or absurd sizes.

    Args:
        path: Where it comes from, for messages.
        config: What a constructor shall be given.

    Raises:
        PresetError: If it does.
    """
    _check_objects(path, config)
    _check_sizes(path, config)


def _check_sizes(path, config: dict) -> None:
    for name, value in config.items():
        if isinstance(value, dict):
            _check_sizes(path, value)
            continue
        if isinstance(value, list):
            size, ends = len(value), [LONGEST.get(name, LONGEST_OTHER)]
        else:
            size, ends = value, [LARGEST[e] for e in LARGEST if name.endswith(e)]
        number = isinstance(size, (int, float))
        if number and ends and not size <= ends[0]:
            raise PresetError(
                f"{path} has a size that no model has.",
                received=f"{name}: {size!r}, at most {ends[0]}",
                advice="The file is damaged, or means harm: get it elsewhere.",
            )


def _check_objects(path, value) -> None:
    """Refuse a configuration that names Python objects of other packages."""
    inside: list = value if isinstance(value, list) else []
    if isinstance(value, dict):
        inside = list(value.values())
        module = value.get("module")
        if module is not None and str(module).partition(".")[0] not in PACKAGES:
            raise PresetError(
                f"{path} names a Python object that is not loaded from a file.",
                received=f"{module}.{value.get('class_name')}",
                advice=f"Only objects of {' and '.join(PACKAGES)} are.",
            )
    for item in inside:
        _check_objects(path, item)


def _plain_name(weights: dict, source) -> str:
    name = weights.get("file")
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\:"):
        raise PresetError(
            f"The weights of {source} must be a file beside its description.",
            received=f"file={name!r}",
            advice="Give the name of a file, without a folder.",
        )
    return name


def _explain_absence(name: str) -> None:
    """Raise if there is more to say about a name than which ones are near."""
    if name in NOT_PUBLISHED:
        parts = name.rpartition("_")
        family = list_presets("short_chunk*")
        raise PresetError(
            "The authors never published these weights.",
            received=repr(name),
            advice=f"There are {', '.join(family)}; trained on the same data "
            f"({parts[-1]}), the nearest is {NOT_PUBLISHED[name]}.",
        )
    if name in AMBIGUOUS:
        won = list_presets("musicnn_won_*")
        pons = [n for n in list_presets("musicnn_*") if n not in won]
        raise PresetError(
            "Musicnn was trained by two groups; the name does not say which one.",
            received=repr(name),
            advice=f"Choose from {', '.join(pons)} (Pons and Serra 2019), or "
            f"{', '.join(won)} (Won et al. 2020).",
        )


def _folder():
    return importlib.resources.files("keras_musictag.presets")


@functools.cache
def _names() -> tuple[str, ...]:
    files = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(f.removesuffix(".json") for f in files if f.endswith(".json")))
