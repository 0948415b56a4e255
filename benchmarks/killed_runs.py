"""Trainings, exports and builds killed at each of their file operations go on.

    python benchmarks/killed_runs.py train --kills 60
    python benchmarks/killed_runs.py build --kills 60
    python benchmarks/killed_runs.py export --kills 60

Each run is a process that SIGKILL ends when it opens a file of its folder for writing,
renames or removes one, or makes a folder: at the first such operation, at the second,
and so on, then at random ones. A killed training must then go on to the weights and the
history of one that was never killed; beside a killed export the old or the new network
must load, with its own scores; a library must be readable after the kill and have all
rows, with the same scores, after the next build. The models are tiny, nothing of them
is simulated.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

COMMANDS = ("train", "build", "export")
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("command", choices=COMMANDS)
parser.add_argument("--kills", type=int, default=60)
OPTIONS = parser.parse_args()
# Processes that have computed on TensorFlow cannot be forked; exports need it, so that
# this process leaves all computing to others.
os.environ["KERAS_BACKEND"] = "tensorflow" if OPTIONS.command == "export" else "torch"
os.environ["OMP_NUM_THREADS"] = "1"  # sums are the same each time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import soundfile  # noqa: E402
from library_operations import MOST, Killer, apart  # noqa: E402

import keras_musictag as kmt  # noqa: E402
from keras_musictag.data import Track, TrackList  # noqa: E402
from keras_musictag.export import OnnxTagger  # noqa: E402
from keras_musictag.library import Library, build  # noqa: E402
from keras_musictag.training.run import train_tagger  # noqa: E402

SONGS, SECONDS, RATE = 6, 4, 16000
LABELS = ("low", "high")


def main() -> int:
    """Kill, look, go on; the exit code is 1 if something is not as promised."""
    with tempfile.TemporaryDirectory() as scratch:
        faults = SCENARIOS[OPTIONS.command](Path(scratch))
    print("\n".join(faults) or "all as promised")
    return int(bool(faults))


def kills_of(operations: int):
    """Yield at which operation to kill, for each kill."""
    chance = random.Random(0)
    for kill in range(OPTIONS.kills):
        spread = kill * operations // OPTIONS.kills + 1
        few = OPTIONS.kills < operations
        each = kill + 1 if kill < operations else chance.randint(1, operations)
        yield spread if few else each


# === Training ===


def try_trainings(scratch: Path) -> list[str]:
    """Kill trainings; returns what went wrong."""
    songs = make_songs(scratch / "songs")
    apart(save_tagger, scratch / "start", 1)
    run = scratch / "run"
    operations = MOST - apart(train, scratch / "start", songs, run, MOST)[1]
    expected = outcome_of_training(run)
    faults = []
    for number in kills_of(operations):
        shutil.rmtree(run, ignore_errors=True)
        code, _ = apart(train, scratch / "start", songs, run, number)
        again, _ = apart(train, scratch / "start", songs, run, MOST)
        if code not in (0, -signal.SIGKILL) or again != 0:
            faults.append(f"operation {number}: exit codes {code}, then {again}")
        elif outcome_of_training(run) != expected:
            faults.append(f"operation {number}: other files at the end")
    print(f"{OPTIONS.kills} kills at {operations} operations, {len(faults)} faults")
    return faults


def train(start: Path, songs: list[Path], folder: Path, number: int) -> int:
    """Train two epochs, killed at an operation; returns how many are left."""
    killer = Killer(folder, number)
    tracks = [
        Track(path.stem, path, split="train" if i < 4 else "valid")
        for i, path in enumerate(songs)
    ]
    targets = np.eye(2, dtype="float32")[[i % 2 for i in range(SONGS)]]
    tracked = TrackList(tracks, targets, LABELS)
    options = {"freeze": None, "epochs": 2, "batch_size": 2, "resume": True}
    train_tagger(tracked, folder, preset=start, **options)
    return killer.left


def outcome_of_training(folder: Path) -> dict[str, bytes]:
    """Return all files of a run by name."""
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# === Exports ===


def try_exports(scratch: Path) -> list[str]:
    """Kill exports over an older one; returns what went wrong."""
    for name, seed in (("old", 1), ("new", 2)):
        apart(save_tagger, scratch / f"{name} model", seed)
        apart(export, scratch / f"{name} model", scratch / name, MOST)
    network, whole = scratch / "network", scratch / "whole"
    old, new = (apart(scores_of_export, scratch / n)[1] for n in ("old", "new"))
    shutil.copytree(scratch / "old", whole)
    operations = MOST - apart(export, scratch / "new model", whole, MOST)[1]
    faults, ends = [], {"old": 0, "new": 0}
    for number in kills_of(operations):
        shutil.rmtree(network, ignore_errors=True)
        shutil.copytree(scratch / "old", network)
        code, _ = apart(export, scratch / "new model", network, number)
        _, found = apart(scores_of_export, network)
        if code not in (0, -signal.SIGKILL) or found not in (old, new):
            faults.append(f"operation {number}: exit code {code}, other scores")
            continue
        ends["old" if found == old else "new"] += 1
        apart(export, scratch / "old model", network, MOST)
        left = [p.name for p in scratch.glob(".network*")]
        if left or apart(scores_of_export, network)[1] != old:
            faults.append(f"operation {number}: {left} beside the next export")
    print(f"{OPTIONS.kills} kills at {operations} operations, {len(faults)} faults")
    print(f"the old network {ends['old']} times, the new one {ends['new']} times")
    return faults


def export(model: Path, folder: Path, number: int) -> int:
    """Export to ONNX, killed at an operation; returns how many are left."""
    tagger = kmt.MusicTagger.from_pretrained(model)
    # What is written beside the place counts, and the place itself.
    killer = Killer(folder.parent, number)
    tagger.export(folder, format="onnx")
    return killer.left


def scores_of_export(folder: Path) -> list[float] | None:
    """Return what an exported tagger says about one sound."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, SECONDS * RATE)
    return OnnxTagger(folder).predict(sound.astype("float32"), RATE).tolist()


# === Libraries ===


def try_builds(scratch: Path) -> list[str]:
    """Kill builds that score with a tagger; returns what went wrong."""
    songs = make_songs(scratch / "songs")
    apart(save_tagger, scratch / "tagger", 1)
    whole, folder = scratch / "whole", scratch / "library"
    command = (scratch / "songs", scratch / "tagger")
    operations = MOST - apart(build_library, *command, whole, MOST)[1]
    expected = apart(rows_in, whole)[1]
    assert expected is not None and len(expected) == len(songs)
    faults = []
    for number in kills_of(operations):
        shutil.rmtree(folder, ignore_errors=True)
        code, _ = apart(build_library, *command, folder, number)
        middle_code, middle = apart(rows_in, folder)
        again, _ = apart(build_library, *command, folder, MOST)
        if code not in (0, -signal.SIGKILL) or again != 0:
            faults.append(f"operation {number}: exit codes {code}, then {again}")
        if middle_code or any(expected[p] != row for p, row in middle.items()):
            faults.append(f"operation {number}: rows that nobody scored")
        if apart(rows_in, folder)[1] != expected:
            faults.append(f"operation {number}: other rows at the end")
    print(f"{OPTIONS.kills} kills at {operations} operations, {len(faults)} faults")
    return faults


def build_library(songs: Path, tagger: Path, folder: Path, number: int) -> int:
    """Build a library, killed at an operation; returns how many are left."""
    killer = Killer(folder, number)
    build(songs, folder, str(tagger), embeddings=True, write_seconds=1e-9)
    return killer.left


def rows_in(folder: Path) -> dict[str, str]:
    """Return the rows of a library as text, by path; none if there is none."""
    if not (folder / "library.json").exists():
        return {}
    rows = Library(folder).search().to_pylist()
    return {row["path"]: json.dumps(row, default=str) for row in rows}


# === Inputs ===


def make_songs(folder: Path) -> list[Path]:
    """Write short songs of one note and some noise each."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    time = np.arange(SECONDS * RATE) / RATE
    paths = []
    for number in range(SONGS):
        wave = 0.3 * np.sin(2 * np.pi * (200 + 1500 * (number % 2)) * time)
        paths.append(folder / f"{number}.wav")
        soundfile.write(paths[-1], wave + chance.normal(0, 0.05, len(time)), RATE)
    return paths


def save_tagger(folder: Path, seed: int) -> None:
    """Save a tiny tagger with random weights."""
    keras.utils.set_random_seed(seed)
    kmt.VGGTagger(LABELS, filters=2).save_pretrained(folder)


SCENARIOS = dict(zip(COMMANDS, (try_trainings, try_builds, try_exports), strict=True))

if __name__ == "__main__":
    sys.exit(main())
