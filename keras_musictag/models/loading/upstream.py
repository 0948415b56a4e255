"""Weights that their authors host: fetched, converted once and kept."""

import json
from pathlib import Path

import keras_musictag
from keras_musictag.conversion import convert_checkpoint
from keras_musictag.errors import PresetError
from keras_musictag.hub.cache import cache_folder, lock
from keras_musictag.hub.download import fetch
from keras_musictag.hub.integrity import verify_file
from keras_musictag.hub.repository import download_repository
from keras_musictag.presets.records import WEIGHTS_FILE
from keras_musictag.presets.weights import save_weights
from keras_musictag.replacing import replacing


def converted_weights(
    architecture, record: dict, cache_dir=None, local_files_only: bool = False
) -> tuple[Path, dict]:
    """Return the weights of an upstream preset as a file that can be loaded.

    Where the record knows the checksum of the converted file, the Hub is asked for
    it first. Otherwise, and if the Hub has it not, the authors' checkpoint is fetched
    into `<cache>/<preset>/`, checked against the identity in the record (where the
    authors publish one; its arrays must fit the network in any case), and converted;
    the result lies beside it, with its checksum in a JSON file. Next time only the
    converted file is needed; it is made anew if it is damaged or from another version
    of this package.

    Args:
        architecture: The class of the model.
        record: The preset, from `presets.preset_info`.
        cache_dir: See `hub.cache.cache_folder`. If given, what comes from the Hub is
            kept there too, otherwise in the cache of the Hub's client.
        local_files_only: If `True`, never download.

    Returns:
        The safetensors file and its `file`, `bytes` and `sha256`.

    Raises:
        PresetError: If the checkpoint can neither be found nor fetched, or is not
            the published one.
    """
    weights = record["weights"]
    folder = cache_folder(cache_dir) / record["name"]
    name = (weights.get("git_blob") or Path(weights["url"]).stem)[:12]
    target = folder / f"{name}.safetensors"
    measured = _known(target)
    if measured:
        return target, measured
    published = _from_hub(weights.get("hub"), cache_dir, local_files_only)
    if published:
        return published, weights["hub"]
    suffix = ".h5" if weights["format"] == "keras1" else ".pth"
    checkpoint = fetch(
        weights["url"],
        target.with_suffix(suffix),
        size=weights["bytes"] if weights.get("bytes_exact", True) else None,
        sha256=weights.get("sha256"),
        git_blob=weights.get("git_blob"),
        local_files_only=local_files_only,
    )
    with lock(target):
        measured = _known(target)  # another process may have been faster
        if measured is None:
            measured = _convert(checkpoint, architecture, record["config"], target)
    return target, measured


def _from_hub(known: dict | None, cache_dir, local_files_only: bool) -> Path | None:
    """The converted file from the Hub, or `None` if the upstream one is needed."""
    if known is None:
        return None
    try:
        folder = download_repository(
            known["repository"],
            [WEIGHTS_FILE],
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        path = folder / WEIGHTS_FILE
        verify_file(path, size=known["bytes"], sha256=known["sha256"])
    except PresetError:
        return None  # not there, not reached or not the file: upstream has it too
    return path


def _convert(checkpoint: Path, architecture, config: dict, target: Path) -> dict:
    # float32 whatever the user's dtype policy: the file outlives it.
    model = convert_checkpoint(
        checkpoint, architecture, **{**config, "dtype": "float32"}
    )
    made = save_weights(target, model.weights)
    note = {**made, "version": keras_musictag.__version__}
    with replacing(target.with_suffix(".json")) as part:
        part.write_text(json.dumps(note, indent=1) + "\n", "utf-8")
    return made


def _known(target: Path) -> dict | None:
    """The checksum of a converted file if it is whole and of this version."""
    try:
        note = json.loads(target.with_suffix(".json").read_text("utf-8"))
        if note.pop("version") != keras_musictag.__version__:
            return None
        verify_file(target, size=note["bytes"], sha256=note["sha256"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, PresetError):
        return None  # missing or damaged: it is made anew
    return note
