"""`KeyRecognition`: keys of whole tracks, from whatever gives their probabilities.

NumPy only: Keras recognisers, exported ones and the key from chords share it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.keys.keygram import (
    KEYS,
    Keygram,
    check_decoding,
    mean_of_logarithms,
)
from keras_musictag.keys.sequence import KeySequence
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import Chunk, TrackError, join_tracks

# Seconds that a piece has, which tells the key of the song: the longer, the better. And
# those of the windows that tell where it changes, and from one window to the next.
PIECE, WINDOW, HOP = 60.0, 15.0, 7.5
# How many pieces are decoded ahead.
PIECES_AHEAD = 2
# Nothing is louder: about 100 dB below full scale.
SILENCE = 1e-5


class KeyRecognition:
    """What all key recognisers do alike: track in, key out.

    A subclass sets the attribute and gives `iter_keygrams`.

    Attributes:
        sample_rate: Of arrays without a rate, in Hz.
    """

    sample_rate: int

    def recognize(
        self,
        source,
        sample_rate: int | None = None,
        *,
        on_error: str = "warn",
        **decoding,
    ) -> Any:
        """Find the key of a track, and where it changes.

        Args:
            source: A path, an open file, one track as an array `(samples,)` or
                `(channels, samples)`, or a list of these.
            sample_rate: Of arrays, in Hz; `None` means the recogniser's own.
            on_error: In a list, `"warn"` gives `None` for a bad track and an
                `AudioWarning`; `"raise"` stops at it.
            **decoding: `change` and `least` of `Keygram.decode`.

        Returns:
            A `keys.KeySequence`; a list of them for a list of sources. Silence, noise
            and tracks that are too short give one without a key, of confidence 0.

        Raises:
            AudioError: If a single source is not usable audio.
            ConfigError: If an option of the decoding is out of range.

        Example:

        ```python
        import keras_musictag as kmt

        recognizer = kmt.ChordKeyRecognizer.from_pretrained()
        keys = recognizer.recognize(kmt.audio.demo_path())
        print(keys.key, keys.notated("camelot"), keys.confidence)
        keys.to_lab("song.lab")
        ```
        """
        tracks, single = sources.as_tracks(source)
        outcomes = self.iter_keys(tracks, sample_rate, **decoding)
        return sources.collect(outcomes, tracks, single, on_error)

    def iter_keys(
        self, tracks: Iterable, sample_rate: int | None = None, **decoding
    ) -> Iterator[KeySequence | TrackError]:
        """Find the keys of many tracks lazily: each result comes when it is ready.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate, **decoding: As in `recognize`.

        Yields:
            For each track, in order, its `KeySequence`, or the error that says why
            there is none.
        """
        # Whatever is wrong with them is said before any music is decoded.
        check_decoding(**decoding)
        for outcome in self.iter_keygrams(tracks, sample_rate):
            if isinstance(outcome, Keygram):
                yield outcome.decode(**decoding)
            else:
                yield outcome

    def keygram(
        self, source, sample_rate: int | None = None, *, on_error: str = "warn"
    ) -> Any:
        """Compute how likely each key is, in each window of a track and overall.

        Args:
            source, sample_rate, on_error: As in `recognize`.

        Returns:
            A `keys.Keygram`, which may be decoded in one way or another; a list of
            them with `None` for bad ones if `source` is a list.

        Raises:
            AudioError: If a single source is not usable audio.
        """
        tracks, single = sources.as_tracks(source)
        outcomes = self.iter_keygrams(tracks, sample_rate)
        return sources.collect(outcomes, tracks, single, on_error)

    def iter_keygrams(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[Keygram | TrackError]:
        """Compute the probabilities of many tracks lazily.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate: Of arrays, in Hz; `None` means the recogniser's own.

        Yields:
            For each track, in order, its `Keygram`, or the error that says why there
            is none.
        """
        raise NotImplementedError


class KeyHearing(KeyRecognition):
    """What networks do alike that hear a piece of a track and name its key.

    Windows of 15 seconds tell where the key changes, pieces of a minute that of the
    song: the longer, the better. Nothing is padded. A subclass sets the attributes and
    gives `_scores`.

    Attributes:
        labels: The keys in the order of the network, such as `"Bb:maj"`.
        least_samples: Of the shortest track that has a key.
    """

    labels: tuple[str, ...]
    least_samples: int

    def iter_keygrams(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[Keygram | TrackError]:
        given = self.sample_rate if sample_rate is None else sample_rate
        rate, own = check_sample_rate(given), self.sample_rate

        def cut(track):
            blocks = audio.blocks(track, own, sample_rate=rate)
            counted = sources.Counted(blocks)
            yield from sources.cut_with_span(counted, self.plan)
            return counted.samples

        for output in join_tracks(tracks, cut, self.hear, PIECES_AHEAD):
            if output.error is not None:
                yield output.error
            else:
                yield self.conclude(output.outputs, output.length)

    # === Chunk by chunk, for programs that cut tracks themselves ===

    @property
    def plan(self) -> audio.ChunkPlan:
        """How a track is cut into pieces of a minute."""
        piece = round(PIECE * self.sample_rate)
        return audio.ChunkPlan(piece, piece, tail="overlap")

    def hear(self, chunk: Chunk) -> dict[str, np.ndarray]:
        """Compute the probabilities of `keys.KEYS` in a piece, and in its windows.

        Args:
            chunk: One that `plan` cuts, see `tracks.sources.cut_with_span`.

        Returns:
            Arrays `(n, ...)` by name, to be joined with those of the other pieces.
        """
        first, end = chunk.span or (0, len(chunk.samples))
        samples = chunk.samples[first:end]  # without what fills a short track up
        window, hop = (round(s * self.sample_rate) for s in (WINDOW, HOP))
        starts = audio.ChunkPlan(window, hop, tail="overlap").starts(len(samples))
        whole = self._probabilities(samples)
        rows = [whole]
        if len(samples) > window:
            rows = [self._probabilities(samples[s : s + window]) for s in starts]
        return {
            "pieces": whole[None],
            "windows": np.stack(rows),
            "starts": chunk.start + starts,
        }

    def conclude(self, heard: dict[str, np.ndarray], samples: int) -> Keygram:
        """Make the keygram of a track of what was heard in its pieces.

        Args:
            heard: What `hear` gave, joined.
            samples: Length of the track.

        Returns:
            The `keys.Keygram`.
        """
        # The last piece is moved back over the one before it.
        starts, order = np.unique(heard["starts"], return_index=True)
        begins, seconds = starts / self.sample_rate, samples / self.sample_rate
        return Keygram(
            heard["windows"][order],
            np.stack([begins, np.minimum(begins + WINDOW, seconds)], axis=1),
            mean_of_logarithms(heard["pieces"]),
            seconds,
        )

    # === Inner parts ===

    def _probabilities(self, samples: np.ndarray) -> np.ndarray:
        """Return those of `KEYS`, float32 `(24,)`; zeros if there is no key."""
        if len(samples) < self.least_samples or np.abs(samples).max() <= SILENCE:
            return np.zeros(len(KEYS), "float32")
        values = self._scores(samples)
        return values[[self.labels.index(key) for key in KEYS]]

    def _scores(self, samples: np.ndarray) -> np.ndarray:
        """Return the probabilities of `labels` for `(samples,)`."""
        raise NotImplementedError
