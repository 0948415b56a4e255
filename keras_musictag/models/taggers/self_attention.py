"""CNN and self-attention: a transformer over convolutional features (Won 2019)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.checks import check_filters
from keras_musictag.errors import ConfigError
from keras_musictag.layers import (
    FixedToken,
    LogMelSpectrogram,
    Residual2D,
    TransformerEncoderBlock,
)
from keras_musictag.layers.residual import spectrogram_input
from keras_musictag.models.tagger import MusicTagger

# Strides of the residual blocks over (time, frequency): 128 mel bands become one,
# time only an eighth.
STRIDES = ((2, 2), (2, 2), (2, 2), (1, 2), (1, 2), (1, 2), (1, 2))


class SelfAttentionTagger(MusicTagger):
    """Residual convolutions, then self-attention over 15 seconds.

    Seven residual blocks turn the log-mel spectrogram into one vector every 128 ms.
    A fixed vector is put before them, two transformer encoder blocks let all of
    them exchange what they found, and what has gathered in the first one goes
    through a dense layer with tanh to the scores. Positions carry no code: the
    encoder does not know the order of the vectors.

    The original scores 16 equally spaced chunks, all of them full of music, and so does
    `chunking.spaced(16)`; `tail="overlap"`, the default, comes closest to it: one more
    chunk, which ends with the track.

    Args:
        labels: Label names in output order, or `Labels`.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands, at most 128.
        chunk_samples: Samples per chunk; 240,000 are 15 s.
        filters: Channels of the seven residual blocks. Those of the last are the
            size of the vectors and of the `penultimate` embedding.
        num_heads: Attention heads; must divide the last of `filters`.
        intermediate_units: Size of the dense layer inside each encoder block.
        encoder_blocks: Number of encoder blocks.
        dropout: Rate before the last dense layer.
        encoder_dropout: Rate inside the encoder blocks.
        attention_dropout: Rate on the attention weights.
        **options: `sample_rate`, `problem_type`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 240,000 samples by default, to
        `(batch, n_labels)`.

    References:
        - Won et al., "Toward interpretable music tagging with self-attention",
          arXiv 1906.04972, 2019.
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.SelfAttentionTagger(["calm", "wild"], filters=[8] * 7)
    model.tag(kmt.audio.demo_path())  # untrained
    ```
    """

    default_preset = "self_attention_msd"

    def __init__(
        self,
        labels,
        *,
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 128,
        chunk_samples: int = 240000,
        filters=(128, 128, 256, 256, 256, 256, 256),
        num_heads: int = 8,
        intermediate_units: int = 1024,
        encoder_blocks: int = 2,
        dropout: float = 0.5,
        encoder_dropout: float = 0.4,
        attention_dropout: float = 0.5,
        **options,
    ):
        filters = check_filters(filters, blocks=len(STRIDES))
        spectrogram = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        network = {
            "filters": filters,
            "num_heads": num_heads,
            "intermediate_units": intermediate_units,
            "encoder_blocks": encoder_blocks,
            "encoder_dropout": encoder_dropout,
            "attention_dropout": attention_dropout,
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


def _backbone(shape, filters, encoder_blocks: int, encoder_dropout: float, **encoder):
    inputs, x = spectrogram_input(shape)
    endpoints = {}
    for i, (channels, strides) in enumerate(zip(filters, STRIDES, strict=True), 1):
        x = Residual2D(channels, strides=strides, name=f"block_{i}")(x)
        endpoints[f"block{i}"] = x
    _, frames, bands, channels = x.shape
    if bands != 1:
        raise ConfigError(
            "The blocks must leave one frequency band.",
            received=f"n_mels={shape[1]}, {bands} bands left",
            advice=f"Use at most {2 ** len(STRIDES)} mel bands.",
        )
    x = layers.Reshape((frames, channels), name="drop_frequency")(x)
    x = FixedToken(name="first_token")(x)
    for i in range(1, encoder_blocks + 1):
        x = TransformerEncoderBlock(
            dropout=encoder_dropout, name=f"encoder_{i}", **encoder
        )(x)
        endpoints[f"encoder{i}"] = x
    x = layers.Dense(x.shape[-1], activation="tanh", name="pooler")(x[:, 0])
    return keras.Model(inputs, x, name="backbone"), endpoints
