"""The bodies of the chord networks: a CQT in, one vector of logits per frame out."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.layers.bidirectional import Bidirectional

RECURRENT = {"gru": layers.GRU, "lstm": layers.LSTM}
TORCH_NORM_EPSILON = 1e-5
LEAK = 0.01
RANGE_DB = 80.0
TINY = 1e-30


def context_frames(
    fmin: float, bins_per_octave: int, sample_rate: int, hop_length: int
) -> int:
    """Say how many frames the filter of the lowest bin reaches to either side.

    Args:
        fmin: Frequency of that bin, in Hz.
        bins_per_octave: Bins in an octave.
        sample_rate: In Hz.
        hop_length: Samples between frames.
    """
    longest = 1 / (2 ** (1 / bins_per_octave) - 1) / fmin
    # Half of it, and two frames for the low-passes between the octaves.
    return int(longest / 2 * sample_rate / hop_length) + 3


@keras.saving.register_keras_serializable(package="keras_musictag")
class ToPatches(layers.Layer):
    """Cut sequences into patches of a fixed length, the last one filled with zeros.

    Args:
        frames: Length of a patch.
        **kwargs: `name` and `dtype`.

    Input: float tensor of shape (batch, any frames, bins).

    Output: shape (batch * patches, frames, bins), the patches of an item in order.
    """

    def __init__(self, frames, **kwargs):
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, inputs):
        batch, frames, bins = ops.shape(inputs)
        missing = -frames % self.frames
        padded = ops.pad(inputs, [[0, 0], [0, missing], [0, 0]])
        patches = (frames + missing) // self.frames
        return ops.reshape(padded, (batch * patches, self.frames, bins))

    def compute_output_shape(self, input_shape):
        return (None, self.frames, input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "frames": self.frames}


@keras.saving.register_keras_serializable(package="keras_musictag")
class LikeInput(layers.Layer):
    """Bring logits to the batch and the number of frames of the network's input.

    Args:
        classes: Number of logits of a frame.
        **kwargs: `name` and `dtype`.

    Input: a list of the logits, whose rows and steps follow each other in time and
    may hold several frames, and the network's input, (batch, frames, bins).

    Output: shape (batch, frames, classes); surplus frames at the end are dropped.
    """

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        self.supports_masking = True

    def call(self, inputs, mask=None):
        logits, like = inputs
        batch, frames = ops.shape(like)[:2]
        return ops.reshape(logits, (batch, -1, self.classes))[:, :frames]

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (*input_shape[1][:2], self.classes)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable(package="keras_musictag")
class StepMask(layers.Layer):
    """Say which steps of two frames a network over valid frames would have.

    Input: bool tensor of shape (batch, frames), true for the valid frames, which come
    first.

    Output: bool tensor of shape (batch, frames // 2 + 1): of n valid frames come
    n // 2 + 1 valid steps.
    """

    def call(self, inputs):
        first = ops.ones_like(inputs[:, :1])
        return ops.concatenate([first, inputs[:, 1::2]], axis=1)

    def compute_output_shape(self, input_shape):
        batch, frames = input_shape
        return (batch, None if frames is None else frames // 2 + 1)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), "bool")


@keras.saving.register_keras_serializable(package="keras_musictag")
class KeepValid(layers.Layer):
    """Set what is masked to zero.

    Input: a list of a tensor (batch, frames, ...) and a bool mask (batch, frames).

    Output: the tensor, zero where the mask is false.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs, mask=None):
        return None

    def call(self, inputs, mask=None):
        x, mask = inputs
        mask = ops.cast(mask, x.dtype)
        while len(mask.shape) < len(x.shape):
            mask = mask[..., None]
        return x * mask

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@keras.saving.register_keras_serializable(package="keras_musictag")
class Magnitude(layers.Layer):
    """Turn decibels back into magnitudes, 1 for 0 dB."""

    def call(self, inputs):
        return 10.0 ** (inputs / 20.0)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="keras_musictag")
class ReduceClasses(layers.Layer):
    """Turn probabilities of fine classes into those of coarse ones.

    Args:
        shares: Array (fine classes, coarse classes): where each fine class goes.
        **kwargs: `name` and `dtype`.

    Input: float tensor of shape (..., fine classes).

    Output: shape (..., coarse classes), scaled to sum to 1.
    """

    def __init__(self, shares, **kwargs):
        super().__init__(**kwargs)
        self.shares = np.asarray(shares, "float32")

    def call(self, inputs):
        x = ops.matmul(inputs, ops.cast(self.shares, inputs.dtype))
        return x / ops.maximum(ops.sum(x, axis=-1, keepdims=True), TINY)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.shares.shape[1])

    def get_config(self):
        return {**super().get_config(), "shares": self.shares.tolist()}


def tutorial_logits(x, classes: int, *, patch_frames=1024, recurrent="lstm", units=8):
    """Build the network of the ISMIR 2024 tutorial (Peeters et al.).

    Every normalisation has one gain and one offset for each element of its input,
    so the length of a patch is fixed; longer input is cut into patches.

    Args:
        x: float tensor of shape (batch, frames, 72), CQT magnitudes.
        classes: Number of outputs.
        patch_frames: Frames in a patch.
        recurrent: `"lstm"` or `"gru"`.
        units: Recurrent units per direction.

    Returns:
        float tensor of shape (batch, frames, classes).
    """
    inputs, bins = x, x.shape[-1]
    x = ToPatches(patch_frames, name="patches")(x)
    x = layers.Reshape((patch_frames, bins, 1), name="add_channel")(x)
    steps = ((5, 1), 1, "same"), *[((1, 5), (1, 3), "valid")] * 3
    for i, (kernel, strides, padding) in enumerate(steps):
        x = _normalise(x, f"norm_{i}")
        convolve = layers.Conv2D(32, kernel, strides, padding, name=f"conv_{i}")
        x = _leaky(convolve(x), f"relu_{i}")
    # 72 bins leave one band here; more bins would leave more.
    x = layers.Reshape((patch_frames, -1), name="drop_bands")(x)
    for i in (4, 5):
        x = _normalise(x, f"norm_{i}")
        convolve = layers.Conv1D(16, 15, padding="same", name=f"conv_{i}")
        x = _leaky(convolve(x), f"relu_{i}")
    cell = RECURRENT[recurrent](units, return_sequences=True, name=recurrent)
    x = Bidirectional(cell, name="recurrent")(x)
    # As published, the logits go through a leaky rectifier too.
    x = _leaky(layers.Dense(classes, name="head")(x), "leaky_logits")
    return LikeInput(classes, name="frames")([x, inputs])


def _normalise(x, name: str):
    axes = list(range(1, len(x.shape)))
    return layers.LayerNormalization(axes, TORCH_NORM_EPSILON, name=name)(x)


def _leaky(x, name: str):
    return layers.LeakyReLU(LEAK, name=name)(x)


def strong_features(
    x, mask, *, channels=(16, 24, 64), units=128, recurrent="gru", dropout=0.2
):
    """Turn a CQT into one vector for each two frames.

    A 5 x 5 convolution that keeps every second frame, maximum pooling to semitones, a
    3 x 3 convolution, one over all pitches at once, and a bidirectional recurrent
    layer.

    Args:
        x: float tensor of shape (batch, frames, bins): decibels from -80 to 0.
        mask: bool tensor of shape (batch, frames), the frames that count; they come
            first. `None` if all do, which is faster.
        channels: Filters of the three convolutions.
        units: Recurrent units per direction.
        recurrent: `"gru"` or `"lstm"`.
        dropout: Rate before and after the recurrent layer.

    Returns:
        float tensor of shape (batch, frames // 2 + 1, 2 * units).
    """
    bins = x.shape[-1]
    x = layers.Rescaling(1 / RANGE_DB, 1.0, name="zero_to_one")(x)
    steps = None
    if mask is not None:
        steps = StepMask(name="step_mask")(mask)
        x = KeepValid(name="valid_frames")([x, mask])
    x = layers.Reshape((-1, bins, 1), name="add_channel")(x)
    # Padded by hand: "same" would move the frames by the parity of their number.
    x = layers.ZeroPadding2D(((2, 3), (2, 2)), name="pad")(x)
    x = _convolve(x, channels[0], 5, "wide", strides=(2, 1))
    if mask is not None:
        # Otherwise the next convolution would see offsets beyond the end, not zeros.
        x = KeepValid(name="valid_steps")([x, steps])
    x = layers.MaxPooling2D((1, 3), name="semitones")(x)
    x = _convolve(x, channels[1], 3, "fine", padding="same")
    x = _convolve(x, channels[2], (1, x.shape[2]), "full_height")
    x = layers.Reshape((-1, channels[2]), name="steps")(x)
    x = layers.Dropout(dropout, name="dropout_in")(x)
    cell = RECURRENT[recurrent](units, return_sequences=True, name=recurrent)
    x = Bidirectional(cell, name="recurrent")(x, mask=steps)
    return layers.Dropout(dropout, name="dropout_out")(x)


def strong_head(x, inputs, classes: int, name: str = "head"):
    """Two vectors of logits for each vector of `strong_features`.

    Args:
        x: float tensor of shape (batch, steps, units).
        inputs: The CQT that it was made from.
        classes: Number of outputs.
        name: Name of the dense layer.

    Returns:
        float tensor of shape (batch, frames, classes).
    """
    x = layers.Dense(2 * classes, name=name)(x)
    return LikeInput(classes, name=f"{name}_frames")([x, inputs])


def _convolve(x, filters, kernel, name: str, strides=1, padding="valid"):
    convolve = layers.Conv2D(
        filters, kernel, strides, padding, use_bias=False, name=f"{name}_conv"
    )
    x = layers.BatchNormalization(name=f"{name}_norm")(convolve(x))
    return layers.ReLU(name=f"{name}_relu")(x)
