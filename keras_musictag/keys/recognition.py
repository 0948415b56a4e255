"""`KeyRecognition`: keys of whole tracks, from whatever gives their probabilities.

NumPy only: Keras recognisers and the key from chords share it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from keras_musictag.keys.keygram import Keygram, check_decoding
from keras_musictag.keys.sequence import KeySequence
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import TrackError


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
