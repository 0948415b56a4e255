"""What exporting a tagger costs: size, scores and speed of each format.

    python benchmarks/export.py --data FOLDER
    python benchmarks/export.py --data FOLDER --preset vgg_mtt

Each exported network tags all files of the folder beside the Keras tagger. "same" are
the files with the same ten best labels in the same order, "difference" is the largest
of all scores.
"""

import argparse
import platform
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from tagging import table

import keras_musictag as kmt

FORMS = {
    "ONNX": ("onnx", False),
    "ONNX, float16": ("onnx", True),
    "LiteRT": ("litert", False),
    "LiteRT, float16": ("litert", True),
}


def timed(tagger, paths):
    """Returns the scores of all files, and seconds; one file comes first, uncounted."""
    tagger.predict(paths[:1])
    start = time.perf_counter()
    scores = tagger.predict(paths)
    return scores, time.perf_counter() - start


def main():
    """Exports, tags and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of music")
    parser.add_argument("--preset", default="musicnn_msd")
    args = parser.parse_args()
    paths = kmt.audio.find_files(args.data)
    tagger = kmt.MusicTagger.from_pretrained(args.preset)
    expected, seconds = timed(tagger, paths)
    best = np.argsort(-expected)[:, :10]
    rows = [["Keras", "", "", "", f"{seconds:.1f}"]]
    for name, (format, float16) in FORMS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / {"onnx": "a.onnx", "litert": "a.tflite"}[format]
            tagger.export(path, format, float16=float16)
            size = path.stat().st_size / 1e6
            kind = kmt.OnnxTagger if format == "onnx" else kmt.LiteRTTagger
            scores, seconds = timed(kind(path), paths)
        same = (np.argsort(-scores)[:, :10] == best).all(axis=1).sum()
        difference = np.abs(scores - expected).max()
        rows.append(
            [name, f"{size:.1f}", f"{same} of {len(paths)}", f"{difference:.1e}"]
            + [f"{seconds:.1f}"]
        )
    print(table(["format", "MB", "same", "difference", "all files, s"], rows))
    versions = f"Keras {keras.__version__} on {keras.backend.backend()}"
    print(f"\n{args.preset}, {platform.machine()}, {versions}")


if __name__ == "__main__":
    main()
