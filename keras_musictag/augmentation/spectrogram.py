"""Masks and shifts of spectrograms."""

import keras
from keras import ops

from keras_musictag.augmentation.base import SpectrogramAugmentation
from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError


@keras.saving.register_keras_serializable(package="keras_musictag")
class SpecAugment(SpectrogramAugmentation):
    """Hide stripes of time and of frequency, others in each item.

    Each stripe has a width drawn evenly from 0 up to the largest, and lies anywhere.
    `keras.layers.RandomErasing` hides one box of a picture instead. The time warping
    of the paper, of which it says that it helps least, is left out.

    Args:
        time_masks: How many stripes of frames.
        time_width: The most frames that one of them hides.
        frequency_masks: How many stripes of bins.
        frequency_width: The most bins that one of them hides.
        fill: What is put there: `"mean"` of the item (the paper's 0, since its
            spectrograms have mean 0), `"min"` (the item's silence), or a number.
        probability: Chance of each item to be changed, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`, `dtype`.

    Input and output: `(batch, frames, bins)` or `(batch, frames, bins, channels)`,
        in the dtype of the policy. All channels are hidden alike. A width above the
        axis is as good as the axis.

    Raises:
        ConfigError: If an argument cannot work or the input has another rank.

    References:
        - Park et al., "SpecAugment: a simple data augmentation method for automatic
          speech recognition", Interspeech 2019.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import SpecAugment

    logmel = np.random.default_rng(0).normal(size=(4, 187, 96)).astype("float32")
    masked = SpecAugment(time_width=20, frequency_width=10)(logmel, training=True)
    ```
    """

    def __init__(
        self,
        time_masks=2,
        time_width=20,
        frequency_masks=2,
        frequency_width=10,
        fill="mean",
        probability=1.0,
        seed=None,
        **kwargs,
    ) -> None:
        super().__init__(fill, probability, seed, **kwargs)
        self.time_masks = _check_count(time_masks, name="time_masks")
        self.time_width = check_positive_int(time_width, name="time_width")
        self.frequency_masks = _check_count(frequency_masks, name="frequency_masks")
        self.frequency_width = check_positive_int(
            frequency_width, name="frequency_width"
        )

    def augment(self, x):
        filling, rank = self.filling(x), len(x.shape)
        for axis, masks, width in (
            (1, self.time_masks, self.time_width),
            (2, self.frequency_masks, self.frequency_width),
        ):
            if masks:
                hidden = self._stripes(x, axis, masks, width)
                places = [1] * rank
                places[0], places[axis] = -1, ops.shape(x)[axis]
                x = ops.where(ops.reshape(hidden, places), filling, x)
        return x

    def _stripes(self, x, axis, masks, width):
        """Whether each place on an axis is hidden: `(batch, places)`."""
        places = ops.shape(x)[axis]
        width = ops.cast(ops.minimum(width, places), "float32")
        shape = (ops.shape(x)[0], masks, 1)
        widths = self._whole(shape, width)
        starts = self._whole(shape, ops.cast(places, "float32") - widths)
        index = ops.cast(ops.arange(places), "float32")
        return ops.any((index >= starts) & (index < starts + widths), axis=1)

    def _whole(self, shape, most):
        """Draw whole numbers from 0 to `most`, each equally likely."""
        drawn = keras.random.uniform(shape, dtype="float32", seed=self.generator)
        # The largest draw may round up to 1.
        return ops.minimum(ops.floor(drawn * (most + 1.0)), most)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "time_masks": self.time_masks,
            "time_width": self.time_width,
            "frequency_masks": self.frequency_masks,
            "frequency_width": self.frequency_width,
        }


@keras.saving.register_keras_serializable(package="keras_musictag")
class FrequencyShift(SpectrogramAugmentation):
    """Move each spectrogram up or down by a drawn number of bins.

    On a constant-Q spectrogram this is a transposition, on a mel spectrogram nearly
    one above 1 kHz.

    Args:
        max_bins: The shift is a whole number from `-max_bins` to `max_bins`, each
            equally likely; above 0 is up.
        fill: What enters at the edge: `"min"` of the item (its silence), `"mean"`, or
            a number.
        probability: Chance of each item to be changed, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`, `dtype`.

    Input and output: `(batch, frames, bins)` or `(batch, frames, bins, channels)`,
        in the dtype of the policy.

    Raises:
        ConfigError: If an argument cannot work or the input has another rank.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import FrequencyShift

    cqt = np.random.default_rng(0).normal(size=(4, 100, 84)).astype("float32")
    moved = FrequencyShift(3, seed=0)(cqt, training=True)
    ```
    """

    def __init__(
        self, max_bins=4, fill="min", probability=1.0, seed=None, **kwargs
    ) -> None:
        super().__init__(fill, probability, seed, **kwargs)
        self.max_bins = check_positive_int(max_bins, name="max_bins")

    def augment(self, x):
        shape, bins = (ops.shape(x)[0], 1), x.shape[2]
        low, high = -self.max_bins, self.max_bins + 1
        shift = keras.random.randint(shape, low, high, seed=self.generator)
        origin = ops.arange(bins, dtype="int32") - shift
        axes = (-1, 1, bins) + (1,) * (len(x.shape) - 3)
        origin = ops.reshape(origin, axes)
        index = ops.broadcast_to(ops.clip(origin, 0, bins - 1), ops.shape(x))
        moved = ops.take_along_axis(x, index, axis=2)
        return ops.where((origin >= 0) & (origin < bins), moved, self.filling(x))

    def get_config(self) -> dict:
        return {**super().get_config(), "max_bins": self.max_bins}


def _check_count(value, *, name):
    if value == 0 and not isinstance(value, bool):
        return 0
    try:
        return check_positive_int(value, name=name)
    except ConfigError as error:
        raise ConfigError(
            f"`{name}` must be a whole number of at least 0.",
            received=error.received,
            advice=error.advice,
        ) from error
