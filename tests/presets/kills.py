"""Kills `save_pretrained` over an older model at one file operation after the other.

    python -m tests.presets.kills --count 60   # in a clone; needs strace and PyTorch

Each save is a process of its own. strace sends it SIGKILL when it enters its n-th
system call that has to do with files; afterwards the folder is loaded, and its scores
must be exactly those of the old or of the new model.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

CALLS = (
    "openat,write,pwrite64,fsync,ftruncate,mkdir,flock,close,"
    "rename,renameat,renameat2,link,unlink,unlinkat"
)


def save_and_die(model, folder: Path, call: int) -> bool:
    """Save in a process that is killed at a system call; whether it was."""
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(ready, 1)  # returns when the other end is closed
        os.close(ready)
        model.save_pretrained(folder)
        os._exit(0)
    os.close(ready)
    inject = f"inject={CALLS}:signal=KILL:when={call + 1}"  # one closes the pipe
    with subprocess.Popen(
        ["strace", "-f", "-o", os.devnull, "-e", f"trace={CALLS}"]
        + ["-e", inject, "-p", str(child)],
        stderr=subprocess.PIPE,
        text=True,
    ) as tracer:
        while "attached" not in tracer.stderr.readline():
            time.sleep(0.01)
        os.close(go)
        _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main() -> None:
    """Kill, load, compare, and print what was there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=60)
    count = parser.parse_args().count
    os.environ["KERAS_BACKEND"] = "torch"  # its processes can be forked
    import keras
    import numpy as np

    import keras_musictag as kmt

    audio = np.random.default_rng(0).uniform(-1, 1, 48128).astype("float32")
    models = {}
    for name, seed, labels in (("old", 1, ["a", "b"]), ("new", 2, ["c", "d"])):
        keras.utils.set_random_seed(seed)
        models[name] = kmt.VGGTagger(labels, filters=2)
    scores = {n: m.predict(audio, sample_rate=16000) for n, m in models.items()}
    ends: Counter = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        call = 0
        for kill in range(1, count + 1):
            shutil.rmtree(folder, ignore_errors=True)
            models["old"].save_pretrained(folder)
            call += 1
            killed = save_and_die(models["new"], folder, call)
            again = kmt.MusicTagger.from_pretrained(folder)
            name = "old" if list(again.labels) == ["a", "b"] else "new"
            found = again.predict(audio, sample_rate=16000)
            same = np.array_equal(found, scores[name])
            left = sorted(p.name for p in folder.iterdir())
            print(kill, call, killed, name, same, left, flush=True)
            ends[name if same else "wrong"] += 1
            models["old"].save_pretrained(folder)
            left = sorted(p.name for p in folder.iterdir())
            assert left == ["README.md", "config.json", "model.safetensors"], left
            if not killed:
                call = 0  # it was through: from the first call once more
    print(dict(ends))
    sys.exit(int(ends["wrong"] > 0))


if __name__ == "__main__":
    main()
