"""Convolution blocks over time and frequency, plain and with a shortcut."""

import keras
from keras import layers, ops

from keras_musictag.checks import check_choice, check_filters
from keras_musictag.errors import ConfigError
from keras_musictag.layers.instance_normalization import InstanceNormalization
from keras_musictag.layers.pool_first import largest_responses

# PyTorch's values, which the published weights were trained with. Its momentum of
# 0.1 weighs the new statistics, Keras' 0.9 the old ones. Trained variances are so
# small that another epsilon changes scores completely.
NORM = {"epsilon": 1e-5, "momentum": 0.9}
ACTIVATIONS = {"relu": ops.relu, "elu": ops.elu}


@keras.saving.register_keras_serializable(package="keras_musictag")
class ConvBlock2D(layers.Layer):
    """Convolution, batch normalisation, ReLU or ELU, and maximum pooling.

    At inference the maximum comes right after the convolution: see `PooledConv2D`.

    Args:
        filters: Channels of the output.
        pool_size: Window and step of the maximum, `(time, frequency)` or one number
            for both. What does not fill a window is left out.
        kernel_size: Of the convolution, odd; the same for time and frequency.
        activation: `"relu"` or `"elu"`.
        epsilon: Added to the variances.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, time, frequency, channels)`.

    Output: `(batch, time // pool, frequency // pool, filters)`.

    Raises:
        ConfigError: If the input does not fill one pooling window, or there is no such
            activation.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import ConvBlock2D

    x = np.zeros((1, 188, 96, 1), "float32")
    print(ConvBlock2D(64, pool_size=(4, 2))(x).shape)  # (1, 47, 48, 64)
    ```
    """

    def __init__(
        self,
        filters,
        pool_size=2,
        kernel_size=3,
        activation="relu",
        epsilon=NORM["epsilon"],
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.pool_size, self.epsilon = _pair(pool_size), epsilon
        self.activation = check_choice(activation, ACTIVATIONS, name="activation")
        common = {"dtype": self.dtype_policy}
        self.conv = layers.Conv2D(
            filters, kernel_size, padding="same", name="conv", **common
        )
        norm = {**NORM, "epsilon": epsilon}
        self.norm = layers.BatchNormalization(name="norm", **norm, **common)
        self.pool = layers.MaxPooling2D(self.pool_size, name="pool", **common)

    def build(self, input_shape):
        size = input_shape[1:3]
        if any(n and n < p for n, p in zip(size, self.pool_size, strict=True)):
            raise ConfigError(
                f"Nothing is left of the input after the pooling of `{self.name}`.",
                received=f"(time, frequency) = {size}, pool_size = {self.pool_size}",
                advice="Use longer chunks, more frequency bands, or smaller pools.",
            )
        self.conv.build(input_shape)
        self.norm.build((*input_shape[:-1], self.filters))
        self.built = True

    def call(self, x, training=None):
        activate = ACTIVATIONS[self.activation]
        if training:
            return self.pool(activate(self.norm(self.conv(x), training=True)))
        return activate(
            self.norm(largest_responses(x, self.conv, self.norm, self.pool))
        )

    def compute_output_shape(self, input_shape):
        shape = (*input_shape[:-1], self.filters)
        return self.pool.compute_output_shape(shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "pool_size": self.pool_size,
            "kernel_size": self.kernel_size,
            "activation": self.activation,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable(package="keras_musictag")
class Residual2D(layers.Layer):
    """Two convolutions beside a shortcut.

    `conv_1`, `norm_1`, ReLU, `conv_2`, `norm_2`; the shortcut is added, then comes a
    ReLU. The shortcut is the input itself where its shape fits, else a convolution
    `conv_3` of the same kernel and strides with its own `norm_3`, as in Won et al.
    (2020); elsewhere that one is often 1 x 1.

    All convolutions see `kernel_size // 2` zeros on both sides, PyTorch's habit.
    Keras' `"same"` would put them elsewhere when the convolution has strides.

    Args:
        filters: Channels of the output.
        strides: Of `conv_1` and `conv_3`, `(time, frequency)` or one number for both.
        kernel_size: Of all convolutions, odd; the same for time and frequency.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, time, frequency, channels)`.

    Output: `(batch, ceil(time / stride), ceil(frequency / stride), filters)`.

    References:
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.
        - He et al., "Deep residual learning for image recognition", CVPR 2016.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import Residual2D

    x = np.zeros((1, 231, 128, 1), "float32")
    print(Residual2D(64, strides=(1, 2))(x).shape)  # (1, 231, 64, 64)
    ```
    """

    def __init__(self, filters, strides=1, kernel_size=3, **kwargs) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.strides = _pair(strides)
        common = {"dtype": self.dtype_policy}
        strided = {"strides": self.strides, "padding": "valid", **common}
        self.padding = layers.ZeroPadding2D(kernel_size // 2, name="padding", **common)
        self.conv_1 = layers.Conv2D(filters, kernel_size, name="conv_1", **strided)
        self.norm_1 = layers.BatchNormalization(name="norm_1", **NORM, **common)
        self.conv_2 = layers.Conv2D(
            filters, kernel_size, padding="same", name="conv_2", **common
        )
        self.norm_2 = layers.BatchNormalization(name="norm_2", **NORM, **common)
        self.conv_3 = layers.Conv2D(filters, kernel_size, name="conv_3", **strided)
        self.norm_3 = layers.BatchNormalization(name="norm_3", **NORM, **common)

    def build(self, input_shape):
        output_shape = self.compute_output_shape(input_shape)
        padded = self.padding.compute_output_shape(input_shape)
        # Strides mean nothing where one position is left. Going without them there
        # avoids a fault of TensorFlow's CPU convolutions in bfloat16 (NaN).
        single = [n == 1 for n in output_shape[1:3]]
        self._kept = [self.kernel_size if one else None for one in single]
        for conv in (self.conv_1, self.conv_3):
            conv.strides = tuple(
                1 if one else step
                for one, step in zip(single, self.strides, strict=True)
            )
        self.conv_1.build(padded)
        self.norm_1.build(output_shape)
        self.conv_2.build(output_shape)
        self.norm_2.build(output_shape)
        if self.strides == (1, 1) and input_shape[-1] == self.filters:
            self.conv_3 = self.norm_3 = None
        else:
            self.conv_3.build(padded)
            self.norm_3.build(output_shape)
        self.built = True

    def call(self, x, training=None):
        rows, columns = self._kept
        padded = self.padding(x)[:, :rows, :columns]
        y = ops.relu(self.norm_1(self.conv_1(padded), training=training))
        y = self.norm_2(self.conv_2(y), training=training)
        if self.conv_3 is not None:
            x = self.norm_3(self.conv_3(padded), training=training)
        return ops.relu(x + y)

    def compute_output_shape(self, input_shape):
        batch, *size, _ = self.padding.compute_output_shape(input_shape)
        left = (
            n and (n - self.kernel_size) // step + 1
            for n, step in zip(size, self.strides, strict=True)
        )
        return (batch, *left, self.filters)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "strides": self.strides,
            "kernel_size": self.kernel_size,
        }


def conv_stack(x, filters, pool_sizes, **block):
    """Apply one `ConvBlock2D` after the other, named `block_1`, `block_2`, ...

    Args:
        x: Keras tensor `(batch, time, frequency, channels)`.
        filters: Channels of each block.
        pool_sizes: Pooling of each block, `(time, frequency)` or one number.
        **block: Other arguments of `ConvBlock2D`.

    Returns:
        The output, and a dictionary of the blocks' outputs: `block1`, ...

    Raises:
        ConfigError: If there are not as many filters as pools, or the input is too
            small for them.
    """
    filters = check_filters(filters, blocks=len(pool_sizes))
    outputs = {}
    for number, (width, pool) in enumerate(zip(filters, pool_sizes, strict=True), 1):
        x = ConvBlock2D(width, pool, name=f"block_{number}", **block)(x)
        outputs[f"block{number}"] = x
    return x, outputs


def spectrogram_input(shape, scale=1):
    """Begin a functional network on a spectrogram, normalised over all of it.

    Args:
        shape: `(frames, bands)`.
        scale: Factor before the normalisation.

    Returns:
        The input `(batch, frames, bands)`, and Keras tensor
        `(batch, frames, bands, 1)`; layers `add_channel` and `input_norm`.
    """
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.Reshape((*shape, 1), name="add_channel")(inputs)
    if scale != 1:
        x = layers.Rescaling(scale, name="scale")(x)
    return inputs, layers.BatchNormalization(name="input_norm", **NORM)(x)


def framewise_input(shape, padding=0, epsilon=NORM["epsilon"]):
    """Begin a functional network as Choi et al. did: frames have their own norms.

    Each spectrogram is standardised: its mean taken off, divided by its deviation.
    Then every frame has a mean, a variance, a gain and an offset of its own, the same
    for all bands, by where it lies in the chunk.

    Args:
        shape: `(frames, bands)`.
        padding: Frames of zeros on both sides, before the norms of the frames.
        epsilon: Added to the variances of the frames.

    Returns:
        The input `(batch, frames, bands)`, and Keras tensor
        `(batch, frames + 2 * padding, bands, 1)`; layers `add_channel`, `standardize`,
        `pad` and `input_norm`.
    """
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.Reshape((*shape, 1), name="add_channel")(inputs)
    x = InstanceNormalization(name="standardize")(x)
    x = layers.ZeroPadding2D((padding, 0), name="pad")(x)
    norm = {**NORM, "epsilon": epsilon, "name": "input_norm"}
    return inputs, layers.BatchNormalization(axis=1, **norm)(x)


def dense_block(x, units: int):
    """Apply a dense layer, batch normalisation and ReLU, named `dense`, `dense_...`.

    Args:
        x: Keras tensor `(batch, channels)`.
        units: Channels of the output.

    Returns:
        Keras tensor `(batch, units)`.
    """
    x = layers.Dense(units, name="dense")(x)
    x = layers.BatchNormalization(name="dense_norm", **NORM)(x)
    return layers.ReLU(name="dense_relu")(x)


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
