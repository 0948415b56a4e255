"""Whole tracks: magnitudes block by block, then a network over all frames at once."""

import collections
import functools
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
from keras import ops

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.audio.tuning import hear_tuning
from keras_musictag.chords import Vocabulary
from keras_musictag.chords.chordogram import CHORD, Chordogram, silent_outputs
from keras_musictag.layers.compression import compress
from keras_musictag.recognition import check_length
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import Chunk, TrackOutput, join_tracks

BLOCK_FRAMES = 128
BLOCKS_AHEAD = 4
TOP_DB = 80.0
# Magnitudes up to here are the floor of the decibels: every bin would be "loudest".
SILENCE = 1e-5


class WholeTrack:
    """The two steps of whole tracks: magnitudes block by block, then the network.

    A plain object, so that Keras does not take its models for parts of another one.

    Args:
        frontend, backbone, vocabulary, sample_rate, hop_length, context_frames,
            decibels, tuning: As in `ChordRecognizer`.
        block_frames: Frames of a block.

    Attributes:
        plan: The `audio.ChunkPlan` of the blocks.
        tuning: As in `ChordRecognizer`; may be changed.
        network: Keras model from magnitudes and mask to a dict of outputs.
    """

    def __init__(
        self,
        frontend,
        backbone,
        vocabulary: Vocabulary,
        sample_rate: int,
        hop_length: int,
        context_frames: int,
        decibels: bool = True,
        tuning: str | float = 0.0,
        block_frames: int = BLOCK_FRAMES,
    ):
        self.vocabulary = vocabulary
        self.sample_rate, self.hop_length = sample_rate, hop_length
        self.context, self.block_frames = context_frames, block_frames
        self.decibels, self.tuning = decibels, tuning
        self.plan = audio.ChunkPlan(
            (block_frames + 2 * context_frames) * hop_length,
            block_frames * hop_length,
            context=context_frames * hop_length,
            tail="pad",
        )
        self.analysis, self.backbone = frontend, backbone
        self.filters = functools.lru_cache(maxsize=4)(self._filters)
        shape = self.frontend.output.shape
        track = keras.Input((None, *shape[2:]), name="magnitudes")
        mask = keras.Input((None,), dtype="bool", name="mask")
        outputs = named(backbone([self.prepare(track), mask]))
        self.network = keras.Model([track, mask], outputs)

    @functools.cached_property
    def frontend(self) -> keras.Model:
        """From a chunk and its span to magnitudes."""
        return self._make_frontend()

    @functools.cached_property
    def tuned_frontend(self) -> keras.Model:
        """From a chunk, its span and the filters of a tuning to magnitudes."""
        return self._make_frontend(keras.Input((self.analysis.filter_size,)))

    def _make_frontend(self, filters=None) -> keras.Model:
        chunk = keras.Input((self.plan.chunk_samples,), name="chunk")
        span = keras.Input((2,), dtype="int32", name="span")
        if filters is None:
            return keras.Model([chunk, span], self.analysis(chunk, span=span))
        values = self.analysis(chunk, span=span, filters=filters[0])
        return keras.Model([chunk, span, filters], values)

    def _filters(self, semitones: float) -> np.ndarray:
        per_semitone = self.analysis.bins_per_octave / 12
        return self.analysis.filters(semitones * per_semitone)[None]

    @property
    def hears_tuning(self) -> bool:
        """Whether the tuning of each track is estimated from all of its samples."""
        return isinstance(self.tuning, str)

    def prepare(self, magnitudes):
        """Turn magnitudes into what the backbone sees."""
        return to_decibels(magnitudes) if self.decibels else magnitudes

    def count_frames(self, samples: int) -> int:
        """How many frames the backbone sees of a track of so many samples."""
        return samples // self.hop_length + (not self.decibels)

    # === Tracks ===

    def run(self, tracks: Iterable, sample_rate: int) -> Iterator[TrackOutput]:
        """Compute the outputs of the network for many tracks, lazily.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate: Of arrays, in Hz.

        Yields:
            For each track, in order, a `TrackOutput` with `(frames, classes)` by the
            name of the output.
        """
        for output in self.run_frontend(tracks, sample_rate):
            if output.error is None:
                outputs = self.outputs(output.outputs["magnitudes"])
                output = output._replace(outputs=outputs)
            yield output

    def run_frontend(self, tracks: Iterable, sample_rate: int) -> Iterator[TrackOutput]:
        """Compute the magnitudes of many tracks, lazily.

        Args:
            tracks, sample_rate: As in `run`.

        Yields:
            For each track, in order, a `TrackOutput` with the float32 `"magnitudes"`
            `(frames, bins)` or `(frames, bins, channels)`.
        """

        def cut(track):
            blocks = audio.blocks(track, self.sample_rate, sample_rate=sample_rate)
            tuning, blocks = self._tune(blocks)
            counted = sources.Counted(blocks)
            for chunk in sources.cut_with_span(counted, self.plan):
                yield chunk._replace(tuning=tuning)
            check_length(counted.samples, self.hop_length, self.sample_rate)
            return counted.samples

        def magnitudes(chunk: Chunk) -> dict[str, np.ndarray]:
            return {"magnitudes": self.block_magnitudes(chunk)}

        for output in join_tracks(tracks, cut, magnitudes, BLOCKS_AHEAD):
            if output.error is None:
                frames = self.count_frames(output.length)
                values = output.outputs["magnitudes"][:frames]
                output = output._replace(outputs={"magnitudes": values})
            yield output

    def track_magnitudes(self, source, sample_rate: int | None = None) -> np.ndarray:
        """Compute the magnitudes of one track, as training needs them.

        Args:
            source: A path, an open file or an array.
            sample_rate: Of an array, in Hz; `None` means the model's own.

        Returns:
            float32 array `(frames, bins)` or `(frames, bins, channels)`.

        Raises:
            AudioError: If the source is not usable audio.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        (output,) = self.run_frontend([source], check_sample_rate(rate))
        if output.error is not None:
            raise output.error
        return output.outputs["magnitudes"]

    def _tune(self, blocks: Iterable[np.ndarray]):
        """Return the tuning of a track in semitones, and its samples again."""
        if not self.hears_tuning:
            return float(self.tuning), blocks
        kept = collections.deque(blocks)
        return hear_tuning(kept, self.sample_rate, str(self.tuning)), drain(kept)

    # === The two steps ===

    def block_magnitudes(self, chunk: Chunk) -> np.ndarray:
        """Compute the frames of a chunk of `plan`, without those of its context.

        Args:
            chunk: With its `span`.

        Returns:
            float32 array `(block_frames, bins)` or `(block_frames, bins, channels)`;
            the last frame of a track that ends with the chunk may follow.
        """
        assert chunk.span is not None
        inputs = [chunk.samples[None], np.array([chunk.span], "int32")]
        frontend = self.frontend
        if chunk.tuning:
            inputs.append(self.filters(chunk.tuning))
            frontend = self.tuned_frontend
        values = np.asarray(frontend.predict_on_batch(inputs))[0, self.context :]
        ends = chunk.span[1] == (self.context + self.block_frames) * self.hop_length
        return values[: self.block_frames + (ends and not self.decibels)]

    def outputs(self, magnitudes: np.ndarray) -> dict[str, np.ndarray]:
        """Compute what a recogniser says about one whole track.

        Args:
            magnitudes: As `track_magnitudes` gives them.

        Returns:
            As `predict`; for silence certainly no chord.
        """
        outputs = self.predict(magnitudes)
        if magnitudes.max() <= SILENCE:
            return silent_outputs(outputs, self.vocabulary)
        return outputs

    def predict(
        self, magnitudes: np.ndarray, fixed: bool | None = None
    ) -> dict[str, np.ndarray]:
        """Run the network over the magnitudes of one whole track.

        Args:
            magnitudes: float32 array `(frames, bins)` or `(frames, bins, channels)`.
                The loudest value of a channel is its 0 dB, so a part of a track has
                other results than the same part within the whole.
            fixed: Whether the track is filled up to one of few lengths; `None` for
                what the backend likes.

        Returns:
            float32 arrays `(frames, classes)` by the name of the output.
        """
        if fixed is None:  # a compiled graph wants few shapes, others take any
            compiled = bool(self.network.jit_compile)
            fixed = compiled or keras.backend.backend() == "jax"
        frames = len(magnitudes)
        length = padded_length(frames) if fixed else frames
        ends = [(0, length - frames)] + [(0, 0)] * (magnitudes.ndim - 1)
        track = np.pad(np.asarray(magnitudes, "float32"), ends)[None]
        mask = (np.arange(length) < frames)[None]
        outputs = self.network.predict_on_batch([track, mask])
        return {
            name: np.asarray(value, dtype="float32")[0, :frames]
            for name, value in outputs.items()
        }


class Segment:
    """A track, or a piece of a long one, whose chunks come from elsewhere.

    It keeps the magnitudes of its frames, not the samples, unless the tuning is heard
    first.

    Args:
        whole_track: Runs the two steps.
        to_chordogram: Makes a `Chordogram` of outputs and a length in samples.
    """

    def __init__(
        self,
        whole_track: WholeTrack,
        to_chordogram: Callable[[dict[str, np.ndarray], int], Chordogram],
    ):
        self.whole_track, self.to_chordogram = whole_track, to_chordogram
        self.blocks: list[np.ndarray] = []

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk of `WholeTrack.plan`, with its span."""
        whole = self.whole_track
        if not whole.hears_tuning:
            chunk = chunk._replace(tuning=float(whole.tuning))
            self.blocks.append(whole.block_magnitudes(chunk))
            return
        first = whole.plan.context
        core = chunk.samples[first : first + whole.plan.hop_samples]
        self.blocks.append(core.copy())

    def chordogram(self, samples: int) -> Chordogram:
        """Compute the probabilities once all chunks are there.

        Args:
            samples: Length of the segment.

        Returns:
            The `Chordogram`, its times counted from the start of the segment.

        Raises:
            AudioError: If the segment is shorter than one frame.
        """
        whole = self.whole_track
        check_length(samples, whole.hop_length, whole.sample_rate)
        magnitudes = np.concatenate(self.blocks)
        if whole.hears_tuning:
            magnitudes = whole.track_magnitudes(magnitudes[:samples])
        magnitudes = magnitudes[: whole.count_frames(samples)]
        return self.to_chordogram(whole.outputs(magnitudes), samples)


def named(outputs) -> dict:
    """Return what a chord network gives by the name of the output."""
    return outputs if isinstance(outputs, dict) else {CHORD: outputs}


def features(frontend, waveform, decibels: bool = True) -> list:
    """Return what a chord network sees of whole tracks, and that all of it is valid.

    Args:
        frontend: Layer from `(batch, samples)` to magnitudes.
        waveform: Keras input `(batch, samples)`.
        decibels: As in `ChordRecognizer`.
    """
    magnitudes = frontend(waveform)
    if decibels:
        # The last frame reaches beyond the end by more than half.
        magnitudes = to_decibels(magnitudes[:, :-1])
    first_bin = magnitudes[(..., *[0] * (len(magnitudes.shape) - 2))]
    return [magnitudes, ops.ones_like(first_bin, dtype="bool")]


def drain(blocks: collections.deque) -> Iterator[np.ndarray]:
    """Yield blocks that nobody needs afterwards."""
    while blocks:
        yield blocks.popleft()


def to_decibels(magnitudes):
    """Decibels below the loudest of each item and channel, down to -80."""
    return compress(magnitudes, compression="db", ref="max", top_db=TOP_DB)


def padded_length(frames: int) -> int:
    """Return the next of few lengths, at most a third longer.

    They are 2 and 3 times the powers of two, from 128: 128, 192, 256, 384, 512, ...
    """
    length = 128
    while length < frames:
        power = 1 << (length.bit_length() - 1)
        length = length + power // 2 if length == power else 2 * power
    return length
