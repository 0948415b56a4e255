"""VGG: small square convolutions on the log-mel spectrogram (Pons et al. 2018)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.layers import LogMelSpectrogram
from keras_musictag.models.base import dtype_scope
from keras_musictag.models.tagger import MusicTagger

# (pool size, strides) of each block. The first window is 4 x 1 with strides of 2:
# overlapping in time, and every other mel band is thrown away. The trained
# weights expect just that.
POOLS = (
    ((4, 1), (2, 2)),
    ((2, 2), (2, 2)),
    ((2, 2), (2, 2)),
    ((2, 2), (2, 2)),
    ((4, 4), (4, 4)),
)


class VGGTagger(MusicTagger):
    """A VGG-like tagger: five blocks of 3 x 3 convolutions, pooled to scores.

    The defaults are those of the trained baseline models of the `musicnn`
    package.

    Args:
        labels: Label names in output order, or `Labels`.
        problem_type: See `MusicTagger`.
        sample_rate: Of the waveform, in Hz.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between frames, in samples.
        n_mels: Mel bands.
        chunk_frames: Frames per chunk; 187 are 3 seconds. Weights fit only the
            number they were trained with.
        filters: Channels of every convolution.
        tail: What becomes of an incomplete last chunk: `"drop"` as in the
            original, `"pad"` or `"overlap"`.
        dropout: Rate before the dense layer; half of it after the first four
            blocks.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model.

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
        problem_type: str = "multi_label_classification",
        sample_rate: int = 16000,
        n_fft: int = 512,
        hop_length: int = 256,
        n_mels: int = 96,
        chunk_frames: int = 187,
        filters: int = 128,
        tail: str = "drop",
        dropout: float = 0.5,
        dtype=None,
        name: str = "vgg_tagger",
    ):
        # === Functional Model ===
        with dtype_scope(dtype):
            frontend = LogMelSpectrogram.from_convention(
                "musicnn",
                sample_rate=sample_rate,
                n_fft=n_fft,
                hop_length=hop_length,
                n_mels=n_mels,
                center=False,  # the chunk brings its neighbouring samples along
                name="frontend",
            )
            backbone, endpoints = _backbone((chunk_frames, n_mels), filters, dropout)
        super().__init__(
            frontend=frontend,
            backbone=backbone,
            endpoints=endpoints,
            labels=labels,
            sample_rate=sample_rate,
            chunking=audio.ChunkPlan.for_frames(
                chunk_frames, n_fft, hop_length, tail=tail
            ),
            problem_type=problem_type,
            dropout=dropout,
            dtype=dtype,
            name=name,
        )
        # === Config ===
        self.settings = {
            "n_fft": n_fft,
            "hop_length": hop_length,
            "n_mels": n_mels,
            "chunk_frames": chunk_frames,
            "filters": filters,
        }

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), **self.settings}


def _backbone(shape, filters: int, dropout: float):
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.Reshape((*shape, 1), name="add_channel")(inputs)
    x = layers.BatchNormalization(name="input_norm")(x)
    endpoints = {}
    for block, (size, strides) in enumerate(POOLS, 1):
        x = layers.Conv2D(
            filters, 3, padding="same", activation="relu", name=f"conv_{block}"
        )(x)
        # After the ReLU, and its scale may be negative: the order matters.
        x = layers.BatchNormalization(name=f"norm_{block}")(x)
        x = layers.MaxPooling2D(size, strides, name=f"pool_{block}")(x)
        endpoints[f"pool{block}"] = x
        if block < len(POOLS):
            x = layers.Dropout(dropout / 2, name=f"dropout_{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints
