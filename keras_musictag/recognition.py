"""`TrackRecognition`: chords of whole tracks, from whatever gives their probabilities.

NumPy only: Keras recognisers and exported ones share it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from keras_musictag.audio.arrays import check_sample_rate, mono_steps
from keras_musictag.checks import check_choice
from keras_musictag.chords import Vocabulary, decode, find_beats, get_vocabulary
from keras_musictag.chords.beat_frames import beat_times
from keras_musictag.chords.chordogram import Chordogram
from keras_musictag.chords.confidence import Calibration
from keras_musictag.chords.segments import ChordSegment
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import AudioError, ConfigError, import_extra
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import TRACK_ERRORS, TrackError, TrackOutput

AUTO_BEATS = "auto"
# How often a stream is heard anew, in seconds.
STREAM_STEP = 1.0


class TrackRecognition:
    """What Keras recognisers and exported ones do alike: track in, chords out.

    A subclass sets the attributes and gives `_run`.

    Attributes:
        vocabulary: The `chords.Vocabulary`, in output order.
        sample_rate: In Hz.
        hop_length: Samples from one frame to the next.
        boundary_shift: Where a segment begins, in frames from the centre of its first
            frame.
        default_decoder: How its chords are decoded unless a call says otherwise.
        hears_pieces: Whether pieces of a track, each by itself, give nearly what the
            whole track gives.
        calibration: What makes confidences of mean probabilities, by the name of the
            vocabulary: see `Chordogram`.
    """

    vocabulary: Vocabulary
    sample_rate: int
    hop_length: int
    boundary_shift: float = 0.0
    default_decoder: str = "viterbi"
    hears_pieces: bool = True
    calibration: Calibration = {}

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
        decoder: str | None = None,
        beats=None,
        agreement: Any = False,
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
                summed before decoding, or those of their parts multiplied. `None` for
                all that the model knows.
            decoder: `"viterbi"`, `"penalty"`, `"argmax"`, `"hmm"` or `"crf"`: see
                `chords.decode`. `None` for the one that belongs to the model.
            beats: `"auto"`: chords change only on the beats of each track, which is
                decoded a second time for them; in a track without any, on every frame.
                A Keras recogniser has them from `BeatTracker`, an exported one from
                `chords.find_beats` (it needs librosa and holds a track whole). Or a
                `BeatSequence`, or the times of the beats in seconds, rising. `None`
                for changes on every frame.
            agreement: Another recogniser that hears the track too, which the result
                then has `agreements` with, segment by segment, and an `agreed_share`:
                where two of different origin differ, an ear is worth more than either.
                `True` for the preset that goes with this one, the name of another, or
                a recogniser.
            on_error: In a list, `"warn"` gives `None` for a bad track and an
                `AudioWarning`; `"raise"` stops at it.
            **decoding: `self_transition`, `transition`, `prior`, `penalty`, `first` and
                `min_duration` of `chords.decode`.

        Returns:
            A `ChordSequence` from 0 to the end of the track; a list of them for a
            list of sources. Silence gives `N`.

        Raises:
            AudioError: If a single source is not usable audio, or shorter than a
                frame (`hop_length` samples).
            ConfigError: If there is no such vocabulary or decoder; the message has
                the nearest names. If `agreement` names nobody.
            MissingExtraError: If an exported recogniser shall find beats and librosa
                is not installed.

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
            agreement=agreement,
            **decoding,
        )
        return sources.collect(outcomes, tracks, single, on_error)

    def iter_chords(
        self,
        tracks: Iterable,
        sample_rate: int | None = None,
        *,
        vocabulary: str | Vocabulary | None = None,
        decoder: str | None = None,
        beats=None,
        agreement: Any = False,
        **decoding,
    ) -> Iterator[ChordSequence | TrackError]:
        """Recognise many tracks lazily: each result comes when it is ready.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate, vocabulary, decoder, beats, agreement, **decoding: As in
                `recognize`.

        Yields:
            For each track, in order, its `ChordSequence`, or the error that says
            why there is none.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        find, given = None, None
        if isinstance(beats, str):
            check_choice(beats, (AUTO_BEATS,), name="beats")
            find = self._beat_finder()
        else:
            given = beat_times(beats)
        options = {"decoder": decoder or self.default_decoder, **decoding}
        self._check_decoding(vocabulary, {**options, "beats": given})
        second = self._second(agreement)
        if find is not None or second is not None:
            tracks = map(sources.rereadable, tracks)
        least = decoding.get("min_duration")
        for track, outcome in self._chordograms(tracks, rate):
            if not isinstance(outcome, Chordogram):
                yield outcome
                continue
            try:
                times = given if find is None else beat_times(find(track, rate))
            except TRACK_ERRORS as error:
                yield error
                continue
            chords = outcome.decode(vocabulary, beats=times, **options)
            if second is None:
                yield chords
                continue
            others = second.iter_chords(
                [track], rate, vocabulary=vocabulary, beats=times, min_duration=least
            )
            for other in others:
                if isinstance(other, ChordSequence):
                    other = chords.compared_with(other)
                yield other

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

    def stream(
        self,
        blocks: Iterable,
        sample_rate: int | None = None,
        *,
        latency: float = 2.0,
        window: float = 15.0,
        vocabulary: str | Vocabulary | None = None,
        decoder: str | None = None,
    ) -> Iterator[ChordSegment]:
        """Name chords while audio arrives, in bounded memory.

        Once a second the last `window` seconds are recognised, and what lies further
        back than `latency` is said. So a chord is known at most `latency` and a second
        after it sounded, and the time to recognise `window` seconds. Networks hear a
        window nearly as they hear the whole track; those whose norms need the whole
        track, such as `ChordStructureRecognizer`, cannot stream.

        Args:
            blocks: Iterable of blocks `(samples,)` or `(channels, samples)` of any
                lengths, floats or integer PCM.
            sample_rate: Of the blocks, in Hz; `None` means the model's own.
            latency: What the network hears after a chord before it is said, in
                seconds.
            window: What it hears in all, in seconds.
            vocabulary, decoder: As in `recognize`.

        Yields:
            A `chords.ChordSegment` after the other, without gaps, times in seconds
            from the start. A chord that goes on comes in pieces.

        Raises:
            AudioError: If a block is not usable audio.
            ConfigError: If this network cannot stream, or `window` is not longer than
                `latency` and a second.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.CremaChordRecognizer.from_pretrained()
        samples, rate = kmt.audio.load(kmt.audio.demo_path())
        blocks = (samples[i : i + 1024] for i in range(0, len(samples), 1024))
        for segment in model.stream(blocks, rate):
            print(f"{segment.start:.1f} {segment.label}")
        ```
        """
        if not self.hears_pieces:
            raise ConfigError(
                "This recogniser hears whole tracks only; it cannot stream.",
                received=f"a {type(self).__name__}",
                advice="Use CremaChordRecognizer or CRNNChordRecognizer.",
            )
        if not 0 <= latency < window - STREAM_STEP < np.inf:
            raise ConfigError(
                "`latency` must be 0 or more, and `window` longer than it by more than "
                f"{STREAM_STEP:g} second.",
                received=f"window={window!r}, latency={latency!r}",
                advice="15 seconds are heard nearly like the whole track.",
            )
        options: dict[str, Any] = {} if decoder is None else {"decoder": decoder}
        self._check_decoding(vocabulary, options)
        rate = self.sample_rate
        given = check_sample_rate(rate if sample_rate is None else sample_rate)
        heard, end, said = np.zeros(0, "float32"), 0, 0.0

        def say(until: float) -> Iterator[ChordSegment]:
            first = (end - len(heard)) / rate
            chords = self.recognize(heard, vocabulary=vocabulary, **options)
            part = chords.between(said - first, until - first)
            for start, stop, *rest in part:
                yield ChordSegment(start + first, stop + first, *rest)

        for block in mono_steps(blocks, given, rate, round(STREAM_STEP * rate)):
            heard = np.concatenate([heard, block])[-round(window * rate) :]
            end += len(block)
            if (until := end / rate - latency) > said:
                yield from say(until)
                said = until
        if end / rate > said:
            yield from say(end / rate)

    # === Inner parts ===

    def _beat_finder(self) -> Callable[[Any, int], Any]:
        """Return what finds the beats of a track, an array has a rate."""
        import_extra("librosa", "chords", 'beats="auto"')
        return find_beats

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
            self.default_decoder,
            self.calibration,
        )

    def _second(self, agreement) -> "TrackRecognition | None":
        """Return the recogniser that shall hear the tracks too, if there is one."""
        if agreement is False or agreement is None:
            return None
        if isinstance(agreement, TrackRecognition):
            return agreement
        raise ConfigError(
            "An exported recogniser loads no other one to compare with.",
            received=f"agreement={agreement!r}",
            advice="Give the second recogniser itself.",
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
