"""`ChordCrops`: batches of crops of tracks, features kept, others in each epoch."""

import collections
import os
import warnings
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_musictag.chords import ChordSequence
from keras_musictag.chords import transpose as transpose_label
from keras_musictag.chords.chordogram import CHORD
from keras_musictag.chords.harte import NO_CHORD, UNKNOWN_CHORD
from keras_musictag.data import TrackList, chord_folder
from keras_musictag.data.track import listed
from keras_musictag.errors import AudioWarning, ConfigError, LabelError
from keras_musictag.models.fitting.crops import TrackCrops, fill, usable
from keras_musictag.models.fitting.track_training import BATCH_SIZE
from keras_musictag.models.running.keras_track import TOP_DB

SEMITONES = (-6, 5)  # lowest and highest transposition


@dataclass(frozen=True)
class Song:
    """A track ready for training.

    Args:
        features: float16 `(frames, bins)` or `(frames, bins, channels)`.
        segments: Which chord sounds in the middle of what each frame stands for, int
            `(frames,)`; -1 where no segment says.
        labels: The chords in Harte's notation.
    """

    features: np.ndarray
    segments: np.ndarray
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.segments)


class ChordCrops(TrackCrops):
    """Batches of crops of tracks, as a recogniser's `backbone` takes them.

    The features of all tracks are computed once, here, and kept as float16. In each
    epoch a track gives as many crops as fill its length. Transposing moves the bins
    of the features, and what comes in from beyond the lowest or highest bin is
    silence.

    Args:
        model: The `ChordRecognizer` that the crops are for.
        tracks: A `data.TrackList` with chords, or a folder for `data.chord_folder`.
        batch_size: Crops in a batch; a smaller number if there are fewer.
        crop_seconds: Length of a crop; the longest track's if that is shorter.
        transpose: Whether each crop is moved by -6 to +5 semitones.
        position: `"random"`, or `"all"` for crops one after the other that cover
            each track once, as for validation.
        seed: Makes crops and keys repeatable; `None` follows
            `keras.utils.set_random_seed`.
        verbose: Whether to show a progress bar while features are computed.

    An item is `((features, mask), targets, weights)`: float32
    `(batch, frames, bins[, channels])`; bool `(batch, frames)`, false beyond the end
    of a track; the targets of `ChordRecognizer.chord_targets`, an array for a model
    with one output, otherwise a dict; and float32 `(batch, frames)`, 0 for frames
    whose chord is unknown or outside the vocabulary.

    Raises:
        AudioError: If no track can be used.
        ConfigError: If an argument cannot work.
        LabelError: If a folder has no chords.
    """

    def __init__(
        self,
        model,
        tracks,
        *,
        batch_size: int = BATCH_SIZE,
        crop_seconds: float = 20.0,
        transpose: bool = False,
        position: str = "random",
        seed: int | None = None,
        verbose: bool = False,
    ):
        self.bins_per_semitone = bins_per_semitone(model) if transpose else 0
        self.outputs = tuple(model._output_names())
        self.encode = model.chord_targets
        self.silence = -TOP_DB if model.whole_track.decibels else 0.0
        super().__init__(
            lambda: load_songs(model, tracks, verbose),
            batch_size=batch_size,
            crop_seconds=crop_seconds,
            frame_period=model.frame_period,
            position=position,
            seed=seed,
        )

    def __getitem__(self, index: int) -> tuple:
        crops = self._picked(index)
        values, mask, weights = (
            np.stack([crop[i] for crop in crops]) for i in (0, 1, 2)
        )
        targets: Any = {
            name: np.stack([crop[3][name] for crop in crops]) for name in self.outputs
        }
        if len(self.outputs) == 1:
            targets = targets[self.outputs[0]]
        return (values, mask), targets, weights

    def _crop(self, song: Song, start: int, rng):
        """Cut one crop: features, mask, weights and targets by output."""
        semitones = 0
        if self.bins_per_semitone:
            semitones = int(rng.integers(SEMITONES[0], SEMITONES[1] + 1))
        cut = slice(start, start + self.frames)
        moved = semitones * self.bins_per_semitone
        values = slide(song.features[cut], moved, self.silence)
        targets, weights = self._targets(song, cut, semitones)
        missing = self.frames - len(values)
        mask = np.arange(self.frames) < len(values)
        filled = {name: fill(rows, missing) for name, rows in targets.items()}
        values = fill(values, missing, self.silence)
        return values, mask, fill(weights, missing), filled

    def _targets(self, song: Song, cut: slice, semitones: int):
        used, where = np.unique(song.segments[cut], return_inverse=True)
        labels = [
            transpose_label(song.labels[i], semitones) if i >= 0 else NO_CHORD
            for i in used
        ]
        rows = self.encode(labels)
        known = (used >= 0) & (rows[CHORD] >= 0)
        rows = {**rows, CHORD: np.maximum(rows[CHORD], 0)}
        targets = {name: rows[name][where] for name in self.outputs}
        return targets, known[where].astype("float32")


def slide(features: np.ndarray, bins: int, silence: float = -TOP_DB) -> np.ndarray:
    """Move features up (or, with a negative number, down) by some bins.

    Args:
        features: Array `(frames, bins, ...)`.
        bins: How far.
        silence: What comes in.

    Returns:
        float32 array of the same shape.
    """
    moved = np.full(features.shape, silence, "float32")
    size = features.shape[1]
    moved[:, max(0, bins) : size + min(0, bins)] = features[
        :, max(0, -bins) : size - max(0, bins)
    ]
    return moved


def bins_per_semitone(model) -> int:
    """Return how far a semitone moves the bins of a recogniser's front-end.

    Raises:
        ConfigError: If its bins or its vocabulary cannot be transposed.
    """
    bins, rest = divmod(model.frontend.bins_per_octave, 12)
    advice = "Pass transpose=False."
    if rest:
        raise ConfigError(
            "A transposition needs whole bins for each semitone.",
            received=f"bins_per_octave={model.frontend.bins_per_octave}",
            advice=advice,
        )
    try:
        model.vocabulary.transpose_index(1)
    except LabelError as error:
        raise ConfigError(
            error.problem, received=error.received, advice=advice
        ) from error
    return bins


# === Tracks ===


def load_songs(model, tracks, verbose: bool = False) -> list[Song]:
    """Compute the features of all tracks; a bad one is left out and named.

    Args:
        model: The `ChordRecognizer`.
        tracks: A `data.TrackList` with chords, or a folder.
        verbose: Whether to show a progress bar.

    Returns:
        The usable tracks in order.

    Raises:
        AudioError: If none is usable.
        LabelError: If the model can express none of their chords.
    """
    if not isinstance(tracks, TrackList):
        tracks = chord_folder(tracks)
    songs = usable(tracks, lambda track: _load_song(model, track), verbose)
    _name_outside(model, songs)
    return songs


def _name_outside(model, songs: list[Song]) -> None:
    """Say which chords do not count in training, and how often they come."""
    counts = collections.Counter(label for song in songs for label in song.labels)
    labels = [label for label in counts if label != UNKNOWN_CHORD]
    classes = model.chord_targets(labels)[CHORD] if labels else []
    outside = [
        f"{label} ({counts[label]})"
        for label, number in zip(labels, classes, strict=True)
        if number < 0
    ]
    if len(outside) == len(labels):
        raise LabelError(
            "The model can express none of the chords of these tracks.",
            received=listed(outside, 5) if outside else "X only",
            advice="Choose a vocabulary that has them.",
        )
    if outside:
        warnings.warn(
            f"Segments of {len(outside)} of {len(labels)} chords are outside the "
            f"vocabulary and do not count. Received: {listed(outside, 5)}.",
            AudioWarning,
            stacklevel=6,
        )


def _load_song(model, track) -> Song:
    chords = track.chords()
    if not len(chords):
        raise LabelError(
            "The track has no chord segment.",
            received=os.fspath(track.path),
            advice="Leave it out, or label silence as N.",
        )
    source = track.path
    if track.member is not None:
        source, _ = track.load(model.sample_rate)
    magnitudes = model.whole_track.track_magnitudes(source)
    seen = model.whole_track.prepare(magnitudes[None])
    features = keras.ops.convert_to_numpy(seen)[0]
    # Half a frame behind the time at which recognition lets a segment begin.
    middles = np.arange(len(features)) + model.boundary_shift + 0.5
    segments = segments_at(chords, middles * model.frame_period)
    return Song(features.astype("float16"), segments, tuple(chords.labels))


def segments_at(chords: ChordSequence, times: np.ndarray) -> np.ndarray:
    """Return the segment at each time, int `(times,)`; -1 where there is none."""
    at = np.searchsorted(chords.intervals[:, 0], times, side="right") - 1
    inside = (at >= 0) & (times < chords.intervals[at, 1])
    return np.where(inside, at, -1)
