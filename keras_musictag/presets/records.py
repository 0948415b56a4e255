"""Reading preset records and saved folders; none of it knows a model class."""

import fnmatch
import functools
import importlib.resources
import json
from pathlib import Path

from keras_musictag.checks import did_you_mean
from keras_musictag.errors import PresetError

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"

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
        A dict with `class`, `config` (the constructor's arguments, with the
        labels in output order), `weights` (file, bytes, sha256), `license`,
        `authors`, `citation`, `trained_on`, `reported` scores with their named
        split, `origin` and `deviations`.

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
    return Path(str(_folder().joinpath(record["weights"]["file"])))


def write_folder(folder, record: dict, card: str) -> Path:
    """Write `config.json` and the card of a saved model; weights come first.

    Args:
        folder: An existing folder that already holds the weights file.
        record: What `config.json` shall hold.
        card: The text of the model card.

    Returns:
        The folder.
    """
    folder = Path(folder)
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (folder / CONFIG_FILE).write_text(text + "\n", "utf-8")
    (folder / CARD_FILE).write_text(card, "utf-8")
    return folder


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
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
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
    return record


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
