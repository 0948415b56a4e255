"""MERT and HuBERT: transformers over a waveform, learned without labels (Li 2024)."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag import audio
from keras_musictag.checks import (
    check_choice,
    check_filters,
    check_positive,
    check_positive_int,
)
from keras_musictag.errors import ConfigError
from keras_musictag.layers import (
    InstanceNormalization,
    PreNormTransformerBlock,
    TransformerEncoderBlock,
)
from keras_musictag.models.tagger import MusicTagger

CONV_NORMS = ("first", "every")
EPSILON = 1e-5  # of the normalisations between convolutions


@keras.saving.register_keras_serializable(package="keras_musictag")
class WaveformScaling(layers.Layer):
    """A waveform as it is, or each chunk with mean 0 and variance 1.

    Args:
        normalize: Whether chunks are normalised, each by itself.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input: float32 `(batch, samples)`.

    Output: The same shape.
    """

    def __init__(self, normalize=True, **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.normalize = bool(normalize)

    def call(self, inputs):
        if not self.normalize:
            return inputs
        centred = inputs - ops.mean(inputs, axis=1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=1, keepdims=True)
        return centred * ops.rsqrt(variance + 1e-7)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "normalize": self.normalize}


@keras.saving.register_keras_serializable(package="keras_musictag")
class PositionalConvolution(layers.Layer):
    """A convolution over time, in groups of channels, that tells where a frame lies.

    One convolution per group: TensorFlow has none in groups for processors.

    Args:
        taps: Frames that it sees; with an even number one more before than after.
        groups: Groups of channels; must divide them.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, frames, channels)`.

    Output: The same shape.

    Raises:
        ConfigError: If `groups` does not divide the channels.
    """

    def __init__(self, taps, groups, **kwargs):
        super().__init__(**kwargs)
        self.taps = check_positive_int(taps, name="taps")
        self.groups = check_positive_int(groups, name="groups")

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ConfigError(
                "`position_groups` must divide `units`.",
                received=f"{self.groups} groups, {channels} units",
                advice="Choose another number of groups.",
            )
        self.kernel = self.add_weight(
            shape=(self.taps, channels // self.groups, channels), name="kernel"
        )
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x):
        before = self.taps // 2
        x = ops.pad(x, [[0, 0], [before, self.taps - 1 - before], [0, 0]])
        parts = zip(
            ops.split(x, self.groups, axis=-1),
            ops.split(ops.convert_to_tensor(self.kernel), self.groups, axis=-1),
            strict=True,
        )
        heard = [ops.conv(part, kernel, padding="valid") for part, kernel in parts]
        return ops.concatenate(heard, axis=-1) + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        own = {"taps": self.taps, "groups": self.groups}
        return {**super().get_config(), **own}


class MERTEncoder(MusicTagger):
    """MERT: what a transformer has learned of music from the sound alone.

    Strided convolutions turn the waveform into frames, 75 a second; a convolution tells
    each where it lies, and transformer blocks let all of them exchange what they found.
    HuBERT, which it is made like, loads too. Models of the Hugging Face Hub load by
    their names (`"m-a-p/MERT-v1-95M"`: CC BY-NC 4.0, not for commercial use).

    Without labels there is no head: `embed` gives features, and `tag` and `predict` say
    that there are no scores. With `from_pretrained(..., labels=[...])` a fresh head can
    be trained on the mean of the last frames, by `probe` or `fit`.

    The first normalisation spans a whole chunk, and so does attention: nothing is ever
    filled up with zeros. A track shorter than a chunk is repeated until it fills one,
    the last chunk of a longer one is moved back (`tail="overlap"`).

    Endpoints of `embed`: `block0` is what the first block hears, `block1`, `block2` ...
    are what they make of it, all of them `(frames, units)`. `embed(layer="all")` has
    one row for each of these. `penultimate` is the mean over the frames at the end.

    Args:
        labels: Label names in output order, or `Labels`; `None` for no head.
        chunk_samples: Samples per chunk; 120,000 are 5 s.
        normalize: Whether each chunk is brought to mean 0 and variance 1 first.
        conv_filters: Channels of the convolutions.
        conv_kernels: Their lengths, in samples or frames.
        conv_strides: Their strides; the product is the samples from frame to frame.
        conv_norm: `"first"` normalises the channels of the first convolution over the
            chunk, `"every"` the channels of each frame after every convolution.
        conv_bias: Whether the convolutions have biases.
        project_norm: Whether frames are normalised before they become vectors.
        units: Size of the vectors and of the `penultimate` embedding.
        blocks: Number of transformer blocks.
        num_heads: Attention heads; must divide `units`.
        intermediate_units: Size of the dense layer inside each block.
        norm_first: Whether the blocks normalise before each sum, and after the last
            block, instead of after each sum and before the first block.
        position_taps: Frames that the convolution for positions sees.
        position_groups: Its groups of channels; must divide `units`.
        position_norm: Whether batch normalisation comes before it.
        epsilon: Added to variances by the layer normalisations of the transformer.
        encoder_dropout: Rate inside the blocks.
        attention_dropout: Rate on the attention weights.
        sample_rate: Of the waveform, in Hz.
        **options: `problem_type`, `dropout`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 120,000 samples by default, to
        `(batch, n_labels)`; without labels to `(batch, units)`.

    Raises:
        ConfigError: If an argument cannot work.

    References:
        - Li et al., "MERT: acoustic music understanding model with large-scale
          self-supervised training", ICLR 2024.
        - Hsu et al., "HuBERT: self-supervised speech representation learning by masked
          prediction of hidden units", IEEE/ACM TASLP 29, 2021.

    Example:

    ```python
    import keras_musictag as kmt

    sizes = {"conv_filters": [8] * 7, "units": 32, "blocks": 2, "num_heads": 2}
    model = kmt.MERTEncoder(**sizes)  # untrained
    print(model.embed(kmt.audio.demo_path(), layer="all").shape)  # (3, 32)
    ```
    """

    default_preset = None
    headless = True

    def __init__(
        self,
        labels=None,
        *,
        chunk_samples: int = 120000,
        normalize: bool = True,
        conv_filters=(512,) * 7,
        conv_kernels=(10, 3, 3, 3, 3, 2, 2),
        conv_strides=(5, 2, 2, 2, 2, 2, 2),
        conv_norm: str = "first",
        conv_bias: bool = False,
        project_norm: bool = True,
        units: int = 768,
        blocks: int = 12,
        num_heads: int = 12,
        intermediate_units: int = 3072,
        norm_first: bool = False,
        position_taps: int = 128,
        position_groups: int = 16,
        position_norm: bool = False,
        epsilon: float = 1e-5,
        encoder_dropout: float = 0.1,
        attention_dropout: float = 0.1,
        sample_rate: int = 24000,
        **options,
    ):
        filters = check_filters(conv_filters)
        convolutions = {
            "conv_filters": filters,
            "conv_kernels": check_filters(conv_kernels, blocks=len(filters)),
            "conv_strides": check_filters(conv_strides, blocks=len(filters)),
            "conv_norm": check_choice(conv_norm, CONV_NORMS, name="conv_norm"),
            "conv_bias": conv_bias,
        }
        encoder = {
            "blocks": check_positive_int(blocks, name="blocks"),
            "num_heads": num_heads,
            "intermediate_units": intermediate_units,
            "norm_first": norm_first,
            "epsilon": epsilon,
            "encoder_dropout": encoder_dropout,
            "attention_dropout": attention_dropout,
        }
        frames = {
            "project_norm": project_norm,
            "units": check_positive_int(units, name="units"),
            "position_taps": position_taps,
            "position_groups": position_groups,
            "position_norm": position_norm,
        }
        _check_length(chunk_samples, convolutions)

        def backbone(shape):
            inputs = keras.Input(shape, name="waveform")
            x = _convolutions(inputs, **convolutions)
            x = _positions(x, epsilon, **frames)
            x, endpoints = _encoder(x, **encoder)
            x = layers.GlobalAveragePooling1D(name="mean_pool")(x)
            return keras.Model(inputs, x, name="backbone"), endpoints

        super().__init__(
            labels,
            frontend=lambda rate: WaveformScaling(normalize, name="frontend"),
            backbone=backbone,
            chunking=audio.ChunkPlan(
                chunk_samples, chunk_samples, pad="repeat", tail="overlap"
            ),
            settings={
                "chunk_samples": chunk_samples,
                "normalize": normalize,
                **convolutions,
                **frames,
                **encoder,
            },
            sample_rate=sample_rate,
            **options,
        )

    def embed(self, source, sample_rate: int | None = None, **options):
        """Return what the network computes inside: features for other uses.

        Args:
            source: As in `tag`.
            sample_rate: Of arrays, in Hz; `None` means the model's own.
            **options: As in `MusicTagger.embed`; `layer="all"` gives all blocks.

        Returns:
            As `MusicTagger.embed`. With `layer="all"` there is one more axis in
            front: what the first block hears, then what each makes of it.

        Raises:
            ConfigError: If there is no such endpoint.
            AudioError: If a single source is not usable audio.
        """
        if options.get("layer") != "all":
            return super().embed(source, sample_rate, **options)
        names = [name for name in self.endpoints if name.startswith("block")]
        found = super().embed(source, sample_rate, **{**options, "layer": names})

        def stacked(outputs):
            return outputs and np.stack([outputs[name] for name in names])

        return (
            [stacked(o) for o in found] if isinstance(found, list) else stacked(found)
        )

    def with_chunks(self, seconds: float) -> "MERTEncoder":
        """Return a model with these weights that hears chunks of another length.

        Longer chunks cost more than they are longer, since attention compares all
        frames with each other.

        Args:
            seconds: Length of a chunk.

        Returns:
            A new model.

        Raises:
            ConfigError: If that is too short for one frame.
        """
        samples = check_positive(seconds, name="seconds") * self.sample_rate
        return self._remade(chunk_samples=round(samples))


def _convolutions(
    x, conv_filters, conv_kernels, conv_strides, conv_norm: str, conv_bias: bool
):
    """From a waveform to frames `(batch, frames, channels)`."""
    x = layers.Reshape((-1, 1), name="add_channel")(x)
    sizes = zip(conv_filters, conv_kernels, conv_strides, strict=True)
    for i, (channels, length, stride) in enumerate(sizes, 1):
        name = f"conv_{i}"
        x = layers.Conv1D(channels, length, stride, use_bias=conv_bias, name=name)(x)
        if conv_norm == "every":
            norm = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm")
            x = norm(x)
        elif i == 1:
            x = InstanceNormalization(EPSILON, affine=True, name=f"{name}_norm")(x)
        x = layers.Activation("gelu", name=f"{name}_gelu")(x)
    return x


def _positions(
    x,
    epsilon: float,
    project_norm: bool,
    units: int,
    position_taps: int,
    position_groups: int,
    position_norm: bool,
):
    """From frames to vectors that tell where they lie."""
    if project_norm:
        x = layers.LayerNormalization(epsilon=epsilon, name="project_norm")(x)
    x = layers.Dense(units, name="project")(x)
    y = x
    if position_norm:
        y = layers.BatchNormalization(epsilon=EPSILON, name="position_norm")(y)
    y = PositionalConvolution(position_taps, position_groups, name="position")(y)
    y = layers.Activation("gelu", name="position_gelu")(y)
    return layers.Add(name="add_position")([x, y])


def _encoder(
    x,
    blocks: int,
    norm_first: bool,
    epsilon: float,
    encoder_dropout: float,
    **options,
):
    """Let vectors exchange what they found."""
    norm = layers.LayerNormalization(epsilon=epsilon, name="norm")
    block = PreNormTransformerBlock if norm_first else TransformerEncoderBlock
    if not norm_first:
        x = norm(x)
    x = layers.Dropout(encoder_dropout, name="drop")(x)
    endpoints = {"block0": x}
    for i in range(1, blocks + 1):
        x = block(
            dropout=encoder_dropout, epsilon=epsilon, name=f"block_{i}", **options
        )(x)
        endpoints[f"block{i}"] = x
    return norm(x) if norm_first else x, endpoints


def _check_length(samples: int, convolutions: dict) -> None:
    """Refuse chunks that are too short for one frame."""
    frames = check_positive_int(samples, name="chunk_samples")
    pairs = zip(convolutions["conv_kernels"], convolutions["conv_strides"], strict=True)
    for length, stride in pairs:
        frames = (frames - length) // stride + 1
    if frames < 1:
        raise ConfigError(
            "A chunk is too short for the convolutions.",
            received=f"chunk_samples={samples}",
            advice="Use longer chunks.",
        )
