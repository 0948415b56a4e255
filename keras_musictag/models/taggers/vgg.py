"""VGG: small square convolutions on the log-mel spectrogram (Pons et al. 2018)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.layers import LogMelSpectrogram, PooledConv2D
from keras_musictag.models.tagger import MusicTagger

# Of each block. The first window is 4 x 1 with strides of 2: overlapping in time,
# and every other mel band is thrown away. The trained weights expect just that.
POOLS = ((4, 1), (2, 2), (2, 2), (2, 2), (4, 4))
STRIDES = (2, 2, 2, 2, 4)


class VGGTagger(MusicTagger):
    """A VGG-like tagger: five blocks of 3 x 3 convolutions, pooled to scores.

    The defaults are those of the trained baseline models of the `musicnn`
    package.

    An incomplete last chunk is left out (`tail="drop"`), as in the original.

    Args:
        labels: Label names in output order, or `Labels`.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands.
        chunk_frames: Frames per chunk; 187 are 3 seconds. Weights fit only the
            number they were trained with.
        filters: Channels of every convolution.
        dropout: Rate before the dense layer; half of it after the first four
            blocks.
        **options: `sample_rate`, `problem_type`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 48,128 samples by default, to
        `(batch, n_labels)`.

    References:
        - Pons et al., "End-to-end learning for music audio tagging at scale",
          ISMIR 2018.
        - Choi et al., "Automatic tagging using deep convolutional neural
          networks", ISMIR 2016.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.VGGTagger.from_pretrained("vgg_mtt")
    model.tag(kmt.audio.demo_path(), top_k=5)
    ```
    """

    default_preset = "vgg_msd"

    def __init__(
        self,
        labels,
        *,
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 96,
        chunk_frames: int = 187,
        filters: int = 128,
        dropout: float = 0.5,
        **options,
    ):
        spectrogram = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        super().__init__(
            labels,
            # Not centred: the chunk brings its neighbouring samples along.
            frontend=lambda rate: LogMelSpectrogram.from_convention(
                "musicnn", rate, **spectrogram, center=False, name="frontend"
            ),
            backbone=lambda shape: _backbone(shape, filters, dropout),
            chunking=audio.ChunkPlan.for_frames(chunk_frames, n_fft, hop_length),
            settings={**spectrogram, "chunk_frames": chunk_frames, "filters": filters},
            dropout=dropout,
            **options,
        )


def _backbone(shape, filters: int, dropout: float):
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.Reshape((*shape, 1), name="add_channel")(inputs)
    x = layers.BatchNormalization(name="input_norm")(x)
    endpoints = {}
    for block, (size, strides) in enumerate(zip(POOLS, STRIDES, strict=True), 1):
        conv = layers.Conv2D(filters, 3, padding="same", name=f"conv_{block}")
        norm = layers.BatchNormalization(name=f"norm_{block}")
        conv.build(x.shape)  # here, where their variables have no prefix
        norm.build((*x.shape[:-1], filters))
        # The normalisation follows the ReLU, and its scale may be negative.
        x = PooledConv2D(conv, norm, size, strides, name=f"pool_{block}")(x)
        endpoints[f"pool{block}"] = x
        if block < len(POOLS):
            x = layers.Dropout(dropout / 2, name=f"dropout_{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints
