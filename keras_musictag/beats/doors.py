"""The files that a `BeatSequence` reads and writes."""

from typing import Any, Self

import numpy as np

from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.beats import files
from keras_musictag.chords.files import write


class BeatFiles:
    """Reading and writing of beats; the base of `BeatSequence`."""

    times: Any
    positions: Any
    duration: Any

    # === Writing ===

    def to_beats(self, path=None) -> str:
        """Return time and position per line; written to `path` if given.

        Times are rounded to 6 decimals, the custom of such files.
        """
        return write(files.to_beats(self), path)

    def to_csv(self, path=None) -> str:
        """Return CSV with a header, times unrounded; written to `path` if given."""
        return write(files.to_csv(self), path)

    def to_json(self, path=None) -> str:
        """Return JSON that `from_json` reads without any loss; written if `path`."""
        return write(files.to_json(self), path)

    def to_jams(self, path=None, *, title: str = "", artist: str = "") -> str:
        """Return a JAMS document, namespace `beat`; written to `path` if given.

        Args:
            path: File to write; none if `None`.
            title: Of the song, for the document.
            artist: Of the song.
        """
        return write(files.to_jams(self, title=title, artist=artist), path)

    def to_audacity(self, path=None) -> str:
        """Return a label track of Audacity; written to `path`, a `.txt`, if given."""
        return write(files.to_audacity(self), path)

    def to_midi(self, path=None, *, velocity: int = 100) -> bytes:
        """Return a MIDI file whose tempo follows the beats, see `files.to_midi`.

        Args:
            path: File to write; none if `None`.
            velocity: Loudness of the clicks, 1 to 127.
        """
        return write(files.to_midi(self, velocity=velocity), path)

    def clicks(self, sample_rate: int = 44100) -> np.ndarray:
        """Return a click track to listen to, higher on downbeats.

        Args:
            sample_rate: In Hz.

        Returns:
            float32 array `(samples,)` of the recording's duration, from -1 to 1: half
            of it added to the song lets one hear whether the beats are right.
        """
        from mir_eval import sonify

        rate = check_sample_rate(sample_rate)
        length = max(round(self.duration * rate), 1)
        ramp = np.arange(round(0.05 * rate)) / rate
        known = self.positions is not None
        first = self.positions == 1 if known else np.zeros(len(self.times), "bool")
        track = np.zeros(length)
        for chosen, pitch in ((first, 1760.0), (~first, 880.0)):
            tone = np.sin(2 * np.pi * pitch * ramp) * np.exp(-ramp / 0.01)
            times = self.times[chosen & (self.times < length / rate)]
            if len(times):
                track += sonify.clicks(times, rate, click=tone, length=length)
        return np.clip(track, -1, 1).astype("float32")

    # === Reading ===

    @classmethod
    def from_file(cls, path) -> Self:
        """Read a file of beats of any of the formats below, known by its suffix.

        Args:
            path: `.beats`, `.txt` (as `.beats`), `.csv`, `.json` or `.jams`.

        Raises:
            LabelError: If it is none of them, or malformed.
        """
        return cls(**files.read(path))

    @classmethod
    def from_beats(cls, path) -> Self:
        """Read a time and perhaps a position per line; see `files.read_beats`."""
        return cls(**files.read_beats(path))

    @classmethod
    def from_csv(cls, path) -> Self:
        """Read a CSV file with the columns time, perhaps position and confidence."""
        return cls(**files.read_csv(path))

    @classmethod
    def from_json(cls, path) -> Self:
        """Read what `to_json` wrote."""
        return cls(**files.read_json(path))

    @classmethod
    def from_jams(cls, path, *, index: int = 0) -> Self:
        """Read the beats of a JAMS file; `index` chooses among several annotations."""
        return cls(**files.read_jams(path, index=index))
