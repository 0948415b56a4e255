"""`BeatTracking`: beats of whole tracks, from whatever gives their probabilities.

NumPy only: Keras trackers and exported ones share it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from keras_musictag.beats.beatgram import Beatgram
from keras_musictag.beats.sequence import BeatSequence
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import TrackError


class BeatTracking:
    """What Keras trackers and exported ones do alike: track in, beats out.

    A subclass sets the attributes and gives `iter_beatgrams`.

    Attributes:
        sample_rate: In Hz.
        hop_length: Samples from one frame to the next.
        default_decoder: `"bars"` or `"peaks"`: how beats are decoded unless a call says
            otherwise.
    """

    sample_rate: int
    hop_length: int
    default_decoder: str

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    def track(
        self,
        source,
        sample_rate: int | None = None,
        *,
        on_error: str = "warn",
        **decoding,
    ) -> Any:
        """Find the beats of a track, and which of them begin bars.

        Args:
            source: A path, an open file, one track as an array `(samples,)` or
                `(channels, samples)`, or a list of these.
            sample_rate: Of arrays, in Hz; `None` means the model's own.
            on_error: In a list, `"warn"` gives `None` for a bad track and an
                `AudioWarning`; `"raise"` stops at it.
            **decoding: `decoder`, `meters`, `tempo`, `steadiness` and `usual_tempo`
                of `Beatgram.decode`; without any of them, the decoder is that of the
                architecture.

        Returns:
            A `beats.BeatSequence`; a list of them for a list of sources. Silence and
            whatever has no beat give one without beats.

        Raises:
            AudioError: If a single source is not usable audio.
            ConfigError: If an option of the decoding is out of range.

        Example:

        ```python
        import keras_musictag as kmt

        tracker = kmt.BeatTracker.from_pretrained()
        beats = tracker.track(kmt.audio.demo_path())
        print(beats.tempo, beats.meter, beats.downbeats)
        beats.to_beats("song.beats")
        ```
        """
        tracks, single = sources.as_tracks(source)
        outcomes = self.iter_beats(tracks, sample_rate, **decoding)
        return sources.collect(outcomes, tracks, single, on_error)

    def iter_beats(
        self, tracks: Iterable, sample_rate: int | None = None, **decoding
    ) -> Iterator[BeatSequence | TrackError]:
        """Find the beats of many tracks lazily: each result comes when it is ready.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate, **decoding: As in `track`.

        Yields:
            For each track, in order, its `BeatSequence`, or the error that says why
            there is none.
        """
        # Whatever is wrong with them is said before any music is decoded.
        # Whoever speaks of tempo or meter wants the decoder that knows them.
        decoding = {"decoder": "bars" if decoding else self.default_decoder, **decoding}
        Beatgram(np.zeros(1), np.zeros(1), self.frame_rate, 1.0).decode(**decoding)
        for outcome in self.iter_beatgrams(tracks, sample_rate):
            if isinstance(outcome, Beatgram):
                yield outcome.decode(**decoding)
            else:
                yield outcome

    def beatgram(
        self, source, sample_rate: int | None = None, *, on_error: str = "warn"
    ) -> Any:
        """Compute how likely a beat is in each frame of a track.

        Args:
            source, sample_rate, on_error: As in `track`.

        Returns:
            A `beats.Beatgram`, which may be decoded in one way or another; a list of
            them with `None` for bad ones if `source` is a list.

        Raises:
            AudioError: If a single source is not usable audio.
        """
        tracks, single = sources.as_tracks(source)
        outcomes = self.iter_beatgrams(tracks, sample_rate)
        return sources.collect(outcomes, tracks, single, on_error)

    def iter_beatgrams(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[Beatgram | TrackError]:
        """Compute the probabilities of many tracks lazily.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate: Of arrays, in Hz; `None` means the model's own.

        Yields:
            For each track, in order, its `Beatgram`, or the error that says why there
            is none.
        """
        raise NotImplementedError
