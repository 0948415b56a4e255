"""CRNN: convolutions, then a recurrent network over time (Choi et al. 2017)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.layers import LogMelSpectrogram
from keras_musictag.layers.residual import conv_stack, spectrogram_input
from keras_musictag.models.tagger import MusicTagger

# Pooling of each block, (time, frequency): 29 seconds become 18 steps of time.
POOLS = ((2, 2), (3, 3), (4, 4), (4, 4))


class CRNNTagger(MusicTagger):
    """Convolutions for what is heard, a recurrent network for how it goes on.

    Four blocks of a 3 x 3 convolution and maximum pooling turn the log-mel
    spectrogram into a sequence of vectors, 1.5 seconds apart. Two layers of gated
    recurrent units read it; the last state of the second goes through a dense layer
    to the scores. The defaults are those of the trained models of Won et al.; their
    variant with more bands is `n_mels=128`.

    The authors evaluate 16 equally spaced chunks per track (`audio.ChunkPlan.spaced`),
    so that all their chunks are complete; `tail="overlap"`, the default, is the nearest
    to it that covers the whole track.

    Args:
        labels: Label names in output order, or `Labels`.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands, at least 96.
        chunk_samples: Samples per chunk; 464,000 are 29 seconds. Weights fit any
            number of at least 96 frames.
        filters: Channels of the four blocks.
        recurrent_units: Units of both recurrent layers; also the size of the
            `penultimate` embedding.
        dropout: Rate before the dense layer.
        **options: `sample_rate`, `problem_type`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 464,000 samples by default, to
        `(batch, n_labels)`.

    References:
        - Choi et al., "Convolutional recurrent neural networks for music
          classification", ICASSP 2017.
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    model = kmt.CRNNTagger(["calm", "wild"], filters=(8, 16, 16, 16))
    x = np.random.uniform(-0.1, 0.1, 30 * 16000).astype("float32")
    model.predict(x).shape  # (1, 2)
    ```
    """

    default_preset = "crnn_msd"

    def __init__(
        self,
        labels,
        *,
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 96,
        chunk_samples: int = 464000,
        filters=(64, 128, 128, 128),
        recurrent_units: int = 32,
        dropout: float = 0.5,
        **options,
    ):
        spectrogram = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        network = {"filters": list(filters), "recurrent_units": recurrent_units}
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


def _backbone(shape, filters, recurrent_units):
    inputs, x = spectrogram_input(shape)
    x, endpoints = conv_stack(x, filters, POOLS)
    _, frames, bands, channels = x.shape
    x = layers.Reshape((frames, bands * channels), name="sequence")(x)
    x = layers.GRU(recurrent_units, return_sequences=True, name="gru_1")(x)
    endpoints["gru1"] = x
    x = layers.GRU(recurrent_units, name="gru_2")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints
