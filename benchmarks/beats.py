"""How right beats are: BeatNet as it is decoded here, and librosa, by mir_eval.

    python benchmarks/beats.py --songs SONGS --grid beat_grid.json

`SONGS` is a folder of audio files; the grid says where their beats are: `songs`, by the
name of a file without its suffix, with `beats` in seconds and `positions` in the bar.
"""

import argparse
import json
from pathlib import Path

import keras_musictag as kmt
from keras_musictag.beats import BeatSequence
from keras_musictag.metrics.beats import beat_scores

SCORES = ("f_measure", "cml_t", "aml_t", "downbeat_f_measure", "tempo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--grid", type=Path, required=True)
    options = parser.parse_args()
    grid = json.loads(options.grid.read_text("utf-8"))["songs"]
    files = {
        path.stem: path
        for path in sorted(options.songs.iterdir())
        if path.stem in grid and path.suffix != ".lab"
    }
    right = {
        name: BeatSequence(grid[name]["beats"], grid[name]["positions"])
        for name in files
    }
    tracker = kmt.BeatTracker.from_pretrained()
    beatgrams = dict(zip(files, tracker.beatgram(list(files.values())), strict=True))
    ways = {
        "mean of three, defaults": lambda name: beatgrams[name].decode(),
        "mean of three, no usual tempo": lambda name: beatgrams[name].decode(
            usual_tempo=None
        ),
        "as a stream, half a second late": lambda name: streamed(tracker, files[name]),
        "librosa's `beat_track`, moved": lambda name: BeatSequence(
            kmt.chords.find_beats(files[name]).times
        ),
    }
    print(f"{len(files)} songs\n\n| | {' | '.join(SCORES)} |")
    print(f"|---|{'---:|' * len(SCORES)}")
    for title, way in ways.items():
        scores = beat_scores(right, {name: way(name) for name in files})
        print(f"| {title} | {' | '.join(f'{scores[s]:.3f}' for s in SCORES)} |")


def streamed(tracker, path: Path) -> BeatSequence:
    """Return the beats that are told while the file arrives."""
    samples, rate = kmt.audio.load(path)
    blocks = (samples[i : i + 1000] for i in range(0, len(samples), 1000))
    beats = list(tracker.stream(blocks, rate))
    return BeatSequence([b.time for b in beats], [b.position for b in beats])


if __name__ == "__main__":
    main()
