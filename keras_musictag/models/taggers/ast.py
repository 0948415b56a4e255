"""AST and MAEST: a transformer over patches of a spectrogram (Gong et al. 2021)."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_musictag import audio
from keras_musictag.checks import check_choice, check_positive, check_positive_int
from keras_musictag.errors import ConfigError
from keras_musictag.layers import PaddedLogMelSpectrogram, PreNormTransformerBlock
from keras_musictag.models.tagger import MusicTagger

# Convention, what differs from it, and mean and half-width of the values.
SPECTROGRAMS: dict[str, tuple[str, dict, float, float]] = {
    "kaldi": ("kaldi", {"window": "symmetric_hann"}, -4.2677393, 4.5689974),
    "essentia": (
        "musicnn",
        # Not centred: the chunks bring their neighbours along.
        {"round_mel": None, "center": False, "context": 256},
        2.06755686098554,
        1.268292820667291,
    ),
}
TOKENS = 2  # the class token and the distillation token


@keras.saving.register_keras_serializable(package="keras_musictag")
class PatchTokens(layers.Layer):
    """Two learned tokens before the patches of a spectrogram, and learned positions.

    Positions were learned for so many patches over time. For another number they are
    interpolated linearly over time, for each band by itself.

    Args:
        learned: Patches over time that positions are learned for.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, time, bands, channels)`.

    Output: `(batch, 2 + time * bands, channels)`.
    """

    def __init__(self, learned, **kwargs) -> None:
        super().__init__(**kwargs)
        self.learned = check_positive_int(learned, name="learned")

    def build(self, input_shape):
        _, _, bands, channels = input_shape
        normal = keras.initializers.TruncatedNormal(stddev=0.02)
        self.tokens = self.add_weight(
            shape=(TOKENS, channels), initializer=normal, name="tokens"
        )
        count = TOKENS + self.learned * bands
        self.positions = self.add_weight(
            shape=(count, channels), initializer=normal, name="positions"
        )
        self.built = True

    def call(self, x):
        _, time, bands, channels = x.shape
        patches = ops.reshape(x, (-1, time * bands, channels))
        patches = patches + self._patch_positions(time, bands)
        first = self.tokens + self.positions[:TOKENS]
        first = ops.zeros_like(patches[:, :TOKENS]) + first
        return ops.concatenate([first, patches], axis=1)

    def _patch_positions(self, time, bands):
        positions = self.positions[TOKENS:]
        if time == self.learned:
            return positions
        weights = ops.convert_to_tensor(interpolation(self.learned, time))
        grid = ops.reshape(positions, (self.learned, -1))
        grid = ops.matmul(ops.cast(weights, grid.dtype), grid)
        return ops.reshape(grid, (time * bands, -1))

    def compute_output_shape(self, input_shape):
        batch, time, bands, channels = input_shape
        return (batch, TOKENS + time * bands, channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "learned": self.learned}


def interpolation(before: int, after: int) -> np.ndarray:
    """Return the matrix that stretches a row of numbers, float32 `(after, before)`.

    Linear between the middles of the numbers, constant beyond the first and the last:
    PyTorch's `interpolate(mode="linear")`.
    """
    places = (np.arange(after) + 0.5) * before / after - 0.5
    places = np.clip(places, 0, before - 1)
    left = np.minimum(places.astype(int), max(before - 2, 0))
    share = places - left
    matrix = np.zeros((after, before))
    matrix[np.arange(after), left] = 1 - share
    matrix[np.arange(after), np.minimum(left + 1, before - 1)] += share
    return matrix.astype("float32")


class ASTTagger(MusicTagger):
    """Audio Spectrogram Transformer: attention between patches of a spectrogram.

    The spectrogram is cut into overlapping squares. Each becomes a vector, with what
    has been learned of its place; two more vectors stand before them, which a stack of
    transformer blocks fills with what the whole chunk sounds like. Their mean is
    normalised and goes to the scores.

    The authors' models of the Hugging Face Hub load by their names, with the labels
    that come with them:

    | | AST | MAEST |
    |---|---|---|
    | Hub | `MIT/ast-finetuned-audioset-10-10-0.4593` | `mtg-upf/discogs-maest-*` |
    | from | Gong et al. 2021 | Alonso-Jiménez et al. 2023 |
    | `spectrogram` | `"kaldi"`: 128 bands, 10 ms | `"essentia"`: 96 bands, 16 ms |
    | chunk | 1024 frames, 10.24 s | 1876 frames, 30 s |
    | labels | 527 of AudioSet | 400 or 519 styles of Discogs, grouped by genre |
    | licence | BSD-3-Clause | CC BY-NC-SA 4.0: not for commercial use |

    A track shorter than a chunk is filled up as by the authors: with zeros in the
    spectrogram, which for `"kaldi"` is far from silence; `fit` fills shorter items up
    with silence. The authors score the first chunk of a track; here it is the mean over
    all chunks, `tail="overlap"`.

    Endpoints of `embed`: `block1`, `block2` ... are `(frames, units)`, for each moment
    the mean over the bands; `block1_tokens` ... are `(3 * units,)`: class token,
    distillation token and the mean of the patches, side by side, as the authors of
    MAEST recommend for other tasks (of block 7). `pooled` is the mean of both tokens.

    Args:
        labels: Label names in output order, or `Labels`; `None` for a model that gives
            embeddings and no scores.
        spectrogram: `"kaldi"` or `"essentia"`, see above.
        n_mels: Mel bands.
        max_frames: Frames that positions are learned for.
        chunk_frames: Frames per chunk; `None` for `max_frames`. For another number
            positions are interpolated over time: see `with_chunks`.
        mean: Subtracted from the spectrogram; `None` for that of its authors.
        std: Half of what it is divided by; `None` for that of its authors.
        patch_size: Bands and frames of a patch.
        frequency_stride: Bands from a patch to the next.
        time_stride: Frames from a patch to the next.
        units: Size of the vectors and of the `penultimate` embedding.
        blocks: Number of transformer blocks.
        num_heads: Attention heads; must divide `units`.
        intermediate_units: Size of the dense layer inside each block.
        qkv_bias: Whether queries, keys and values have biases.
        epsilon: Added to variances by the layer normalisations.
        encoder_dropout: Rate inside the blocks.
        attention_dropout: Rate on the attention weights.
        sample_rate: Of the waveform, in Hz.
        **options: `problem_type`, `dropout`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 164,080 samples by default, to
        `(batch, n_labels)`.

    Raises:
        ConfigError: If an argument cannot work.

    References:
        - Gong, Chung, Glass, "AST: Audio Spectrogram Transformer", Interspeech 2021.
        - Alonso-Jiménez, Serra, Bogdanov, "Efficient supervised training of audio
          transformers for music representation learning", ISMIR 2023.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.ASTTagger(["calm", "wild"], units=32, blocks=1, num_heads=2)
    model.tag(kmt.audio.demo_path())  # untrained
    ```
    """

    default_preset = None
    headless = True

    def __init__(
        self,
        labels=None,
        *,
        spectrogram: str = "kaldi",
        n_mels: int = 128,
        max_frames: int = 1024,
        chunk_frames: int | None = None,
        mean: float | None = None,
        std: float | None = None,
        patch_size: int = 16,
        frequency_stride: int = 10,
        time_stride: int = 10,
        units: int = 768,
        blocks: int = 12,
        num_heads: int = 12,
        intermediate_units: int = 3072,
        qkv_bias: bool = True,
        epsilon: float = 1e-12,
        encoder_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        sample_rate: int = 16000,
        **options,
    ):
        check_choice(spectrogram, tuple(SPECTROGRAMS), name="spectrogram")
        patches: dict[str, Any] = {
            "max_frames": max_frames,
            "patch_size": patch_size,
            "frequency_stride": frequency_stride,
            "time_stride": time_stride,
        }
        sizes: dict[str, Any] = {
            "units": units,
            "blocks": blocks,
            "num_heads": num_heads,
            "intermediate_units": intermediate_units,
        }
        frames = max_frames if chunk_frames is None else chunk_frames
        _check_sizes({**patches, **sizes, "chunk_frames": frames, "n_mels": n_mels})
        convention, changes, known_mean, known_std = SPECTROGRAMS[spectrogram]
        scaling = {
            "mean": known_mean if mean is None else mean,
            "std": known_std if std is None else std,
        }
        network: dict[str, Any] = {
            **sizes,
            "qkv_bias": qkv_bias,
            "epsilon": epsilon,
            "encoder_dropout": encoder_dropout,
            "attention_dropout": attention_dropout,
        }
        mel = PaddedLogMelSpectrogram.from_convention(
            convention,
            sample_rate,
            n_mels=n_mels,
            **changes,
            **scaling,
            name="frontend",
        )
        super().__init__(
            labels,
            frontend=lambda rate: mel,
            backbone=lambda shape: _backbone(shape, **patches, **network),
            chunking=_plan(mel, frames),
            settings={
                "spectrogram": spectrogram,
                "n_mels": n_mels,
                "chunk_frames": chunk_frames,
                **scaling,
                **patches,
                **network,
            },
            sample_rate=sample_rate,
            **options,
        )

    def with_chunks(self, seconds: float) -> "ASTTagger":
        """Return a model with these weights that hears chunks of another length.

        Positions are interpolated over time. Shorter chunks cost less (attention
        compares all patches with each other) and show more of when things happen.
        The authors trained with one length; how much accuracy another costs must be
        measured on data of yours.

        Args:
            seconds: Length of a chunk; the frames that fit are taken.

        Returns:
            A new model.

        Raises:
            ConfigError: If that is too short for one patch.
        """
        samples = check_positive(seconds, name="seconds") * self.sample_rate
        stft = self.frontend.stft
        reach = 0 if self.frontend.context else stft.win_length
        frames = max(0, int((samples - reach) // stft.hop_length) + 1)
        return self._remade(chunk_frames=frames)


def _check_sizes(sizes: dict) -> None:
    """Refuse sizes that are none, and patches that are too large."""
    for name, value in sizes.items():
        check_positive_int(value, name=name)
    least = min(sizes[name] for name in ("max_frames", "chunk_frames", "n_mels"))
    if least < sizes["patch_size"]:
        raise ConfigError(
            "A patch must fit into the spectrogram.",
            received=f"patch_size={sizes['patch_size']}, {sizes['n_mels']} bands, "
            f"max_frames={sizes['max_frames']}, chunk_frames={sizes['chunk_frames']}",
            advice="Choose smaller patches.",
        )


def _plan(mel, frames: int) -> audio.ChunkPlan:
    """Return the plan whose chunks have so many frames."""
    options: dict[str, Any] = {"tail": "overlap", "pad": "marked"}
    if mel.context:
        return audio.ChunkPlan.for_frames(
            frames, mel.stft.n_fft, mel.stft.hop_length, edge="zeros", **options
        )
    samples = (frames - 1) * mel.stft.hop_length + mel.stft.win_length
    return audio.ChunkPlan(samples, samples, **options)


def _backbone(
    shape,
    max_frames: int,
    patch_size: int,
    frequency_stride: int,
    time_stride: int,
    units: int,
    blocks: int,
    epsilon: float,
    encoder_dropout: float,
    **block,
):
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.Reshape((*shape, 1), name="add_channel")(inputs)
    strides = (time_stride, frequency_stride)
    x = layers.Conv2D(units, patch_size, strides, name="patches")(x)
    grid = x.shape[1:3]
    learned = 1 + (max_frames - patch_size) // time_stride
    x = PatchTokens(learned, name="tokens")(x)
    x = layers.Dropout(encoder_dropout, name="drop")(x)
    endpoints = {}
    for i in range(1, blocks + 1):
        layer = PreNormTransformerBlock(
            dropout=encoder_dropout, epsilon=epsilon, name=f"block_{i}", **block
        )
        heard, x = x, layer(x)
        patches = ops.reshape(x[:, TOKENS:], (-1, *grid, units))
        endpoints[f"block{i}"] = ops.mean(patches, axis=2)
        tokens = ops.concatenate([x[:, 0], x[:, 1]], axis=-1)
        mean = ops.mean(patches, axis=(1, 2))
        endpoints[f"block{i}_tokens"] = ops.concatenate([tokens, mean], axis=-1)
    x = layer(heard, first=TOKENS)  # what else the last block makes is not needed
    x = layers.LayerNormalization(epsilon=epsilon, name="norm")(x)
    x = endpoints["pooled"] = ops.mean(x, axis=1)
    x = layers.LayerNormalization(epsilon=epsilon, name="head_norm")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints
