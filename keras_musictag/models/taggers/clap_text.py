"""The text tower of CLAP: RoBERTa, from tokens to the joint space."""

import keras
from keras import layers, ops

from keras_musictag.layers import TransformerEncoderBlock
from keras_musictag.models.taggers.clap_audio import project

# `text` of `CLAPTagger`, which documents them.
TEXT = {
    "vocabulary_size": 50265,
    "units": 768,
    "encoder_blocks": 12,
    "num_heads": 12,
    "intermediate_units": 3072,
    "positions": 514,
    "padding": 1,
    "epsilon": 1e-12,
}


def text_tower(text: dict, projection_units: int, activation: str) -> keras.Model:
    """Make the network from tokens to the joint space.

    Args:
        text: Settings, see `CLAPTagger`.
        projection_units: Size of the joint space.
        activation: Between the two dense layers that lead there.

    Returns:
        Model from int32 `(batch, tokens)` to float32 `(batch, projection_units)`, of
        length 1.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embedding = TokenEmbedding(
        text["vocabulary_size"],
        text["units"],
        text["positions"],
        text["padding"],
        name="text_embedding",
    )
    x = embedding(tokens)
    used = NotEqual(text["padding"], name="text_used")(tokens)
    epsilon = text["epsilon"]
    x = layers.LayerNormalization(epsilon=epsilon, name="text_embedding_norm")(x)
    for block in range(1, text["encoder_blocks"] + 1):
        x = TransformerEncoderBlock(
            text["num_heads"],
            text["intermediate_units"],
            epsilon=epsilon,
            name=f"text_encoder_{block}",
        )(x, used)
    x = layers.Dense(text["units"], activation="tanh", name="text_pooler")(x[:, 0])
    x, _ = project(x, projection_units, activation, "text_projection")
    tower = keras.Model(tokens, x, name="text")
    tower.trainable = False  # what it says are the labels; `fit` changes the sound
    return tower


@keras.saving.register_keras_serializable(package="keras_musictag")
class TokenEmbedding(layers.Layer):
    """The vector of each token and that of its place, added.

    Places count the tokens before that are no filling, from `padding + 1` on, as in
    RoBERTa.

    Args:
        vocabulary_size: How many tokens there are.
        units: Length of the vectors.
        positions: How many vectors of places; `positions - padding - 1` tokens fit in.
        padding: The token that is filling, and the place it has.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: int `(batch, tokens)`.

    Output: `(batch, tokens, units)`.

    References:
        - Liu et al., "RoBERTa: a robustly optimized BERT pretraining approach", arXiv
          1907.11692, 2019.
    """

    def __init__(self, vocabulary_size, units, positions, padding=1, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.units = units
        self.positions = positions
        self.padding = padding

    def build(self, input_shape):
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.words = self.add_weight(
            shape=(self.vocabulary_size, self.units), initializer=start, name="words"
        )
        self.places = self.add_weight(
            shape=(self.positions, self.units), initializer=start, name="places"
        )
        self.built = True

    def call(self, tokens):
        used = ops.cast(ops.not_equal(tokens, self.padding), "int32")
        places = ops.cumsum(used, axis=1) * used + self.padding
        # As other layers, in the dtype of computation.
        words = ops.take(self.words, tokens, axis=0)
        return words + ops.take(self.places, places, axis=0)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.units)

    def get_config(self) -> dict:
        own = {"vocabulary_size": self.vocabulary_size, "units": self.units}
        own |= {"positions": self.positions, "padding": self.padding}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_musictag")
class NotEqual(layers.Layer):
    """Tell which numbers are another one than `value`."""

    def __init__(self, value: int, **kwargs):
        super().__init__(**kwargs)
        self.value = value

    def call(self, x):
        return ops.not_equal(x, self.value)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, dtype="bool")

    def get_config(self) -> dict:
        return {**super().get_config(), "value": self.value}
