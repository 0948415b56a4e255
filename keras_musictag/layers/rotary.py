"""Self-attention that knows distances: a transformer block with rotary positions."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError
from keras_musictag.layers.attention import attend, split_heads

BASE = 10000.0
EPSILON = 1e-24  # of norms: for zeros only


@keras.saving.register_keras_serializable(package="keras_musictag")
class RotaryTransformerBlock(layers.Layer):
    """One block of a transformer whose attention sees how far apart positions are.

    The input is normalised to a root mean square of 1; queries and keys are turned by
    angles that grow with the position, so that their product depends on the distance;
    each head is weighted by a gate of its own. The result is added to the input, and
    to that sum two dense layers with a GELU between them, normalised before.

    Args:
        head_dim: Channels of an attention head, an even number that divides the
            channels of the input.
        expansion: How many times the channels the first dense layer has.
        dropout: Rate before each sum, and between the dense layers.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(..., positions, channels)`.

    Output: the shape of the input.

    Raises:
        ConfigError: If `head_dim` is odd or does not divide the channels.

    References:
        - Su et al., "RoFormer: enhanced transformer with rotary position embedding",
          Neurocomputing 2024.
        - Foscarin, Schlüter, Widmer, "Beat this! Accurate beat tracking without DBN
          postprocessing", ISMIR 2024.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import RotaryTransformerBlock

    x = np.random.default_rng(0).normal(size=(2, 100, 64)).astype("float32")
    print(RotaryTransformerBlock(head_dim=32)(x).shape)  # (2, 100, 64)
    ```
    """

    def __init__(self, head_dim=32, expansion=4, dropout=0.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.head_dim = check_positive_int(head_dim, name="head_dim")
        self.expansion = check_positive_int(expansion, name="expansion")
        self.dropout = dropout

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.head_dim or self.head_dim % 2:
            raise ConfigError(
                "`head_dim` must be even and divide the channels of the input.",
                received=f"head_dim={self.head_dim}, {channels} channels",
                advice="Choose another number of channels.",
            )
        self.heads = channels // self.head_dim
        common = {"dtype": self.dtype_policy}
        plain = {"use_bias": False, **common}
        self.norm = RootMeanSquareNorm(name="norm", **common)
        self.query_key_value = layers.Dense(
            3 * channels, name="query_key_value", **plain
        )
        self.gates = layers.Dense(self.heads, "sigmoid", name="gates", **common)
        self.merge = layers.Dense(channels, name="merge", **plain)
        self.dense_norm = RootMeanSquareNorm(name="dense_norm", **common)
        # Keras' activation of this name is the exact form.
        self.widen = layers.Dense(
            self.expansion * channels, "gelu", name="widen", **common
        )
        self.narrow = layers.Dense(channels, name="narrow", **common)
        self.drop = layers.Dropout(self.dropout, name="drop", **common)
        flat = (None, None, channels)
        for layer in (self.norm, self.query_key_value, self.gates, self.merge):
            layer.build(flat)
        for layer in (self.dense_norm, self.widen):
            layer.build(flat)
        self.narrow.build((None, None, self.expansion * channels))
        self.built = True

    def call(self, x, training=None):
        shape = ops.shape(x)
        flat = ops.reshape(x, (-1, shape[-2], x.shape[-1]))
        flat = flat + self.drop(self._attend(self.norm(flat)), training=training)
        wide = self.drop(self.widen(self.dense_norm(flat)), training=training)
        flat = flat + self.drop(self.narrow(wide), training=training)
        return ops.reshape(flat, shape)

    def _attend(self, x):
        """Attention within each of the sequences `(sequences, positions, channels)`."""
        positions, channels = ops.shape(x)[1], x.shape[-1]
        query, key, value = split_heads(self.query_key_value(x), self.heads)
        turn = _angles(positions, self.head_dim)
        query, key = (_turned(part, *turn) for part in (query, key))
        heads = attend(query, key, value)
        heads = heads * ops.expand_dims(self.gates(x), -1)
        return self.merge(ops.reshape(heads, (-1, positions, channels)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        own = {"head_dim": self.head_dim, "expansion": self.expansion}
        return {**super().get_config(), **own, "dropout": self.dropout}


@keras.saving.register_keras_serializable(package="keras_musictag")
class RootMeanSquareNorm(layers.Layer):
    """Scale the channels of each position to a root mean square of `gamma`."""

    def build(self, input_shape):
        self.gamma = self.add_weight(
            shape=(input_shape[-1],), initializer="ones", name="gamma"
        )
        self.built = True

    def call(self, x):
        wide = ops.cast(x, "float32")
        power = ops.mean(ops.square(wide), axis=-1, keepdims=True)
        return ops.cast(wide * ops.rsqrt(power + EPSILON), x.dtype) * self.gamma


def _angles(positions, head_dim):
    """Cosines and sines `(1, positions, 1, head_dim / 2)`."""
    rates = BASE ** (-np.arange(0, head_dim, 2) / head_dim)
    places = ops.cast(ops.arange(positions), "float32")
    angles = places[None, :, None, None] * ops.convert_to_tensor(
        rates.astype("float32")
    )
    return ops.cos(angles), ops.sin(angles)


def _turned(x, cosines, sines):
    """Turn pairs of channels: the first half of a head with its second half."""
    first, second = ops.split(x, 2, axis=-1)
    cosines, sines = ops.cast(cosines, x.dtype), ops.cast(sines, x.dtype)
    return ops.concatenate(
        [first * cosines - second * sines, second * cosines + first * sines], axis=-1
    )
