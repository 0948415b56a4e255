"""FCN: nothing but 3 x 3 convolutions and pooling (Choi et al. 2016)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.layers import LogMelSpectrogram
from keras_musictag.layers.residual import conv_stack, spectrogram_input
from keras_musictag.models.tagger import MusicTagger

# Pooling of each block, (time, frequency). Together they turn 29 seconds of 96 bands
# into one place.
POOLS = ((4, 2), (4, 2), (4, 2), (5, 3), (4, 4))


class FCNTagger(MusicTagger):
    """A fully convolutional network on half a minute of music.

    Five blocks of a 3 x 3 convolution and maximum pooling turn the log-mel
    spectrogram into one vector, a dense layer turns that into scores. The defaults
    are those of the trained models of Won et al.; their variant with more bands is
    `n_mels=128`.

    The authors evaluate 16 equally spaced chunks per track (`audio.ChunkPlan.spaced`),
    so that all their chunks are complete; `tail="overlap"`, the default, is the nearest
    to it that covers the whole track.

    Args:
        labels: Label names in output order, or `Labels`.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands, at least 96.
        chunk_samples: Samples per chunk; 464,000 are 29 seconds. At least 1,280
            frames; from 2,560 on there is more than one place left at the end, and
            the weights of the scores' layer differ in shape.
        filters: Channels of the five blocks.
        dropout: Rate before the dense layer.
        **options: `sample_rate`, `problem_type`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 464,000 samples by default, to
        `(batch, n_labels)`.

    References:
        - Choi et al., "Automatic tagging using deep convolutional neural
          networks", ISMIR 2016.
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    model = kmt.FCNTagger(["calm", "wild"], filters=(8, 16, 16, 16, 8))
    x = np.random.uniform(-0.1, 0.1, 30 * 16000).astype("float32")
    model.predict(x).shape  # (1, 2)
    ```
    """

    default_preset = "fcn_msd"

    def __init__(
        self,
        labels,
        *,
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 96,
        chunk_samples: int = 464000,
        filters=(64, 128, 128, 128, 64),
        dropout: float = 0.5,
        **options,
    ):
        spectrogram = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        sizes = {"chunk_samples": chunk_samples, "filters": list(filters)}
        super().__init__(
            labels,
            frontend=lambda rate: LogMelSpectrogram.from_convention(
                "torchaudio", rate, **spectrogram, name="frontend"
            ),
            backbone=lambda shape: _backbone(shape, filters),
            chunking=audio.ChunkPlan(chunk_samples, chunk_samples, tail="overlap"),
            settings={**spectrogram, **sizes},
            dropout=dropout,
            **options,
        )


def _backbone(shape, filters):
    inputs, x = spectrogram_input(shape)
    x, endpoints = conv_stack(x, filters, POOLS)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints
