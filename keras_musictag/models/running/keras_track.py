"""Whole tracks by Keras: front-end and network as compiled models."""

import functools

import keras
import numpy as np
from keras import ops

from keras_musictag.chords import Vocabulary
from keras_musictag.chords.chordogram import CHORD
from keras_musictag.engines.whole_track import WholeTrack
from keras_musictag.layers.compression import compress

TOP_DB = 80.0


class KerasTrack(WholeTrack):
    """A `WholeTrack` whose two steps are Keras models.

    A plain object, so that Keras does not take its models for parts of another one.

    Args:
        frontend, backbone: As in `ChordRecognizer`.
        vocabulary, *options: As in `WholeTrack`.

    Attributes:
        network: Keras model from magnitudes and mask to a dict of outputs.
    """

    def __init__(self, frontend, backbone, vocabulary: Vocabulary, *options):
        super().__init__(vocabulary, *options)
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
        return self._make_frontend(
            keras.Input((self.analysis.filter_size,), name="filters")
        )

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

    def prepare(self, magnitudes):
        """Turn magnitudes into what the backbone sees."""
        return to_decibels(magnitudes) if self.decibels else magnitudes

    def block_weights(self) -> list[list[np.ndarray]] | None:
        """Return the weights of networks that run block by block; `None` if not so."""
        return None

    def magnitudes(
        self, samples: np.ndarray, span: np.ndarray, tuning: float
    ) -> np.ndarray:
        """Compute the magnitudes of a chunk; see `WholeTrack`."""
        if not tuning:
            return np.asarray(self.frontend.predict_on_batch([samples, span]))
        inputs = [samples, span, self.filters(tuning)]
        return np.asarray(self.tuned_frontend.predict_on_batch(inputs))

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
