"""Harmonic CNN: convolutions over stacked harmonics (Won et al. 2020)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.checks import check_filters
from keras_musictag.errors import ConfigError
from keras_musictag.layers import ConvBlock2D, HarmonicSTFT, Residual2D
from keras_musictag.layers.residual import NORM, dense_block
from keras_musictag.models.tagger import MusicTagger

# Pooling of each block, (time, frequency), and the numbers of the residual ones.
POOLS = ((2, 2), (2, 2), (2, 2), (2, 2), (2, 2), (3, 2), (3, 2))
RESIDUAL = (2, 3, 4, 6, 7)
LEAST_FRAMES, LEAST_LEVELS = 2**5 * 3**2, 2**7


class HarmonicCNNTagger(MusicTagger):
    """Harmonic CNN: sees each pitch together with its overtones.

    A bank of filters whose bandwidth is learned gives, for each pitch, the level at
    its first six harmonics as channels of a picture over time and pitch. Seven
    blocks of 3 x 3 convolutions, five of them residual, and the maximum over the
    time that is left lead to a dense layer and the scores.

    The original scores 16 equally spaced chunks, all of them full of music, and so does
    `chunking.spaced(16)`; `tail="overlap"`, the default, comes closest to it: one more
    chunk, which ends with the track.

    Args:
        labels: Label names in output order, or `Labels`.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_harmonics: Harmonics per pitch, see `HarmonicSTFT`.
        steps_per_semitone: Pitches per semitone, see `HarmonicSTFT`.
        learnable_q: Whether training moves the bandwidth of the filters.
        chunk_samples: Samples per chunk; 80,000 are 5 s.
        filters: Channels of the seven blocks.
        dense_units: Size of the `penultimate` embedding.
        dropout: Rate before the last dense layer.
        **options: `sample_rate`, `problem_type`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 80,000 samples by default, to
        `(batch, n_labels)`.

    References:
        - Won et al., "Data-driven harmonic filters for audio representation
          learning", ICASSP 2020.
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.HarmonicCNNTagger(["calm", "wild"], filters=[8] * 7, dense_units=16)
    model.tag(kmt.audio.demo_path())  # untrained
    ```
    """

    default_preset = "harmonic_cnn_msd"

    def __init__(
        self,
        labels,
        *,
        n_fft: int = 512,
        hop_length: int = 256,
        n_harmonics: int = 6,
        steps_per_semitone: int = 2,
        learnable_q: bool = True,
        chunk_samples: int = 80000,
        filters=(128, 128, 128, 128, 256, 256, 256),
        dense_units: int = 256,
        dropout: float = 0.5,
        **options,
    ):
        filters = check_filters(filters, blocks=len(POOLS))
        spectrogram = {
            "n_fft": n_fft,
            "hop_length": hop_length,
            "n_harmonics": n_harmonics,
            "steps_per_semitone": steps_per_semitone,
            "learnable_q": learnable_q,
        }
        network = {"filters": filters, "dense_units": dense_units}
        super().__init__(
            labels,
            frontend=lambda rate: HarmonicSTFT(rate, **spectrogram, name="frontend"),
            backbone=lambda shape: _backbone(shape, **network),
            chunking=audio.ChunkPlan(chunk_samples, chunk_samples, tail="overlap"),
            settings={**spectrogram, "chunk_samples": chunk_samples, **network},
            dropout=dropout,
            **options,
        )


def _backbone(shape, filters: list[int], dense_units: int):
    _check_size(*shape[:2])
    inputs = x = keras.Input(shape, name="spectrogram")
    x = layers.BatchNormalization(name="input_norm", **NORM)(x)
    endpoints = {}
    for i, (channels, pool) in enumerate(zip(filters, POOLS, strict=True), 1):
        if i in RESIDUAL:
            x = Residual2D(channels, name=f"block_{i}")(x)
            x = layers.MaxPooling2D(pool, name=f"pool_{i}")(x)
        else:
            x = ConvBlock2D(channels, pool_size=pool, name=f"block_{i}")(x)
        endpoints[f"block{i}"] = x
    x = layers.GlobalMaxPooling2D(name="global_pool")(x)
    x = dense_block(x, dense_units)
    return keras.Model(inputs, x, name="backbone"), endpoints


def _check_size(frames: int, levels: int) -> None:
    if frames < LEAST_FRAMES or levels < LEAST_LEVELS:
        raise ConfigError(
            f"The pools need at least {LEAST_FRAMES} frames and {LEAST_LEVELS} "
            "levels of pitch.",
            received=f"{frames} frames, {levels} levels",
            advice="Use longer chunks, a smaller `hop_length` or more "
            "`steps_per_semitone`.",
        )
