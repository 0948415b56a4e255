"""Mix-up: items and their targets, blended in pairs."""

import keras
from keras import ops

from keras_musictag.augmentation.base import check_range
from keras_musictag.checks import check_positive


@keras.saving.register_keras_serializable(package="keras_musictag")
class MixUp(keras.layers.Layer):
    """Blend each item with another one of the batch, and their targets alike.

    Item `i` becomes `w * x[i] + (1 - w) * x[j]`, with `j` from a random order of the
    batch and a weight of its own from Beta(`alpha`, `alpha`). A target that is NaN
    (unknown) in one of the two is unknown in the blend.

    `keras.layers.MixUp` does this to pictures in a dictionary, and to their classes.

    Args:
        alpha: Above 0; the larger, the nearer the weights are to one half.
        probability: Chance of each item to be blended, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`, `dtype`.

    Input: a pair of `(batch, ...)` inputs and `(batch, ...)` targets: 0 and 1, or
        one-hot, not indices of classes.

    Output: the pair, of the same shapes: inputs in the dtype of the policy, targets
        in float32.

    References:
        - Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import MixUp

    waveforms = np.random.default_rng(0).normal(size=(4, 16000)).astype("float32")
    x, y = MixUp(0.4, seed=0)((waveforms, np.eye(4)), training=True)
    ```
    """

    def __init__(self, alpha=0.2, probability=1.0, seed=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.alpha = check_positive(alpha, name="alpha")
        self.probability = check_range(probability, 0, 1, name="probability")
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        self.built = True

    def call(self, inputs, training=None):
        x, y = inputs
        x, y = ops.cast(x, self.compute_dtype), ops.cast(y, "float32")
        if not training:
            return x, y
        batch = (ops.shape(x)[0],)
        weight = keras.random.beta(
            batch, self.alpha, self.alpha, dtype="float32", seed=self.generator
        )
        if self.probability < 1:
            drawn = keras.random.uniform(batch, seed=self.generator)
            weight = ops.where(drawn < self.probability, weight, 1.0)
        # A random order that every compiler knows how to make.
        order = ops.argsort(keras.random.uniform(batch, seed=self.generator))
        full = _blend(ops.cast(x, "float32"), order, weight)
        return ops.cast(full, self.compute_dtype), _blend(y, order, weight)

    def compute_output_shape(self, input_shape):
        return tuple(tuple(shape) for shape in input_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "probability": self.probability,
            "seed": self.seed,
        }


def _blend(x, order, weight):
    weight = ops.reshape(weight, (-1,) + (1,) * (len(x.shape) - 1))
    # Where an item stays whole, the other one must not count: it may hold NaN.
    other = ops.where(weight < 1.0, ops.take(x, order, axis=0), x)
    return weight * x + (1.0 - weight) * other
