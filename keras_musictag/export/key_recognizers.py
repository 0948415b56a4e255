"""Exported key recognisers: keys of tracks without Keras and its backends."""

import numpy as np

from keras_musictag.export.metadata import OUTPUTS
from keras_musictag.export.runtimes import open_for
from keras_musictag.keys.recognition import KeyHearing


class ExportedKeyRecognizer(KeyHearing):
    """Names the keys of tracks with a network that `KeyRecognizer.export` wrote.

    `recognize`, `iter_keys`, `keygram` and `iter_keygrams` mean what they mean in
    `KeyRecognizer`, and give the same. The format's own runtime computes; Keras is not
    loaded, nor a backend, except TensorFlow for a SavedModel.

    Args:
        path: A `.onnx` file, or the folder that `export` made.
        threads: Processor threads; `None` for all.

    Attributes:
        labels: The keys in output order.
        sample_rate: In Hz.
        least_samples: Of the shortest track that has a key.
        metadata: All that the network says about itself.

    Raises:
        PresetError: If there is no such network, it is damaged, not of this format, or
            not made by `export`.
        MissingExtraError: If its runtime is not installed.
    """

    format: str | None = None

    def __init__(self, path, *, threads: int | None = None):
        self._network = open_for(type(self), path, threads, self.format, "key")
        self.metadata = self._network.metadata
        self.labels = tuple(self.metadata["labels"])
        self.sample_rate = int(self.metadata["sampling_rate"])
        self.least_samples = int(self.metadata["least_samples"])

    def _scores(self, samples: np.ndarray) -> np.ndarray:
        return self._network(samples[None])[OUTPUTS["key"]][0]


class OnnxKeyRecognizer(ExportedKeyRecognizer):
    """An exported key recogniser in ONNX Runtime (extra `export`).

    Args:
        path: A `.onnx` file, or the folder that `export(format="onnx")` made.
        threads: Processor threads; `None` for all.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.SKeyRecognizer.from_pretrained().export("skey.onnx")
    recognizer = kmt.OnnxKeyRecognizer("skey.onnx")  # elsewhere, without Keras
    print(recognizer.recognize("song.mp3").key)
    ```
    """

    format = "onnx"
