"""Exported text towers: vectors of words without Keras and its backends."""

import numpy as np

from keras_musictag.export.metadata import OUTPUTS
from keras_musictag.export.runtimes import open_for
from keras_musictag.presets.tokens import Tokenizer, embed_texts


class OnnxTextEncoder:
    """Reads texts with a network that `CLAPTagger.export_text` wrote.

    `embed_text` means what it means in `CLAPTagger`, and gives the same to 1e-4. ONNX
    Runtime computes and the package `tokenizers` cuts texts (extras `export` and
    `text`); Keras is not loaded, nor a backend.

    Args:
        path: A `.onnx` file, or the folder that `export_text` made.
        threads: Processor threads; `None` for all.

    Attributes:
        units: Length of the vectors.
        tokenizer: What cuts texts into tokens.
        metadata: All that the network says about itself; `tagger_sha256` names the
            tagger whose sounds lie in the same space.

    Raises:
        PresetError: If there is no such network, it is damaged, not of this format, or
            not made by `export_text`.
        MissingExtraError: If its runtime is not installed.

    Example:

    ```python
    import keras_musictag as kmt

    tagger = kmt.CLAPTagger.from_pretrained("laion/larger_clap_music")
    tagger.export_text("text.onnx")
    encoder = kmt.OnnxTextEncoder("text.onnx")  # in another program, without Keras
    encoder.embed_text(["a choir", "rain"]).shape  # (2, 512)
    ```
    """

    def __init__(self, path, *, threads: int | None = None):
        self._network = open_for(type(self), path, threads, "onnx", "text")
        self.metadata = self._network.metadata
        self.units = int(self.metadata["output"]["shape"][-1])
        described = self.metadata["tokenizer"], self.metadata["tokens"]
        self.tokenizer = Tokenizer(*described)

    def embed_text(self, texts) -> np.ndarray:
        """Return what texts mean, as vectors of the space that sounds lie in as well.

        Args:
            texts: A text, or a list of them. Of one that is longer than the network
                reads the end is left out, with a warning.

        Returns:
            float32 array of length 1, `(units,)` for a text, `(texts, units)` for a
            list.

        Raises:
            ConfigError: If there is no text.
            MissingExtraError: If the package `tokenizers` is not installed.

        Example: see `OnnxTextEncoder`.
        """
        return embed_texts(texts, self.tokenizer, self._read, self.units)

    def _read(self, tokens: np.ndarray) -> np.ndarray:
        return self._network(tokens)[OUTPUTS["text"]]
