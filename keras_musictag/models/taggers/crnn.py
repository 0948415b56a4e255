"""CRNN: convolutions, then a recurrent network over time (Choi et al. 2017)."""

import keras
from keras import layers, ops

from keras_musictag import audio
from keras_musictag.checks import check_choice
from keras_musictag.layers import LogMelSpectrogram
from keras_musictag.layers.residual import (
    conv_stack,
    framewise_input,
    spectrogram_input,
)
from keras_musictag.models.tagger import MusicTagger

# Pooling of each block, (time, frequency): 29 seconds become 18 steps of time.
POOLS = ((2, 2), (3, 3), (4, 4), (4, 4))
# Spectrogram, rate in Hz and samples per chunk.
VARIANTS = {
    "won": ("torchaudio", 16000, 464000),
    "choi": ("choi", 12000, 349440),
}
# Of Keras 1, whose batch normalisation the weights were trained with; and the frames of
# zeros on both sides, which make 1366 frames a multiple of what is pooled.
CHOI_EPSILON, CHOI_PADDING = 1e-6, 37


class CRNNTagger(MusicTagger):
    """Convolutions for what is heard, a recurrent network for how it goes on.

    Four blocks of a 3 x 3 convolution and maximum pooling turn the log-mel
    spectrogram into a sequence of vectors, 1.5 or 2 seconds apart. Two layers of gated
    recurrent units read it; the last state of the second goes through a dense layer
    to the scores. Two groups published such networks, of the same sizes:

    | | `variant="won"` | `variant="choi"` |
    |---|---|---|
    | from | Won et al., 2020 | the authors, 2016 |
    | rate | 16 kHz | 12 kHz |
    | spectrogram | `"torchaudio"` | `"choi"`, 37 frames of zeros on both sides |
    | chunk | 464,000 samples | 349,440 samples |
    | normalised | over everything | each chunk, then each frame |
    | activation | ReLU | ELU |
    | gates | sigmoid, reset after the product | straight lines, reset before it |

    Won's models with more bands have `n_mels=128`.

    Won et al. evaluate 16 equally spaced chunks per track (`audio.ChunkPlan.spaced`),
    so that all their chunks are complete; `tail="overlap"`, the default, is the nearest
    to it that covers the whole track. Choi et al. hear half a minute of the middle.

    Args:
        labels: Label names in output order, or `Labels`.
        variant: `"won"` or `"choi"`, see above.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands, at least 96.
        chunk_samples: Samples per chunk, 29 seconds if `None`. Weights of `"won"` fit
            any number of at least 96 frames, those of `"choi"` one length only.
        filters: Channels of the four blocks.
        recurrent_units: Units of both recurrent layers; also the size of the
            `penultimate` embedding.
        dropout: Rate before the dense layer.
        **options: `sample_rate` (see above), `problem_type`, `tail`, `dtype` and
            `name`: see `MusicTagger`.

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
        variant: str = "won",
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 96,
        chunk_samples: int | None = None,
        filters=(64, 128, 128, 128),
        recurrent_units: int = 32,
        dropout: float = 0.5,
        **options,
    ):
        check_choice(variant, tuple(VARIANTS), name="variant")
        convention, rate, chunk = VARIANTS[variant]
        chunk_samples = chunk if chunk_samples is None else chunk_samples
        chunks = {"chunk_samples": chunk_samples}
        spectrogram = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        network = {"filters": list(filters), "recurrent_units": recurrent_units}
        super().__init__(
            labels,
            frontend=lambda rate: LogMelSpectrogram.from_convention(
                convention, rate, **spectrogram, name="frontend"
            ),
            backbone=lambda shape: _backbone(shape, variant == "choi", **network),
            chunking=audio.ChunkPlan(chunk_samples, chunk_samples, tail="overlap"),
            settings={"variant": variant, **spectrogram, **chunks, **network},
            dropout=dropout,
            **{"sample_rate": rate, **options},
        )


@keras.saving.register_keras_serializable(package="keras_musictag")
def straight_gate(x):
    """The hard sigmoid of Keras 1, which is less steep than that of Keras 3.

    Args:
        x: Tensor of any shape.

    Returns:
        Tensor of the same shape: `0.2 x + 0.5`, not below 0 nor above 1.
    """
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def _backbone(shape, choi: bool, filters, recurrent_units):
    block, gates = {}, {}
    if choi:
        inputs, x = framewise_input(shape, CHOI_PADDING, CHOI_EPSILON)
        block = {"activation": "elu", "epsilon": CHOI_EPSILON}
        gates = {"recurrent_activation": straight_gate, "reset_after": False}
    else:
        inputs, x = spectrogram_input(shape)
    x, endpoints = conv_stack(x, filters, POOLS, **block)
    _, frames, bands, channels = x.shape
    x = layers.Reshape((frames, bands * channels), name="sequence")(x)
    x = layers.GRU(recurrent_units, return_sequences=True, name="gru_1", **gates)(x)
    endpoints["gru1"] = x
    x = layers.GRU(recurrent_units, name="gru_2", **gates)(x)
    return keras.Model(inputs, x, name="backbone"), endpoints
