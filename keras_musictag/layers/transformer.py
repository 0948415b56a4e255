"""Self-attention over sequences: an encoder block as in BERT, and its first token."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError


@keras.saving.register_keras_serializable(package="keras_musictag")
class TransformerEncoderBlock(layers.Layer):
    """One block of a transformer encoder, normalised after each sum, as in BERT.

    Multi-head self-attention is added to the input and normalised; two dense layers
    with a GELU between them are added to that and normalised again. There is no
    position code: each position sees all others alike, but for those that
    `positions_used` leaves out.

    The GELU is the exact one, with the error function; the form with tanh changes
    scores by up to 2e-4.

    Args:
        num_heads: Attention heads; must divide the channels of the input.
        intermediate_units: Size of the first dense layer.
        dropout: Rate before each of the two sums.
        attention_dropout: Rate on the attention weights.
        epsilon: Added to the variance by the layer normalisations.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, positions, channels)`. In sequences of several lengths
        `positions_used`, booleans `(batch, positions)`, says which positions are none
        of the filling.

    Output: the shape of the input.

    Raises:
        ConfigError: If `num_heads` does not divide the channels.

    References:
        - Vaswani et al., "Attention is all you need", NeurIPS 2017.
        - Devlin et al., "BERT: pre-training of deep bidirectional transformers for
          language understanding", NAACL 2019.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import TransformerEncoderBlock

    block = TransformerEncoderBlock(num_heads=8, intermediate_units=256)
    x = np.random.default_rng(0).normal(size=(2, 119, 64)).astype("float32")
    print(block(x).shape)  # (2, 119, 64)
    ```
    """

    def __init__(
        self,
        num_heads,
        intermediate_units,
        dropout=0.0,
        attention_dropout=0.0,
        epsilon=1e-12,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_positive_int(num_heads, name="num_heads")
        self.intermediate_units = check_positive_int(
            intermediate_units, name="intermediate_units"
        )
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
        self.attention = layers.MultiHeadAttention(
            self.num_heads,
            channels // self.num_heads,
            dropout=self.attention_dropout,
            name="attention",
            **common,
        )
        self.attention_norm = layers.LayerNormalization(name="attention_norm", **norm)
        # Keras' activation of this name is the exact form; `ops.gelu` is not.
        self.intermediate = layers.Dense(
            self.intermediate_units, "gelu", name="intermediate", **common
        )
        self.output_dense = layers.Dense(channels, name="output_dense", **common)
        self.output_norm = layers.LayerNormalization(name="output_norm", **norm)
        self.drop = layers.Dropout(self.dropout, name="drop", **common)
        self.attention.build(input_shape, input_shape)
        self.attention_norm.build(input_shape)
        self.intermediate.build(input_shape)
        self.output_dense.build((*input_shape[:-1], self.intermediate_units))
        self.output_norm.build(input_shape)
        self.built = True

    def attend(self, x, training=None, positions_used=None):
        """Do the first half: attention, sum and normalisation.

        Args:
            x: Tensor of shape `(batch, positions, channels)`.
            training: Whether dropout is active.
            positions_used: Booleans `(batch, positions)`, which positions are seen;
                all if `None`.

        Returns:
            Tensor of the same shape.
        """
        if positions_used is not None:
            positions_used = ops.expand_dims(positions_used, 1)
        y = self.attention(x, x, attention_mask=positions_used, training=training)
        return self.attention_norm(x + self.drop(y, training=training))

    def call(self, x, positions_used=None, training=None):
        x = self.attend(x, training, positions_used)
        y = self.output_dense(self.intermediate(x))
        return self.output_norm(x + self.drop(y, training=training))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "intermediate_units": self.intermediate_units,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable(package="keras_musictag")
class FixedToken(layers.Layer):
    """Put one fixed vector before each sequence, for an encoder to sum up into.

    The vector is no weight and is never trained: its values lie between 0 and 1 and
    follow from the seed alone, the same on every machine, as the models of Won et
    al. (2019) expect.

    Args:
        seed: Of NumPy's legacy generator (`RandomState`), whose numbers are fixed
            for good.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, positions, channels)`.

    Output: `(batch, 1 + positions, channels)`; position 0 is the vector.

    References:
        - Won et al., "Toward interpretable music tagging with self-attention",
          arXiv 1906.04972, 2019.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import FixedToken

    x = FixedToken()(np.zeros((2, 118, 256), "float32"))
    print(x.shape, float(x[0, 0, 0]))  # (2, 119, 256) 0.5488135
    ```
    """

    def __init__(self, seed=0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.seed = seed

    def call(self, x):
        values = np.random.RandomState(self.seed).random_sample(x.shape[-1])
        token = ops.convert_to_tensor(values.astype("float32"))
        first = ops.zeros_like(x[:, :1]) + ops.cast(token, x.dtype)
        return ops.concatenate([first, x], axis=1)

    def compute_output_shape(self, input_shape):
        batch, positions, channels = input_shape
        return (batch, None if positions is None else positions + 1, channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self.seed}
