"""A transformer block that normalises before each sum, as in vision transformers."""

import keras
from keras import layers, ops

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError
from keras_musictag.layers.attention import attend, split_heads


@keras.saving.register_keras_serializable(package="keras_musictag")
class PreNormTransformerBlock(layers.Layer):
    """One block of a transformer encoder, normalised before each sum.

    The input is normalised and goes through multi-head self-attention, whose result is
    added to it; that sum is normalised and goes through two dense layers with a GELU
    (the exact one, with the error function) between them, whose result is added to it.
    There is no position code and no mask: each position sees all others alike.
    `TransformerEncoderBlock` is the one that normalises after each sum.

    Args:
        num_heads: Attention heads; must divide the channels of the input.
        intermediate_units: Size of the first dense layer.
        qkv_bias: Whether queries, keys and values have biases.
        dropout: Rate before each of the two sums.
        attention_dropout: Rate on the attention weights.
        epsilon: Added to the variance by the layer normalisations.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, positions, channels)`.

    Output: the shape of the input.

    Raises:
        ConfigError: If `num_heads` does not divide the channels.

    References:
        - Xiong et al., "On layer normalization in the transformer architecture",
          ICML 2020.
        - Dosovitskiy et al., "An image is worth 16x16 words: transformers for image
          recognition at scale", ICLR 2021.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import PreNormTransformerBlock

    block = PreNormTransformerBlock(num_heads=8, intermediate_units=256)
    x = np.random.default_rng(0).normal(size=(2, 119, 64)).astype("float32")
    print(block(x).shape)  # (2, 119, 64)
    ```
    """

    def __init__(
        self,
        num_heads,
        intermediate_units,
        qkv_bias=True,
        dropout=0.0,
        attention_dropout=0.0,
        epsilon=1e-6,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_positive_int(num_heads, name="num_heads")
        self.intermediate_units = check_positive_int(
            intermediate_units, name="intermediate_units"
        )
        self.qkv_bias = bool(qkv_bias)
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.epsilon = epsilon

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.num_heads:
            raise ConfigError(
                "`num_heads` must divide the channels of the input.",
                received=f"num_heads={self.num_heads}, {channels} channels",
                advice="Choose another number of heads or channels.",
            )
        common = {"dtype": self.dtype_policy}
        norm = {"epsilon": self.epsilon, **common}
        self.norm = layers.LayerNormalization(name="norm", **norm)
        self.query_key_value = layers.Dense(
            3 * channels, use_bias=self.qkv_bias, name="query_key_value", **common
        )
        self.merge = layers.Dense(channels, name="merge", **common)
        self.dense_norm = layers.LayerNormalization(name="dense_norm", **norm)
        # Keras' activation of this name is the exact form; `ops.gelu` is not.
        self.widen = layers.Dense(
            self.intermediate_units, "gelu", name="widen", **common
        )
        self.narrow = layers.Dense(channels, name="narrow", **common)
        self.drop = layers.Dropout(self.dropout, name="drop", **common)
        self.drop_weights = layers.Dropout(
            self.attention_dropout, name="drop_weights", **common
        )
        shape = (None, None, channels)
        for layer in (self.norm, self.query_key_value, self.merge, self.dense_norm):
            layer.build(shape)
        self.widen.build(shape)
        self.narrow.build((None, None, self.intermediate_units))
        self.built = True

    def call(self, x, first=None, training=None):
        """Let all positions hear each other.

        Args:
            x: Tensor `(batch, positions, channels)`.
            first: How many positions at the start are wanted; `None` for all. What
                others would become is not computed.
            training: Whether dropout is active.

        Returns:
            Tensor of the same shape, with so many positions.
        """
        y = self._attend(self.norm(x), first, training)
        x = x[:, :first] + self.drop(self.merge(y), training=training)
        y = self.narrow(self.widen(self.dense_norm(x)))
        return x + self.drop(y, training=training)

    def _attend(self, x, first, training):
        positions, channels = ops.shape(x)[1], x.shape[-1]
        query, key, value = split_heads(self.query_key_value(x), self.num_heads)
        if first is not None:
            query, positions = query[:, :first], first
        if training and self.attention_dropout:
            heads = self._attend_with_dropout(query, key, value)
        else:
            heads = attend(query, key, value)
        return ops.reshape(heads, (-1, positions, channels))

    def _attend_with_dropout(self, query, key, value):
        scale = query.shape[-1] ** -0.5
        weights = ops.softmax(ops.einsum("bqhc,bkhc->bhqk", query * scale, key))
        weights = self.drop_weights(weights, training=True)
        return ops.einsum("bhqk,bkhc->bqhc", weights, value)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "intermediate_units": self.intermediate_units,
            "qkv_bias": self.qkv_bias,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "epsilon": self.epsilon,
        }
