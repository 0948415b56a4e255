"""One track of a data set: where its audio lies, and what is known about it."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.beats.sequence import BeatSequence
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import AudioError, AudioWarning, LabelError

# Opening a file and decoding this much shows a missing, empty or foreign file.
PROBE_SECONDS = 0.1
PROBE_RATE = 16000


def listed(names: Iterable, most: int = 5) -> str:
    """Join names with commas; from the sixth on they are only counted."""
    names = [str(name) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def warn_of(problem: str, received: str, what: str, *, depth: int = 4) -> None:
    """Warn of items that are not used as they stand."""
    warnings.warn(
        f"{problem} Received: {received}. They are {what}; mend them to use them.",
        AudioWarning,
        stacklevel=depth,
    )


@dataclass(frozen=True, slots=True)
class Track:
    """A track: its audio, its tags and the part of the data it belongs to.

    Args:
        id: Name of the track in the data set.
        path: Audio file, or the HDF5 file that holds the audio.
        tags: Labels that are known to be true.
        split: Part of the data, such as `"train"`; `None` for none.
        member: Name of the track inside an HDF5 file; `None` for an audio file.
        annotation: Chords: a `.lab` or JAMS file, or a `ChordSequence`.
        beats: A `beats.BeatSequence` that is known to be right; `None` if none is.
        key: The right key, as `"Bb:maj"`; `None` if it is not known.

    Example:

    ```python
    import keras_musictag as kmt

    track = kmt.data.Track("demo", kmt.audio.demo_path(), tags=("jazz",))
    y, sample_rate = track.load(16000)
    ```
    """

    id: str
    path: str | Path
    tags: tuple[str, ...] = ()
    split: str | None = None
    member: str | None = None
    annotation: Path | ChordSequence | None = None
    beats: BeatSequence | None = None
    key: str | None = None

    def load(self, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
        """Load the audio, as `keras_musictag.audio.load` does.

        Args:
            sample_rate: Wanted rate in Hz; `None` keeps the file's.

        Returns:
            `(y, sample_rate)`: float32 array `(samples,)`, and its rate in Hz.

        Raises:
            AudioError: If the audio is missing or unreadable.
        """
        if self.member is None:
            return audio.load(self.path, sample_rate)
        y, rate = _load_member(self.path, self.member)
        if sample_rate is None or sample_rate == rate:
            return y, rate
        return audio.resample(y, rate, sample_rate), sample_rate

    def chords(self) -> ChordSequence:
        """Read the chords.

        Returns:
            The `ChordSequence`.

        Raises:
            LabelError: If the track has none, or its file is missing or malformed.
        """
        if isinstance(self.annotation, ChordSequence):
            return self.annotation
        if self.annotation is None:
            raise LabelError(
                "The track has no chords.",
                received=f"track {self.id!r}",
                advice="Use a data set with chords, such as `chord_folder`.",
            )
        try:
            return ChordSequence.from_file(self.annotation)
        except OSError as error:
            raise LabelError(
                f"The chord file cannot be read ({error.strerror}).",
                received=os.fspath(self.annotation),
                advice="Check that the file is there and may be read.",
            ) from error

    def problem(self, *, whole: bool = False) -> str | None:
        """Say why the track cannot be used.

        Args:
            whole: Whether to decode all of the audio instead of its first moment.

        Returns:
            The message of the error, or `None` if all is well.
        """
        try:
            if self.member is not None or whole:
                self.load()
            else:
                next(audio.blocks(self.path, PROBE_RATE, block_seconds=PROBE_SECONDS))
            if self.annotation is not None:
                self.chords()
        except (AudioError, LabelError) as error:
            return str(error)
        return None


def _load_member(path, member: str) -> tuple[np.ndarray, int]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            dataset = file[member]
            y, rate = dataset[...], dataset.attrs["sr_hz"]
    except (OSError, KeyError) as error:
        raise AudioError(
            "The HDF5 file does not hold the track, or cannot be read.",
            received=f"{member!r} in {os.fspath(path)} ({error})",
            advice="Check that the audio and the annotations are of one release.",
        ) from error
    # `sr_hz` may be stored as an array of one number.
    return audio.to_mono(y), check_sample_rate(int(np.ravel(rate)[0]))
