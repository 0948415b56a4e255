"""Engines: ONNX files of presets that commands make once, keep, and start with quickly.

A command that ran with Keras lets a process of its own make the file afterwards, in
the cache, under a name that changes with the weights and with our version; the next one
needs neither Keras nor TensorFlow.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import typer

import keras_musictag
from keras_musictag import environment
from keras_musictag.errors import MusicTagError
from keras_musictag.hub.cache import cache_folder
from keras_musictag.presets import records

# What making one takes, besides Keras' own backend.
PACKAGES = ("onnxruntime", "onnx", "tf2onnx", "tensorflow")
# Scores may differ by so much.
TOLERANCE = 1e-5
# After a failure it is tried again, in seconds.
PAUSE = 24 * 3600.0


def engine_path(preset: str) -> Path:
    """Return where the engine of a preset or of a saved folder lies, or would lie.

    Args:
        preset: Its name, or the folder.

    Raises:
        PresetError: If there is no such preset.
    """
    record = records.read_record(preset)
    parts = [record[key] for key in ("class_name", "config", "weights")]
    said = json.dumps([*parts, keras_musictag.__version__], sort_keys=True)
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    return cache_folder() / "engines" / f"{Path(preset).name}-{digest}.onnx"


def ready_engine(preset: str) -> Any:
    """Open the engine of a tagger; `None` if there is none, or it is not wanted.

    Args:
        preset: As in `engine_path`.

    Returns:
        An `OnnxTagger`, or `None`. A damaged file is removed.
    """
    if not _is_wanted() or importlib.util.find_spec("onnxruntime") is None:
        return None
    path = engine_path(preset)
    if not path.is_file():
        return None
    from keras_musictag.export.taggers import OnnxTagger

    try:
        return OnnxTagger(path)
    except MusicTagError:
        path.unlink(missing_ok=True)
        return None


def prepare_engine(preset: str) -> bool:
    """Start the process that makes the engine, unless there is one or it just failed.

    Args:
        preset: As in `engine_path`.

    Returns:
        Whether it was started.
    """
    if not _is_wanted() or not all(map(importlib.util.find_spec, PACKAGES)):
        return False
    path = engine_path(preset)
    log = path.with_suffix(".log")
    if path.is_file() or (log.is_file() and time.time() < log.stat().st_mtime + PAUSE):
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            subprocess.Popen(
                [sys.executable, "-m", "keras_musictag.cli.engines", preset, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError:  # a cache that cannot be written: Keras does it as well
        return False
    return True


@contextlib.contextmanager
def preparing(preset: str | None, *, quiet: bool) -> Iterator[None]:
    """Let the engine be made once a command has done all its files.

    Args:
        preset: As in `engine_path`; `None` for no engine.
        quiet: Whether not to say so on the screen.
    """
    try:
        yield
    except typer.Exit as end:
        started = preset and not end.exit_code and prepare_engine(preset)
        if started and not quiet and sys.stderr.isatty():
            typer.echo(
                f"In the background, {preset} is made ready to start quickly next "
                "time; KMT_ENGINE=keras does without.",
                err=True,
            )
        raise


def _is_wanted() -> bool:
    return environment.get("KMT_ENGINE") != "keras"


def main() -> None:
    """Make the engine of a preset, once; its log goes if all is well."""
    preset, path = sys.argv[1], Path(sys.argv[2])
    if hasattr(os, "nice"):
        os.nice(19)
    with contextlib.suppress(filelock.Timeout), filelock.FileLock(f"{path}.lock", 0):
        if path.is_file():
            return
        environment.impose({"KERAS_BACKEND": "tensorflow"})
        environment.quiet_tensorflow()
        from keras_musictag.models.tagger import MusicTagger

        MusicTagger.from_pretrained(preset).export(path, tolerance=TOLERANCE)
        path.with_suffix(".log").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
