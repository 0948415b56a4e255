"""`KeyRecognizer`: a Keras model from a waveform to the key, and its methods."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import keras
import numpy as np

from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.keys.recognition import KeyHearing
from keras_musictag.models.base import PretrainedModel, dtype_scope
from keras_musictag.models.heads import refuse_labels


class KeyRecognizer(KeyHearing, PretrainedModel, abstract=True):
    """Base of all key recognisers: audio in, the key and its changes out.

    A recogniser is a functional `keras.Model` made of two parts: `frontend` (waveform
    to a spectrogram) and `backbone` (spectrogram to logits). Calling it takes whole
    tracks of equal length, float32 `(batch, samples)` at `sample_rate`, and gives
    float32 `(batch, 24)`: the probability of each of `labels`.

    `recognize` and `keygram` take tracks of any length: windows of 15 seconds tell
    where the key changes. The key of the song is that of the whole track up to a
    minute; a longer one is heard in pieces of a minute, the logarithms of whose
    probabilities are averaged, in bounded memory. Nothing is padded.

    Args:
        frontend: Function to a layer from `(batch, samples)` to
            `(batch, frames, bins)`.
        backbone: Function to a Keras model from `(batch, frames, bins)` to logits
            `(batch, 24)`.
        sample_rate: Of the waveform, in Hz.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model; made from that of the class if `None`.

    Attributes:
        sample_rate: In Hz.
        labels: The keys in output order, such as `"Bb:maj"`.
        least_samples: Of the shortest track that has a key.
        frontend, backbone, head: The two parts, and the softmax after them.
    """

    task = "key"
    shared_options = ("dtype", "name")
    default_preset = "skey"

    def __init__(
        self,
        *,
        frontend: Callable[[], keras.layers.Layer],
        backbone: Callable[[], keras.Model],
        sample_rate: int,
        dtype=None,
        name: str | None = None,
        **unknown,
    ):
        self._refuse_options(unknown)
        # === Functional Model ===
        with dtype_scope(dtype):
            waveform = keras.Input((None,), name="waveform")
            analysis, network = frontend(), backbone()
            # In float32: half precision rounds small probabilities to nothing.
            head = keras.layers.Softmax(dtype="float32", name="probabilities")
            outputs = head(network(analysis(waveform)))
        super().__init__(waveform, outputs, name=name or self._default_name())
        # === Config ===
        self.frontend, self.backbone, self.head = analysis, network, head
        self.sample_rate = check_sample_rate(sample_rate)
        self.policy = dtype
        self.settings = {}

    @classmethod
    def _build(cls, config: dict, labels, problem_type, source) -> Self:
        refuse_labels(
            source,
            labels,
            problem_type,
            "A key recogniser names the 24 keys and has no other labels.",
        )
        return super()._build(config, labels, problem_type, source)

    # === Deployment ===

    def export(
        self,
        path,
        format: str | None = None,
        *,
        float16: bool = False,
        tolerance: float | None = None,
    ) -> Path:
        """Write the network for programs that run without Keras.

        It takes tracks, float32 `(batch, samples)` named `waveform`, of any length, and
        gives `keys`, `(batch, 24)`: the probability of each of `labels`.
        `OnnxKeyRecognizer` names the keys of tracks with it. There is no LiteRT: it
        takes pieces of one length, and nothing may be padded here.

        Args:
            path, format, float16, tolerance: As in `MusicTagger.export`.

        Returns:
            The path, as a `Path`.

        Raises:
            ConfigError, MissingExtraError: As in `MusicTagger.export`.

        Example:

        ```python
        import keras_musictag as kmt

        kmt.SKeyRecognizer.from_pretrained().export("skey.onnx")
        recognizer = kmt.OnnxKeyRecognizer("skey.onnx")  # loads no Keras
        print(recognizer.recognize("song.mp3").key)
        ```
        """
        from keras_musictag.models.exporting import export_model

        return export_model(self, path, format, float16, tolerance)

    # === Inner parts ===

    def _scores(self, samples: np.ndarray) -> np.ndarray:
        return np.asarray(self.predict_on_batch(samples[None]))[0]

    # === Training ===

    def fit(self, x=None, y=None, **kwargs):
        """Train on waveforms; compiled by default if not yet.

        Args:
            x: float32 `(batch, samples)` at the model's rate, or a data set of batches.
            y: The keys, int `(batch,)`: places in `labels`.
            **kwargs: Arguments of `keras.Model.fit`.

        Returns:
            Keras' `History`.
        """
        self._ensure_compiled()
        return super().fit(x, y, **kwargs)

    def default_compile(self) -> dict:
        """Return optimizer, loss and metrics: one key per track."""
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return {
            "optimizer": keras.optimizers.Adam(1e-3),
            "loss": keras.losses.SparseCategoricalCrossentropy(),
            "metrics": [accuracy],
        }

    def _describe(self) -> dict:
        return {**super()._describe(), "sampling_rate": self.sample_rate}
