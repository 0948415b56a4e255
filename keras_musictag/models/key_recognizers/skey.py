"""S-KEY: the key by a small ConvNeXt, learned without labels (Kong et al. 2025)."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.constant_q.plan import Level
from keras_musictag.keys import KEYS
from keras_musictag.layers.octaves import band_powers, halve
from keras_musictag.layers.stft import safe_sqrt
from keras_musictag.models.key_recognizer import KeyRecognizer

SAMPLE_RATE, HOP_LENGTH = 22050, 512
LEVELS, TAPS, LOWPASS_TAPS = 9, 128, 256
BINS, OCTAVES = 99, 7
HEARD_BINS = 12 * OCTAVES
CHANNELS = (2, 3, 40, 40, 30, 10, 3)
KERNELS = (7, 7, 7, 7, 7, 5, 5)
RANGE_DB = 80.0
# Each stage halves the frames, of which seven leave one.
LEAST_FRAMES = 2 ** len(CHANNELS)
# Of its outputs the major keys go up from A, the minor ones from B.
LOWEST_MAJOR, LOWEST_MINOR = 9, 11


@keras.saving.register_keras_serializable(package="keras_musictag")
class OctaveSpectrogram(layers.Layer):
    """The constant-Q spectrogram of nnAudio, whose filters are weights.

    The same twelve filters of 128 samples hear one octave, then, at half the rate, the
    octave below, and so on; the signal is mirrored at its ends. Decibels as the
    original takes them, of magnitudes as if they were powers, from 80 below the
    largest value of the item (0) up to 0 dB (1).

    Args:
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input: float32 waveforms `(batch, samples)` at 22050 Hz.

    Output: float32 `(batch, 1 + samples // 512, 84)`, the bins from A0 on.

    References:
        - Cheuk et al., "nnAudio: An on-the-fly GPU audio to spectrogram conversion
          toolbox using 1D convolutional neural networks", IEEE Access 8, 2020.
    """

    def __init__(self, **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, trainable=False, **kwargs)

    def build(self, input_shape):
        def add(name, shape):
            return self.add_weight(
                name=name, shape=shape, initializer="ones", trainable=False
            )

        self.lowpass = add("lowpass", (LOWPASS_TAPS,))
        self.lengths = add("lengths", (BINS,))
        self.kernels = [add(f"kernel_{i}", (TAPS, 24)) for i in range(LEVELS)]
        self.built = True

    def call(self, inputs):
        return to_decibels(self.magnitudes(inputs))[..., :HEARD_BINS]

    def magnitudes(self, inputs):
        """Return magnitudes of all bins, float32 `(batch, frames, 99)`."""
        x, half = ops.cast(inputs, "float32"), TAPS // 2
        frames = 1 + ops.shape(x)[1] // HOP_LENGTH
        blocks = _halving_blocks(ops.convert_to_tensor(self.lowpass))
        rows = []
        for i, kernel in enumerate(self.kernels):
            if i:
                x = halve(x, half * 2 - 1, blocks)[:, : ops.shape(x)[1] // 2]
            level = Level(i, HOP_LENGTH >> i, 0, np.zeros((TAPS, 24), "float32"))
            padded = ops.pad(x, [[0, 0], [half, half]], mode="reflect")
            rows.append(safe_sqrt(band_powers(padded, level, kernel, frames)))
        lowest_first = ops.concatenate(rows[::-1], axis=-1)[..., -BINS:]
        return lowest_first * ops.sqrt(ops.convert_to_tensor(self.lengths))

    def compute_output_shape(self, input_shape):
        batch, samples = input_shape
        frames = None if samples is None else 1 + samples // HOP_LENGTH
        return (batch, frames, HEARD_BINS)


def to_decibels(magnitudes):
    """Return decibels of each item, scaled to end at 1; same shape."""
    decibels = 10.0 * ops.log10(ops.maximum(magnitudes, 1e-10))
    loudest = ops.max(decibels, axis=(1, 2), keepdims=True)
    return ops.maximum(decibels, loudest - RANGE_DB) / RANGE_DB + 1.0


def _halving_blocks(taps, outputs: int = 16):
    """Return a low-pass that is a weight in the blocks that `halve` takes."""
    step = 2 * outputs
    blocks = -(-(step - 2 + LOWPASS_TAPS) // step)
    size = blocks * step
    shifted = [
        ops.pad(taps, [[2 * i, size - LOWPASS_TAPS - 2 * i]]) for i in range(outputs)
    ]
    return ops.reshape(ops.stack(shifted, axis=1), (blocks, step, outputs))


@keras.saving.register_keras_serializable(package="keras_musictag")
class ItemNormalization(layers.Layer):
    """Normalise each item over all its axes together, without weights.

    What it gives depends on the whole item: nothing may be padded. The layer computes
    in float32 whatever the dtype policy.

    Args:
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input: float tensor `(batch, ...)`.

    Output: The same shape, with mean 0 and variance 1.
    """

    def __init__(self, **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", **kwargs)

    def call(self, inputs):
        axes = tuple(range(1, len(inputs.shape)))
        mean = ops.mean(inputs, axis=axes, keepdims=True)
        centred = inputs - mean
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
        return centred * ops.rsqrt(variance + 1e-5)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="keras_musictag")
class EdgePadding2D(layers.Layer):
    """Repeat the values at the edges of two axes.

    Args:
        size: How often, on each side of each axis.
        **kwargs: `name` and `dtype`.

    Input: `(batch, rows, columns, channels)`.

    Output: `(batch, rows + 2 * size, columns + 2 * size, channels)`.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs):
        x, size = inputs, self.size
        first, last = x[:, :1], x[:, -1:]
        x = ops.concatenate([*([first] * size), x, *([last] * size)], axis=1)
        first, last = x[:, :, :1], x[:, :, -1:]
        return ops.concatenate([*([first] * size), x, *([last] * size)], axis=2)

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        wider = [None if n is None else n + 2 * self.size for n in sizes]
        return (batch, *wider, channels)

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="keras_musictag")
class ChannelGain(layers.Layer):
    """Multiply each channel, the last axis, by a weight, `gamma`."""

    def build(self, input_shape):
        self.gamma = self.add_weight(
            name="gamma", shape=(input_shape[-1],), initializer="ones"
        )
        self.built = True

    def call(self, inputs):
        return inputs * ops.cast(self.gamma, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


class SKeyRecognizer(KeyRecognizer):
    """S-KEY: the key of a song by a ConvNeXt of 47,288 parameters.

    It learned from music without labels, by what transposition does to a key. Each
    normalisation spans all that is heard at once, so that tracks are never padded; a
    track of up to a minute is heard as a whole, a longer one in pieces of a minute.

    Args:
        **options: `dtype` and `name`: see `KeyRecognizer`.

    Call:
        float32 `(batch, samples)` at 22050 Hz, at least 2.97 s, to float32
        `(batch, 24)`: the probability of each of `labels`.

    References:
        - Kong, Meseguer-Brocal, Lostanlen, Lagrange, Hennequin, "S-KEY:
          Self-supervised learning of major and minor keys from audio", ICASSP 2025.

    Example:

    ```python
    import keras_musictag as kmt

    recognizer = kmt.SKeyRecognizer.from_pretrained()
    print(recognizer.recognize("song.mp3").key)
    ```
    """

    default_preset = "skey"
    least_samples = (LEAST_FRAMES - 1) * HOP_LENGTH
    labels = tuple(KEYS[(LOWEST_MAJOR + k) % 12] for k in range(12)) + tuple(
        KEYS[12 + (LOWEST_MINOR + k) % 12] for k in range(12)
    )

    def __init__(self, **options):
        super().__init__(
            frontend=lambda: OctaveSpectrogram(name="frontend"),
            backbone=_backbone,
            sample_rate=SAMPLE_RATE,
            **options,
        )


def _backbone() -> keras.Model:
    spectrogram = keras.Input((None, HEARD_BINS), name="spectrogram")
    x = layers.Reshape((-1, HEARD_BINS, 1), name="add_channel")(spectrogram)
    for i, (channels, kernel) in enumerate(zip(CHANNELS, KERNELS, strict=True)):
        x = _stage(x, channels, kernel, f"stage_{i}")
    # Row = 12 * octave + pitch; octaves count alike, as do frames.
    x = layers.Reshape((-1, 12, CHANNELS[-1]), name="octaves")(x)
    x = MeanOverRows(name="mean")(x)
    x = layers.Dense(2, name="modes")(x)
    x = layers.BatchNormalization(
        center=False, scale=False, epsilon=1e-5, name="modes_norm"
    )(x)
    x = layers.Permute((2, 1), name="mode_first")(x)
    x = layers.Reshape((24,), name="keys")(x)
    return keras.Model(spectrogram, x, name="backbone")


@keras.saving.register_keras_serializable(package="keras_musictag")
class MeanOverRows(layers.Layer):
    """Average over the first axis after the batch."""

    def call(self, inputs):
        return ops.mean(inputs, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *input_shape[2:])


def _stage(x, channels: int, kernel: int, name: str):
    """Half as many frames, then a block of ConvNeXt."""
    x = ItemNormalization(name=f"{name}_norm_1")(x)
    x = layers.Conv2D(channels, (2, 1), strides=(2, 1), name=f"{name}_halve")(x)
    x = before = Gelu(name=f"{name}_gelu_1")(x)
    x = EdgePadding2D(kernel // 2, name=f"{name}_edges")(x)
    x = layers.DepthwiseConv2D(kernel, name=f"{name}_depthwise")(x)
    x = ItemNormalization(name=f"{name}_norm_2")(x)
    x = layers.Dense(4 * channels, name=f"{name}_widen")(x)
    x = Gelu(name=f"{name}_gelu_2")(x)
    x = layers.Dense(channels, name=f"{name}_narrow")(x)
    x = ChannelGain(name=f"{name}_scale")(x)
    return layers.Add(name=f"{name}_add")([before, x])


@keras.saving.register_keras_serializable(package="keras_musictag")
class Gelu(layers.Layer):
    """The exact Gaussian error linear unit; the usual approximation costs 0.0005."""

    def call(self, inputs):
        return ops.gelu(inputs, approximate=False)

    def compute_output_shape(self, input_shape):
        return input_shape
