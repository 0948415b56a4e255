"""SampleCNN: small convolutions on the waveform itself (Lee et al. 2017)."""

import keras
from keras import layers

from keras_musictag import audio
from keras_musictag.checks import check_filters
from keras_musictag.layers import MaxPooling1D, SqueezeExcitation
from keras_musictag.layers.residual import NORM, dense_block
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

    The original scores 16 equally spaced chunks, all of them full of music, and so does
    `chunking.spaced(16)`; `tail="overlap"`, the default, comes closest to it: one more
    chunk, which ends with the track.

    Args:
        labels: Label names in output order, or `Labels`.
        filters: Channels of the blocks, first to last. Their number fixes the
            chunk: `3 ** (len(filters) - 1)` samples, 59,049 (3.69 s) for 11 blocks.
        squeeze_excitation: Whether the blocks are residual, with squeeze and
            excitation (`SampleCNN + SE`).
        dropout: Rate before the last dense layer.
        **options: `sample_rate`, `problem_type`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

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
        filters=(128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512),
        squeeze_excitation: bool = False,
        dropout: float = 0.5,
        **options,
    ):
        filters = check_filters(filters, least=3)
        network = {"filters": filters, "squeeze_excitation": squeeze_excitation}
        samples = POOL ** (len(filters) - 1)
        super().__init__(
            labels,
            frontend=lambda rate: layers.Identity(dtype="float32", name="frontend"),
            backbone=lambda shape: _backbone(shape, **network),
            chunking=audio.ChunkPlan(samples, samples, tail="overlap"),
            settings=network,
            dropout=dropout,
            **options,
        )


def _backbone(shape, filters: list[int], squeeze_excitation: bool):
    inputs = keras.Input(shape, name="samples")
    x = layers.Reshape((*shape, 1), name="add_channel")(inputs)
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
        x = dense_block(x, filters[-1])
    return keras.Model(inputs, x, name="backbone"), endpoints


def _block(x, filters: int, kernel: int, strides: int, name: str):
    x = _conv_norm(x, filters, kernel, strides, name)
    return layers.ReLU(name=f"{name}_relu")(x)


def _squeeze_excitation_block(x, filters: int, kernel: int, strides: int, name: str):
    shortcut = x
    x = _conv_norm(x, filters, kernel, strides, name, "_1")
    x = layers.ReLU(name=f"{name}_relu_1")(x)
    x = _conv_norm(x, filters, kernel, 1, name, "_2")
    # On the branch alone, before the sum and without a ReLU: the order matters.
    x = SqueezeExcitation(name=f"{name}_excite")(x)
    if strides != 1 or shortcut.shape[-1] != filters:
        shortcut = _conv_norm(shortcut, filters, kernel, strides, name, "_3")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _conv_norm(x, filters: int, kernel: int, strides: int, name: str, number=""):
    """Convolve with `kernel // 2` zeros on both sides, then normalise."""
    conv, padding = f"{name}_conv{number}", "same"
    if strides > 1:  # where Keras' "same" would not pad both sides alike
        x = layers.ZeroPadding1D(kernel // 2, name=f"{conv}_padding")(x)
        padding = "valid"
    x = layers.Conv1D(filters, kernel, strides, padding=padding, name=conv)(x)
    return layers.BatchNormalization(name=f"{name}_norm{number}", **NORM)(x)
