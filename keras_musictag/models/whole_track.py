"""Whole tracks: magnitudes block by block, then a network over all frames at once."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np
from keras import ops

from keras_musictag import audio
from keras_musictag.errors import AudioError
from keras_musictag.layers.compression import compress
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import TrackError, score_tracks

BLOCK_FRAMES = 128
TOP_DB = 80.0


class WholeTrack:
    """The two steps of whole tracks: magnitudes block by block, then the network.

    A plain object, so that Keras does not take its models for parts of another one.
    """

    def __init__(
        self,
        frontend,
        backbone,
        sample_rate: int,
        hop_length: int,
        context_frames: int,
    ):
        self.sample_rate, self.hop_length = sample_rate, hop_length
        self.context = context_frames
        self.plan = audio.ChunkPlan(
            (BLOCK_FRAMES + 2 * context_frames) * hop_length,
            BLOCK_FRAMES * hop_length,
            context=context_frames * hop_length,
            tail="pad",
        )
        chunk = keras.Input((self.plan.chunk_samples,), name="chunk")
        span = keras.Input((2,), dtype="int32", name="span")
        self.frontend = keras.Model([chunk, span], frontend(chunk, span=span))
        shape = self.frontend.output.shape
        track = keras.Input((None, *shape[2:]), name="magnitudes")
        mask = keras.Input((None,), dtype="bool", name="mask")
        outputs = backbone([to_decibels(track), mask])
        outputs = outputs if isinstance(outputs, dict) else {"tag": outputs}
        self.network = keras.Model([track, mask], outputs)

    def magnitudes(self, chunks: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the frames of chunks with their span, without their context."""
        inputs = [chunks[:, :-2], chunks[:, -2:].astype("int32")]
        values = np.asarray(self.frontend.predict_on_batch(inputs))
        kept = slice(self.context, self.context + BLOCK_FRAMES)
        return {"magnitudes": values[:, kept]}

    def iter_magnitudes(
        self, tracks: Iterable, sample_rate: int
    ) -> Iterator[tuple[np.ndarray, int, TrackError | None]]:
        """Compute the magnitudes of many tracks, lazily.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate: Of arrays, in Hz.

        Yields:
            For each track, in order: float32 magnitudes
            `(samples // hop_length, ...)`, its length in samples at the front-end's
            rate, and `None`; or no frames and the error that says why.
        """
        rate = audio.check_sample_rate(sample_rate)
        lengths: dict[int, int] = {}

        def cut(item):
            index, track = item
            blocks = audio.blocks(track, self.sample_rate, sample_rate=rate)
            for start, chunk in sources.cut_with_span(blocks, self.plan):
                if chunk is not None:
                    yield start, chunk
                    continue
                lengths[index] = start
                self.check_length(start)

        numbered = enumerate(tracks)
        for output in score_tracks(numbered, cut, self.magnitudes, 1, fixed_shape=True):
            samples = lengths.pop(output.position, 0)
            if output.error is not None:
                yield np.zeros((0, 0), "float32"), 0, output.error
                continue
            blocks = output.outputs["magnitudes"]
            frames = blocks.reshape(-1, *blocks.shape[2:])
            yield frames[: samples // self.hop_length], samples, None

    def check_length(self, samples: int) -> None:
        """Refuse a track that has less than one frame."""
        if samples < self.hop_length:
            raise AudioError(
                "The audio is shorter than one frame of the chord recogniser.",
                received=f"{samples} samples at {self.sample_rate} Hz",
                advice=f"Pass at least {self.hop_length} samples, "
                f"{self.hop_length / self.sample_rate:.3f} seconds.",
            )

    def predict(self, magnitudes: np.ndarray, fixed: bool) -> dict[str, np.ndarray]:
        """Compute the outputs of one track, filled up if lengths must be few."""
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


def features(frontend, waveform) -> list:
    """Return what a chord network sees of whole tracks: decibels, and all valid.

    Args:
        frontend: Layer from `(batch, samples)` to magnitudes.
        waveform: Keras input `(batch, samples)`.
    """
    # The last frame reaches beyond the end by more than half.
    magnitudes = frontend(waveform)[:, :-1]
    first_bin = magnitudes[(..., *[0] * (len(magnitudes.shape) - 2))]
    return [to_decibels(magnitudes), ops.ones_like(first_bin, dtype="bool")]


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
