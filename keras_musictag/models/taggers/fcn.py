"""FCN: nothing but 3 x 3 convolutions and pooling (Choi et al. 2016)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.checks import check_choice
from keras_musictag.layers import LogMelSpectrogram
from keras_musictag.layers.residual import (
    conv_stack,
    framewise_input,
    spectrogram_input,
)
from keras_musictag.models.tagger import MusicTagger

# Pooling of each block, (time, frequency). Together they turn 29 seconds of 96 bands
# into one place.
POOLS = ((4, 2), (4, 2), (4, 2), (5, 3), (4, 4))
# Spectrogram, rate in Hz and samples per chunk.
VARIANTS = {
    "won": ("torchaudio", 16000, 464000),
    "choi": ("choi", 12000, 349440),
    "jamendo": ("jamendo", 12000, 349440),
}
# Of Keras 1, whose batch normalisation the weights were trained with.
CHOI_EPSILON = 1e-6


class FCNTagger(MusicTagger):
    """A fully convolutional network on half a minute of music.

    Five blocks of a 3 x 3 convolution and maximum pooling turn the log-mel
    spectrogram into one vector, a dense layer turns that into scores. Three groups
    published such networks:

    | | `variant="won"` | `variant="choi"` | `variant="jamendo"` |
    |---|---|---|---|
    | from | Won et al., 2020 | the authors, 2016 | MTG-Jamendo's baseline, 2019 |
    | rate | 16 kHz | 12 kHz | 12 kHz |
    | spectrogram | `"torchaudio"` | `"choi"` | `"jamendo"`, doubled |
    | chunk | 464,000 samples | 349,440 samples | 349,440 samples |
    | normalised | over everything | each chunk, then each frame | over everything |
    | activation | ReLU | ELU | ELU |

    The defaults are the sizes of Won's and of the baseline's models. The variant of
    Won's with more bands is `n_mels=128`; Choi's published weights have
    `filters=(32, 128, 128, 192, 256)`.

    Won et al. evaluate 16 equally spaced chunks per track (`audio.ChunkPlan.spaced`),
    so that all their chunks are complete; `tail="overlap"`, the default, is the nearest
    to it that covers the whole track. The others hear half a minute of the middle.

    Args:
        labels: Label names in output order, or `Labels`.
        variant: `"won"`, `"choi"` or `"jamendo"`, see above.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands, at least 96.
        chunk_samples: Samples per chunk, 29 seconds if `None`. At least 1,280
            frames; from 2,560 on there is more than one place left at the end, and
            the weights of the scores' layer differ in shape. Those of `"choi"` fit
            one length only.
        filters: Channels of the five blocks.
        dropout: Rate before the dense layer.
        **options: `sample_rate` (see above), `problem_type`, `tail`, `dtype` and
            `name`: see `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 464,000 samples by default, to
        `(batch, n_labels)`.

    References:
        - Choi et al., "Automatic tagging using deep convolutional neural
          networks", ISMIR 2016.
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.
        - Bogdanov et al., "MediaEval 2019: Emotion and theme recognition in music
          using Jamendo", MediaEval 2019.

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
        variant: str = "won",
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 96,
        chunk_samples: int | None = None,
        filters=(64, 128, 128, 128, 64),
        dropout: float = 0.5,
        **options,
    ):
        check_choice(variant, tuple(VARIANTS), name="variant")
        convention, rate, chunk = VARIANTS[variant]
        chunk_samples = chunk if chunk_samples is None else chunk_samples
        spectrogram = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        sizes = {"chunk_samples": chunk_samples, "filters": list(filters)}
        super().__init__(
            labels,
            frontend=lambda rate: LogMelSpectrogram.from_convention(
                convention, rate, **spectrogram, name="frontend"
            ),
            backbone=lambda shape: _backbone(shape, variant, filters),
            chunking=audio.ChunkPlan(chunk_samples, chunk_samples, tail="overlap"),
            settings={"variant": variant, **spectrogram, **sizes},
            dropout=dropout,
            **{"sample_rate": rate, **options},
        )


def _backbone(shape, variant: str, filters):
    if variant == "choi":
        inputs, x = framewise_input(shape, epsilon=CHOI_EPSILON)
        block = {"activation": "elu", "epsilon": CHOI_EPSILON}
    elif variant == "jamendo":
        inputs, x = spectrogram_input(shape, scale=2)
        block = {"activation": "elu"}
    else:
        inputs, x = spectrogram_input(shape)
        block = {}
    x, endpoints = conv_stack(x, filters, POOLS, **block)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints
