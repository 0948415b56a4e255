"""How right `Taggram.segments` is, on songs of which it is known who plays when.

    python benchmarks/segments.py --clips FOLDER --tagger musicnn_mtt

The clips are those of `tools/render_tags.py`, or any folder with a `tags.csv` of
`path,tags,split`. Six of them, drawn by chance, make a song, so that an instrument may
come or go every ten seconds. Thresholds are chosen on the songs of `valid`, by the best
F1 for each label, and judged on those of `test`, which have other sounds and grooves;
`usual` is the threshold that nobody chose. A frame is 0.1 s. `everywhere` is the F1 of
saying that the label is heard all the time.
"""

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

import keras_musictag as kmt

CLIPS_PER_SONG = 6
FRAMES_PER_SECOND = 10
THRESHOLDS = np.round(np.arange(0.02, 0.98, 0.02), 2)
# What labels of MagnaTagATune and of the rendered clips have in common.
INSTRUMENTS = {
    "guitar": {"acoustic guitar", "electric guitar", "distorted guitar"},
    "drums": {"drums"},
    "strings": {"strings"},
    "piano": {"piano"},
    "flute": {"flute"},
    "synth": {"synth"},
}
# Nobody sings in these clips: all that is found is wrong.
UNHEARD = ("vocals", "female vocalists")


class Song(NamedTuple):
    """A song: what the tagger says, and which tags its clips have, frame by frame."""

    taggram: kmt.Taggram
    tags: list[set[str]]

    def found(self, label: str, threshold: float | None) -> np.ndarray:
        """Return whether each frame lies in a segment of the label."""
        times = (np.arange(len(self.tags)) + 0.5) / FRAMES_PER_SECOND
        inside = np.zeros(len(times), bool)
        for start, end in self.taggram.segments(label, threshold=threshold):
            inside |= (start <= times) & (times < end)
        return inside

    def truth(self, instruments: set[str]) -> np.ndarray:
        """Return whether one of the instruments plays in each frame."""
        return np.array([bool(tags & instruments) for tags in self.tags])


def read_songs(folder: Path, split: str, tagger, hop: float | None) -> list[Song]:
    """Make songs of the clips of a split and score them."""
    with open(folder / "tags.csv", encoding="utf-8", newline="") as file:
        clips = [row for row in csv.DictReader(file) if row["split"] == split]
    np.random.default_rng(0).shuffle(clips)
    plan, rate = tagger.chunking, tagger.sample_rate
    if hop is not None:
        plan = plan.replace(hop_samples=round(hop * rate))
    songs = []
    for first in range(0, len(clips) - CLIPS_PER_SONG + 1, CLIPS_PER_SONG):
        sounds, tags = [], []
        for clip in clips[first : first + CLIPS_PER_SONG]:
            y, _ = kmt.audio.load(folder / clip["path"], rate)
            frames = FRAMES_PER_SECOND * len(y) // rate
            sounds.append(y[: frames * rate // FRAMES_PER_SECOND])
            tags += [set(clip["tags"].split("|"))] * frames
        taggram = tagger.taggram(np.concatenate(sounds), rate, chunking=plan)
        songs.append(Song(taggram, tags))
    return songs


def rates(songs: list[Song], label: str, threshold) -> tuple[float, float]:
    """Return precision and recall of the frames of all songs."""
    truth = np.concatenate([song.truth(INSTRUMENTS[label]) for song in songs])
    found = np.concatenate([song.found(label, threshold) for song in songs])
    right = (truth & found).sum()
    return right / max(found.sum(), 1), right / max(truth.sum(), 1)


def f1(precision: float, recall: float) -> float:
    """Return their harmonic mean."""
    return 2 * precision * recall / max(precision + recall, 1e-9)


def best_threshold(songs: list[Song], label: str) -> float:
    """Return the threshold with the best F1."""
    scores = [f1(*rates(songs, label, threshold)) for threshold in THRESHOLDS]
    return float(THRESHOLDS[int(np.argmax(scores))])


def main() -> None:
    """Print a line for each label, and what is found of voices that are not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="with a tags.csv")
    parser.add_argument("--tagger", default="musicnn_mtt")
    parser.add_argument("--hop", type=float, help="seconds from chunk to chunk")
    options = parser.parse_args()
    tagger = kmt.MusicTagger.from_pretrained(options.tagger)
    tuning, test = (
        read_songs(options.clips, split, tagger, options.hop)
        for split in ("valid", "test")
    )
    print(f"{options.tagger}: {len(tuning)} songs to choose on, {len(test)} to judge")
    print("label      threshold  precision  recall     F1   everywhere  at 0.5")
    for label in (name for name in INSTRUMENTS if name in tagger.labels):
        everywhere = f1(rates(test, label, -1.0)[0], 1)
        rest = f"{everywhere:12.3f} {f1(*rates(test, label, 0.5)):7.3f}"
        best = best_threshold(tuning, label)
        for name, threshold in (("usual", None), (f"{best:.2f}", best)):
            pair = rates(test, label, threshold)
            numbers = f"{pair[0]:10.3f} {pair[1]:7.3f} {f1(*pair):6.3f}"
            print(f"{label:10} {name:>9} {numbers} {rest}")
    for label in (name for name in UNHEARD if name in tagger.labels):
        for threshold in (None, 0.1, 0.2, 0.5):
            found = np.concatenate([song.found(label, threshold) for song in test])
            least = "what is usual" if threshold is None else threshold
            print(f"{label} from {least} on: {found.mean():.1%} of the time")


if __name__ == "__main__":
    main()
