"""Squeeze and excitation: channels weighed by what the whole input holds."""

import keras
from keras import layers, ops

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError


@keras.saving.register_keras_serializable(package="keras_musictag")
class SqueezeExcitation(layers.Layer):
    """Multiply each channel by a number between 0 and 1 that the input decides.

    The mean of each channel over all positions goes through `reduce`, ReLU,
    `expand` and a sigmoid, which gives the numbers. Works on sequences, images and
    anything else with the channels last.

    Args:
        reduction: The channels over this number are the units of `reduce`, at least
            one. Hu et al. use 16; Won et al. do not reduce.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, ..., channels)` with at least one axis of positions, such as
        `(batch, time, channels)` or `(batch, time, frequency, channels)`.

    Output: the shape of the input.

    Raises:
        ConfigError: If `reduction` is no positive whole number, or the input has no
            positions.

    References:
        - Hu et al., "Squeeze-and-excitation networks", CVPR 2018.
        - Kim et al., "Sample-level CNN architectures for music auto-tagging using
          raw waveforms", ICASSP 2018.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import SqueezeExcitation

    layer = SqueezeExcitation(reduction=16)
    x = np.random.default_rng(0).normal(size=(2, 100, 64)).astype("float32")
    print(layer(x).shape)  # (2, 100, 64)
    print(layer.scales(x).shape)  # (2, 64)
    ```
    """

    def __init__(self, reduction=1, **kwargs) -> None:
        super().__init__(**kwargs)
        self.reduction = check_positive_int(reduction, name="reduction")

    def build(self, input_shape):
        if len(input_shape) < 3:
            raise ConfigError(
                "Squeeze and excitation needs positions to take the mean over.",
                received=f"shape {tuple(input_shape)}",
                advice="Give (batch, time, channels) or more axes.",
            )
        batch, channels = input_shape[0], input_shape[-1]
        units = max(1, channels // self.reduction)
        common = {"dtype": self.dtype_policy}
        self.reduce = layers.Dense(units, "relu", name="reduce", **common)
        self.expand = layers.Dense(channels, "sigmoid", name="expand", **common)
        self.reduce.build((batch, channels))
        self.expand.build((batch, units))
        self.built = True

    def scales(self, x):
        """Give the factors of the channels.

        Args:
            x: As for a call.

        Returns:
            Tensor of shape `(batch, channels)`, between 0 and 1.
        """
        # Half floats would lose count in a sum over thousands of positions.
        wide = keras.backend.result_type(x.dtype, "float32")
        positions = tuple(range(1, len(x.shape) - 1))
        mean = ops.mean(ops.cast(x, wide), axis=positions)
        return self.expand(self.reduce(mean))

    def call(self, x):
        scales = self.scales(x)
        for _ in range(len(x.shape) - 2):
            scales = ops.expand_dims(scales, 1)
        return x * scales

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "reduction": self.reduction}
