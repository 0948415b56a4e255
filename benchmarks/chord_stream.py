"""What a stream of chords says, beside what is said of the whole file.

    python benchmarks/chord_stream.py --songs SONGS --clips CLIPS

`SONGS` is a folder of audio files with a `.lab` file each, of which every third one is
taken; `CLIPS` are recordings without labels, of which the first eight are.
"""

import argparse
from pathlib import Path

import numpy as np

import keras_musictag as kmt
from keras_musictag.chords import ChordSequence
from keras_musictag.metrics import chord_scores
from keras_musictag.metrics.tables import markdown

SOUNDS = (".ogg", ".wav", ".flac", ".mp3")
# Latency and window, in seconds.
SETTINGS = ((0.5, 15.0), (1.0, 15.0), (2.0, 8.0), (2.0, 15.0))
PERIOD = 0.1


def sounds_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in SOUNDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--preset", default="crema")
    options = parser.parse_args()
    songs = sounds_of(options.songs)[::3]
    model = kmt.ChordRecognizer.from_pretrained(options.preset)
    pieces = {
        path: kmt.audio.load(path, model.sample_rate)[0]
        for path in [*songs, *sounds_of(options.clips)[:8]]
    }
    whole = {path: model.recognize(y) for path, y in pieces.items()}
    right = {path: ChordSequence.from_lab(path.with_suffix(".lab")) for path in songs}
    rows = []
    for latency, window in SETTINGS:
        live = {}
        for path, y in pieces.items():
            segments = list(model.stream([y], latency=latency, window=window))
            live[path] = ChordSequence(
                [segment[:2] for segment in segments], [s.label for s in segments]
            )
        same = [
            one == other
            for path in pieces
            for times in [np.arange(PERIOD / 2, whole[path].duration, PERIOD)]
            for one, other in zip(
                whole[path].sample(times), live[path].sample(times), strict=True
            )
        ]
        scores = [
            chord_scores(right, {path: found[path] for path in songs})["majmin"]
            for found in (live, whole)
        ]
        figures = (np.mean(same), *scores)
        rows.append([f"{latency:g}", f"{window:g}", *(f"{x:.3f}" for x in figures)])
    print(f"{options.preset}, {len(songs)} songs and {len(pieces) - len(songs)} clips")
    print(markdown(["latency", "window", "same", "majmin", "whole"], rows))


if __name__ == "__main__":
    main()
