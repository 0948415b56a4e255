"""A block of a temporal convolutional network (Bai et al. 2018)."""

import keras
from keras import layers, ops

from keras_musictag.checks import check_positive_int


@keras.saving.register_keras_serializable(package="keras_musictag")
class WeightNormConv1D(layers.Layer):
    """Causal convolution whose kernels have a length apart from their direction.

    The kernel of each output channel is `gain * direction / norm(direction)`, the
    norm taken over taps and input channels. Output `t` sees the inputs
    `t - (kernel_size - 1) * dilation_rate` to `t`; zeros stand before the start.

    Args:
        filters: Channels of the output.
        kernel_size: Number of taps.
        dilation_rate: Steps of time from tap to tap.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, time, channels)`.

    Output: `(batch, time, filters)`.

    Raises:
        ConfigError: If an argument is no positive whole number.

    References:
        - Salimans and Kingma, "Weight normalization", NeurIPS 2016.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import WeightNormConv1D

    x = np.zeros((2, 100, 4), "float32")
    print(WeightNormConv1D(8, kernel_size=3, dilation_rate=2)(x).shape)  # (2, 100, 8)
    ```
    """

    def __init__(self, filters, kernel_size=2, dilation_rate=1, **kwargs) -> None:
        super().__init__(**kwargs)
        self.filters = check_positive_int(filters, name="filters")
        self.kernel_size = check_positive_int(kernel_size, name="kernel_size")
        self.dilation_rate = check_positive_int(dilation_rate, name="dilation_rate")
        self.supports_masking = True

    def build(self, input_shape):
        # Uniform up to 1 / sqrt(fan_in), with the gain that leaves it as it is.
        uniform = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        self.direction = self.add_weight(
            name="direction",
            shape=(self.kernel_size, input_shape[-1], self.filters),
            initializer=uniform,
            autocast=False,
        )
        self.gain = self.add_weight(
            name="gain",
            shape=(self.filters,),
            initializer=lambda shape, dtype=None: self._norm(),
            autocast=False,
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,))
        self.built = True

    def _norm(self):
        return ops.sqrt(ops.sum(ops.square(self.direction), axis=(0, 1)))

    def kernel(self):
        """Give the kernel that direction and gain make.

        Returns:
            float32 tensor of shape `(kernel_size, channels, filters)`.
        """
        return self.direction * (self.gain / self._norm())

    def call(self, x):
        before = (self.kernel_size - 1) * self.dilation_rate
        kernel = ops.cast(self.kernel(), self.compute_dtype)
        x = ops.conv(
            ops.pad(x, ((0, 0), (before, 0), (0, 0))),
            kernel,
            padding="valid",
            data_format="channels_last",
            dilation_rate=self.dilation_rate,
        )
        return x + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation_rate": self.dilation_rate,
        }


@keras.saving.register_keras_serializable(package="keras_musictag")
class TCNBlock(layers.Layer):
    """Two causal, dilated, weight-normalised convolutions beside a shortcut.

    `conv_1`, ReLU, dropout, `conv_2`, ReLU, dropout; the shortcut is added, then
    comes a ReLU. The shortcut is the input, or `conv_3` of kernel 1 where the number
    of channels changes. Blocks with dilations 1, 2, 4, ... make a network; a
    block hears `2 * (kernel_size - 1) * dilation_rate` steps back, and never ahead.

    Args:
        filters: Channels of the output.
        kernel_size: Number of taps of both convolutions.
        dilation_rate: Steps of time from tap to tap.
        dropout: Rate after each convolution.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, time, channels)`. A mask is passed on.

    Output: `(batch, time, filters)`.

    Raises:
        ConfigError: If `filters`, `kernel_size` or `dilation_rate` is no positive
            whole number.

    References:
        - Bai et al., "An empirical evaluation of generic convolutional and recurrent
          networks for sequence modeling", arXiv 1803.01271, 2018.

    Example:

    ```python
    import keras
    from keras_musictag.layers import TCNBlock

    x = inputs = keras.Input((None, 1))
    for i, filters in enumerate((4, 8, 16, 32)):
        x = TCNBlock(filters, dilation_rate=2**i)(x)
    print(x.shape)  # (None, None, 32)
    ```
    """

    def __init__(
        self, filters, kernel_size=2, dilation_rate=1, dropout=0.2, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.filters = check_positive_int(filters, name="filters")
        self.kernel_size = check_positive_int(kernel_size, name="kernel_size")
        self.dilation_rate = check_positive_int(dilation_rate, name="dilation_rate")
        self.dropout = dropout
        self.supports_masking = True
        common = {"dtype": self.dtype_policy}
        taps = (self.filters, self.kernel_size, self.dilation_rate)
        self.conv_1 = WeightNormConv1D(*taps, name="conv_1", **common)
        self.conv_2 = WeightNormConv1D(*taps, name="conv_2", **common)
        self.conv_3 = layers.Conv1D(
            filters, 1, kernel_initializer=_small(), name="conv_3", **common
        )
        self.drop_1 = layers.Dropout(dropout, name="drop_1", **common)
        self.drop_2 = layers.Dropout(dropout, name="drop_2", **common)

    def build(self, input_shape):
        self.conv_1.build(input_shape)
        self.conv_2.build(self.compute_output_shape(input_shape))
        if input_shape[-1] == self.filters:
            self.conv_3 = None
        else:
            self.conv_3.build(input_shape)
        self.built = True

    @property
    def receptive_field(self) -> int:
        """Steps of the input that one step of the output hears, itself included."""
        return 1 + 2 * (self.kernel_size - 1) * self.dilation_rate

    def call(self, x, training=None):
        y = self.drop_1(ops.relu(self.conv_1(x)), training=training)
        y = self.drop_2(ops.relu(self.conv_2(y)), training=training)
        return ops.relu(y + (x if self.conv_3 is None else self.conv_3(x)))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation_rate": self.dilation_rate,
            "dropout": self.dropout,
        }


def _small():
    return keras.initializers.RandomNormal(0.0, 0.01)
