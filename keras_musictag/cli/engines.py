"""How commands come to their engines: made once, in the background of a first run.

A command that ran with Keras lets a process of its own make the engine afterwards; the
next one needs neither Keras nor TensorFlow.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import filelock
import typer

from keras_musictag import environment
from keras_musictag.engines.files import (
    engine_mode,
    engine_path,
    is_final,
    is_wanted,
    lock_of,
    log_of,
    remove_unused,
)

# What making one takes, besides Keras' own backend.
PACKAGES = ("onnxruntime", "onnx", "tf2onnx", "tensorflow")
# After a failure it is tried again, in seconds.
PAUSE = 24 * 3600.0


def prepare_engine(preset: str) -> bool:
    """Start the process that makes the engine, unless there is one or it just failed.

    Args:
        preset: As in `engine_path`.

    Returns:
        Whether it was started.
    """
    if (
        engine_mode() != "auto"
        or not is_wanted(preset)
        or not all(map(importlib.util.find_spec, PACKAGES))
    ):
        return False
    path = engine_path(preset)
    log = log_of(path)
    if (
        path.exists()
        or is_final(preset)
        or (log.is_file() and time.time() < log.stat().st_mtime + PAUSE)
    ):
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


def prepare_engines(presets: Iterable[str], *, quiet: bool) -> None:
    """Let engines be made, after a command has done all its files.

    Args:
        presets: As in `engine_path`.
        quiet: Whether not to say so on the screen.
    """
    started = [preset for preset in presets if prepare_engine(preset)]
    if started and not quiet and sys.stderr.isatty():
        typer.echo(
            f"In the background, {' and '.join(started)} is made ready to start "
            "quickly next time; KMT_ENGINE=ready makes none.",
            err=True,
        )


def main() -> None:
    """Make the engine of a preset, once; its log goes if all is well."""
    preset, path = sys.argv[1], Path(sys.argv[2])
    if hasattr(os, "nice"):
        os.nice(19)
    with contextlib.suppress(filelock.Timeout), filelock.FileLock(lock_of(path), 0):
        # One after the other: each takes a gigabyte.
        with filelock.FileLock(path.parent / "making.lock"):
            if path.exists():
                return
            environment.impose({"KERAS_BACKEND": "tensorflow"})
            environment.quiet_tensorflow()
            from keras_musictag.models.base import PretrainedModel
            from keras_musictag.models.engine_making import make_engine

            make_engine(PretrainedModel.from_pretrained(preset), path)
            remove_unused(preset)
        log_of(path).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
