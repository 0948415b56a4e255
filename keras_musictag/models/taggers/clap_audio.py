"""The audio tower of CLAP: HTS-AT, a Swin transformer over a folded spectrogram."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import PatchMerging, ShiftedWindowBlock

# `audio` of `CLAPTagger`, which documents them.
AUDIO = {
    "image_size": 256,
    "patch_size": 4,
    "patch_units": 96,
    "patch_norm": True,
    "depths": [2, 2, 6, 2],
    "num_heads": [4, 8, 16, 32],
    "window_size": 8,
    "expansion": 4.0,
    "query_key_value_bias": True,
    "encoder_dropout": 0.1,
    "attention_dropout": 0.0,
    "epsilon": 1e-5,
}
EPSILON = 1e-5  # of the other normalisations
# Frames are stretched to those of the network by so much: more is another speed.
MOST_STRETCH = 1.05
MOST_FRAMES = 4096
CUBIC = -0.75  # the slope that PyTorch's bicubic interpolation has


def audio_tower(shape, audio: dict, projection_units: int, activation: str):
    """Make the network from a log-mel spectrogram to the joint space.

    Args:
        shape: `(frames, bands)` of the spectrogram.
        audio: Settings, see `CLAPTagger`.
        projection_units: Size of the joint space.
        activation: Between the two dense layers that lead there.

    Returns:
        The model, which ends in a vector of length 1, and its endpoints.

    Raises:
        ConfigError: If sizes do not fit together.
    """
    size, stages = audio["image_size"], len(audio["depths"])
    frames, bands = shape
    _check(audio, frames, bands)
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.BatchNormalization(epsilon=EPSILON, name="bands_norm")(inputs)
    x = fold(x, bands, size)
    x = layers.Conv2D(
        audio["patch_units"],
        audio["patch_size"],
        strides=audio["patch_size"],
        name="patches",
    )(x)
    if audio["patch_norm"]:
        x = layers.LayerNormalization(epsilon=EPSILON, name="patches_norm")(x)
    endpoints = {}
    for stage in range(1, stages + 1):
        for block in range(1, audio["depths"][stage - 1] + 1):
            x = ShiftedWindowBlock(
                audio["num_heads"][stage - 1],
                audio["window_size"],
                shift=0 if block % 2 else audio["window_size"] // 2,
                expansion=audio["expansion"],
                query_key_value_bias=audio["query_key_value_bias"],
                dropout=audio["encoder_dropout"],
                attention_dropout=audio["attention_dropout"],
                epsilon=audio["epsilon"],
                name=f"stage_{stage}_block_{block}",
            )(x)
        flat = (x.shape[1] * x.shape[2], x.shape[3])
        name = f"stage{stage}"
        endpoints[name] = layers.Reshape(flat, name=f"{name}_positions")(x)
        if stage < stages:
            x = PatchMerging(EPSILON, name=f"stage_{stage}_merging")(x)
    x = layers.LayerNormalization(epsilon=EPSILON, name="encoder_norm")(x)
    x = endpoints["pooled"] = layers.GlobalAveragePooling2D(name="pool")(x)
    x, endpoints["projection"] = project(x, projection_units, activation, "projection")
    return keras.Model(inputs, x, name="backbone"), endpoints


def fold(x, bands: int, size: int):
    """Lay the parts of a spectrogram below one another, as a square image.

    Args:
        x: Symbolic tensor `(batch, frames, bands)`.
        bands: How many.
        size: Rows and columns of the image.

    Returns:
        Symbolic tensor `(batch, size, size, 1)`: first the bands of the first part of
        the time, then those of the next.
    """
    parts = size // bands
    x = StretchFrames(parts * size, name="stretch")(x)
    x = layers.Reshape((parts, size, bands), name="parts")(x)
    x = layers.Permute((1, 3, 2), name="bands_first")(x)
    return layers.Reshape((size, size, 1), name="image")(x)


def project(x, units: int, activation: str, name: str):
    """Lead to the joint space.

    Args:
        x: Symbolic tensor `(batch, units of the tower)`.
        units: Size of the joint space.
        activation: Between the two dense layers.
        name: Of the layers.

    Returns:
        Two symbolic tensors `(batch, units)`: of length 1, and as it was before.
    """
    x = layers.Dense(units, activation, name=f"{name}_1")(x)
    x = layers.Dense(units, name=f"{name}_2")(x)
    return UnitLength(name=f"{name}_length")(x), x


@keras.saving.register_keras_serializable(package="keras_musictag")
class UnitLength(layers.Layer):
    """Scale vectors to length 1, in float32 whatever the dtype policy."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, x):
        squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
        return x * ops.rsqrt(ops.maximum(squares, 1e-24))

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="keras_musictag")
class StretchFrames(layers.Layer):
    """Stretch a spectrogram in time by cubic interpolation, first and last frame kept.

    Args:
        frames: How many there shall be.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, frames, bands)`.

    Output: `(batch, frames, bands)`, as many frames as was said.
    """

    def __init__(self, frames: int, **kwargs):
        super().__init__(**kwargs)
        self.frames = frames

    def build(self, input_shape):
        self._matrix = stretching(input_shape[1], self.frames)
        self.built = True

    def call(self, x):
        if x.shape[1] == self.frames:
            return x
        matrix = ops.cast(ops.convert_to_tensor(self._matrix), x.dtype)
        return ops.matmul(matrix, x)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.frames, input_shape[2])

    def get_config(self) -> dict:
        return {**super().get_config(), "frames": self.frames}


def stretching(old: int, new: int) -> np.ndarray:
    """Weights of cubic interpolation between rows, float32 `(new, old)`.

    Beyond the ends the first and the last row go on.
    """
    places = np.arange(new) * ((old - 1) / max(new - 1, 1))
    first = np.floor(places).astype(int)
    matrix = np.zeros((new, old))
    for offset in (-1, 0, 1, 2):
        distance = np.abs(places - first - offset)
        near = (CUBIC + 2) * distance**3 - (CUBIC + 3) * distance**2 + 1
        far = CUBIC * (distance**3 - 5 * distance**2 + 8 * distance - 4)
        rows = np.clip(first + offset, 0, old - 1)
        np.add.at(matrix, (np.arange(new), rows), np.where(distance <= 1, near, far))
    return matrix.astype("float32")


def _check(audio: dict, frames: int, bands: int) -> None:
    if len(audio["depths"]) != len(audio["num_heads"]):
        raise ConfigError(
            "`depths` and `num_heads` of the audio tower must have one number for each "
            "stage.",
            received=f"depths={audio['depths']}, num_heads={audio['num_heads']}",
            advice="Give lists of one length.",
        )
    size, patch = audio["image_size"], audio["patch_size"]
    if size % bands or size % patch:
        raise ConfigError(
            "`image_size` must be a multiple of the mel bands and of `patch_size`.",
            received=f"image_size={size}, n_mels={bands}, patch_size={patch}",
            advice="Use the settings of the checkpoint.",
        )
    wanted = size * (size // bands)
    if wanted > MOST_FRAMES:
        raise ConfigError(
            f"No network hears more than {MOST_FRAMES} frames at once.",
            received=f"image_size={size}, n_mels={bands}",
            advice="Use the settings of the checkpoint.",
        )
    if not wanted / MOST_STRETCH <= frames <= wanted:
        raise ConfigError(
            f"The network hears {wanted} frames; a chunk of another length would be "
            "heard at another speed than music that it learned from.",
            received=f"chunks of {frames} frames",
            advice=f"Let chunk_samples // hop_length + 1 be {wanted}, or up to 5 % "
            "less.",
        )
