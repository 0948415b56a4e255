"""`BeatCrops`: batches of crops of tracks with beats, others in each epoch."""

import os
from dataclasses import dataclass

import numpy as np

from keras_musictag.beats.sequence import BeatSequence
from keras_musictag.data import TrackList, beat_folder
from keras_musictag.errors import LabelError
from keras_musictag.models.fitting.crops import TrackCrops, fill, usable
from keras_musictag.models.fitting.track_training import BATCH_SIZE

BEAT, DOWNBEAT, NONE = range(3)


@dataclass(frozen=True)
class Song:
    """A track ready for training.

    Args:
        features: float16 `(frames, bands)`.
        classes: Of each frame, int `(frames,)`: a beat that is no downbeat, a downbeat,
            none.
        weights: float32 `(frames,)`, 0 for frames that do not count.
    """

    features: np.ndarray
    classes: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)


class BeatCrops(TrackCrops):
    """Batches of crops of tracks, as a tracker's `backbone` takes them.

    The spectrograms of all tracks are computed once, here, and kept as float16.

    Args:
        model: The `BeatTracker` that the crops are for.
        tracks: A `data.TrackList` with beats, or a folder for `data.beat_folder`.
        batch_size: Crops in a batch; a smaller number if there are fewer.
        crop_seconds: Length of a crop; the longest track's if that is shorter.
        position: `"random"`, or `"all"` for crops one after the other that cover
            each track once, as for validation.
        seed: Makes crops repeatable; `None` follows `keras.utils.set_random_seed`.
        verbose: Whether to show a progress bar while spectrograms are computed.

    An item is `(spectrograms, classes, weights)`: float32 `(batch, frames, bands)`;
    int `(batch, frames)`; and float32 `(batch, frames)`, 0 beyond the end of a track
    and for the frames beside a beat, which are neither one nor the other.

    Raises:
        AudioError: If no track can be used.
        ConfigError: If an argument cannot work.
        LabelError: If a folder has no beats.
    """

    def __init__(
        self,
        model,
        tracks,
        *,
        batch_size: int = BATCH_SIZE,
        crop_seconds: float = 20.0,
        position: str = "random",
        seed: int | None = None,
        verbose: bool = False,
    ):
        def load():
            found = tracks if isinstance(tracks, TrackList) else beat_folder(tracks)
            return usable(found, lambda track: _load_song(model, track), verbose)

        super().__init__(
            load,
            batch_size=batch_size,
            crop_seconds=crop_seconds,
            frame_period=1 / model.frame_rate,
            position=position,
            seed=seed,
        )

    def __getitem__(self, index: int) -> tuple:
        features, classes, weights = zip(*self._picked(index), strict=True)
        return np.stack(features), np.stack(classes), np.stack(weights)

    def _crop(self, song: Song, start: int, rng) -> tuple:
        cut = slice(start, start + self.frames)
        values = song.features[cut].astype("float32")
        missing = self.frames - len(values)
        classes = fill(song.classes[cut], missing, NONE)
        return fill(values, missing), classes, fill(song.weights[cut], missing)


def _load_song(model, track) -> Song:
    if track.beats is None or track.beats.positions is None or not len(track.beats):
        raise LabelError(
            "The track has no beats with their places in the bar.",
            received=os.fspath(track.path),
            advice="Leave it out, or use a data set with both, such as `beat_folder`.",
        )
    source, rate = track.path, None
    if track.member is not None:
        source, rate = track.load(model.sample_rate)
    features = model.track_spectrogram(source, rate)
    return Song(
        features.astype("float16"),
        *frame_classes(track.beats, len(features), model.frame_rate),
    )


def frame_classes(beats: BeatSequence, frames: int, frame_rate: float):
    """Say what each frame of a track is, and whether it counts.

    Args:
        beats: With positions.
        frames: How many there are.
        frame_rate: Frames per second; frame `t` is centred on `t / frame_rate`.

    Returns:
        Classes, int `(frames,)`, and weights, float32 `(frames,)`.
    """
    classes = np.full(frames, NONE)
    weights = np.ones(frames, "float32")
    places = np.round(beats.times * frame_rate).astype(int)
    inside = places < frames
    places = places[inside]
    for beside in (places - 1, places + 1):
        weights[beside[(beside >= 0) & (beside < frames)]] = 0
    first = np.asarray(beats.positions)[inside] == 1
    classes[places] = np.where(first, DOWNBEAT, BEAT)
    weights[places] = 1
    return classes, weights
