"""`TrackRecognition`: chords of whole tracks, from whatever gives their probabilities.

NumPy only: Keras recognisers and exported ones share it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.checks import check_choice
from keras_musictag.chords import Vocabulary, decode, find_beats, get_vocabulary
from keras_musictag.chords.chordogram import Chordogram
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import AudioError, import_extra
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import TRACK_ERRORS, TrackError, TrackOutput

AUTO_BEATS = "auto"


class TrackRecognition:
    """What Keras recognisers and exported ones do alike: track in, chords out.

    A subclass sets the attributes and gives `_run`.

    Attributes:
        vocabulary: The `chords.Vocabulary`, in output order.
        sample_rate: In Hz.
        hop_length: Samples from one frame to the next.
        boundary_shift: Where a segment begins, in frames from the centre of its first
            frame.
    """

    vocabulary: Vocabulary
    sample_rate: int
    hop_length: int
    boundary_shift: float = 0.0

    def _run(self, tracks: Iterable, sample_rate: int) -> Iterator[TrackOutput]:
        """Give the outputs of the frames of each track, in order."""
        raise NotImplementedError

    @property
    def frame_period(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_length / self.sample_rate

    def recognize(
        self,
        source,
        sample_rate: int | None = None,
        *,
        vocabulary: str | Vocabulary | None = None,
        decoder: str = "viterbi",
        beats=None,
        on_error: str = "warn",
        **decoding,
    ):
        """Name the chords of a track.

        Args:
            source: A path, an open file, one track as an array `(samples,)` or
                `(channels, samples)`, or a list of these.
            sample_rate: Of arrays, in Hz; `None` means the model's own.
            vocabulary: Which chords to tell apart, such as `"majmin"`: see
                `chords.get_vocabulary`. Probabilities of chords that become one are
                summed before decoding. `None` for all that the model knows.
            decoder: `"viterbi"`, `"argmax"`, `"hmm"` or `"crf"`: see
                `chords.decode`.
            beats: `"auto"`: chords change only on the beats that `chords.find_beats`
                hears in each track (it needs librosa and holds a track whole); in a
                track without any, on every frame. Or the times of the beats in
                seconds, rising. `None` for changes on every frame.
            on_error: In a list, `"warn"` gives `None` for a bad track and an
                `AudioWarning`; `"raise"` stops at it.
            **decoding: `self_transition`, `transition`, `prior` and `min_duration`
                of `chords.decode`.

        Returns:
            A `ChordSequence` from 0 to the end of the track; a list of them for a
            list of sources. Silence gives `N`.

        Raises:
            AudioError: If a single source is not usable audio, or shorter than a
                frame (`hop_length` samples).
            ConfigError: If there is no such vocabulary or decoder; the message has
                the nearest names.
            MissingExtraError: If beats are to be found and librosa is not installed.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.ChordRecognizer.from_pretrained()
        for segment in model.recognize(kmt.audio.demo_path(), vocabulary="majmin"):
            print(segment.start, segment.end, segment.label)
        ```
        """
        tracks, single = sources.as_tracks(source)
        outcomes = self.iter_chords(
            tracks,
            sample_rate,
            vocabulary=vocabulary,
            decoder=decoder,
            beats=beats,
            **decoding,
        )
        return sources.collect(outcomes, tracks, single, on_error)

    def iter_chords(
        self,
        tracks: Iterable,
        sample_rate: int | None = None,
        *,
        vocabulary: str | Vocabulary | None = None,
        decoder: str = "viterbi",
        beats=None,
        **decoding,
    ) -> Iterator[ChordSequence | TrackError]:
        """Recognise many tracks lazily: each result comes when it is ready.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate, vocabulary, decoder, beats, **decoding: As in `recognize`.

        Yields:
            For each track, in order, its `ChordSequence`, or the error that says
            why there is none.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        finds_beats = isinstance(beats, str)
        if finds_beats:
            check_choice(beats, (AUTO_BEATS,), name="beats")
            import_extra("librosa", "chords", 'beats="auto"')
        options = {"decoder": decoder, **decoding}
        given = None if finds_beats else beats
        self._check_decoding(vocabulary, {**options, "beats": given})
        for track, outcome in self._chordograms(tracks, rate):
            if not isinstance(outcome, Chordogram):
                yield outcome
                continue
            try:
                times = _beats_of(track, rate) if finds_beats else beats
            except TRACK_ERRORS as error:
                yield error
                continue
            yield outcome.decode(vocabulary, beats=times, **options)

    def chordogram(
        self, source, sample_rate: int | None = None, *, on_error: str = "warn"
    ):
        """Compute the chord probabilities of a track, frame by frame.

        Args:
            source, sample_rate, on_error: As in `recognize`.

        Returns:
            A `Chordogram`, which may be decoded in one way or another; a list of them
            with `None` for bad ones if `source` is a list.

        Raises:
            AudioError: If a single source is not usable audio.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.ChordRecognizer.from_pretrained()
        chordogram = model.chordogram(kmt.audio.demo_path())
        p = chordogram.probabilities()
        print(p.shape[1], chordogram.labels[p[0].argmax()])
        ```
        """
        tracks, single = sources.as_tracks(source)
        outcomes = self.iter_chordograms(tracks, sample_rate)
        return sources.collect(outcomes, tracks, single, on_error)

    def iter_chordograms(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[Chordogram | TrackError]:
        """Compute the probabilities of many tracks lazily.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate: Of arrays, in Hz; `None` means the model's own.

        Yields:
            For each track, in order, its `Chordogram`, or the error that says why
            there is none.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        for _, outcome in self._chordograms(tracks, rate):
            yield outcome

    # === Inner parts ===

    def _chordograms(
        self, tracks: Iterable, rate: int
    ) -> Iterator[tuple[Any, Chordogram | TrackError]]:
        """Give each track with its chordogram, or the error that says why not."""
        for output in self._run(tracks, check_sample_rate(rate)):
            if output.error is not None:
                yield output.track, output.error
                continue
            yield output.track, self._chordogram(output.outputs, output.length)

    def _chordogram(self, outputs: dict[str, np.ndarray], samples: int) -> Chordogram:
        """Make a chordogram of the outputs for a track of so many samples."""
        return Chordogram(
            outputs,
            self.vocabulary,
            self.frame_period,
            self.boundary_shift,
            samples / self.sample_rate,
        )

    def _check_decoding(self, vocabulary, options: dict) -> None:
        """Say what is wrong with the decoding before any music is decoded."""
        chosen = self.vocabulary if vocabulary is None else get_vocabulary(vocabulary)
        frame = np.full((1, len(chosen)), 1 / len(chosen))
        decode(frame, chosen, frame_period=self.frame_period, **options)


def check_length(samples: int, hop_length: int, sample_rate: int) -> None:
    """Refuse a track that has less than one frame.

    Raises:
        AudioError: If it is shorter than `hop_length`.
    """
    if samples < hop_length:
        raise AudioError(
            "The audio is shorter than one frame of the chord recogniser.",
            received=f"{samples} samples at {sample_rate} Hz",
            advice=f"Pass at least {hop_length} samples, "
            f"{hop_length / sample_rate:.3f} seconds.",
        )


def _beats_of(track, sample_rate: int) -> np.ndarray | None:
    """Find the beats of a track, in seconds; `None` if there are none."""
    times = find_beats(track, sample_rate).times
    return times if len(times) else None
