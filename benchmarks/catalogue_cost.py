"""What a run over a whole catalogue costs, computed from rates measured here.

    python benchmarks/catalogue_cost.py --files FOLDER
    python benchmarks/catalogue_cost.py --tracks 1000000 --minutes 3.5 --cores 64

Writes stereo tracks of `--minutes` as MP3 and FLAC and analyses them in this process
with one thread for the model. Rates are seconds of processor time, not of the clock: on
a busy machine they stay what they are. Then the bytes of a row are measured, and all of
it is multiplied.
"""

import argparse
import dataclasses
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ["TF_NUM_INTRAOP_THREADS"] = "1"  # as in an actor of the Ray engine

import numpy as np
import peers
import soundfile

from keras_musictag import audio
from keras_musictag.library.analysis import Analyzer
from keras_musictag.library.jobs import Job, Recipe
from keras_musictag.library.store import Store

FORMATS = ("mp3", "flac")
RECIPES = {
    "musicnn_msd": Recipe(embeddings=False),
    "musicnn_msd, embeddings": Recipe(),
    "musicnn_msd, embeddings, 4 chunks": Recipe(chunks=4),
    "musicnn_msd, embeddings, chords (crema)": Recipe(chords="crema"),
}
ROWS = 2000
LINK = 125e6  # bytes per second of 1 Gbit/s


def main() -> None:
    """Measure, multiply and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--files", type=Path, help="folder of music to make the tracks from")
    add("--minutes", type=float, default=4.0, help="length of a track")
    add("--count", type=int, default=3, help="tracks that are measured, per format")
    add("--tracks", type=int, default=10_000_000, help="tracks of the catalogue")
    add("--cores", type=int, default=256, help="cores of the cluster")
    options = parser.parse_args()
    names = ("keras", "tensorflow", "numpy", "soundfile", "soxr", "pyarrow")
    print(platform.machine(), ", ".join(f"{n} {version(n)}" for n in names))
    with tempfile.TemporaryDirectory() as folder:
        tracks = make_tracks(Path(folder), options)
        read = {name: mean(map(os.path.getsize, tracks[name])) for name in FORMATS}
        for name in FORMATS:
            decode = timed(lambda name=name: decode_all(tracks[name])) / options.count
            size = f"{name:5s} {read[name] / 1e6:6.1f} MB per track"
            print(f"{size}; decoded and resampled to 16 kHz in {decode:.2f} s")
        print(f"\nA track of {options.minutes:g} minutes; {options.tracks:,} of them:")
        print(
            f"{'analysis':40s} format  s/track  tracks/s/core  core hours  "
            f"days on {options.cores}  read  written  1 Gbit/s feeds"
        )
        for title, recipe in RECIPES.items():
            costs = measure(recipe, tracks, Path(folder))
            for name in FORMATS:
                print_cost(title, name, costs[name], read[name], costs["row"], options)


def make_tracks(folder: Path, options: argparse.Namespace) -> dict[str, list[str]]:
    """Write the tracks in each format: music repeated until it is long enough."""
    found = []
    if options.files:
        files = audio.find_files(options.files)
        found = [f for f in files if soundfile.info(f).channels == 2] or files
    tracks: dict[str, list[str]] = {name: [] for name in FORMATS}
    for index in range(options.count):
        if found:
            music = peers.read_music(found[index % len(found)], options.minutes * 60)
        else:
            music = peers.synthesise(index, options.minutes * 60)
        for name in FORMATS:
            path = folder / f"{index}.{name}"
            soundfile.write(path, music, peers.CLIP_RATE)
            tracks[name].append(str(path))
    return tracks


def decode_all(paths: list[str]) -> None:
    """Decode and resample, and throw away."""
    for path in paths:
        for _ in audio.blocks(path, 16000):
            continue


def measure(recipe: Recipe, tracks: dict, folder: Path) -> dict[str, float]:
    """Return seconds of processor time per track by format, and bytes of its rows."""
    analyzer = Analyzer(recipe)
    wanted = tuple(analysis.id for analysis in analyzer.analyses)
    outcomes = list(analyzer.run([job(tracks["mp3"][0], wanted)]))  # warms up
    costs: dict[str, float] = {}
    for name in FORMATS:
        jobs = [job(path, wanted) for path in tracks[name]]
        costs[name] = timed(lambda jobs=jobs: list(analyzer.run(jobs))) / len(jobs)
    costs["row"] = row_bytes(analyzer, outcomes[0], folder)
    return costs


def job(path: str, wanted: tuple[str, ...]) -> Job:
    """Return the job of a new file, whose content is hashed as well."""
    return Job(path, os.path.getsize(path), 0, None, wanted)


def row_bytes(analyzer: Analyzer, outcome, folder: Path) -> float:
    """Write many rows like those of an outcome, and return the bytes for one track."""
    if outcome.errors:
        sys.exit(f"A track failed: {outcome.errors}")
    rng = np.random.default_rng(0)
    store = Store(tempfile.mkdtemp(dir=folder))
    facts = {**dataclasses.asdict(outcome.job), "duration": outcome.duration}
    rows: dict = {}
    for analysis in analyzer.analyses:
        rows[analysis] = []
        for number in range(ROWS):
            values = varied(outcome.rows[analysis.id], rng)
            names = {"path": f"/music/{rng.bytes(12).hex()}/{number}.mp3"}
            hashes = {
                "sha256": rng.bytes(32).hex(),
                "mtime_ns": int(rng.integers(2**60)),
            }
            kept = {k: facts[k] for k in ("size", "duration", "replaces")}
            rows[analysis].append({**kept, **names, **hashes, **values})
    store.register(analyzer.analyses)
    store.write(rows)
    return sum(p.stat().st_size for p in store.folder.glob("*/*.parquet")) / ROWS


def varied(values: dict, rng) -> dict:
    """Return the values of another track: what repeats would be stored for nothing."""
    found = dict(values)
    for key, value in values.items():
        if isinstance(value, np.ndarray):
            found[key] = value * rng.normal(1, 0.3, value.shape)
    if "chords" in values:
        labels = rng.permutation([chord["label"] for chord in values["chords"]])
        pairs = zip(values["chords"], labels, strict=True)
        found["chords"] = [
            {**c, "label": str(label), "confidence": rng.random(), "end": rng.random()}
            for c, label in pairs
        ]
    return found


def print_cost(title, name, seconds, read, written, options) -> None:
    """Print a row of the table."""
    hours = options.tracks * seconds / 3600
    print(
        f"{title:40s} {name:6s} {seconds:8.2f} {1 / seconds:14.2f} {hours:11,.0f} "
        f"{hours / 24 / options.cores:12.1f} {options.tracks * read / 1e12:5.0f} TB "
        f"{options.tracks * written / 1e9:5.0f} GB {LINK / read * seconds:6.0f} cores"
    )


def timed(work) -> float:
    """Return the seconds of processor time, of all threads, that work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def mean(values) -> float:
    """Return the mean."""
    return float(np.mean(list(values)))


if __name__ == "__main__":
    main()
