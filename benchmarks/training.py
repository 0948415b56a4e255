"""What the input pipeline costs: training from files beside the same from memory.

    python benchmarks/training.py --data tags.csv
    python benchmarks/training.py --data ~/Music --model fcn --workers 0,1,2
    python benchmarks/training.py --data tags.csv --rounds 9 --output table.md

Both sides train the same network on batches of the same shape, one epoch after the
other: "memory" on arrays that lie there already, the others on chunks cut at random
from the files, decoded by the pipeline. Each side takes turns, epoch by epoch, so that
a slow minute of the machine hits everybody; the table holds medians. Weights are
random and what is learned does not matter. A GPU is used if there is one.

`--data` is a CSV with the columns `path` and `tags`, or a folder of audio files, which
then get labels at random.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from tagging import machine, show, table

import keras_musictag as kmt

MODELS = {
    "musicnn": lambda labels: kmt.MusicnnTagger(labels),
    "vgg": lambda labels: kmt.VGGTagger(labels),
    "fcn": lambda labels: kmt.FCNTagger(labels),
    "short_chunk": lambda labels: kmt.ShortChunkCNNTagger(labels),
}


def read_tracks(data):
    """Returns a `TrackList` of a CSV file, or of a folder with labels at random."""
    if data.is_file():
        return kmt.data.from_csv(data)
    files = kmt.audio.find_files(data)
    tracks = [kmt.data.Track(str(file), file) for file in files]
    targets = np.random.default_rng(0).integers(0, 2, (len(tracks), 50))
    labels = [f"label {i}" for i in range(50)]
    return kmt.data.TrackList(tracks, targets, labels).check_files()


class FromMemory(keras.utils.PyDataset):
    """Batches of arrays, sliced as they lie."""

    def __init__(self, waveforms, targets, batch_size):
        super().__init__()
        self.arrays, self.batch_size = (waveforms, targets), batch_size
        self.chunk_samples = waveforms.shape[1]  # the tagger need not crop

    @property
    def num_batches(self):
        return len(self.arrays[0]) // self.batch_size

    def __getitem__(self, index):
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return tuple(array[part] for array in self.arrays)


def sides(tracks, model, batch_size, workers):
    """Returns the data set of each side by its name, all with whole batches."""
    options = {
        "sample_rate": model.sample_rate,
        "chunk_samples": model.chunking.chunk_samples,
        "batch_size": batch_size,
        "seed": 0,
    }
    whole = tracks[: len(tracks) // batch_size * batch_size]
    first = kmt.data.TrackBatches(whole, **options, workers=0)
    arrays = [first[i] for i in range(first.num_batches)]
    memory = FromMemory(
        *(np.concatenate(a) for a in zip(*arrays, strict=True)), batch_size
    )
    found = {"memory": memory}
    for number in workers:
        name = f"files, {number} worker{'' if number == 1 else 's'}"
        found[name] = kmt.data.TrackBatches(whole, **options, workers=number)
    cache = kmt.data.AudioCache()
    found["files, 1 worker, cached"] = kmt.data.TrackBatches(
        whole, **options, workers=1, cache=cache
    )
    return found


def measure(model, data, rounds):
    """Returns `(wall, cpu)` seconds per example of each side, a pair for each round."""
    taken = {name: [] for name in data}
    for number in range(-1, rounds):
        for name, batches in data.items():
            start, busy = time.perf_counter(), time.process_time()
            model.fit(batches, epochs=1, verbose=0)
            wall, cpu = time.perf_counter() - start, time.process_time() - busy
            if number >= 0:  # the first round traces and fills the cache
                examples = batches.num_batches * len(batches[0][0])
                taken[name].append((wall / examples, cpu / examples))
    return taken


def reading(data):
    """Returns examples per second of each side without any training."""
    found = {}
    for name, batches in data.items():
        start = time.perf_counter()
        read = sum(len(batches[i][0]) for i in range(batches.num_batches))
        found[name] = read / (time.perf_counter() - start)
    return found


def as_markdown(result):
    """Writes the result as a page."""
    of = result["machine"]
    medians = {
        name: [statistics.median(figure) for figure in zip(*pairs, strict=True)]
        for name, pairs in result["seconds"].items()
    }
    memory = medians["memory"]
    rows = [
        [
            name,
            show(1 / wall),
            show(100 * (wall / memory[0] - 1), "+.1f", " %"),
            show(100 * (cpu / memory[1] - 1), "+.1f", " %"),
            show(result["reading"][name], ".0f"),
        ]
        for name, (wall, cpu) in medians.items()
    ]
    versions = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
    return "\n".join(
        [
            f"{result['model']}, batches of {result['batch_size']}, "
            f"{result['tracks']} tracks, {result['rounds']} rounds.",
            f"{of['processor']}, {of['cores']} cores, {of['memory_gib']} GiB, "
            f"load before {of['load_before']}. {of['system']}. {versions}.",
            "",
            table(["side", "examples/s", "time", "CPU time", "reading alone /s"], rows),
            "",
            "Time and CPU time of an epoch against that from memory. Where other "
            "programs compete for the machine, the second one is the fairer figure.",
            "",
        ]
    )


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", choices=MODELS, default="musicnn")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--tracks", type=int, help="only the first so many")
    parser.add_argument("--workers", default="0,1")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    tracks = read_tracks(options.data)[: options.tracks]
    before = machine()
    model = MODELS[options.model](list(tracks.labels))
    workers = [int(number) for number in options.workers.split(",")]
    data = sides(tracks, model, options.batch_size, workers)
    result = {
        "machine": before,
        "versions": {
            "keras": keras.__version__,
            keras.backend.backend(): __import__(keras.backend.backend()).__version__,
            "numpy": np.__version__,
        },
        "model": options.model,
        "batch_size": options.batch_size,
        "tracks": len(tracks),
        "rounds": options.rounds,
        "reading": reading(data),
        "seconds": measure(model, data, options.rounds),
    }
    page = as_markdown(result)
    print(page)
    if options.output:
        options.output.write_text(page, "utf-8")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), "utf-8")


if __name__ == "__main__":
    main()
