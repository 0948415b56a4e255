"""Short-chunk CNN: a deep VGG or ResNet on 3.7 seconds (Won et al. 2020)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.layers import LogMelSpectrogram, Residual2D
from keras_musictag.layers.residual import NORM, conv_stack
from keras_musictag.models.base import dtype_scope
from keras_musictag.models.tagger import MusicTagger


class ShortChunkCNNTagger(MusicTagger):
    """Small filters, many layers, short input: a strong and simple tagger.

    Seven blocks halve the log-mel spectrogram in time and frequency, each with a
    3 x 3 convolution and maximum pooling, or with `residual=True` as a residual
    block whose first convolution has a stride of two. The maximum over what is left
    goes through a dense layer to the scores. The defaults are those of Won et al.,
    whose models come out on top of their comparison.

    Args:
        labels: Label names in output order, or `Labels`.
        residual: If `True`, residual blocks instead of convolution and pooling.
        problem_type: See `MusicTagger`.
        sample_rate: Of the waveform, in Hz.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands; at least 128 without `residual`.
        chunk_samples: Samples per chunk; 59,049 are 3.69 seconds. Weights fit any
            number, of at least 128 frames without `residual`.
        filters: Channels of each block; there are as many blocks.
        dense_units: Size of the `penultimate` embedding.
        tail: What becomes of an incomplete last chunk: `"overlap"`, `"pad"` or
            `"drop"`. The authors evaluate 16 equally spaced chunks per track
            (`audio.ChunkPlan.spaced`), so that all their chunks are complete;
            `"overlap"` is the nearest to it that covers the whole track.
        dropout: Rate before the last dense layer.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model.

    Call:
        float32 `(batch, chunk_samples)`, 59,049 samples by default, to
        `(batch, n_labels)`.

    References:
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    model = kmt.ShortChunkCNNTagger(["calm", "wild"], residual=True)
    x = np.random.uniform(-0.1, 0.1, 10 * 16000).astype("float32")
    model.embed(x, 16000).shape  # (512,)
    ```
    """

    default_preset = "short_chunk_resnet_msd"

    def __init__(
        self,
        labels,
        *,
        residual: bool = False,
        problem_type: str = "multi_label_classification",
        sample_rate: int = 16000,
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 128,
        chunk_samples: int = 59049,
        filters=(128, 128, 256, 256, 256, 256, 512),
        dense_units: int = 512,
        tail: str = "overlap",
        dropout: float = 0.5,
        dtype=None,
        name: str = "short_chunk_cnn_tagger",
    ):
        chunking = audio.ChunkPlan(chunk_samples, chunk_samples, tail=tail)
        # === Functional Model ===
        with dtype_scope(dtype):
            frontend = LogMelSpectrogram.from_convention(
                "torchaudio",
                sample_rate=sample_rate,
                n_fft=n_fft,
                hop_length=hop_length,
                n_mels=n_mels,
                name="frontend",
            )
            shape = frontend.compute_output_shape((None, chunk_samples))[1:]
            backbone, endpoints = _backbone(shape, residual, filters, dense_units)
        super().__init__(
            frontend=frontend,
            backbone=backbone,
            endpoints=endpoints,
            labels=labels,
            sample_rate=sample_rate,
            chunking=chunking,
            problem_type=problem_type,
            dropout=dropout,
            dtype=dtype,
            name=name,
        )
        # === Config ===
        self.settings = {
            "residual": residual,
            "n_fft": n_fft,
            "hop_length": hop_length,
            "n_mels": n_mels,
            "chunk_samples": chunk_samples,
            "filters": list(filters),
            "dense_units": dense_units,
        }

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), **self.settings}


def _backbone(shape, residual: bool, filters, dense_units: int):
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.Reshape((*shape, 1), name="add_channel")(inputs)
    x = layers.BatchNormalization(name="input_norm", **NORM)(x)
    if residual:
        x, endpoints = _residual_stack(x, filters)
    else:
        x, endpoints = conv_stack(x, filters, [2] * len(filters))
    x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    endpoints["max_pool"] = x
    x = layers.Dense(dense_units, name="dense")(x)
    x = layers.BatchNormalization(name="dense_norm", **NORM)(x)
    x = layers.ReLU(name="dense_relu")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints


def _residual_stack(x, filters):
    endpoints = {}
    for number, width in enumerate(filters, 1):
        x = Residual2D(width, strides=2, name=f"block_{number}")(x)
        endpoints[f"block{number}"] = x
    return x, endpoints
