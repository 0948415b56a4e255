"""`ChordRecognizer`: a Keras model from a waveform to chords, and its methods."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_musictag import audio
from keras_musictag.checks import check_choice, check_positive_int
from keras_musictag.chords import (
    VOCABULARIES,
    Vocabulary,
    decode,
    get_vocabulary,
    reduce_probabilities,
)
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import AudioError, LabelError
from keras_musictag.models import sources
from keras_musictag.models.base import PretrainedModel, dtype_scope
from keras_musictag.models.inference import TrackError, score_tracks
from keras_musictag.models.tagger import ON_ERROR, _warn_about
from keras_musictag.models.whole_track import WholeTrack, to_decibels, with_span

# Magnitudes up to here are the floor of the decibels: every bin would be "loudest".
SILENCE = 1e-5


class FrameOutputs(NamedTuple):
    """What the network says about one track.

    `outputs` maps the name of each output to `(frames, classes)`; `"tag"` holds the
    probabilities of the vocabulary. `duration` is in seconds.
    """

    outputs: dict[str, np.ndarray]
    duration: float


class ChordRecognizer(PretrainedModel, abstract=True):
    """Base of all chord recognisers: audio in, chords with times out.

    A recogniser is a functional `keras.Model` made of two parts: `frontend`
    (waveform to magnitudes, one frame every `hop_length` samples) and `backbone`
    (decibels below the loudest of the track, to probabilities of chords). Calling
    it takes whole tracks of equal length, float32 `(batch, samples)` at
    `sample_rate`, and gives `(batch, samples // hop_length, classes)`, or a dict of
    such tensors.

    `recognize` and `frame_probabilities` take tracks of any length. The front-end
    goes over a track in blocks of one size, with the audio around them, so that an
    hour needs little memory and one compiled graph; the network then sees the whole
    track at once. Where shapes are compiled (JAX, XLA) the track is filled up to one
    of few lengths, and masks keep the filling out of every result.

    Args:
        frontend: Layer from `(batch, samples)` to magnitudes, not negative,
            `(batch, 1 + samples // hop_length, bins)` or `(..., bins, channels)`. It
            takes `span=` as `layers.CQT` and `layers.HCQT` do.
        backbone: Keras model from `[features, mask]`, decibels in [-80, 0] of the
            front-end's shape and bool `(batch, frames)`, to probabilities
            `(batch, frames, classes)`, or to a dict of outputs with these as `"tag"`.
            Frames that are masked must not change the others.
        vocabulary: The chord classes in output order: a `chords.Vocabulary`, a
            name, or what `get_config` gives.
        sample_rate: Of the waveform, in Hz.
        hop_length: Samples from one frame to the next.
        context_frames: How many frames of audio on either side of a frame its
            magnitudes depend on.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model.

    Attributes:
        vocabulary: The `chords.Vocabulary`.
        sample_rate: In Hz.
        hop_length: In samples.
        frontend, backbone: The two parts.
    """

    default_preset = "crema"
    # Where a segment begins, counted in frames from the centre of its first frame.
    boundary_shift = 0.0

    def __init__(
        self,
        *,
        frontend,
        backbone,
        vocabulary,
        sample_rate: int,
        hop_length: int,
        context_frames: int,
        dtype=None,
        name: str | None = None,
    ):
        # === Functional Model ===
        with dtype_scope(dtype):
            waveform = keras.Input((None,), name="waveform")
            # The last frame reaches beyond the end by more than half.
            magnitudes = frontend(waveform)[:, :-1]
            first_bin = magnitudes[(..., *[0] * (len(magnitudes.shape) - 2))]
            mask = ops.ones_like(first_bin, dtype="bool")
            outputs = backbone([to_decibels(magnitudes), mask])
        super().__init__(inputs=waveform, outputs=outputs, name=name)
        # === Config ===
        self.frontend, self.backbone = frontend, backbone
        self.vocabulary = vocabulary_from_config(vocabulary)
        self.sample_rate = audio.check_sample_rate(sample_rate)
        self.hop_length = check_positive_int(hop_length, name="hop_length")
        self.policy = dtype
        self._stages = WholeTrack(frontend, backbone, hop_length, context_frames)

    @classmethod
    def _build(cls, config: dict, labels, problem_type, source):
        given = {"labels": labels, "problem_type": problem_type}
        wrong = {key: value for key, value in given.items() if value is not None}
        if wrong:
            raise LabelError(
                "A chord recogniser's classes are a vocabulary, not tags.",
                received=f"from_pretrained({source!r}, {', '.join(wrong)}=...)",
                advice="Leave these out; recognize(vocabulary=...) chooses another.",
            )
        return super()._build(config, labels, problem_type, source)

    # === What a track sounds like ===

    def recognize(
        self,
        source,
        sample_rate: int | None = None,
        *,
        vocabulary: str | Vocabulary | None = None,
        decoder: str = "viterbi",
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
            on_error: In a list, `"warn"` gives `None` for a bad track and an
                `AudioWarning`; `"raise"` stops at it.
            **decoding: `self_transition`, `transition`, `prior`, `min_duration` and
                `beats` of `chords.decode`.

        Returns:
            A `ChordSequence` from 0 to the end of the track; a list of them for a
            list of sources. Silence gives `N`.

        Raises:
            AudioError: If a single source is not usable audio, or shorter than a
                frame (`hop_length` samples).
            ConfigError: If there is no such vocabulary or decoder; the message has
                the nearest names.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.ChordRecognizer.from_pretrained()
        for segment in model.recognize(kmt.audio.demo_path(), vocabulary="majmin"):
            print(segment.start, segment.end, segment.label)
        ```
        """
        tracks, single = sources.listed(source)
        outcomes = self.iter_chords(
            tracks, sample_rate, vocabulary=vocabulary, decoder=decoder, **decoding
        )
        return _collect(outcomes, tracks, single, on_error)

    def iter_chords(
        self,
        tracks: Iterable,
        sample_rate: int | None = None,
        *,
        vocabulary: str | Vocabulary | None = None,
        decoder: str = "viterbi",
        **decoding,
    ) -> Iterator[ChordSequence | TrackError]:
        """Recognise many tracks lazily: each result comes when it is ready.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate, vocabulary, decoder, **decoding: As in `recognize`.

        Yields:
            For each track, in order, its `ChordSequence`, or the error that says
            why there is none.
        """
        self._check_decoding(vocabulary, decoder, decoding)
        for frames in self.iter_frames(tracks, sample_rate):
            if not isinstance(frames, FrameOutputs):
                yield frames
                continue
            yield self.recognize_frames(
                frames, vocabulary=vocabulary, decoder=decoder, **decoding
            )

    def frame_probabilities(
        self,
        source,
        sample_rate: int | None = None,
        *,
        output: str = "tag",
        on_error: str = "warn",
    ):
        """Return what the network computes for each frame.

        Args:
            source, sample_rate, on_error: As in `recognize`.
            output: `"tag"` for the vocabulary, or another output of the model.

        Returns:
            `(times, probabilities)`: the centre of each frame in seconds, float64
            `(frames,)`, and float32 `(frames, classes)`; a list of such pairs for a
            list of sources.

        Raises:
            AudioError: If a single source is not usable audio.
            ConfigError: If the model has no such output.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.ChordRecognizer.from_pretrained()
        times, p = model.frame_probabilities(kmt.audio.demo_path())
        print(p.shape[1], model.vocabulary.labels[p[0].argmax()])
        ```
        """
        check_choice(output, tuple(self._output_names()), name="output")
        tracks, single = sources.listed(source)

        def pairs():
            for frames in self.iter_frames(tracks, sample_rate):
                if not isinstance(frames, FrameOutputs):
                    yield frames
                    continue
                values = frames.outputs[output]
                yield np.arange(len(values)) * self.frame_period, values

        return _collect(pairs(), tracks, single, on_error)

    def iter_frames(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[FrameOutputs | TrackError]:
        """Compute the network's outputs for many tracks, lazily.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate: Of arrays, in Hz; `None` means the model's own.

        Yields:
            For each track, in order, its `FrameOutputs`, or the error that says why
            there are none.
        """
        for magnitudes, samples, error in self._iter_magnitudes(tracks, sample_rate):
            if error is not None:
                yield error
                continue
            outputs = self.predict_frames(magnitudes)
            if magnitudes.max() <= SILENCE:
                outputs = self._silence(outputs)
            yield FrameOutputs(outputs, samples / self.sample_rate)

    def recognize_frames(
        self,
        frames: FrameOutputs,
        *,
        vocabulary: str | Vocabulary | None = None,
        decoder: str = "viterbi",
        **decoding,
    ) -> ChordSequence:
        """Decode what `iter_frames` gave for a track, in one way or another.

        Args:
            frames: The outputs of the network.
            vocabulary, decoder, **decoding: As in `recognize`.

        Returns:
            The `ChordSequence`.
        """
        chosen = self.vocabulary if vocabulary is None else get_vocabulary(vocabulary)
        values = frames.outputs["tag"]
        if chosen != self.vocabulary:
            values = reduce_probabilities(values, self.vocabulary, chosen)
        period = self.frame_period
        path = decode(values, chosen, decoder=decoder, frame_period=period, **decoding)
        sequence = ChordSequence.from_frames(
            path,
            values,
            chosen,
            frame_period=period,
            offset=self.boundary_shift * period,
            duration=frames.duration,
        )
        if vocabulary is not None:
            return sequence
        return self._detailed(sequence, path, frames)

    def frame_magnitudes(self, source, sample_rate: int | None = None) -> np.ndarray:
        """Compute the front-end's magnitudes of one whole track.

        Args:
            source: A path, an open file or an array.
            sample_rate: Of an array, in Hz; `None` means the model's own.

        Returns:
            float32 array `(samples // hop_length, bins)` or `(..., bins, channels)`.

        Raises:
            AudioError: If the source is not usable audio.
        """
        ((magnitudes, _, error),) = self._iter_magnitudes([source], sample_rate)
        if error is not None:
            raise error
        return magnitudes

    def predict_frames(self, magnitudes: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network over the magnitudes of one whole track.

        Args:
            magnitudes: float32 array `(frames, bins)` or `(frames, bins, channels)`,
                as `frame_magnitudes` gives. The loudest value of a channel is its
                0 dB, so a part of a track has other results than the same part
                within the whole.

        Returns:
            float32 arrays `(frames, classes)` by the name of the output; `"tag"`
            are the probabilities of the vocabulary.
        """
        # A compiled graph wants few shapes; others take any length as it is.
        compiled = bool(self._stages.network.jit_compile)
        fixed = compiled or keras.backend.backend() == "jax"
        return self._stages.predict(magnitudes, fixed)

    @property
    def frame_period(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_length / self.sample_rate

    # === Training ===

    def default_compile(self) -> dict:
        """Return optimizer, loss and metrics: one class per frame."""
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return {
            "optimizer": keras.optimizers.Adam(1e-3),
            "loss": keras.losses.SparseCategoricalCrossentropy(),
            "metrics": [accuracy],
        }

    def fit(self, x=None, y=None, **kwargs):
        """Train; as `keras.Model.fit`, compiled by default if it is not yet.

        Args:
            x: Waveforms `(items, samples)` at the model's rate, or a data set.
            y: Classes of the frames, int `(items, samples // hop_length)`; a dict
                of targets for a model with several outputs.
            **kwargs: Arguments of `keras.Model.fit`.

        Returns:
            Keras' `History`.
        """
        self._ensure_compiled()
        return super().fit(x, y, **kwargs)

    # === Inner parts ===

    def get_config(self) -> dict:
        """Return the constructor's arguments that all recognisers share."""
        return {
            "vocabulary": vocabulary_to_config(self.vocabulary),
            "sample_rate": self.sample_rate,
            "hop_length": self.hop_length,
            "dtype": self.policy,
            "name": self.name,
        }

    def _describe(self) -> dict:
        labels = self.vocabulary.labels
        return {
            "id2label": {str(i): label for i, label in enumerate(labels)},
            "label2id": {label: i for i, label in enumerate(labels)},
            "sampling_rate": self.sample_rate,
        }

    def _output_names(self) -> list[str]:
        output = self.backbone.output
        return list(output) if isinstance(output, dict) else ["tag"]

    def _iter_magnitudes(
        self, tracks: Iterable, sample_rate
    ) -> Iterator[tuple[Any, int, TrackError | None]]:
        """Give magnitudes, length in samples and error of each track, in order."""
        rate = self.sample_rate if sample_rate is None else sample_rate
        rate = audio.check_sample_rate(rate)
        lengths: dict[int, int] = {}

        def cut(item):
            index, track = item
            blocks = audio.blocks(track, self.sample_rate, sample_rate=rate)
            plan = self._stages.plan
            for start, chunk in plan.chunks(counted(blocks, index)):
                # A chunk comes early only if it lies within the track; what comes
                # last knows the length.
                yield start, with_span(chunk, start - plan.context, lengths[index])

        def counted(blocks, index):
            lengths[index] = 0
            for block in blocks:
                lengths[index] += len(block)
                yield block
            self._check_length(lengths[index])

        numbered = enumerate(tracks)
        forward = self._stages.magnitudes
        for output in score_tracks(numbered, cut, forward, 1, fixed_shape=True):
            samples = lengths.pop(output.position, 0)
            if output.error is not None:
                yield None, 0, output.error
                continue
            blocks = output.outputs["magnitudes"]
            frames = blocks.reshape(-1, *blocks.shape[2:])
            yield frames[: samples // self.hop_length], samples, None

    def _check_decoding(self, vocabulary, decoder: str, options: dict) -> None:
        """Say what is wrong with the decoding before any music is decoded."""
        chosen = self.vocabulary if vocabulary is None else get_vocabulary(vocabulary)
        frame, period = np.full((1, len(chosen)), 1 / len(chosen)), self.frame_period
        decode(frame, chosen, decoder=decoder, frame_period=period, **options)

    def _check_length(self, samples: int) -> None:
        if samples < self.hop_length:
            raise AudioError(
                "The audio is shorter than one frame of the chord recogniser.",
                received=f"{samples} samples at {self.sample_rate} Hz",
                advice=f"Pass at least {self.hop_length} samples, "
                f"{self.frame_period:.3f} seconds.",
            )

    def _silence(self, outputs: dict) -> dict:
        """Replace what the network makes of silence: certainly no chord."""
        if "N" not in self.vocabulary.labels:
            return outputs
        tag = np.zeros_like(outputs["tag"])
        tag[:, self.vocabulary.labels.index("N")] = 1.0
        return {**outputs, "tag": tag}

    def _detailed(
        self, sequence: ChordSequence, path: np.ndarray, frames: FrameOutputs
    ) -> ChordSequence:
        """Add to the labels what other outputs tell about their frames."""
        return sequence


def vocabulary_from_config(config) -> Vocabulary:
    """Return the vocabulary that a name, a config or itself stands for."""
    if isinstance(config, dict):
        return Vocabulary(**{**config, "labels": tuple(config["labels"])})
    return get_vocabulary(config)


def vocabulary_to_config(vocabulary: Vocabulary):
    """Return a vocabulary as plain JSON values: its name if that says all."""
    if vocabulary.name in VOCABULARIES and vocabulary == get_vocabulary(
        vocabulary.name
    ):
        return vocabulary.name
    return {
        "name": vocabulary.name,
        "labels": list(vocabulary.labels),
        "rule": vocabulary.rule,
    }


def _collect(outcomes: Iterable, tracks: list, single: bool, on_error: str):
    """Gather results; `None` and a warning for a bad one of a list."""
    check_choice(on_error, ON_ERROR, name="on_error")
    results: list = []
    for index, outcome in enumerate(outcomes):
        if not isinstance(outcome, TrackError):
            results.append(outcome)
            continue
        if single or on_error == "raise":
            raise outcome
        _warn_about(index, tracks[index], outcome)
        results.append(None)
    return results[0] if single else results
