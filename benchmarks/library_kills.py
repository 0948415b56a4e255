"""A library build killed at random moments ends as one that was left alone.

    python benchmarks/library_kills.py --music FOLDER --kills 20

Builds a library of the folder, kills the process by SIGKILL after a random time of
work (or while it starts), starts it again, and so on; the last run ends by itself. Then
the rows of the library are compared with those of a run that nobody disturbed.
"""

import argparse
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras_musictag as kmt
from keras_musictag.library import Library, build

PROGRAM = """
import sys
from keras_musictag.library import building, scanning, store
from keras_musictag.library.analysis import Analyzer
from keras_musictag.library.jobs import Recipe
library = store.Store(sys.argv[2])
with library.locked():
    analyzer = Analyzer(Recipe(tuple(sys.argv[3].split(","))))
    print("begun", flush=True)
    tracks = scanning.find_tracks(sys.argv[1])
    building.run(library, analyzer, tracks, write_seconds=0.2)
"""


def main() -> int:
    """Kill, compare and print; the exit code is 1 if rows differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--music", type=Path, required=True, help="folder of music")
    add("--kills", type=int, default=20)
    add("--presets", default="musicnn_msd,musicnn_mtt")
    add("--longest", type=float, default=6.0, help="seconds of work before a kill")
    add("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        killed, whole = Path(scratch, "killed"), Path(scratch, "whole")
        command = [sys.executable, "-c", PROGRAM, str(options.music), str(killed)]
        command.append(options.presets)
        found = []
        while len(found) < options.kills:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen(command, **pipes)
            if random.random() < 0.9:  # the others die while they start
                process.stdout.readline()
            time.sleep(random.uniform(0.0, options.longest))
            ended = process.poll() is not None
            process.send_signal(signal.SIGKILL)
            process.wait()
            found.append(rows_in(killed))
            print(f"kill {len(found)}: {found[-1]} rows", "ended" if ended else "")
        last = build(options.music, killed, options.presets.split(","))
        build(options.music, whole, options.presets.split(","))
        difference = compare(killed, whole)
    print(f"{platform.machine()}, keras_musictag {kmt.__version__}")
    print(f"{options.kills} kills; the last run analysed {last.analysed} tracks")
    print(f"largest difference of a value: {difference}")
    return int(not difference <= 1e-6)


def rows_in(folder: Path) -> int:
    """How many rows a library has; it must be readable whatever happened."""
    if not (folder / "library.json").exists():
        return 0
    library = Library(folder)
    return sum(len(library.search(f"{a.name} IS NOT NULL")) for a in library.analyses)


def compare(first: Path, second: Path) -> float:
    """The largest difference between two libraries; infinite if tracks differ."""
    tables = [Library(folder).tracks() for folder in (first, second)]
    left, right = (table.to_pylist() for table in tables)
    if [row["path"] for row in left] != [row["path"] for row in right]:
        return float("inf")
    largest = 0.0
    for one, other in zip(left, right, strict=True):
        for name, value in other.items():
            if isinstance(value, float):
                missing = one[name] is None
                gap = float("inf") if missing else abs(one[name] - value)
                largest = max(largest, gap)
            elif one[name] != value:
                return float("inf")
    return largest


if __name__ == "__main__":
    sys.exit(main())
