"""Flipped bits in a library are told, and what looking for them costs.

    python benchmarks/library_damage.py --flips 2000 --tracks 100000

Flips one bit after the other, anywhere in the parts of a small library, and counts
those that a reader neither refuses nor reads as the values that were written. Then a
library of many tracks is searched for the first time, when each part's digest is
checked, and once more, when it is not.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from keras_musictag.errors import LibraryError
from keras_musictag.library import Library, parts
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.store import Store

TOY = Analysis("tags", "toy", "toy", "0" * 64, tuple(f"l{i}" for i in range(50)), 200)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--tracks", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        flip(Path(folder, "small"), options.flips)
        search(Path(folder, "large"), options.tracks)


def flip(folder: Path, count: int) -> None:
    """Flip bits and count what is not told."""
    make(folder, 400, 200)
    truth, files = Library(folder).tracks(), sorted(folder.glob("*/*.parquet"))
    rng, told, harmless = random.Random(0), 0, 0
    for _ in range(count):
        file = rng.choice(files)
        whole = file.read_bytes()
        content = bytearray(whole)
        content[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        file.write_bytes(content)
        try:
            parts.snapshot(file.parent, set())
            harmless += Library(folder).tracks().equals(truth)
        except LibraryError:
            told += 1
        file.write_bytes(whole)
    wrong = count - told - harmless
    print(f"{count} flipped bits: {told} told, {harmless} harmless, {wrong} unnoticed")


def search(folder: Path, tracks: int) -> None:
    """Print the time of the first search and of one more."""
    make(folder, tracks, 8192)
    size = sum(file.stat().st_size for file in folder.glob("*/*.parquet")) / 2**20
    seconds, checks = [], []
    for _ in range(3):
        library = Library(folder)
        for _ in range(2):
            began = time.perf_counter()
            library.search("l0 > 0.999")
            seconds.append(time.perf_counter() - began)
        began = time.process_time()
        parts.snapshot(folder / TOY.id, set())
        checks.append(time.process_time() - began)
    first, next_ = min(seconds[::2]), min(seconds[1::2])
    print(
        f"{tracks} tracks, {size:.0f} MiB: first search {first:.2f} s, next {next_:.2f}"
    )
    print(f"processor time of the digests: {min(checks):.2f} s")


def make(folder: Path, tracks: int, rows: int) -> None:
    """Write a library of so many tracks, parts of so many rows, without music."""
    rng, store = np.random.default_rng(0), Store(folder)
    with store.locked():
        store.register([TOY])
        for first in range(0, tracks, rows):
            made = []
            for number in range(first, min(first + rows, tracks)):
                facts = {"path": f"/music/{number:07d}.mp3", "size": 1, "mtime_ns": 1}
                facts |= {"sha256": f"{number:064x}", "duration": 1.0, "replaces": None}
                values = {"scores": rng.random(50, "float32"), "silent": False}
                values["embedding"] = rng.random(200, "float32")
                made.append(facts | values)
            store.write({TOY: made})


if __name__ == "__main__":
    main()
