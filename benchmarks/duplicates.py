"""How right `Library.duplicates` is on music that was transcoded.

    python benchmarks/duplicates.py --music FOLDER --music FOLDER --work FOLDER

Each recording is there as it is, as MP3 of 128 kbit/s, as WAV of 22.05 kHz and as Opus
of 64 kbit/s (by ffmpeg). The recordings are dealt into two halves: the limit is chosen
on one, the lowest that brings no two different recordings together, and judged on the
other, and the other way round.
"""

import argparse
import random
import subprocess
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

import keras_musictag as kmt
from keras_musictag.library.duplicates import SECONDS, SIMILARITY

COPIES = {
    ".mp3": ["-c:a", "libmp3lame", "-b:a", "128k"],
    ".wav": ["-ar", "22050", "-c:a", "pcm_s16le"],
    ".opus": ["-c:a", "libopus", "-b:a", "64k"],
}
LIMITS = np.round(np.arange(0.9, 1.0, 0.001), 3)


class Pair(NamedTuple):
    """Two files of nearly the same length: how alike, and whether they are one."""

    similarity: float
    same: bool


def transcoded(music: list[Path], folder: Path, count: int | None) -> dict[str, int]:
    """Write the copies of all recordings; returns which recording each file has."""
    songs = [song for place in music for song in kmt.audio.find_files(place)[:count]]
    recording_of = {}
    for number, song in enumerate(songs):
        own = folder / f"{number:04d}{song.suffix}"
        own.unlink(missing_ok=True)
        own.symlink_to(song.absolute())
        recording_of[str(own)] = number
        for suffix, options in COPIES.items():
            copy = folder / f"{number:04d}-copy{suffix}"
            command = ["ffmpeg", "-v", "error", "-y", "-i", song, "-vn", *options, copy]
            if not copy.exists():
                subprocess.run(command, check=True)
            recording_of[str(copy)] = number
    return recording_of


def pairs_of(library, recording_of: dict[str, int], chosen: set[int]) -> list[Pair]:
    """Return all pairs of files of these recordings that are nearly equally long."""
    paths, embeddings = library.embeddings()
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    tracks = library.tracks()
    seconds = dict(
        zip(tracks["path"].to_pylist(), tracks["duration"].to_pylist(), strict=True)
    )
    there = [i for i, path in enumerate(paths) if recording_of[path] in chosen]
    return [
        Pair(
            float(units[i] @ units[j]), recording_of[paths[i]] == recording_of[paths[j]]
        )
        for i, j in combinations(there, 2)
        if abs(seconds[paths[i]] - seconds[paths[j]]) <= SECONDS
    ]


def judged(pairs: list[Pair], limit: float) -> str:
    """Say how many pairs a limit finds, and how many wrong ones."""
    same = [pair for pair in pairs if pair.same]
    other = [pair for pair in pairs if not pair.same]
    found = sum(pair.similarity >= limit for pair in same)
    wrong = sum(pair.similarity >= limit for pair in other)
    return (
        f"finds {found} of {len(same)} pairs ({found / len(same):.1%}), brings "
        f"{wrong} of {len(other)} different pairs together"
    )


def main() -> None:
    """Print what the limit of each half finds in the other, and that of the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, action="append", required=True)
    parser.add_argument("--work", type=Path, required=True, help="for the copies")
    parser.add_argument("--count", type=int, help="recordings of each folder, at most")
    parser.add_argument("--preset", default="musicnn_msd")
    options = parser.parse_args()
    copies = options.work / "copies"
    copies.mkdir(parents=True, exist_ok=True)
    recording_of = transcoded(options.music, copies, options.count)
    folder = options.work / f"library-{options.preset}"
    done = kmt.library.build(list(recording_of), folder, options.preset)
    print(f"{done.found} files of {len(set(recording_of.values()))} recordings")
    recordings = sorted(set(recording_of.values()))
    random.Random(0).shuffle(recordings)
    middle = len(recordings) // 2
    halves = [set(recordings[:middle]), set(recordings[middle:])]
    library = kmt.library.Library(folder)
    pairs = [pairs_of(library, recording_of, half) for half in halves]
    for tuning, test in (pairs, pairs[::-1]):
        worst = max(pair.similarity for pair in tuning if not pair.same)
        limit = float(LIMITS[worst < LIMITS].min())
        print(f"chosen on the other half, {limit:.3f} {judged(test, limit)}")
    everything = pairs_of(library, recording_of, set(recordings))
    for limit in (SIMILARITY, 0.99):
        print(f"of all, {limit:.3f} {judged(everything, limit)}")
    nearest = max(pair.similarity for pair in everything if not pair.same)
    print(f"the nearest of different ones: {nearest:.3f}")


if __name__ == "__main__":
    main()
