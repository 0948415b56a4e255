"""`ChordRecognizer`: a Keras model from a waveform to chords, and its methods."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from keras_musictag import audio
from keras_musictag.checks import check_choice, check_positive_int
from keras_musictag.chords import (
    Vocabulary,
    decode,
    get_vocabulary,
    reduce_probabilities,
)
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import LabelError
from keras_musictag.models import whole_track
from keras_musictag.models.base import PretrainedModel, dtype_scope
from keras_musictag.models.chord_frames import (
    FrameOutputs,
    check_beats,
    starts_on_beats,
    vocabulary_from_config,
    vocabulary_to_config,
    with_beats,
)
from keras_musictag.models.fitting import chord_training
from keras_musictag.models.whole_track import WholeTrack
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import TrackError

# Magnitudes up to here are the floor of the decibels: every bin would be "loudest".
SILENCE = 1e-5


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
        vocabulary: The chord classes in output order: a `chords.Vocabulary`, a
            name, or what `get_config` gives.
        frontend: Function from `sample_rate` to a layer from `(batch, samples)` to
            magnitudes, not negative,
            `(batch, 1 + samples // hop_length, bins)` or `(..., bins, channels)`. It
            takes `span=` as `layers.CQT` and `layers.HCQT` do.
        backbone: Function from the `chords.Vocabulary` to a Keras model from
            `[features, mask]`, decibels in [-80, 0] of the front-end's shape and bool
            `(batch, frames)`, to probabilities
            `(batch, frames, classes)`, or to a dict of outputs with these as `"tag"`.
            Frames that are masked must not change the others.
        sample_rate: Of the waveform, in Hz.
        hop_length: Samples from one frame to the next.
        context_frames: How many frames of audio on either side of a frame its
            magnitudes depend on.
        settings: The architecture's own arguments by name, plain JSON values.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model; made from that of the class if `None`.

    Attributes:
        vocabulary: The `chords.Vocabulary`.
        sample_rate: In Hz.
        hop_length: In samples.
        frontend, backbone: The two parts.
    """

    task = "chords"
    shared_options = ("sample_rate", "hop_length", "dtype", "name")
    default_preset = "crema"
    # Where a segment begins, counted in frames from the centre of its first frame.
    boundary_shift = 0.0

    def __init__(
        self,
        vocabulary,
        *,
        frontend: Callable[[int], keras.layers.Layer],
        backbone: Callable[[Vocabulary], keras.Model],
        sample_rate: int,
        hop_length: int,
        context_frames: int,
        settings: dict | None = None,
        dtype=None,
        name: str | None = None,
        **unknown,
    ):
        self._refuse_options(unknown)
        vocabulary = vocabulary_from_config(vocabulary)
        # === Functional Model ===
        with dtype_scope(dtype):
            waveform = keras.Input((None,), name="waveform")
            analysis, network = frontend(sample_rate), backbone(vocabulary)
            outputs = network(whole_track.features(analysis, waveform))
        super().__init__(waveform, outputs, name=name or self._default_name())
        # === Config ===
        self.frontend, self.backbone = analysis, network
        self.vocabulary = vocabulary
        self.sample_rate = audio.check_sample_rate(sample_rate)
        self.hop_length = check_positive_int(hop_length, name="hop_length")
        self.policy = dtype
        self.settings = settings or {}
        self._stages = WholeTrack(
            analysis, network, self.sample_rate, self.hop_length, context_frames
        )

    @classmethod
    def _build(cls, config: dict, labels, problem_type, source) -> Self:
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
        tracks, single = sources.listed(source)
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
        given = check_beats(beats)
        self._check_decoding(vocabulary, decoder, {**decoding, "beats": given})
        rate = self.sample_rate if sample_rate is None else sample_rate
        for frames, times in with_beats(self.iter_frames, tracks, rate, beats):
            if not isinstance(frames, FrameOutputs):
                yield frames
                continue
            yield self.recognize_frames(
                frames, vocabulary=vocabulary, decoder=decoder, beats=times, **decoding
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

        return sources.collect(pairs(), tracks, single, on_error)

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
        rate = self.sample_rate if sample_rate is None else sample_rate
        for magnitudes, samples, error in self._stages.iter_magnitudes(tracks, rate):
            if error is not None:
                yield error
                continue
            yield self._frame_outputs(magnitudes, samples)

    def recognize_frames(
        self,
        frames: FrameOutputs,
        *,
        vocabulary: str | Vocabulary | None = None,
        decoder: str = "viterbi",
        beats=None,
        **decoding,
    ) -> ChordSequence:
        """Decode what `iter_frames` gave for a track, in one way or another.

        Args:
            frames: The outputs of the network.
            vocabulary, decoder, **decoding: As in `recognize`.
            beats: Times in seconds or `None`; not `"auto"`, as there is no audio here.

        Returns:
            The `ChordSequence`.
        """
        chosen = self.vocabulary if vocabulary is None else get_vocabulary(vocabulary)
        values = frames.outputs["tag"]
        if chosen != self.vocabulary:
            values = reduce_probabilities(values, self.vocabulary, chosen)
        period, shift = self.frame_period, self.boundary_shift
        path = decode(
            values,
            chosen,
            decoder=decoder,
            frame_period=period,
            beats=beats,
            **decoding,
        )
        where: dict[str, Any] = {"frame_period": period, "offset": shift * period}
        if beats is not None and len(path) > 1:
            where = {"times": starts_on_beats(len(path), period, shift, beats)}
        sequence = ChordSequence.from_frames(
            path, values, chosen, duration=frames.duration, **where
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
        rate = self.sample_rate if sample_rate is None else sample_rate
        ((magnitudes, _, error),) = self._stages.iter_magnitudes([source], rate)
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

    def fit(
        self,
        x=None,
        y=None,
        *,
        crop_seconds: float = 20.0,
        transpose: bool = True,
        seed: int | None = None,
        **kwargs,
    ):
        """Train on tracks with chords, or on arrays; compiled by default if not yet.

        With tracks the targets are made for the model. Features of each track are
        computed once and kept, about 0.7 MB per minute; every epoch sees other crops
        of them, each moved to another key. Frames without a chord of the vocabulary
        and what lies beyond the end of a track do not count. Callbacks see the network
        without its front-end, which shares its weights with this model. A bad track is
        left out and named in an `AudioWarning`.

        Args:
            x: A `data.TrackList` with chords (`data.chord_folder`), or a folder of
                audio with a `.lab` or JAMS file each. Or waveforms
                `(items, samples)` at the model's rate, or a data set of batches.
            y: For arrays: classes of the frames, int
                `(items, samples // hop_length)`; a dict of targets for a model with
                several outputs.
            crop_seconds: Length of a crop of a track.
            transpose: Whether crops of tracks are moved by -6 to +5 semitones.
            seed: Makes crops and keys repeatable.
            **kwargs: Arguments of `keras.Model.fit`, such as `epochs` and
                `batch_size`. With tracks `validation_data` is such tracks as well;
                they are neither cropped at random nor transposed.

        Returns:
            Keras' `History`.

        Raises:
            AudioError: If no track can be used.
            ConfigError: If arguments do not fit tracks, or `transpose` the model.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.CRNNChordRecognizer("sevenths")
        songs = kmt.data.chord_folder("songs").random_splits()
        model.fit(
            songs.split("train"), validation_data=songs.split("valid"), epochs=20
        )
        model.save_pretrained("my_recognizer")
        ```
        """
        self._ensure_compiled()
        if not chord_training.are_tracks(x):
            return super().fit(x, y, **kwargs)
        return chord_training.fit_tracks(
            self,
            x,
            y,
            crop_seconds=crop_seconds,
            transpose=transpose,
            seed=seed,
            **kwargs,
        )

    def chord_targets(self, labels: list[str]) -> dict[str, np.ndarray]:
        """Say what each output should answer to chords.

        Args:
            labels: Chords in Harte's notation.

        Returns:
            One array by the name of each output, its first axis for the labels.
            `"tag"` holds the class in the vocabulary, -1 for a chord outside it.
        """
        return {"tag": self.vocabulary.indices(labels)}

    # === Deployment ===

    def export(
        self,
        path,
        format: str | None = None,
        *,
        float16: bool = False,
        tolerance: float | None = None,
        seconds: float | None = None,
    ) -> Path:
        """Write the network for programs that run without Keras.

        It takes whole tracks, float32 `(batch, samples)` named `waveform`, of any
        length, and gives the outputs of a call by name: `tag` are the probabilities of
        the vocabulary, `(batch, frames, classes)`. Decoding is left to the program.

        LiteRT has no loops of a free length: there, the network takes pieces of one
        length, `seconds`, and its recurrent layers are written out step by step.

        Args:
            path, format, float16, tolerance: As in `MusicTagger.export`.
            seconds: Length of the input, rounded to whole frames; LiteRT only, 10 if
                `None`. Conversion takes longer for longer pieces.

        Returns:
            The path, as a `Path`.

        Raises:
            ConfigError, MissingExtraError: As in `MusicTagger.export`.

        Example:

        ```python
        import keras_musictag as kmt

        kmt.CRNNChordRecognizer.from_pretrained().export("chords.onnx")
        waveform, _ = kmt.audio.load(kmt.audio.demo_path(), 22050)
        network = kmt.export.open_exported("chords.onnx")
        network(waveform[None])["tag"].shape  # (1, frames, 25)
        ```
        """
        from keras_musictag.models.exporting import export_model

        return export_model(self, path, format, float16, tolerance, seconds)

    # === Inner parts ===

    def _shared_config(self) -> dict:
        return {
            "vocabulary": vocabulary_to_config(self.vocabulary),
            "sample_rate": self.sample_rate,
            "hop_length": self.hop_length,
        }

    def _describe(self) -> dict:
        labels = self.vocabulary.labels
        return {
            **super()._describe(),
            "id2label": {str(i): label for i, label in enumerate(labels)},
            "label2id": {label: i for i, label in enumerate(labels)},
            "sampling_rate": self.sample_rate,
        }

    def _output_names(self) -> list[str]:
        output = self.backbone.output
        return list(output) if isinstance(output, dict) else ["tag"]

    def _check_decoding(self, vocabulary, decoder: str, options: dict) -> None:
        """Say what is wrong with the decoding before any music is decoded."""
        chosen = self.vocabulary if vocabulary is None else get_vocabulary(vocabulary)
        frame, period = np.full((1, len(chosen)), 1 / len(chosen)), self.frame_period
        decode(frame, chosen, decoder=decoder, frame_period=period, **options)

    def _frame_outputs(self, magnitudes: np.ndarray, samples: int) -> FrameOutputs:
        outputs = self.predict_frames(magnitudes)
        if magnitudes.max() <= SILENCE:
            outputs = self._silence(outputs)
        return FrameOutputs(outputs, samples / self.sample_rate)

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
