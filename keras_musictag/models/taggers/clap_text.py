"""The text tower of CLAP: RoBERTa, and the tokens that it reads."""

import functools
import json
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.checks import read_file
from keras_musictag.errors import (
    ConfigError,
    MissingExtraError,
    PresetError,
    import_extra,
)
from keras_musictag.layers import TransformerEncoderBlock
from keras_musictag.models.running.devices import predict_on_batch
from keras_musictag.models.taggers.clap_audio import project
from keras_musictag.presets.records import TOKENIZER_FILE

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
# Where there is no `tokenizer.json`, these two say the same.
VOCABULARY_FILE, MERGES_FILE = "vocab.json", "merges.txt"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
# Texts are filled to one of few lengths and numbers, since each costs a compilation.
LEAST_LENGTH, MOST_TOKENS = 16, 4096


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


# === From texts to tokens ===


class Tokenizer:
    """Cuts texts into the tokens of a checkpoint.

    Args:
        description: The contents of a `tokenizer.json`, read when it is needed.
        text: Settings of the tower that reads the tokens.
    """

    def __init__(self, description: str, text: dict):
        self.description, self.text = description, text
        # As many as there are places, which begin behind that of the filling.
        self.longest = text["positions"] - text["padding"] - 1

    @functools.cached_property
    def _cutter(self):
        package = import_tokenizers()
        try:
            cutter = package.Tokenizer.from_str(self.description)
        except Exception as error:  # it has no class of its own
            raise PresetError(
                f"The {TOKENIZER_FILE} of the model cannot be read.",
                received=error,
                advice="Get the file again.",
            ) from error
        cutter.no_padding()
        cutter.enable_truncation(self.longest)
        return cutter

    def __call__(self, texts: list[str]) -> list[list[int]]:
        """Return the tokens of each text; one that is too long is cut, with a warning.

        Raises:
            MissingExtraError: If the package `tokenizers` is not installed.
            PresetError: If the description is damaged, or a token is none that the
                tower knows.
        """
        read = self._cutter.encode_batch(texts)
        cut = [t for t, one in zip(texts, read, strict=True) if one.overflowing]
        if cut:
            warnings.warn(
                f"{len(cut)} texts are longer than the {self.longest} tokens that the "
                f"model reads; their ends are left out. The first is {cut[0][:60]!r}.",
                UserWarning,
                stacklevel=4,
            )
        tokens = [one.ids for one in read]
        largest = max(map(max, tokens))
        if largest >= self.text["vocabulary_size"]:
            raise PresetError(
                "The tokenizer is not that of the text tower.",
                received=f"token {largest} of {self.text['vocabulary_size']}",
                advice="Keep the files of a model together.",
            )
        return tokens


def import_tokenizers():
    """Import the package that cuts texts, or say which extra brings it."""
    return import_extra("tokenizers", "text", "To read texts")


def read_tokenizer(folder, text: dict) -> Tokenizer | None:
    """Read how texts become tokens.

    Args:
        folder: Holds `tokenizer.json`, or `vocab.json` and `merges.txt`.
        text: Settings of the tower that reads the tokens.

    Returns:
        The tokenizer; `None` if the folder has none.

    Raises:
        PresetError: If the files are damaged.
        MissingExtraError: If the package `tokenizers` is not installed.
    """
    folder = Path(folder)
    described = folder / TOKENIZER_FILE
    vocabulary, merges = folder / VOCABULARY_FILE, folder / MERGES_FILE
    try:
        if described.is_file():
            return Tokenizer(read_file(described).decode("utf-8"), text)
        if not (vocabulary.is_file() and merges.is_file()):
            return None
        ranks = json.loads(read_file(vocabulary).decode("utf-8"))
        lines = read_file(merges).decode("utf-8").split("\n")
        return Tokenizer(_described(ranks, lines), text)
    except MissingExtraError:
        raise
    except Exception as error:  # that of `tokenizers` has no class of its own
        raise PresetError(
            f"The tokenizer in {folder} cannot be read.",
            received=f"{type(error).__name__}: {error}",
            advice="Get its files again.",
        ) from error


def _described(ranks: dict, lines: list[str]) -> str:
    """Write the `tokenizer.json` of RoBERTa: bytes, whose pairs are merged."""
    package = import_tokenizers()
    if lines[0].startswith("#version"):
        lines = lines[1:]
    pairs = [tuple(line.split(" ")) for line in lines if line]
    made = package.Tokenizer(package.models.BPE(vocab=ranks, merges=pairs))
    made.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = package.decoders.ByteLevel()
    made.add_special_tokens([name for name in SPECIAL if name in ranks])
    ends = [(name, ranks[name]) for name in ("</s>", "<s>")]
    made.post_processor = package.processors.RobertaProcessing(
        *ends, add_prefix_space=False
    )
    return made.to_str()


def embed_tokens(tower: keras.Model, tokens: list[list[int]], padding: int):
    """Run the text tower.

    Args:
        tower: Made by `text_tower`.
        tokens: Of each text.
        padding: What shorter ones are filled with.

    Returns:
        float32 array `(texts, units)`.

    Raises:
        ConfigError: If there are no texts.
    """
    if not tokens:
        raise ConfigError(
            "There is no text.", received="an empty list", advice="Give at least one."
        )
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    vectors = np.zeros((len(tokens), tower.output.shape[-1]), "float32")
    while order:  # the longest first
        length = _power_of_two(max(LEAST_LENGTH, len(tokens[order[-1]])))
        rows = min(_power_of_two(len(order)), max(1, MOST_TOKENS // length))
        places, order = order[-rows:], order[:-rows]
        batch = np.full((rows, length), padding, "int32")
        batch[:, 0] = tokens[places[0]][0]  # no row is nothing but filling
        for row, place in enumerate(places):
            batch[row, : len(tokens[place])] = tokens[place]
        vectors[places] = np.asarray(predict_on_batch(tower, batch))[: len(places)]
    return vectors


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
