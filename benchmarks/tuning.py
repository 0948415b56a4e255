"""Chords of mistuned songs: recognisers as they are, and with the tuning followed.

    python benchmarks/tuning.py --data FOLDER
    python benchmarks/tuning.py --data FOLDER --presets crema --cents -50 0 50 --every 3

Songs with a `.lab` file each are detuned by resampling, which moves their times as
well. Each recogniser hears them in three ways: `none`, as music for A4 at 440 Hz;
`filters`, with the bins moved to the tuning that `audio.estimate_tuning` hears; and
`resampled`, where the audio is moved back by that tuning and the times of its chords
likewise. The scores are `majmin` of mir_eval, pooled over all songs.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import mir_eval
import numpy as np
import soxr

import keras_musictag as kmt

PRESETS = ("crema", "crnn_majmin_rendered", "crnn_170_rendered")
CENTS = (-50, -33, -17, 0, 17, 33, 50)
WAYS = ("none", "filters", "resampled")
RATE = 44100


def speed(cents):
    """How much faster sound is that is so many cents higher."""
    return 2.0 ** (cents / 1200)


def detune(samples, cents):
    """Play samples faster or slower, so that they sound `cents` higher."""
    return soxr.resample(samples, RATE * speed(cents), RATE, quality="HQ")


def chords(model, samples, way):
    """Return intervals, in seconds, and labels of the chords that a model hears."""
    model.tuning = "auto" if way == "filters" else 0.0
    cents = 0.0
    if way == "resampled":
        cents = kmt.audio.estimate_tuning(samples, RATE, bins_per_octave=36).cents
        samples = detune(samples, -cents)
    segments = list(model.recognize(samples, RATE))
    times = np.array([[segment.start, segment.end] for segment in segments])
    return times / speed(cents), [segment.label for segment in segments]


def majmin(reference, estimate):
    """Return how much of a song is right, and how much counts, in seconds."""
    intervals, labels = reference
    times, names = mir_eval.util.adjust_intervals(
        *estimate,
        intervals.min(),
        intervals.max(),
        mir_eval.chord.NO_CHORD,
        mir_eval.chord.NO_CHORD,
    )
    merged, wanted, got = mir_eval.util.merge_labeled_intervals(
        intervals, labels, times, names
    )
    right = mir_eval.chord.majmin(wanted, got)
    seconds = mir_eval.util.intervals_to_durations(merged)[right >= 0]
    return float(seconds @ right[right >= 0]), float(seconds.sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--cents", nargs="+", type=float, default=CENTS)
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--every", type=int, default=1, help="only each n-th song")
    arguments = parser.parse_args()
    paths = sorted(arguments.data.glob("*.lab"))[:: arguments.every]
    songs = []
    for path in paths:
        (audio,) = [p for p in path.parent.glob(f"{path.stem}.*") if p != path]
        reference = mir_eval.io.load_labeled_intervals(str(path))
        songs.append((kmt.audio.load(audio, RATE)[0], *reference))
    print(f"{len(songs)} songs, cents:", *(f"{c:+g}" for c in arguments.cents))
    for preset in arguments.presets:
        model = kmt.ChordRecognizer.from_pretrained(preset)
        sums = defaultdict(lambda: np.zeros(2))
        for cents in arguments.cents:
            for samples, intervals, labels in songs:
                moved = detune(samples, cents)
                reference = intervals / speed(cents), labels
                for way in arguments.ways:
                    score = majmin(reference, chords(model, moved, way))
                    sums[way, cents] += score
        for way in arguments.ways:
            scores = [sums[way, cents] for cents in arguments.cents]
            row = " ".join(f"{right / total:.3f}" for right, total in scores)
            print(f"{preset:22} {way:10} {row}", flush=True)


if __name__ == "__main__":
    main()
