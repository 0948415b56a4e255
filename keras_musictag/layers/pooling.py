"""Pools over time that learn which moments count."""

import keras
from keras import constraints, initializers, layers, ops, regularizers

from keras_musictag.errors import ConfigError


@keras.saving.register_keras_serializable(package="keras_musictag")
class SoftmaxWeightPool(layers.Layer):
    """Weighted mean over time: half of the channels weigh the other half.

    The first half of the channels are the values. The softmax over time of the
    second half gives the weights, each channel its own. There are no parameters; the
    layer before learns both halves.

    Sums are taken in float32 under half-precision policies. Where a `mask` is given,
    masked time has no weight; an item that is masked throughout gives zeros.

    Args:
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, time, ..., channels)` with an even number of channels; the mask
        is boolean, `(batch, time)`.

    Output: `(batch, ..., channels // 2)`.

    Raises:
        ConfigError: If the number of channels is odd, or there is no time axis.

    References:
        - Peeters et al., "Deep learning 101 for audio-based MIR", ISMIR 2024
          tutorial.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import SoftmaxWeightPool

    x = np.random.default_rng(0).normal(size=(2, 100, 128)).astype("float32")
    print(SoftmaxWeightPool()(x).shape)  # (2, 64)
    ```
    """

    splits = True

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        shape = tuple(input_shape)
        if len(shape) < 3:
            raise ConfigError(
                f"{type(self).__name__} needs a time axis to pool over.",
                received=f"shape {shape}",
                advice="Give (batch, time, channels).",
            )
        if self.splits and (shape[-1] is None or shape[-1] % 2):
            raise ConfigError(
                f"{type(self).__name__} needs an even number of channels: one half "
                "weighs the other.",
                received=f"{shape[-1]} channels, shape {shape}",
                advice="Give the layer before an even number of units, or use "
                "AutoPool, which weighs channels by themselves.",
            )
        self.built = True

    def _sharpness(self):
        """The factor before the softmax."""
        return 1.0

    def call(self, inputs, mask=None):
        # Half floats would lose count in a sum over thousands of moments.
        wide = keras.backend.result_type(inputs.dtype, "float32")
        values = keys = ops.cast(inputs, wide)
        if self.splits:
            values, keys = ops.split(values, 2, axis=-1)
        logits = self._sharpness() * keys
        if mask is not None:
            mask = ops.cast(mask, "bool")
            for _ in inputs.shape[2:]:
                mask = ops.expand_dims(mask, -1)
            # Before the products, so that NaN or infinity in padding stays out too.
            values = ops.where(mask, values, 0.0)
            logits = ops.where(mask, logits, -1e30)
        highest = ops.stop_gradient(ops.max(logits, axis=1, keepdims=True))
        weights = ops.exp(logits - highest)
        if mask is not None:
            weights = ops.where(mask, weights, 0.0)
        total = ops.sum(weights, axis=1)
        # Zero only where all is masked: else the highest itself counts 1.
        pooled = ops.sum(values * weights, axis=1) / ops.maximum(total, 1e-30)
        return ops.cast(pooled, inputs.dtype)

    def compute_mask(self, inputs, mask=None):
        """Return nothing: there is no time left to mask."""

    def compute_output_shape(self, input_shape):
        channels = input_shape[-1] // 2 if self.splits else input_shape[-1]
        return (input_shape[0], *input_shape[2:-1], channels)


@keras.saving.register_keras_serializable(package="keras_musictag")
class AutoPoolWeightSplit(SoftmaxWeightPool):
    """`SoftmaxWeightPool` whose sharpness is learned.

    The weights are the softmax over time of `alpha` times the second half of the
    channels. With `alpha` 0, where it starts, the result is the plain mean, and only
    `alpha` itself learns in the first step, not the weighing half.

    Args:
        per_channel: Whether each channel has its own `alpha`; by default one number
            serves all.
        alpha_initializer: Its value before training, an initializer.
        alpha_regularizer: A penalty on `alpha`, or `None`.
        alpha_constraint: Keeps `alpha` in bounds, such as
            `keras.constraints.NonNeg()`, or `None`.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, time, ..., channels)` with an even number of channels; the mask
        is boolean, `(batch, time)`.

    Output: `(batch, ..., channels // 2)`.

    Raises:
        ConfigError: If the number of channels is odd, or there is no time axis.

    References:
        - Peeters et al., "Deep learning 101 for audio-based MIR", ISMIR 2024
          tutorial.
        - McFee et al., "Adaptive pooling operators for weakly labeled sound event
          detection", IEEE/ACM TASLP 2018.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import AutoPoolWeightSplit

    x = np.random.default_rng(0).normal(size=(2, 100, 128)).astype("float32")
    print(AutoPoolWeightSplit()(x).shape)  # (2, 64)
    ```
    """

    def __init__(
        self,
        per_channel=False,
        alpha_initializer="zeros",
        alpha_regularizer=None,
        alpha_constraint=None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.per_channel = bool(per_channel)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)

    def build(self, input_shape):
        super().build(input_shape)
        channels = input_shape[-1] // 2 if self.splits else input_shape[-1]
        self.alpha = self.add_weight(
            name="alpha",
            shape=(channels,) if self.per_channel else (),
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
            autocast=False,
        )

    def _sharpness(self):
        return self.alpha

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "per_channel": self.per_channel,
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
        }


@keras.saving.register_keras_serializable(package="keras_musictag")
class AutoPool(AutoPoolWeightSplit):
    """A pool over time that learns its place between mean and maximum.

    The weighted mean of each channel over time, where the weights are the softmax of
    `alpha` times the channel itself: 0 makes it the mean, 1 the softmax-weighted
    mean, a large number the maximum, a negative one leans to the minimum.

    Args:
        per_channel: Whether each channel has its own `alpha`, as McFee et al. have
            it; by default one number serves all.
        alpha_initializer: Its value before training, an initializer.
        alpha_regularizer: A penalty on `alpha`, or `None`.
        alpha_constraint: Keeps `alpha` in bounds, such as
            `keras.constraints.NonNeg()`, or `None`.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, time, ..., channels)`; the mask is boolean, `(batch, time)`.

    Output: `(batch, ..., channels)`.

    Raises:
        ConfigError: If there is no time axis.

    References:
        - McFee et al., "Adaptive pooling operators for weakly labeled sound event
          detection", IEEE/ACM TASLP 2018.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import AutoPool

    x = np.random.default_rng(0).normal(size=(2, 100, 16)).astype("float32")
    print(AutoPool(per_channel=True, alpha_initializer="ones")(x).shape)  # (2, 16)
    ```
    """

    splits = False
