"""A library killed at each of its file operations has the old or the new state.

    python benchmarks/library_operations.py --kills 60

Runs `build` and `merge` in processes that are killed by SIGKILL when they open a file
of the library for writing, rename or remove one, or make a folder: at the first such
operation, at the second, and so on, then at random ones. After each kill the library
must be readable, have its old or its new rows (of a merge; of a build some more), and
the same command must bring it to its end.

The files are known under other names, so that all rows are copies: no model is run.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa.beat  # noqa: F401  here, not in each process
import pyarrow.dataset  # noqa: F401

from keras_musictag.library import Library, build, merge
from keras_musictag.library.addresses import content_hash
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.store import Store

TRACKS = 6
MOST = 10**6


class Killer:
    """Ends its process at an operation on the files of a folder, by SIGKILL."""

    def __init__(self, folder: Path, number: int):
        self.folder, self.left = str(folder), number
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if event == "open":
            counts = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        else:
            counts = event in ("os.rename", "os.remove", "os.mkdir")
        if counts and str(arguments[0]).startswith(self.folder):
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Kill, look, go on; the exit code is 1 if a state is neither old nor new."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bad = [
            f"{command}: {fault}"
            for command in ("merge", "merge into another", "build", "build anew")
            for fault in try_kills(command, Path(scratch, command), options.kills // 2)
        ]
    print("\n".join(bad) or "all as promised")
    return int(bool(bad))


def try_kills(command: str, scratch: Path, kills: int) -> list[str]:
    """Kill a command at many operations; returns what went wrong."""
    scratch.mkdir(parents=True)
    before, sources = apart(made, command, scratch)[1]
    folder, whole = scratch / "library", scratch / "whole"
    shutil.copytree(before, whole)
    operations = MOST - apart(run, command, MOST, whole, sources)[1]
    old, new = (apart(rows_in, path)[1] for path in (before, whole))
    chance, faults, ended = random.Random(0), [], 0
    for kill in range(kills):
        number = kill + 1 if kill < operations else chance.randint(1, operations)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(before, folder)
        code, _ = apart(run, command, number, folder, sources)
        _, middle = apart(rows_in, folder)
        apart(run, command, MOST, folder, sources)
        _, end = apart(rows_in, folder)
        if code == 0:  # it had fewer operations this time
            ended += 1
        elif code != -signal.SIGKILL:
            faults.append(f"operation {number}: exit code {code}")
        if middle is None or (command.startswith("merge") and middle not in (old, new)):
            faults.append(f"operation {number}: {middle} is neither old nor new")
        if end != new:
            faults.append(f"operation {number}: {end} at the end")
    told = f"{kills - ended} kills at {operations} operations, {len(faults)} faults"
    print(f"{command}: {told}", flush=True)
    return faults


def run(command: str, number: int, folder: Path, sources: list[Path]) -> int:
    """Run a command that is killed at an operation; returns how many are left."""
    killer = Killer(folder, number)
    if command.startswith("build"):
        build(sources, folder, (), tempo=True, write_seconds=1e-9)
    else:
        merge(sources, folder)
    return killer.left


def apart(function: Callable, *arguments) -> tuple[int | None, Any]:
    """Call a function in a process of its own; returns its exit code and the result."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=lambda: theirs.send(function(*arguments)), daemon=True
    )
    process.start()
    theirs.close()
    try:
        result = ours.recv()
    except EOFError:
        result = None
    process.join()
    return process.exitcode, result


def made(command: str, scratch: Path) -> tuple[Path, list[Path]]:
    """Make the state before a command, and what the command is given."""
    music = scratch / "music"
    music.mkdir()
    for number in range(TRACKS):
        (music / f"{number}.wav").write_bytes(f"song {number}".encode())
    before = scratch / "before"
    before.mkdir()
    first = write(scratch / "first", music, "1", range(TRACKS))
    second = write(scratch / "second", music, "2", range(2, TRACKS))
    if command == "merge":
        return before, [first, second]
    if command == "merge into another":
        shutil.rmtree(before)
        return write(before, music, "0", range(3)), [first, second]
    if command == "build":  # all is known under names that are there no longer
        shutil.rmtree(before)
        write(before, music, "find_beats-1", range(TRACKS - 1))
        for path in music.iterdir():
            path.rename(path.with_name("new " + path.name))
    return before, [music]


def write(folder: Path, music: Path, weights: str, numbers) -> Path:
    """Write a library of the tempo of some tracks, as a build does."""
    analysis = Analysis("tempo", "find_beats", "find_beats", weights)
    store = Store(folder)
    rows = []
    for number in numbers:
        path = music / f"{number}.wav"
        state = path.stat()
        facts = {"size": state.st_size, "mtime_ns": state.st_mtime_ns}
        facts["sha256"] = content_hash(str(path))
        rows.append({**facts, "path": str(path), "tempo": 60.0 + number})
    with store.locked():
        store.register([analysis])
        store.write({analysis: rows})
    return folder


def rows_in(folder: Path) -> str:
    """What searches tell of a library, as text; of none nothing."""
    if not Store(folder).exists:
        return ""
    library = Library(folder)
    rows = library.search().select(["path", "sha256", "tempo", "error"]).to_pylist()
    errors = library.errors().select(["path", "analysis"]).to_pylist()
    ids = [a.id for a in library.analyses]
    return json.dumps([ids, rows, errors], default=str)


if __name__ == "__main__":
    sys.exit(main())
