"""How fast a library is built, beside `predict` on the same files in the same run.

    python benchmarks/library.py --rounds 3
    python benchmarks/library.py --files ~/Music --count 12
    python benchmarks/library.py --ray --rounds 5 --count 24
    python benchmarks/library.py --tiny 10000 --against FOLDER
    python benchmarks/library.py --against FOLDER --rounds 3

Rounds of three things take turns, each in a warm process: `predict` of one preset (the
rate of benchmarks/tagging.py), `library.build` with that preset into a new folder, and
`library.build` with three presets at once against the sum of three runs with one each.
`--spaced` compares the scores of a few spaced chunks with those of all instead.
`--ray` compares the Ray engine with the local one, its actors ready before; processor
time (by psutil) tells what a busy machine's clock does not.
`--tiny` builds libraries of so many files of less than a second, one chunk each, and
prints the memory after each thousand; with `--against` in turns with the package in
another folder, such as a `git worktree` of an earlier version. `--against` without
`--tiny`: the whole command `library build` over the clips, in turns with that one's.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import peers
import soundfile
from cold_start import MAIN

import keras_musictag as kmt
from keras_musictag.library.analysis import Analyzer
from keras_musictag.library.building import run
from keras_musictag.library.jobs import Recipe
from keras_musictag.library.store import Store

PRESETS = ("musicnn_msd", "musicnn_mtt", "vgg_msd")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--files", type=Path, help="folder of music to cut the clips from")
    add("--count", type=int, default=8, help="number of clips")
    add("--seconds", type=float, default=25, help="length of a clip")
    add("--rounds", type=int, default=3)
    add("--spaced", action="store_true", help="compare scores of spaced chunks")
    add("--ray", action="store_true", help="compare the Ray engine with the local one")
    add("--workers", type=int, default=2, help="actors of the Ray engine")
    add("--tiny", type=int, metavar="N", help="so many tiny files instead")
    add("--against", type=Path, help="folder of another version")
    options = parser.parse_args()
    if options.tiny:
        compare_versions(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        files = peers.make_clips(folder, options.files, options.count, options.seconds)
        names = ("keras", "tensorflow", "numpy", "soundfile", "pyarrow", "duckdb")
        print(platform.machine(), ", ".join(f"{n} {version(n)}" for n in names))
        if options.against:
            compare_commands(files, options)
        elif options.spaced:
            compare_spaced(files)
        elif options.ray:
            compare_engines(files, options)
        else:
            compare_rates(files, options.count * options.seconds, options.rounds)


def compare_rates(files: list[str], seconds: float, rounds: int) -> None:
    """Print the rates of all ways, the medians of the rounds, and their ratios."""
    model = kmt.MusicTagger.from_pretrained(PRESETS[0])
    ways = {"predict": lambda: model.predict(files)}
    for presets in (*((name,) for name in PRESETS), PRESETS):
        build = builder(files, Analyzer(Recipe(presets)))
        ways[", ".join(presets)] = build
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number:  # the first round warms up
                taken[name].append(time.perf_counter() - began)
    middle = {name: statistics.median(times) for name, times in taken.items()}
    for name, value in middle.items():
        print(f"{name:40s} {value:7.2f} s {seconds / value:7.1f}x real time")
    pairs = zip(taken["predict"], taken[PRESETS[0]], strict=True)
    ratio = statistics.median(predict / built for predict, built in pairs)
    print(f"library / predict, one preset: {100 * ratio:.0f} %")
    sums = [sum(times) for times in zip(*(taken[n] for n in PRESETS), strict=True)]
    pairs = zip(taken[", ".join(PRESETS)], sums, strict=True)
    ratio = statistics.median(together / apart for together, apart in pairs)
    print(f"three presets at once / sum of three runs: {100 * ratio:.0f} %")


def builder(files: list[str], analyzer: Analyzer, engine=Analyzer.run):
    """Return a function that builds a new library, its models loaded before."""

    def build():
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder, "library"))
            with store.locked():
                run(store, analyzer, files, engine=engine)

    return build


def compare_engines(files: list[str], options: argparse.Namespace) -> None:
    """Print the rates of both engines once they run, and what starting Ray costs."""
    from keras_musictag.library import ray_engine

    began = time.perf_counter()
    analyzer = Analyzer(Recipe(PRESETS[:1]))
    print(f"a model is loaded here in {time.perf_counter() - began:.1f} s")
    taken: dict[str, list[tuple]] = {"local": [], "ray": []}
    began = time.perf_counter()
    with (
        ray_engine.connected(None),
        ray_engine.Pool(analyzer, options.workers) as pool,
    ):
        ways = {
            "local": builder(files, analyzer),
            "ray": builder(files, analyzer, lambda _, jobs: pool.run(jobs)),
        }
        pool.wait()
        print(f"the actors are ready in {time.perf_counter() - began:.1f} s")
        for number in range(options.rounds + 1):
            for name, build in ways.items():
                began, worked = time.perf_counter(), processor_seconds()
                build()
                times = time.perf_counter() - began, processor_seconds() - worked
                if number:  # the first round warms up
                    taken[name].append(times)
    seconds = len(files) * options.seconds
    for name, values in taken.items():
        rates = ", ".join(f"{seconds / clock:.0f}" for clock, _ in values)
        work = statistics.median(worked for _, worked in values) / len(files)
        print(f"{name:6s} {rates} x real time; {work:.3f} s of processor per clip")
    for title, which in (("rate by the clock", 0), ("rate by processor time", 1)):
        pairs = zip(taken["local"], taken["ray"], strict=True)
        ratio = statistics.median(local[which] / ray[which] for local, ray in pairs)
        print(f"ray, {options.workers} workers / local, {title}: {100 * ratio:.0f} %")


TINY = """
import json, sys, tempfile, time
from pathlib import Path
import psutil
from keras_musictag import environment
environment.quiet_tensorflow()
from keras_musictag.library import building, scanning
from keras_musictag.library.analysis import Analyzer
from keras_musictag.library.jobs import Recipe
from keras_musictag.library.store import Store
this, megabytes = psutil.Process(), []
def keep(progress):
    if progress.done % 1000 == 0:
        megabytes.append(this.memory_info().rss // 2**20)
with tempfile.TemporaryDirectory() as folder:
    store, files = Store(Path(folder, "library")), scanning.find_tracks(sys.argv[1])
    with store.locked():
        analyzer = Analyzer(Recipe((sys.argv[2],)))
        building.run(store, analyzer, files[:16])
        began, worked = time.perf_counter(), sum(this.cpu_times()[:2])
        building.run(store, analyzer, files[16:], on_progress=keep)
        taken = time.perf_counter() - began, sum(this.cpu_times()[:2]) - worked
print(json.dumps([len(files) - 16, *taken, megabytes]))
"""


def compare_versions(options: argparse.Namespace) -> None:
    """Print the rates of this version and of another with tiny files, and memory."""
    versions = {"this": Path(kmt.__file__).parent.parent}
    if options.against:
        versions["that"] = options.against.absolute()
    taken: dict[str, list[list[float]]] = {name: [] for name in versions}
    with tempfile.TemporaryDirectory() as folder:
        make_tiny(Path(folder), options.tiny)
        command = [sys.executable, "-c", TINY, folder, PRESETS[0]]
        for _ in range(options.rounds):
            for name, path in versions.items():
                environment = {**os.environ, "PYTHONPATH": str(path)}
                done = subprocess.run(
                    command, env=environment, check=True, stdout=subprocess.PIPE
                )
                count, *times, megabytes = json.loads(done.stdout.splitlines()[-1])
                taken[name].append([count / value for value in times])
                rates = [f"{rate:.1f}" for rate in taken[name][-1]]
                print(name, f"{rates[0]} files/s, {rates[1]} per processor second,")
                print(f"MB after each 1000 files: {megabytes}", flush=True)
    for title, which in (("by the clock", 0), ("by processor time", 1)):
        if options.against:
            pairs = zip(taken["this"], taken["that"], strict=True)
            ratio = statistics.median(one[which] / two[which] for one, two in pairs)
            print(f"this / that, {title}: {ratio:.2f}x")


def compare_commands(files: list[str], options: argparse.Namespace) -> None:
    """Print what `library build` takes here and elsewhere, its start included."""
    versions = {"this": Path(kmt.__file__).parent.parent}
    versions["that"] = options.against.absolute()
    taken: dict[str, list[dict]] = {name: [] for name in versions}
    for number in range(options.rounds + 1):
        for name, path in versions.items():
            with tempfile.TemporaryDirectory() as folder:
                place = ["env", f"PYTHONPATH={path}", sys.executable, "-c", MAIN]
                build = ["library", "build", *files, "--out", f"{folder}/library"]
                done = peers.run([*place, *build])
            if "failed" in done:
                raise SystemExit(f"{name}: {done['failed']}")
            if number:  # the first round makes engines, and warms up
                taken[name].append(done)
    for name, runs in taken.items():
        middle = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        print(name, ", ".join(f"{key} {value:.2f}" for key, value in middle.items()))
    for key in ("wall", "cpu"):
        pairs = zip(taken["that"], taken["this"], strict=True)
        ratio = statistics.median(that[key] / this[key] for that, this in pairs)
        print(f"this is {ratio:.2f} times as fast by {key}")


def make_tiny(folder: Path, count: int) -> None:
    """Write so many WAV files of noise, of 0.2 to 1 s each."""
    rng = np.random.default_rng(0)
    for number in range(count):
        rate, channels = int(rng.choice([16000, 22050, 44100])), rng.integers(1, 3)
        frames = int(rate * rng.uniform(0.2, 1.0))
        part = folder / f"{number // 1000:03d}"
        part.mkdir(exist_ok=True)
        y = 0.2 * rng.normal(size=(frames, channels))
        soundfile.write(part / f"{number:06d}.wav", y, rate)


def processor_seconds() -> float:
    """Return the processor time of this process and of all that it has started."""
    import psutil

    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(psutil.Error):  # it has just ended
            total += sum(process.cpu_times()[:2])
    return total


def compare_spaced(files: list[str]) -> None:
    """Print how far the scores of a few chunks are from those of all."""
    model = kmt.MusicTagger.from_pretrained(PRESETS[0])
    whole = model.predict(files)
    print("chunks  mean difference  largest  same best tag  seconds")
    for n in (1, 2, 4, 8):
        began = time.perf_counter()
        few = model.predict(files, chunking=model.chunking.spaced(n))
        taken = time.perf_counter() - began
        gap = np.abs(few - whole)
        same = int((few.argmax(1) == whole.argmax(1)).sum())
        print(
            f"{n:6d} {gap.mean():16.4f} {gap.max():8.3f} {same:9d}/{len(files)} "
            f"{taken:8.1f}"
        )


if __name__ == "__main__":
    main()
