"""Normalisation of each channel over a whole track, as a layer."""

import keras
import numpy as np
from keras import ops

from keras_musictag.checks import check_positive
from keras_musictag.errors import ConfigError


@keras.saving.register_keras_serializable(package="keras_musictag")
class InstanceNormalization(keras.layers.Layer):
    """Normalise each channel of each item over time and everything beside it.

    `(x - mean) / sqrt(variance + epsilon)`, in training and afterwards: nothing is
    remembered from other items. What a frame becomes depends on the whole track, so
    that a part of a track has other values than the same part within the whole.

    Sums run over hundreds of thousands of values, where float32 goes wrong if they are
    added one by one. They are added over the bins first, then over time.

    Tracks that are too long to be held at once go through in blocks, twice: the first
    time for `moments` of each block, which `RunningMoments` brings together, the
    second time with these as `moments=`.

    Args:
        epsilon: Added to the variances.
        affine: Whether each channel then has a gain and an offset, which are learnt.
        **kwargs: `name` and `dtype`.

    Input: float `(batch, frames, ..., channels)`, and optionally the mask, bool
        `(batch, frames)`, of the frames that count.

    Output: The same shape.

    Raises:
        ConfigError: If `epsilon` is not above 0, or the input has fewer than three
            axes.

    References:
        - Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing
          ingredient for fast stylization", arXiv:1607.08022.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import InstanceNormalization

    x = np.random.default_rng(0).normal(3.0, 2.0, (1, 100, 84, 16)).astype("float32")
    y = np.asarray(InstanceNormalization()(x))
    print(y.mean().round(3), y.std().round(3))  # 0.0 1.0
    ```
    """

    def __init__(self, epsilon=1e-5, affine=False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.epsilon = check_positive(epsilon, name="epsilon")
        self.affine = bool(affine)
        self.supports_masking = True

    def __call__(self, inputs, *args, **kwargs):
        # Checked here because Keras turns errors from inside `call` into its own.
        shape = tuple(np.shape(inputs))
        if len(shape) < 3:
            raise ConfigError(
                "The input must have the shape (batch, frames, ..., channels).",
                received=f"shape {shape}",
                advice="Add the axis that is missing.",
            )
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape):
        if self.affine:
            shape = (input_shape[-1],)
            self.gain = self.add_weight(name="gain", shape=shape, initializer="ones")
            self.offset = self.add_weight(
                name="offset", shape=shape, initializer="zeros"
            )
        self.built = True

    def call(self, inputs, mask=None, moments=None):
        """Normalise whole tracks, or blocks of them.

        Args:
            inputs: float `(batch, frames, ..., channels)`.
            mask: bool `(batch, frames)`: the frames that count; `None` for all.
            moments: Mean and variance of the whole track, `(batch, channels)` each;
                `None` for those of `inputs`.
        """
        x = ops.cast(inputs, "float32")
        mean, variance = self.moments(x, mask) if moments is None else moments
        mean, variance = (
            _spread(ops.cast(part, "float32"), len(x.shape))
            for part in (mean, variance)
        )
        x = (x - mean) * ops.rsqrt(variance + self.epsilon)
        if self.affine:
            x = x * ops.cast(self.gain, "float32") + ops.cast(self.offset, "float32")
        return ops.cast(x, self.compute_dtype)

    def moments(self, inputs, mask=None):
        """Compute the mean and the variance of each channel.

        Args:
            inputs, mask: As in `call`.

        Returns:
            Two float32 tensors `(batch, channels)`.
        """
        x = ops.cast(inputs, "float32")
        mean = _mean(x, mask)
        return mean, _mean(ops.square(x - _spread(mean, len(x.shape))), mask)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        config = super().get_config()
        return {**config, "epsilon": self.epsilon, "affine": self.affine}


class RunningMoments:
    """Means and variances of tracks that come in blocks, in float64.

    Attributes:
        count: How many values of each channel came so far.
        mean, variance: float64 arrays of the shape of those that were added.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import InstanceNormalization, RunningMoments

    x = np.random.default_rng(0).normal(size=(1, 100, 84, 16)).astype("float32")
    norm, running = InstanceNormalization(), RunningMoments()
    for block in np.split(x, 4, axis=1):
        running.add(*norm.moments(block), count=25 * 84)
    first = norm(x[:, :25], moments=(running.mean, running.variance))
    print(np.allclose(first, norm(x)[:, :25], atol=1e-5))  # True
    ```
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray = np.zeros(())
        self.variance: np.ndarray = np.zeros(())

    def add(self, mean, variance, count: int) -> None:
        """Take the moments of the next block.

        Args:
            mean, variance: Arrays or tensors of any shape, the same each time.
            count: How many values each of them comes from, such as frames times bins.
        """
        mean, variance = (
            np.asarray(ops.convert_to_numpy(part), "float64")
            for part in (mean, variance)
        )
        if not count:
            return
        total = self.count + count
        part, step = count / total, mean - self.mean
        self.variance = (
            (1 - part) * self.variance
            + part * variance
            + part * (1 - part) * np.square(step)
        )
        self.mean = self.mean + part * step
        self.count = total


def _mean(x, mask):
    """Mean of each item and channel, over the bins first: `(batch, channels)`."""
    beside = list(range(2, len(x.shape) - 1))
    if beside:
        x = ops.mean(x, axis=beside)
    if mask is None:
        return ops.mean(x, axis=1)
    counts = ops.cast(mask, "float32")[..., None]
    valid = ops.maximum(ops.sum(counts, axis=1), 1.0)
    # Chosen, not multiplied: what is masked may be anything.
    return ops.sum(ops.where(counts > 0, x, 0.0), axis=1) / valid


def _spread(values, rank):
    """Give `(batch, channels)` the axes of the input between the two."""
    between = [1] * (rank - 2)
    return ops.reshape(values, (-1, *between, values.shape[-1]))
