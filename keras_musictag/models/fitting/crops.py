"""`TrackCrops`: batches of crops of tracks, features kept, others in each epoch."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_musictag.checks import check_choice, check_positive, check_positive_int
from keras_musictag.data import TrackList
from keras_musictag.data.track import listed
from keras_musictag.errors import AudioError, AudioWarning
from keras_musictag.tracks.inference import TRACK_ERRORS

POSITIONS = ("random", "all")


class TrackCrops(keras.utils.PyDataset):
    """What crops of tracks have in common: which, in what order, from where.

    A subclass gives `_crop` and `__getitem__`. In each epoch a track gives as many
    crops as fill its length.

    Args:
        load: Gives the songs, sequences of frames.
        batch_size: Crops in a batch; a smaller number if there are fewer.
        crop_seconds: Length of a crop; the longest track's if that is shorter.
        frame_period: Seconds from one frame to the next.
        position: `"random"`, or `"all"` for crops one after the other that cover
            each track once, as for validation.
        seed: Makes crops repeatable; `None` follows `keras.utils.set_random_seed`.

    Raises:
        ConfigError: If an argument cannot work.
    """

    def __init__(
        self,
        load: Callable[[], Sequence],
        *,
        batch_size: int,
        crop_seconds: float,
        frame_period: float,
        position: str,
        seed: int | None,
    ):
        super().__init__()
        self.position = check_choice(position, POSITIONS, name="position")
        batch_size = check_positive_int(batch_size, name="batch_size")
        seconds = check_positive(crop_seconds, name="crop_seconds")
        self.seed = int(np.random.randint(2**31)) if seed is None else seed
        self.songs = load()
        longest = max(len(song) for song in self.songs)
        self.frames = min(max(1, round(seconds / frame_period)), longest)
        self.items = [
            (song, start)
            for song in self.songs
            for start in range(0, len(song), self.frames)
        ]
        self.batch_size = min(batch_size, len(self.items))
        self.epoch = 0
        self._reorder()

    @property
    def num_batches(self) -> int:
        """How many batches an epoch has."""
        return math.ceil(len(self.items) / self.batch_size)

    def on_epoch_end(self) -> None:
        """Draw other crops in another order for the next epoch."""
        self.epoch += 1
        self._reorder()

    def _reorder(self) -> None:
        self.order = np.arange(len(self.items))
        if self.position == "random":
            np.random.default_rng((self.seed, self.epoch, 0)).shuffle(self.order)

    def _picked(self, index: int) -> list[tuple]:
        """Cut the crops of a batch."""
        rng = np.random.default_rng((self.seed, self.epoch, index + 1))
        chosen = np.arange(index * self.batch_size, (index + 1) * self.batch_size)
        if self.position == "all":
            chosen = chosen[chosen < len(self.items)]
        crops = []
        for i in chosen:
            # A last batch is filled from the first: one shape is one compilation.
            song, start = self.items[self.order[i % len(self.items)]]
            if self.position == "random":
                room = len(song) - self.frames
                start = int(rng.integers(max(0, room) + 1))
            crops.append(self._crop(song, start, rng))
        return crops

    def _crop(self, song, start: int, rng) -> tuple:
        """Cut `self.frames` frames of a song."""
        raise NotImplementedError


def fill(values: np.ndarray, missing: int, value=0) -> np.ndarray:
    """Fill up the first axis of an array at its end."""
    ends = [(0, missing)] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, ends, constant_values=value)


def usable(tracks: TrackList, load: Callable[[Any], Any], verbose: bool) -> list:
    """Load all tracks; a bad one is left out and named.

    Args:
        tracks: The tracks.
        load: From a `data.Track` to a song.
        verbose: Whether to show a progress bar.

    Returns:
        The usable songs in order.

    Raises:
        AudioError: If none is usable.
    """
    songs, bad = [], []
    bar = keras.utils.Progbar(len(tracks), unit_name="track") if verbose else None
    for track in tracks:
        try:
            songs.append(load(track))
        except TRACK_ERRORS as error:
            bad.append(f"{track.id}: {str(error).rstrip('.')}")
        if bar:
            bar.add(1)
    if not bad:
        return songs
    count = f"{len(bad)} of {len(tracks)} tracks of the {tracks.name} cannot be used."
    if not songs:
        raise AudioError(
            count, received=listed(bad, 3), advice="Check the files and their labels."
        )
    warnings.warn(
        f"{count} Received: {listed(bad, 3)}. They are left out.",
        AudioWarning,
        stacklevel=6,
    )
    return songs
