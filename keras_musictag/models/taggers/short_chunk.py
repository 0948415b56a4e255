"""Short-chunk CNN: a deep VGG or ResNet on 3.7 seconds (Won et al. 2020)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.layers import LogMelSpectrogram, Residual2D
from keras_musictag.layers.residual import conv_stack, dense_block, spectrogram_input
from keras_musictag.models.tagger import MusicTagger


class ShortChunkCNNTagger(MusicTagger):
    """Small filters, many layers, short input: a strong and simple tagger.

    Seven blocks halve the log-mel spectrogram in time and frequency, each with a
    3 x 3 convolution and maximum pooling, or with `residual=True` as a residual
    block whose first convolution has a stride of two. The maximum over what is left
    goes through a dense layer to the scores. The defaults are those of Won et al.,
    whose models come out on top of their comparison.

    The authors evaluate 16 equally spaced chunks per track (`audio.ChunkPlan.spaced`),
    so that all their chunks are complete; `tail="overlap"`, the default, is the nearest
    to it that covers the whole track.

    Args:
        labels: Label names in output order, or `Labels`.
        residual: If `True`, residual blocks instead of convolution and pooling.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands; at least 128 without `residual`.
        chunk_samples: Samples per chunk; 59,049 are 3.69 seconds. Weights fit any
            number, of at least 128 frames without `residual`.
        filters: Channels of each block; there are as many blocks.
        dense_units: Size of the `penultimate` embedding.
        dropout: Rate before the last dense layer.
        **options: `sample_rate`, `problem_type`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

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
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 128,
        chunk_samples: int = 59049,
        filters=(128, 128, 256, 256, 256, 256, 512),
        dense_units: int = 512,
        dropout: float = 0.5,
        **options,
    ):
        spectrogram = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        network = {
            "residual": residual,
            "filters": list(filters),
            "dense_units": dense_units,
        }
        super().__init__(
            labels,
            frontend=lambda rate: LogMelSpectrogram.from_convention(
                "torchaudio", rate, **spectrogram, name="frontend"
            ),
            backbone=lambda shape: _backbone(shape, **network),
            chunking=audio.ChunkPlan(chunk_samples, chunk_samples, tail="overlap"),
            settings={**spectrogram, "chunk_samples": chunk_samples, **network},
            dropout=dropout,
            **options,
        )


def _backbone(shape, residual, filters, dense_units):
    inputs, x = spectrogram_input(shape)
    if residual:
        x, endpoints = _residual_stack(x, filters)
    else:
        x, endpoints = conv_stack(x, filters, [2] * len(filters))
    x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    endpoints["max_pool"] = x
    x = dense_block(x, dense_units)
    return keras.Model(inputs, x, name="backbone"), endpoints


def _residual_stack(x, filters):
    endpoints = {}
    for number, width in enumerate(filters, 1):
        x = Residual2D(width, strides=2, name=f"block_{number}")(x)
        endpoints[f"block{number}"] = x
    return x, endpoints
