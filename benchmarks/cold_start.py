"""How long `keras-musictag tag` takes from nothing: with Keras, and with its engine.

    python benchmarks/cold_start.py [--runs 3] [--preset musicnn_msd]

Needs the extra `export`. The engine is made first, in a cache of its own; then whole
commands run in turns. Prints the median of the seconds, and the peak memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

COMMAND = "from keras_musictag.cli import main; main()"


def run(env, *arguments) -> tuple[float, float]:
    """Run the command; give its seconds and its peak memory in MB."""
    command = [sys.executable, "-c", COMMAND, "tag", "--demo", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, status
    return time.perf_counter() - began, usage.ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--preset", default="musicnn_msd")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "KMT_CACHE": cache, "KMT_ENGINE": "auto"}
        os.environ["KMT_CACHE"] = cache
        from keras_musictag.engines.files import engine_path

        path = engine_path(options.preset)
        path.parent.mkdir()
        make = ["-m", "keras_musictag.cli.engines", options.preset, str(path)]
        subprocess.run([sys.executable, *make], env=env, check=True)
        ways = {"engine": (), "keras": ("--engine", "keras")}
        found: dict[str, list] = {name: [] for name in ways}
        for _ in range(options.runs):
            for name, more in ways.items():
                found[name].append(run(env, "--preset", options.preset, *more))
    for name, runs in found.items():
        seconds, memory = (statistics.median(row) for row in zip(*runs, strict=True))
        print(f"{name:7} {seconds:5.2f} s  {memory:5.0f} MB")


if __name__ == "__main__":
    main()
