"""How fast `BeatThisTracker` is beside `beat-this` on the same weights and cores.

    python -m venv peer && peer/bin/pip install beat-this==1.1.0
    peer/bin/python tests/parity/data/make_beat_this.py random --full --seconds 240
    python benchmarks/beat_this_speed.py random --peer peer/bin/python --rounds 3

`random` holds a checkpoint of the authors' main network with random numbers, which take
as long as trained ones. Both turn four minutes of samples into beats, in turns, each in
a process of its own that has done it once before.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

RATE = 22050


def main() -> None:
    """Time both in turns, and print the medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="random.ckpt and outputs.npz")
    parser.add_argument("--peer", help="a Python that has beat-this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.folder)
        return
    names = {"ours": sys.executable, "theirs": options.peer}
    ways = {
        name: subprocess.Popen(
            [python, __file__, str(options.folder), "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, python in names.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.rounds + 1):
        for name, process in ways.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            took = float(process.stdout.readline())
            if number:  # the first time does not count
                seconds[name].append(took)
    for process in ways.values():
        process.communicate()
    medians = {name: statistics.median(took) for name, took in seconds.items()}
    for name, took in seconds.items():
        print(
            f"{name:7} {medians[name]:6.2f} s  ({', '.join(f'{t:.2f}' for t in took)})"
        )
    print(f"{medians['theirs'] / medians['ours']:.2f} times as fast")


def serve(name: str, folder: Path) -> None:
    """Find the beats whenever a line comes, and print how long it took."""
    import numpy as np

    samples = np.load(folder / "outputs.npz")["waveform_int16"].astype("float32")
    samples /= 32768
    if name == "ours":
        import keras_musictag as kmt
        from keras_musictag.conversion import convert_checkpoint

        model = convert_checkpoint(folder / "random.ckpt", kmt.BeatThisTracker)

        def find():
            return model.track(samples)

    else:
        from beat_this.inference import Audio2Beats

        peer = Audio2Beats(str(folder / "random.ckpt"))

        def find():
            return peer(samples, RATE)

    for _ in sys.stdin:
        start = time.perf_counter()
        find()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
