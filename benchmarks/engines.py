"""What each engine makes of a tagger: times real time, memory, and whose labels stay.

    python benchmarks/engines.py --calibration FOLDER --test FOLDER
    python benchmarks/engines.py --presets musicnn_mtt,vgg_mtt --rounds 11 ...

Networks alone: chunks come from memory. Engines take turns in one process, round after
round, so that a slow minute of the machine hits all of them; a rate is that of the
median call. Scores of the chunks of the test folders (of `tags.csv` in one, the test
part) are compared with Keras on TensorFlow: "first labels" of chunks, and of tracks,
whose scores are the means of their chunks. Memory is the peak of a process that opens
the file and computes one batch. Integers are calibrated with the files of the other
folder (of `tags.csv`, the train part).
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

import keras
import numpy as np
from export import test_part
from tagging import machine, table

import keras_musictag as kmt
from keras_musictag.export import open_exported

CODE = """
import sys, numpy as np
from keras_musictag.export import open_exported
network = open_exported(sys.argv[1], precision=sys.argv[2] or None)
batch, samples = int(sys.argv[3]), network.metadata["input"]["shape"][1]
network(np.zeros((batch, samples), "float32"))
# What `resource` says is at least what the parent had when it forked.
lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(lines["VmHWM"].split()[0]) / 1000)
"""


def train_part(folder):
    """Returns the files to calibrate with."""
    if not (folder / "tags.csv").is_file():
        return kmt.audio.find_files(folder)
    return [str(t.path) for t in kmt.data.from_csv(folder / "tags.csv").split("train")]


def chunks_of(tagger, paths):
    """Returns the chunks of all files, and which file each is of."""
    rate, chunks, owners = tagger.sample_rate, [], []
    for number, path in enumerate(paths):
        samples, _ = kmt.audio.load(path, rate)
        for _, chunk in tagger.chunking.chunks([samples]):
            chunks.append(chunk)
            owners.append(number)
    return np.stack(chunks), np.array(owners)


def exports(tagger, folder, calibration):
    """Writes the files; returns `name: (path, precision)` and the notes of integers."""
    found = {"ONNX Runtime": (tagger.export(folder / "a.onnx"), None)}
    plain, integers = folder / "plain", folder / "integers"
    tagger.export(plain, "openvino")
    for precision in ("float32", "bfloat16"):
        found[f"OpenVINO, {precision}"] = (plain, precision)
    try:
        tagger.export(integers, "openvino", precision="int8", calibration=calibration)
    except kmt.ConfigError as error:  # no layer is good enough: a result, too
        return found, str(error)
    found["OpenVINO, int8"] = (integers, "int8")
    return found, kmt.export.read_metadata(integers)["integers"]


def memory(path, precision, batch):
    """Returns the peak of a process that computes one batch, in MB."""
    command = [sys.executable, "-c", CODE, str(path), precision or "", str(batch)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def measure(preset, calibration, paths, batch, rounds):
    """Returns rows of the table, and what became integers."""
    tagger = kmt.MusicTagger.from_pretrained(preset)
    chunks, owners = chunks_of(tagger, paths)

    def by_keras(part):
        return {"scores": keras.ops.convert_to_numpy(tagger.predict_on_batch(part))}

    with tempfile.TemporaryDirectory() as folder:
        files, integers = exports(tagger, Path(folder), calibration)
        calls = {"Keras on TensorFlow": by_keras}
        calls |= {n: open_exported(p, precision=q) for n, (p, q) in files.items()}
        peaks = {n: memory(p, q, batch) for n, (p, q) in files.items()}
    starts = range(0, len(chunks), batch)
    scores = {
        name: np.concatenate([call(chunks[i : i + batch])["scores"] for i in starts])
        for name, call in calls.items()
    }
    times = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls)[:: 1 - 2 * (number % 2)]:
            start = time.perf_counter()
            calls[name](chunks[:batch])
            times[name].append(time.perf_counter() - start)
    seconds = min(batch, len(chunks)) * chunks.shape[1] / tagger.sample_rate
    rates = {n: seconds / statistics.median(t) for n, t in times.items()}
    rows = [
        [preset, name, f"{rates[name]:.0f}x"]
        + [f"{rates[name] / rates[base]:.2f}" for base in list(calls)[:3]]
        + compared(scores[name], scores["Keras on TensorFlow"], owners)
        + [f"{peaks[name]:.0f}" if name in peaks else ""]
        for name in calls
    ]
    return rows, integers


def compared(scores, expected, owners):
    """Returns the cells about differences."""
    differences = np.abs(scores - expected)
    tracks = [
        np.stack([s[owners == n].mean(0) for n in np.unique(owners)]).argmax(1)
        for s in (scores, expected)
    ]
    same = (scores.argmax(1) == expected.argmax(1)).mean()
    return [
        f"{differences.max():.1e}",
        f"{differences.mean():.1e}",
        f"{same:.1%}",
        f"{(tracks[0] == tracks[1]).mean():.1%}",
    ]


def main():
    """Exports, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--calibration", type=Path, required=True, help="folder of music")
    add("--test", type=Path, nargs="+", required=True, help="folders of other music")
    add("--presets", default="musicnn_mtt,vgg_mtt")
    add("--batch", type=int, default=16, help="chunks in a call")
    add("--rounds", type=int, default=9)
    args = parser.parse_args()
    about, rows, notes = machine(), [], {}
    calibration = train_part(args.calibration)
    paths = [path for folder in args.test for path in test_part(folder)[0]]
    for preset in args.presets.split(","):
        more, notes[preset] = measure(
            preset, calibration, paths, args.batch, args.rounds
        )
        rows += more
        print(f"{preset} is done", file=sys.stderr)
    header = ["preset", "engine", "times real time", "of Keras", "of ONNX"]
    header += ["of OpenVINO float32", "largest difference", "mean"]
    header += ["first labels of chunks", "of tracks", "peak, MB"]
    print(table(header, rows))
    print(f"\n{json.dumps(about)}, load after {os.getloadavg()[0]:.1f}")
    print(json.dumps(notes))


if __name__ == "__main__":
    main()
