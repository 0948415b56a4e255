"""How large, fast and hungry each family of taggers is: a table in Markdown.

    python benchmarks/families.py
    KERAS_BACKEND=torch python benchmarks/families.py CLAPTagger ASTTagger

Each family is made with its own settings and random numbers, which take as long as
trained ones, in a process of its own with one thread. It embeds the same half minute
twice; of the second time the seconds of the processor count, which others that use the
machine do not change much. Memory is the most that the process has held, with Keras and
all else that was imported: the first line, without a model, says how much that is.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

SECONDS = 30
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
# Where the settings of the class are not those that are published.
SETTINGS = {
    "CLAPTagger": {"": {"audio": {"patch_units": 128, "depths": [2, 2, 12, 2]}}},
    "MusicnnTagger": {"": {}, "won": {"variant": "won"}},
}


def main() -> None:
    """Measure each in turn, and print its line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", help="names of classes; all if none")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*json.loads(options.one))))
        return
    print("| family | parameters | chunk (s) | times real time | memory (MB) |")
    print("|---|---:|---:|---:|---:|")
    print(f"| no model | | | | {run(None, {})['memory']:,.0f} |", flush=True)
    for name in options.families or families():
        for preset, settings in SETTINGS.get(name, {"": {}}).items():
            found = run(name, settings)
            print(
                f"| `{name}`{f' ({preset})' if preset else ''} "
                f"| {found['parameters']:,} | {found['chunk']:.2f} "
                f"| {SECONDS / found['seconds']:,.1f} | {found['memory']:,.0f} |",
                flush=True,
            )


def families() -> list[str]:
    """Return the names of the classes of taggers."""
    from keras_musictag.models import registry
    from keras_musictag.models.tagger import MusicTagger

    classes = registry()
    return sorted(n for n, c in classes.items() if issubclass(c, MusicTagger))


def run(name: str | None, settings: dict) -> dict:
    """Measure one in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps([name, settings])]
    env = {**os.environ, **dict.fromkeys(THREADS, "1")}
    done = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str | None, settings: dict) -> dict:
    """Embed noise twice."""
    import numpy as np

    from keras_musictag.models import registry

    classes = registry()
    found = {}
    if name is not None:
        model = classes[name]([f"tag {i}" for i in range(50)], **settings)
        random = np.random.default_rng(0)
        sound = random.normal(0, 0.1, SECONDS * model.sample_rate).astype("float32")
        model.embed(sound)
        start = time.process_time()
        model.embed(sound)
        found = {
            "seconds": time.process_time() - start,
            "parameters": model.count_params(),
            "chunk": model.chunking.chunk_samples / model.sample_rate,
        }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**found, "memory": peak}


if __name__ == "__main__":
    main()
