"""From texts to tokens and vectors: what a model that reads does without Keras."""

import functools
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_musictag.checks import read_file
from keras_musictag.errors import (
    ConfigError,
    MissingExtraError,
    PresetError,
    import_extra,
)
from keras_musictag.presets.records import TOKENIZER_FILE

# Where there is no `tokenizer.json`, these two say the same.
VOCABULARY_FILE, MERGES_FILE = "vocab.json", "merges.txt"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
# Texts are filled to one of few lengths and numbers, since each costs a compilation.
LEAST_LENGTH, MOST_TOKENS = 16, 4096


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


def embed_texts(
    texts, tokenizer: Tokenizer | None, run: Callable, units: int
) -> np.ndarray:
    """Turn texts into vectors.

    Args:
        texts: A text, or a list of them.
        tokenizer: What cuts them; `None` is refused.
        run: The network, from int32 `(batch, tokens)` to `(batch, units)`.
        units: Length of the vectors.

    Returns:
        float32 array `(units,)` for a text, `(texts, units)` for a list.

    Raises:
        ConfigError: If there is no text, one is none, or there is no tokenizer.
        MissingExtraError: If the package `tokenizers` is not installed.
        PresetError: As `Tokenizer`.
    """
    single = isinstance(texts, str)
    texts = [texts] if single else list(texts)
    if not all(isinstance(text, str) for text in texts):
        raise ConfigError(
            "Texts are strings.",
            received=f"{[type(t).__name__ for t in texts[:5]]}",
            advice="Give a text or a list of texts.",
        )
    if tokenizer is None:
        raise ConfigError(
            "The model has no tokenizer, and cannot read.",
            received="a model without a tokenizer.json",
            advice="Load it from its repository or a whole folder, by from_pretrained.",
        )
    if not texts:
        raise ConfigError(
            "There is no text.", received="an empty list", advice="Give at least one."
        )
    vectors = _run_in_batches(tokenizer(texts), tokenizer.text["padding"], run, units)
    return vectors[0] if single else vectors


def _run_in_batches(
    tokens: list[list[int]], padding: int, run: Callable, units: int
) -> np.ndarray:
    """Run the network over the tokens of each text, `(texts, units)`."""
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    vectors = np.zeros((len(tokens), units), "float32")
    while order:  # the longest first
        length = _power_of_two(max(LEAST_LENGTH, len(tokens[order[-1]])))
        rows = min(_power_of_two(len(order)), max(1, MOST_TOKENS // length))
        places, order = order[-rows:], order[:-rows]
        batch = np.full((rows, length), padding, "int32")
        batch[:, 0] = tokens[places[0]][0]  # no row is nothing but filling
        for row, place in enumerate(places):
            batch[row, : len(tokens[place])] = tokens[place]
        vectors[places] = np.asarray(run(batch))[: len(places)]
    return vectors


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
