"""`BeatTracker`: a Keras model from a waveform to beats, and its methods."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import keras
import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.beats import Beatgram, BeatSequence
from keras_musictag.checks import check_positive_int
from keras_musictag.models.base import PretrainedModel, dtype_scope
from keras_musictag.models.heads import refuse_labels
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import Chunk, TrackError, join_tracks

# Frames of a block of the front-end, and how many blocks are decoded ahead.
BLOCK_FRAMES = 512
BLOCKS_AHEAD = 4
# Nothing is louder: about 100 dB below full scale.
SILENCE = 1e-5


class BeatTracker(PretrainedModel, abstract=True):
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
    """

    task = "beats"
    shared_options = ("sample_rate", "hop_length", "dtype", "name")
    default_preset = "beatnet"
    default_decoder = "bars"

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
            outputs = network(analysis(waveform))
        super().__init__(waveform, outputs, name=name or self._default_name())
        # === Config ===
        self.frontend, self.backbone = analysis, network
        self.sample_rate = check_sample_rate(sample_rate)
        self.hop_length = check_positive_int(hop_length, name="hop_length")
        self.policy = dtype
        self.settings = settings or {}
        self.context_frames = context_frames
        self.plan = audio.ChunkPlan(
            (BLOCK_FRAMES + 2 * context_frames) * self.hop_length,
            BLOCK_FRAMES * self.hop_length,
            context=context_frames * self.hop_length,
            tail="pad",
        )
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

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    # === Tracking ===

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
        rate = check_sample_rate(
            self.sample_rate if sample_rate is None else sample_rate
        )

        def cut(track):
            blocks = audio.blocks(track, self.sample_rate, sample_rate=rate)
            counted = sources.Counted(blocks)
            around = sources.mirrored(counted, self.mirrored_samples)
            yield from sources.cut_with_span(sources.Counted(around), self.plan)
            return counted.samples

        for output in join_tracks(tracks, cut, self.hear, BLOCKS_AHEAD):
            if output.error is not None:
                yield output.error
            else:
                yield self.conclude(output.outputs, output.length)

    # === Chunk by chunk, for programs that cut tracks themselves ===

    @property
    def mirrored_samples(self) -> int:
        """By how many samples a track is mirrored at its ends before it is cut."""
        return self.mirrored_frames * self.hop_length

    def hear(self, chunk: Chunk) -> dict[str, np.ndarray]:
        """Compute the frames of a chunk, without those of its context.

        Args:
            chunk: One that `plan` cuts, see `tracks.sources.cut_with_span`.

        Returns:
            Arrays `(frames, ...)` by name, to be joined with those of the other chunks.
        """
        first = self.context_frames
        values = self._spectrogram(chunk.samples)
        return {"spectrogram": values[first : first + BLOCK_FRAMES]}

    def conclude(self, heard: dict[str, np.ndarray], samples: int) -> Beatgram:
        """Make the beatgram of a track of what was heard in its chunks.

        Args:
            heard: What `hear` gave, joined along the frames.
            samples: Length of the track.

        Returns:
            The `beats.Beatgram`.
        """
        first = self.mirrored_frames
        spectrogram = heard["spectrogram"][first : first + self._frames(samples)]
        values = self._probabilities(spectrogram)
        if spectrogram.max() <= SILENCE:  # networks hear a beat where it begins
            values = np.zeros_like(values)
        seconds = samples / self.sample_rate
        return Beatgram(values[:, 0], values[:, 1], self.frame_rate, seconds)

    # === Inner parts ===

    def _frames(self, samples: int) -> int:
        """How many frames the front-end makes of so many samples."""
        if self.mirrored_frames:
            return 1 + samples // self.hop_length
        return -(-samples // self.hop_length)

    def _spectrogram(self, samples: np.ndarray) -> np.ndarray:
        """Compute the frames of samples, float32 `(frames, bands)`.

        Few lengths should be asked for: each needs a graph of its own.
        """
        models = self.__dict__.setdefault("_frontends", {})
        if len(samples) not in models:
            chunk = keras.Input((len(samples),), name="chunk")
            models[len(samples)] = keras.Model(chunk, self.frontend(chunk))
        return np.asarray(models[len(samples)].predict_on_batch(samples[None]))[0]

    def _probabilities(self, spectrogram: np.ndarray) -> np.ndarray:
        """Run the network over all frames of a track.

        Args:
            spectrogram: float32 array `(frames, bands)`.

        Returns:
            float32 array `(frames, 3)`.
        """
        raise NotImplementedError

    # === Training ===

    def fit(self, x=None, y=None, **kwargs):
        """Train on waveforms; compiled by default if not yet.

        Args:
            x: float32 `(batch, samples)` at the model's rate, or a data set of batches.
            y: Classes of the frames, int `(batch, ceil(samples / hop_length))`: 0 for
                a beat that is no downbeat, 1 for a downbeat, 2 for none.
            **kwargs: Arguments of `keras.Model.fit`.

        Returns:
            Keras' `History`.
        """
        self._ensure_compiled()
        return super().fit(x, y, **kwargs)

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
