"""`BeatTracker`: a Keras model from a waveform to beats, and its methods."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import keras
import numpy as np

from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.checks import check_positive_int
from keras_musictag.engines.whole_beats import BeatHearing
from keras_musictag.models.base import PretrainedModel, dtype_scope
from keras_musictag.models.fitting import track_training
from keras_musictag.models.fitting.beat_crops import BeatCrops
from keras_musictag.models.heads import refuse_labels


class BeatTracker(BeatHearing, PretrainedModel, abstract=True):
    """Base of all beat trackers: audio in, beats with their places in the bar out.

    A tracker is a functional `keras.Model` made of two parts: `frontend` (waveform to
    a spectrogram, one frame every `hop_length` samples) and `backbone` (spectrogram
    to probabilities). Calling it takes whole tracks of equal length, float32
    `(batch, samples)` at `sample_rate`, and gives float32 `(batch, frames, 3)`: beat,
    downbeat, none, of `ceil(samples / hop_length)` frames (one more in some networks,
    see there).

    `track` and `beatgram` take tracks of any length. The front-end goes over a track
    in blocks of one size, with the audio around them, so that an hour needs little
    memory and one compiled graph.

    Args:
        frontend: Function from `sample_rate` to a layer from `(batch, samples)` to
            `(batch, ceil(samples / hop_length), bands)`.
        backbone: Function to a Keras model from `(batch, frames, bands)` to
            probabilities `(batch, frames, 3)`.
        sample_rate: Of the waveform, in Hz.
        hop_length: Samples from one frame to the next.
        context_frames: How many frames of audio on either side of a frame its
            spectrum depends on.
        reflect: Whether the front-end mirrors a track at its ends, and has one frame
            more where the samples are whole hops; else zeros lie around it.
        settings: The architecture's own arguments by name, plain JSON values.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model; made from that of the class if `None`.

    Attributes:
        sample_rate: In Hz.
        hop_length: In samples.
        frontend, backbone: The two parts.
        piece_frames: How many frames the network hears at once; `None` for all of them.
        border_frames: How many of them, at either end, do not count; at the ends of a
            track they are silence.
    """

    task = "beats"
    shared_options = ("sample_rate", "hop_length", "dtype", "name")
    default_preset = "beatnet"
    default_decoder = "bars"
    piece_frames: int | None = None
    border_frames = 0

    def __init__(
        self,
        *,
        frontend: Callable[[int], keras.layers.Layer],
        backbone: Callable[[], keras.Model],
        sample_rate: int,
        hop_length: int,
        context_frames: int,
        reflect: bool = False,
        settings: dict | None = None,
        dtype=None,
        name: str | None = None,
        **unknown,
    ):
        self._refuse_options(unknown)
        # === Functional Model ===
        with dtype_scope(dtype):
            waveform = keras.Input((None,), name="waveform")
            analysis, network = frontend(sample_rate), backbone()
            outputs = self.bordered(analysis(waveform), network)
        super().__init__(waveform, outputs, name=name or self._default_name())
        # === Config ===
        self.frontend, self.backbone = analysis, network
        self.sample_rate = check_sample_rate(sample_rate)
        self.hop_length = check_positive_int(hop_length, name="hop_length")
        self.policy = dtype
        self.settings = settings or {}
        self.context_frames = context_frames
        self._lay_blocks()
        self.mirrored_frames = context_frames if reflect else 0

    @classmethod
    def _build(cls, config: dict, labels, problem_type, source) -> Self:
        refuse_labels(
            source,
            labels,
            problem_type,
            "A beat tracker has no labels.",
        )
        return super()._build(config, labels, problem_type, source)

    @classmethod
    def bordered(cls, features, network: keras.Model):
        """Run a backbone with silence around the features; its frames do not count.

        Args:
            features: Symbolic tensor `(batch, frames, bands)`.
            network: Keras model to `(batch, frames, 3)`.

        Returns:
            Symbolic tensor `(batch, frames, 3)`.
        """
        border = cls.border_frames
        if not border:
            return network(features)
        around = keras.layers.ZeroPadding1D(border, name="silence_around")(features)
        return keras.layers.Cropping1D(border, name="inner_frames")(network(around))

    # === Deployment ===

    def export(
        self,
        path,
        format: str | None = None,
        *,
        float16: bool = False,
        tolerance: float | None = None,
    ) -> Path:
        """Write the network for programs that run without Keras.

        It takes audio of any length, float32 `(batch, samples)` named `waveform`, and
        gives `beats`, `(batch, frames, 3)`, as a call does. `OnnxBeatTracker` finds the
        beats of tracks with it, in pieces of `piece_frames` where the network was
        trained with such. There is no LiteRT: it takes pieces of one length, and a
        shorter track may not be filled up.

        Args:
            path, format, float16, tolerance: As in `MusicTagger.export`.

        Returns:
            The path, as a `Path`.

        Raises:
            ConfigError, MissingExtraError: As in `MusicTagger.export`.

        Example:

        ```python
        import keras_musictag as kmt

        kmt.BeatNetTracker.from_pretrained().export("beatnet.onnx")
        tracker = kmt.OnnxBeatTracker("beatnet.onnx")  # loads no Keras
        print(tracker.track(kmt.audio.demo_path()).tempo)
        ```
        """
        from keras_musictag.models.exporting import export_model

        return export_model(self, path, format, float16, tolerance)

    # === Inner parts ===

    def _spectrogram(self, samples: np.ndarray) -> np.ndarray:
        """Compute the frames of samples, float32 `(frames, bands)`.

        Few lengths should be asked for: each needs a graph of its own.
        """
        models = self.__dict__.setdefault("_frontends", {})
        if len(samples) not in models:
            chunk = keras.Input((len(samples),), name="chunk")
            models[len(samples)] = keras.Model(chunk, self.frontend(chunk))
        return np.asarray(models[len(samples)].predict_on_batch(samples[None]))[0]

    # === Training ===

    def fit(
        self,
        x=None,
        y=None,
        *,
        crop_seconds: float = 20.0,
        seed: int | None = None,
        **kwargs,
    ):
        """Train on tracks with beats, or on arrays; compiled by default if not yet.

        With tracks the targets are made for the model. The spectrogram of each track is
        computed once and kept, about 0.8 MB per minute; every epoch sees other crops of
        it. The frames on either side of a beat do not count, nor what lies beyond the
        end of a track. Callbacks see the network without its front-end, which shares
        its weights with this model. A bad track is left out and named in an
        `AudioWarning`.

        Args:
            x: A `data.TrackList` with beats (`data.beat_folder`, `data.from_mirdata`),
                or a folder of audio with a `.beats` file each. Or waveforms
                `(items, samples)` at the model's rate, or a data set of batches.
            y: For arrays: classes of the frames, int
                `(items, ceil(samples / hop_length))`: 0 for a beat that is no downbeat,
                1 for a downbeat, 2 for none.
            crop_seconds: Length of a crop of a track.
            seed: Makes crops repeatable.
            **kwargs: Arguments of `keras.Model.fit`, such as `epochs` and
                `batch_size`. With tracks `validation_data` is such tracks as well;
                they are not cropped at random.

        Returns:
            Keras' `History`.

        Raises:
            AudioError: If no track can be used.
            ConfigError: If arguments do not fit tracks.

        Example:

        ```python
        import keras_musictag as kmt

        tracker = kmt.BeatNetTracker.from_pretrained()
        songs = kmt.data.beat_folder("songs").random_splits()
        tracker.fit(
            songs.split("train"), validation_data=songs.split("valid"), epochs=20
        )
        tracker.save_pretrained("my_tracker")
        ```
        """
        self._ensure_compiled()
        if not track_training.are_tracks(x, BeatCrops):
            return super().fit(x, y, **kwargs)
        return track_training.fit_tracks(
            self,
            BeatCrops,
            x,
            y,
            settings={"crop_seconds": crop_seconds, "seed": seed},
            **kwargs,
        )

    def default_compile(self) -> dict:
        """Return optimizer, loss and metrics: one class per frame."""
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return {
            "optimizer": keras.optimizers.Adam(1e-3),
            "loss": keras.losses.SparseCategoricalCrossentropy(),
            "metrics": [accuracy],
        }

    def _shared_config(self) -> dict:
        return {"sample_rate": self.sample_rate, "hop_length": self.hop_length}

    def _describe(self) -> dict:
        return {**super()._describe(), "sampling_rate": self.sample_rate}
