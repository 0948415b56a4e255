"""What exporting a tagger costs: size, scores and speed of each format.

    python benchmarks/export.py --data FOLDER
    python benchmarks/export.py --data FOLDER --preset vgg_mtt

Each exported network tags all files of the folder beside the Keras tagger. If there is
a table `tags.csv` (path, tags, split) in it, the test part of that is tagged. "same
ten" are the files with the same ten best labels, "in order" those with the same order
too; the differences are of all scores. "ROC-AUC" is the mean over the tags of the table
that are labels of the tagger as well, without training.
"""

import argparse
import platform
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import roc_auc_score
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


def test_part(folder):
    """Returns the files to tag, and `label: targets` of what their table knows."""
    if not (folder / "tags.csv").is_file():
        return kmt.audio.find_files(folder), {}
    tracks = kmt.data.from_csv(folder / "tags.csv")
    part = tracks.split("test")
    paths = [str(track.path) for track in part]
    return paths, dict(zip(tracks.labels, part.targets.T, strict=True))


def area(scores, labels, truth) -> str:
    """Returns the macro ROC-AUC over the labels that the table has too."""
    shared = [(i, truth[label]) for i, label in enumerate(labels) if label in truth]
    if not shared:
        return ""
    areas = [roc_auc_score(target, scores[:, i]) for i, target in shared]
    return f"{np.mean(areas):.4f} ({len(areas)} tags)"


def main():
    """Exports, tags and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of music")
    parser.add_argument("--preset", default="musicnn_msd")
    args = parser.parse_args()
    paths, truth = test_part(args.data)
    tagger = kmt.MusicTagger.from_pretrained(args.preset)
    expected, seconds = timed(tagger, paths)
    best = np.argsort(-expected)[:, :10]
    whole = area(expected, tagger.labels, truth)
    rows = [["Keras", "", "", "", "", "", whole, f"{seconds:.1f}"]]
    for name, (format, float16) in FORMS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / {"onnx": "a.onnx", "litert": "a.tflite"}[format]
            tagger.export(path, format, float16=float16)
            size = path.stat().st_size / 1e6
            kind = kmt.OnnxTagger if format == "onnx" else kmt.LiteRTTagger
            scores, seconds = timed(kind(path), paths)
        found = np.argsort(-scores)[:, :10]
        ten = (np.sort(found) == np.sort(best)).all(axis=1).sum()
        same = (found == best).all(axis=1).sum()
        differences = np.abs(scores - expected)
        rows.append(
            [name, f"{size:.1f}", f"{ten} of {len(paths)}", f"{same} of {len(paths)}"]
            + [f"{differences.mean():.1e}", f"{differences.max():.1e}"]
            + [area(scores, tagger.labels, truth), f"{seconds:.1f}"]
        )
    header = ["format", "MB", "same ten", "in order", "mean difference", "largest"]
    print(table([*header, "ROC-AUC", "all files, s"], rows))
    versions = f"Keras {keras.__version__} on {keras.backend.backend()}"
    print(f"\n{args.preset}, {platform.machine()}, {versions}")


if __name__ == "__main__":
    main()
