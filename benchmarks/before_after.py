"""Today's build beside an earlier commit in one run, in turns, with equal inputs.

    python benchmarks/before_after.py HEAD~1 --what musicnn_msd crema
    python benchmarks/before_after.py v0.1.0 --what musicnn_msd --engine onnx
    KERAS_BACKEND=jax python benchmarks/before_after.py HEAD~1 --what musicnn_msd

Run it inside a git checkout: the commit gets a worktree in a temporary folder. For a
tagger the network reads ready chunks, for a chord recogniser the magnitudes of a track
of four minutes. Both builds stay loaded, each in a process of its own, and take turns;
the table holds medians. On a busy machine read the processor time, that of all threads.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH, SECONDS, PEAK = 32, 240, "matrix"


# The measured program


def work(what, engine):
    """Answers each line of the input by a run: its seconds, and where its result is."""
    run = matrix if what == PEAK else network(what, engine)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.npy")
        for _ in sys.stdin:
            wall, processor = time.perf_counter(), time.process_time()
            values = run()
            seconds = time.perf_counter() - wall, time.process_time() - processor
            import numpy as np

            np.save(result, values)
            print(json.dumps([*seconds, str(result)]), flush=True)


def matrix():
    """Multiplies two matrices; returns their size."""
    import keras
    import numpy as np

    left = keras.ops.ones((2048, 2048))
    for _ in range(4):
        float(keras.ops.matmul(left, left)[0, 0])
    return np.array([2048])


def network(preset, engine):
    """Returns a function that runs the network of a preset."""
    import numpy as np

    import keras_musictag as kmt

    rng = np.random.default_rng(0)
    try:
        model = kmt.MusicTagger.from_pretrained(preset)
    except kmt.errors.MusicTagError:
        return recogniser(kmt.ChordRecognizer.from_pretrained(preset), rng)
    chunks = rng.uniform(-0.5, 0.5, (BATCH, model.input_shape[1])).astype("float32")
    if engine == "keras":
        return lambda: np.asarray(model.predict_on_batch(chunks))
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        file = model.export(Path(folder, "network.onnx"), format="onnx")
        options = onnxruntime.SessionOptions()
        # Threads that wait in loops would count as processor time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(str(file), options)
    feed = {session.get_inputs()[0].name: chunks}
    return lambda: session.run(None, feed)[0]


def recogniser(model, rng):
    """Returns a function that runs the network of a recogniser over a track."""
    import numpy as np

    frames = int(SECONDS * model.sample_rate / model.hop_length)
    shape = (frames, *model.frontend.compute_output_shape((1, 2**20))[2:])
    magnitudes = rng.gamma(0.5, 1.0, shape).astype("float32")

    def run():
        outputs = model.whole_track.predict(magnitudes)
        return np.concatenate([outputs[name] for name in sorted(outputs)], axis=-1)

    return run


# The rounds


class Build:
    """A build in a process of its own."""

    def __init__(self, folder, what, engine):
        command = [sys.executable, __file__, "--work", what, "--engine", engine]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "PYTHONPATH": str(folder)},
        )

    def run(self):
        """Returns seconds, seconds of the processor, and the result."""
        import numpy as np

        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("["):
                wall, processor, result = json.loads(line)
                return wall, processor, np.load(result)
        raise SystemExit(f"A build failed: {self.process.args}")

    def close(self):
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def compare(what, engine, folders, repeats):
    """Prints one row: both builds in turns."""
    builds = [Build(folder, what, engine) for folder in folders]
    first = [build.run()[2] for build in builds]
    runs = [[build.run()[:2] for build in builds] for _ in range(repeats)]
    for build in builds:
        build.close()
    wall, processor = (
        [statistics.median(run[build][kind] for run in runs) for build in (0, 1)]
        for kind in (0, 1)
    )
    ratio = statistics.median(before[0] / after[0] for before, after in runs)
    milliseconds = [f"{seconds * 1e3:.0f}" for seconds in (*wall, *processor)]
    milliseconds.insert(2, f"**{ratio:.2f}**")
    milliseconds.append(f"**{processor[0] / processor[1]:.2f}**")
    difference = f"{abs(first[0] - first[1]).max():.1e}"
    print("|", " | ".join([what, engine, *milliseconds, difference]), "|", flush=True)


def main():
    """Compares the checkout with a commit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", nargs="?", default="HEAD~1")
    parser.add_argument("--what", nargs="+", default=["musicnn_msd"], metavar="PRESET")
    parser.add_argument("--engine", choices=("keras", "onnx"), default="keras")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.engine)
        return
    root = Path(__file__).parents[1]
    git = ["git", "-C", str(root), "worktree"]
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder, "before")
        add = [*git, "add", "--detach", "--force", str(before), options.commit]
        subprocess.run(add, check=True, capture_output=True)
        try:
            print(
                "| network | engine | before ms | after ms | ratio | processor ms | "
                "after | ratio | difference |\n| --- | --- |" + " ---: |" * 7
            )
            for what in options.what:
                compare(what, options.engine, (before, root), options.repeats)
            rate = Build(root, PEAK, "keras")
            seconds = [rate.run()[:2] for _ in range(options.repeats)][1:]
            rate.close()
            print("\nFloat32 matrix product, GFLOP/s: ", end="")
            wall, processor = (
                8 * 2048**3 / statistics.median(times) / 1e9
                for times in zip(*seconds, strict=True)
            )
            print(f"{wall:.0f}; per core {processor:.0f}.")
        finally:
            subprocess.run([*git, "remove", "--force", str(before)], check=True)


if __name__ == "__main__":
    main()
