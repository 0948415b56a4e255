"""How well a tag is taught by 5, 10 and 20 examples.

    python benchmarks/teach.py --data FOLDER

FOLDER holds `tags.csv` (path, tags, split) and its audio. For each tag the examples are
drawn from the training part: `random` draws half of them from the tracks that have the
tag and half from the others; `asked` draws two of each, and then asks about the least
certain of all training tracks, as `kmt.teach` does. Judged on the test part by ROC-AUC,
the mean over the tags; mean and standard deviation over the seeds.
"""

import argparse
import platform
import time
import warnings
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

import keras_musictag as kmt
from keras_musictag.models.fitting.probe import embed_tracks

COUNTS = (5, 10, 20)
FIRST = 2  # examples of each kind before the first question


class Lessons:
    """Teaches one tag after the other on embeddings computed once."""

    def __init__(self, tagger, tracks, cache):
        self.tagger = tagger
        self.parts = {}
        for name in ("train", "test"):
            part = tracks.split(name)
            rows = np.stack(embed_tracks(tagger, part, cache=cache))
            self.parts[name] = rows, part.targets

    def area(self, chosen, tag) -> float:
        """ROC-AUC on the test part after teaching by the chosen training tracks."""
        odds = self.odds(chosen, tag, self.parts["test"][0])
        return roc_auc_score(self.parts["test"][1][:, tag], odds)

    def odds(self, chosen, tag, rows):
        embeddings, targets = self.parts["train"]
        self.tagger.probe(embeddings=embeddings[chosen], y=targets[chosen][:, [tag]])
        kernel, bias = self.tagger.head.get_layer("logits").get_weights()
        return rows @ kernel[:, 0] + bias[0]

    def random(self, tag, rng) -> dict[int, float]:
        yes, no = self.kinds(tag, rng)
        found = {}
        for count in COUNTS:
            half = (count + 1) // 2
            chosen = np.concatenate([yes[:half], no[: count - half]])
            found[count] = self.area(chosen, tag)
        return found

    def asked(self, tag, rng) -> dict[int, float]:
        yes, no = self.kinds(tag, rng)
        chosen = [*yes[:FIRST], *no[:FIRST]]
        found = {}
        while len(chosen) < max(COUNTS):
            odds = np.abs(self.odds(chosen, tag, self.parts["train"][0]))
            odds[chosen] = np.inf
            chosen.append(int(odds.argmin()))
            if len(chosen) in COUNTS:
                found[len(chosen)] = self.area(chosen, tag)
        return found

    def kinds(self, tag, rng):
        order = rng.permutation(len(self.parts["train"][1]))
        has = self.parts["train"][1][order, tag] == 1
        return order[has], order[~has]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--preset", default="musicnn_msd")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", help="folder that keeps embeddings")
    args = parser.parse_args()
    warnings.simplefilter("error", kmt.AudioWarning)
    tracks = kmt.data.from_csv(args.data / "tags.csv")
    tagger = kmt.MusicTagger.from_pretrained(args.preset, labels=["taught"])
    lessons = Lessons(tagger, tracks, args.cache)
    start = time.perf_counter()
    everything = np.arange(len(lessons.parts["train"][0]))
    all_tracks = [lessons.area(everything, t) for t in range(len(tracks.labels))]
    print("| examples per tag | random | least certain |\n|---|---|---|")
    found = {"random": [], "asked": []}
    for seed in range(args.seeds):
        for way, seen in found.items():
            rng = np.random.default_rng(seed)
            tags = range(len(tracks.labels))
            seen.append([list(getattr(lessons, way)(t, rng).values()) for t in tags])
    for i, count in enumerate(COUNTS):
        cells = []
        for seen in found.values():
            means = np.mean(seen, axis=1)[:, i]
            spread = f" ± {means.std(ddof=1):.3f}" if len(means) > 1 else ""
            cells.append(f"{means.mean():.3f}{spread}")
        print(f"| {count} | {cells[0]} | {cells[1]} |")
    print(f"| all {len(everything)} | {np.mean(all_tracks):.3f} | |")
    print(
        f"\n{args.preset}, {len(tracks.labels)} tags, {args.seeds} seeds, "
        f"{time.perf_counter() - start:.0f} s; {platform.machine()}, "
        f"Keras {keras.__version__} on {keras.backend.backend()}."
    )


if __name__ == "__main__":
    main()
