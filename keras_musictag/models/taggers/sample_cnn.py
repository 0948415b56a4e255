"""SampleCNN: small convolutions on the waveform itself (Lee et al. 2017)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.checks import check_filters
from keras_musictag.layers import MaxPooling1D, SqueezeExcitation
from keras_musictag.layers.residual import NORM
from keras_musictag.models.base import dtype_scope
from keras_musictag.models.tagger import MusicTagger

# Every step of the network, the first convolution's stride included, divides the
# time by this; so the input has a power of it.
POOL = 3


class SampleCNNTagger(MusicTagger):
    """SampleCNN: a deep stack of tiny convolutions that hears the raw waveform.

    The first convolution takes every third sample, each of the following blocks
    convolves and keeps the larger one of three values, until one moment is left
    that stands for the whole chunk; a last convolution of kernel 1 mixes its
    channels. There is no spectrogram.

    With `squeeze_excitation=True` each block has two convolutions beside a
    shortcut, its channels are weighed by squeeze and excitation before the sum, and
    a dense layer follows the last block.

    Args:
        labels: Label names in output order, or `Labels`.
        problem_type: See `MusicTagger`.
        sample_rate: Of the waveform, in Hz.
        filters: Channels of the blocks, first to last. Their number fixes the
            chunk: `3 ** (len(filters) - 1)` samples, 59,049 (3.69 s) for 11 blocks.
        squeeze_excitation: Whether the blocks are residual, with squeeze and
            excitation (`SampleCNN + SE`).
        tail: What becomes of an incomplete last chunk: `"overlap"`, `"pad"` or
            `"drop"`. The original scores 16 equally spaced chunks, all of them full
            of music, and so does `chunking.spaced(16)`; `"overlap"`, one more chunk
            that ends with the track, comes closest to it.
        dropout: Rate before the last dense layer.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model.

    Call:
        float32 `(batch, chunk_samples)`, 59,049 samples by default, to
        `(batch, n_labels)`.

    References:
        - Lee et al., "Sample-level deep convolutional neural networks for music
          auto-tagging using raw waveforms", SMC 2017.
        - Kim et al., "Sample-level CNN architectures for music auto-tagging using
          raw waveforms", ICASSP 2018.
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.SampleCNNTagger(["calm", "wild"], filters=[8] * 9)
    model.tag(kmt.audio.demo_path())  # untrained: 6,561 samples per chunk
    ```
    """

    default_preset = "sample_cnn_msd"

    def __init__(
        self,
        labels,
        *,
        problem_type: str = "multi_label_classification",
        sample_rate: int = 16000,
        filters=(128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512),
        squeeze_excitation: bool = False,
        tail: str = "overlap",
        dropout: float = 0.5,
        dtype=None,
        name: str = "sample_cnn_tagger",
    ):
        filters = check_filters(filters, least=3)
        chunk_samples = POOL ** (len(filters) - 1)
        # === Functional Model ===
        with dtype_scope(dtype):
            frontend = layers.Identity(dtype="float32", name="frontend")
            backbone, endpoints = _backbone(chunk_samples, filters, squeeze_excitation)
        super().__init__(
            frontend=frontend,
            backbone=backbone,
            endpoints=endpoints,
            labels=labels,
            sample_rate=sample_rate,
            chunking=audio.ChunkPlan(chunk_samples, chunk_samples, tail=tail),
            problem_type=problem_type,
            dropout=dropout,
            dtype=dtype,
            name=name,
        )
        # === Config ===
        self.settings = {
            "filters": filters,
            "squeeze_excitation": squeeze_excitation,
        }

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), **self.settings}


def _backbone(samples: int, filters: list[int], squeeze_excitation: bool):
    inputs = keras.Input((samples,), name="samples")
    x = layers.Reshape((samples, 1), name="add_channel")(inputs)
    block = _squeeze_excitation_block if squeeze_excitation else _block
    endpoints, last = {}, len(filters)
    for i, channels in enumerate(filters, 1):
        kernel = 1 if i == last else 3
        strides = POOL if i == 1 else 1
        x = block(x, channels, kernel, strides, f"block_{i}")
        if 1 < i < last:
            x = MaxPooling1D(POOL, name=f"pool_{i}")(x)
        endpoints[f"block{i}"] = x
    x = layers.Flatten(name="flatten")(x)
    if squeeze_excitation:
        x = layers.Dense(filters[-1], name="dense")(x)
        x = layers.BatchNormalization(name="dense_norm", **NORM)(x)
        x = layers.ReLU(name="dense_relu")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints


def _block(x, filters: int, kernel: int, strides: int, name: str):
    x = _conv_norm(x, filters, kernel, strides, f"{name}_conv", f"{name}_norm")
    return layers.ReLU(name=f"{name}_relu")(x)


def _squeeze_excitation_block(x, filters: int, kernel: int, strides: int, name: str):
    shortcut = x
    x = _conv_norm(x, filters, kernel, strides, f"{name}_conv_1", f"{name}_norm_1")
    x = layers.ReLU(name=f"{name}_relu_1")(x)
    x = _conv_norm(x, filters, kernel, 1, f"{name}_conv_2", f"{name}_norm_2")
    # On the branch alone, before the sum and without a ReLU: the order matters.
    x = SqueezeExcitation(name=f"{name}_excite")(x)
    if strides != 1 or shortcut.shape[-1] != filters:
        shortcut = _conv_norm(
            shortcut, filters, kernel, strides, f"{name}_conv_3", f"{name}_norm_3"
        )
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _conv_norm(x, filters: int, kernel: int, strides: int, conv: str, norm: str):
    """Convolve with `kernel // 2` zeros on both sides, then normalise."""
    padding = "same"
    if strides > 1:  # where Keras' "same" would not pad both sides alike
        x = layers.ZeroPadding1D(kernel // 2, name=f"{conv}_padding")(x)
        padding = "valid"
    x = layers.Conv1D(filters, kernel, strides, padding=padding, name=conv)(x)
    return layers.BatchNormalization(name=norm, **NORM)(x)
