"""The folder of a saved model: written so that it changes in one moment, read whole."""

import errno
import hashlib
import json
import os
import secrets
from contextlib import nullcontext as _nothing
from pathlib import Path

from keras_musictag.errors import PresetError
from keras_musictag.presets import records, weights
from keras_musictag.replacing import SUFFIX, clear_leftovers, locked, replacing, sync

# The last line of a card: whoever edits the text above it makes the card their own.
_SEAL = "<!-- keras-musictag {} -->\n"
_TRIES = 10  # to read a model that is saved again and again meanwhile


def write_folder(folder, blob: bytes, record: dict, card: str) -> Path:
    """Write weights, `config.json` and the card of a saved model.

    The moment in which `config.json` takes its place is the one in which the folder
    changes. Until then the new weights lie beside the old ones; if the process is
    killed afterwards, before they have their own name, `read_arrays` finds them there.
    A card that somebody has edited stays, as do all other files.

    Args:
        folder: Where to write; made if missing.
        blob: The contents of the weights file.
        record: What `config.json` shall hold.
        card: The text of the model card.

    Returns:
        The folder.

    Raises:
        OSError: If it cannot be written; the folder is as it was.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target, config = folder / records.WEIGHTS_FILE, folder / records.CONFIG_FILE
    readme = folder / records.CARD_FILE
    for path in (target, config):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder", os.fspath(path))
    text = json.dumps(record, indent=2, ensure_ascii=False)
    with locked(folder):
        _settle(folder)
        pending = _write_pending(folder, blob, record)
        try:
            with replacing(readme) if _is_ours(readme) else _nothing() as page:
                if page is not None:
                    page.write_text(_sealed(card), "utf-8")
                with replacing(config, durable=True) as part:
                    part.write_text(text + "\n", "utf-8")
                os.replace(pending, target)
        except BaseException:
            if pending != _pending(folder, _record(config)):
                pending.unlink(missing_ok=True)
            raise
        sync(folder)
    return folder


def read_arrays(folder, record: dict) -> tuple[dict, dict]:
    """Read the weights of a saved model, which may be saved anew meanwhile.

    Args:
        folder: A folder made by `save_pretrained`.
        record: Its `config.json`, from `records.read_folder`.

    Returns:
        The record, which may be a newer one, and its arrays by name.

    Raises:
        PresetError: If the weights are missing or damaged.
    """
    for _ in range(_TRIES):
        before = _versions(Path(folder))
        paths = [records.folder_weights(folder, record)]
        pending = _pending(Path(folder), record)
        if pending.is_file():
            paths.insert(0, pending)
        for path in paths:
            try:
                return record, weights.read_arrays(path, record["weights"])
            except PresetError as error:
                problem = error
        again = records.read_folder(folder)
        same = again["weights"] == record["weights"]
        if same and _versions(Path(folder)) == before:
            break
        record = again
    raise problem


def _versions(folder: Path) -> list[tuple[int, int]]:
    """Tell the files of a folder from those that replace them, even by equal ones."""
    files = [folder / records.CONFIG_FILE, folder / records.WEIGHTS_FILE]
    states = [path.stat() for path in files if path.exists()]
    return [(state.st_ino, state.st_mtime_ns) for state in states]


def _write_pending(folder: Path, blob: bytes, record: dict) -> Path:
    """Lay the weights beside the old ones, under a name that only whole ones have."""
    pending = _pending(folder, record)
    part = pending.with_suffix(f".{secrets.token_hex(4)}{SUFFIX}")
    try:
        part.write_bytes(blob)
        sync(part)
        os.replace(part, pending)
    finally:
        part.unlink(missing_ok=True)
    return pending


def _pending(folder: Path, record: dict) -> Path:
    digest = str(record.get("weights", {}).get("sha256"))[:16]
    return folder / f".{records.WEIGHTS_FILE}.{digest}{SUFFIX}"


def _record(config: Path) -> dict:
    """Return what a `config.json` holds, or nothing if it cannot be read."""
    try:
        return records.read_folder(config.parent)
    except PresetError:
        return {}


def _settle(folder: Path) -> None:
    """Finish what a killed run began, and remove what else it left."""
    target, config = folder / records.WEIGHTS_FILE, folder / records.CONFIG_FILE
    pending = _pending(folder, _record(config))
    if pending.is_file():
        os.replace(pending, target)
    for name in (target, config, folder / records.CARD_FILE):
        clear_leftovers(name)


def _sealed(card: str) -> str:
    return card + _SEAL.format(hashlib.sha256(card.encode()).hexdigest()[:16])


def _is_ours(readme: Path) -> bool:
    """Whether a card is missing, or as it was written here."""
    try:
        text = readme.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError):
        return False
    card = text[: text.rstrip("\n").rfind("\n") + 1]
    return text == _sealed(card)
