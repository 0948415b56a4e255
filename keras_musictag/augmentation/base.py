"""What all augmentation layers share: they change items in training only."""

import math
import numbers

import keras
import numpy as np
from keras import ops

from keras_musictag.errors import ConfigError


class Augmentation(keras.layers.Layer):
    """Base of the augmentation layers; a subclass writes `augment`.

    In training each item of a batch is changed with the given probability, by
    numbers drawn for it alone. Outside of training the layer hands its input on.
    It works inside compiled graphs, on every backend; the numbers come from a
    `keras.random.SeedGenerator`, so that the same seed gives the same ones on one
    backend.

    Args:
        probability: Chance of each item to be changed, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`, `dtype`.

    Raises:
        ConfigError: If an argument cannot work or the input has another rank.
    """

    # Ranks of the input, and what to call it.
    ranks: tuple[int, ...] = (2,)
    expected = "Waveforms must have the shape (batch, samples)."
    advice = "Give one track as `x[None]`; average the channels first."

    def __init__(self, probability=1.0, seed=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.probability = check_range(probability, 0, 1, name="probability")
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def __call__(self, inputs, *args, **kwargs):
        # Checked here because Keras turns errors from inside `call` into its own.
        self.check_input_shape(np.shape(inputs))
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape):
        self.built = True

    def call(self, inputs, training=None):
        x = ops.cast(inputs, self.compute_dtype)
        if not training:
            return self.untouched(x)
        # Powers and transforms need more than half precision.
        full = ops.cast(x, "float32")
        return ops.cast(self.sometimes(self.augment(full), full), self.compute_dtype)

    def augment(self, x):
        """Change every item.

        Args:
            x: float32 tensor, the batch first.

        Returns:
            float32 tensor.
        """
        raise NotImplementedError

    def untouched(self, x):
        """Return what the layer gives outside of training."""
        return x

    def sometimes(self, changed, x):
        """Take `changed` for each item with the layer's probability, else `x`."""
        if self.probability == 1:
            return changed
        chosen = self.uniform(x, 0.0, 1.0) < self.probability
        return ops.where(chosen, changed, x)

    def uniform(self, x, low, high, size=1):
        """Draw numbers for each item.

        Args:
            x: The batch.
            low, high: Limits.
            size: Numbers for each item.

        Returns:
            float32 tensor `(batch, size)`, with axes of length 1 up to the rank of
            `x` if `size` is 1.
        """
        drawn = keras.random.uniform(
            (ops.shape(x)[0], size), low, high, dtype="float32", seed=self.generator
        )
        if size == 1:
            drawn = ops.reshape(drawn, (-1,) + (1,) * (len(x.shape) - 1))
        return drawn

    def check_input_shape(self, shape):
        """Refuse a shape that this layer cannot take.

        Args:
            shape: Shape of the input; unknown sizes are `None`.

        Raises:
            ConfigError: If the rank is another one.
        """
        if len(shape) not in self.ranks:
            raise ConfigError(
                self.expected, received=f"shape {tuple(shape)}", advice=self.advice
            )

    def compute_output_shape(self, input_shape):
        self.check_input_shape(input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "probability": self.probability,
            "seed": self.seed,
        }


class WaveformAugmentation(Augmentation):
    """Base of the layers on waveforms `(batch, samples)`: float32 whatever the policy.

    Half precision has 11 bits, too few for the sound that a front-end expects.

    Args:
        probability, seed: See `Augmentation`.
        **kwargs: `name`. A `dtype` is accepted and has no effect.
    """

    def __init__(self, probability=1.0, seed=None, **kwargs) -> None:
        kwargs.pop("dtype", None)
        super().__init__(probability, seed, dtype="float32", autocast=False, **kwargs)


class SpectrogramAugmentation(Augmentation):
    """Base of the layers on spectrograms `(batch, frames, bins[, channels])`.

    Args:
        fill: What takes the place of values that are lost: a number, `"mean"` (of
            each item) or `"min"` (of each item: its silence).
        probability, seed: See `Augmentation`.
        **kwargs: `name`, `dtype`.
    """

    ranks = (3, 4)
    expected = "Spectrograms must have the shape (batch, frames, bins[, channels])."
    advice = "Give one item as `x[None]`; transpose what librosa made."

    def __init__(self, fill="mean", probability=1.0, seed=None, **kwargs) -> None:
        super().__init__(probability, seed, **kwargs)
        if fill not in ("mean", "min"):
            fill = check_range(fill, -math.inf, math.inf, name="fill")
        self.fill = fill

    def filling(self, x):
        """Return the value of each item's gaps, with axes of length 1, or a number."""
        axes = tuple(range(1, len(x.shape)))
        if self.fill == "mean":
            return ops.mean(x, axis=axes, keepdims=True)
        if self.fill == "min":
            return ops.min(x, axis=axes, keepdims=True)
        return self.fill

    def get_config(self) -> dict:
        return {**super().get_config(), "fill": self.fill}


def check_range(value, low, high, *, name):
    """Return `value` as a float, or refuse it.

    Args:
        value: What the caller gave.
        low, high: Limits, both allowed.
        name: The argument's name, for the message.

    Returns:
        A finite float.

    Raises:
        ConfigError: If it is not a finite number within the limits.
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        limits = "" if math.isinf(low) else f" from {low} to {high}"
        raise ConfigError(
            f"`{name}` must be a finite number{limits}.",
            received=f"{name}={value!r}",
            advice="Give it as an int or a float.",
        )
    return float(value)


def check_order(low, high, *, names):
    """Return two limits as floats, or refuse them.

    Args:
        low, high: What the caller gave.
        names: Names of the two arguments, for the message.

    Returns:
        `(low, high)`, finite, in order.

    Raises:
        ConfigError: If one is no finite number, or the first is above the second.
    """
    low = check_range(low, -math.inf, math.inf, name=names[0])
    high = check_range(high, -math.inf, math.inf, name=names[1])
    if low > high:
        raise ConfigError(
            f"`{names[0]}` must not be above `{names[1]}`.",
            received=f"{names[0]}={low:g}, {names[1]}={high:g}",
            advice="Swap the two.",
        )
    return low, high
