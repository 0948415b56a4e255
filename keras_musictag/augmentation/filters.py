"""Filters and tilts of waveforms, drawn for each item."""

import math

import keras
import numpy as np
from keras import ops

from keras_musictag.augmentation.base import (
    WaveformAugmentation,
    check_order,
    check_range,
)
from keras_musictag.checks import check_choice, check_positive, check_positive_int
from keras_musictag.errors import ConfigError

ORDERS = (1, 2, 3, 4, 5, 6)
KINDS = ("low_pass", "high_pass", "band_pass")
# The sound of a filter rings on: room for it, so that it does not wrap around.
RINGING_SECONDS = 0.1


@keras.saving.register_keras_serializable(package="keras_musictag")
class RandomFilter(WaveformAugmentation):
    """Take away what is above, below or around a drawn frequency.

    A Butterworth response without its phase, multiplied in the frequency domain: 3
    dB are lost at the cutoff, and `6 * order` dB more with each octave beyond.
    Cutoffs are drawn evenly in octaves.

    Args:
        sample_rate: Of the waveforms, in Hz.
        kind: `"low_pass"`, `"high_pass"`, or `"band_pass"` around the drawn
            frequency.
        min_hz, max_hz: Between which the frequency is drawn.
        order: Of the Butterworth response at each edge, 1 to 6.
        octaves: Width of the band between its cutoffs; only for `"band_pass"`.
        probability: Chance of each item to be changed, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input and output: float32 `(batch, samples)`.

    Raises:
        ConfigError: If an argument cannot work or the input is not of rank 2.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import RandomFilter

    waveforms = np.random.default_rng(0).normal(size=(4, 16000)).astype("float32")
    dull = RandomFilter(16000, "low_pass", 1000, 4000)(waveforms, training=True)
    ```
    """

    def __init__(
        self,
        sample_rate,
        kind="low_pass",
        min_hz=500.0,
        max_hz=6000.0,
        order=2,
        octaves=2.0,
        probability=1.0,
        seed=None,
        **kwargs,
    ) -> None:
        super().__init__(probability, seed, **kwargs)
        self.sample_rate = check_positive_int(sample_rate, name="sample_rate")
        self.kind = check_choice(kind, KINDS, name="kind")
        check_positive(min_hz, name="min_hz")
        self.min_hz, self.max_hz = check_order(
            min_hz, max_hz, names=("min_hz", "max_hz")
        )
        if self.max_hz > sample_rate / 2:
            raise ConfigError(
                "`max_hz` must not be above half the sample rate.",
                received=f"max_hz={max_hz}, sample_rate={sample_rate}",
                advice="Lower it.",
            )
        self.order = check_choice(order, ORDERS, name="order")
        self.octaves = check_positive(octaves, name="octaves")

    def augment(self, x):
        low, high = math.log(self.min_hz), math.log(self.max_hz)
        cutoff = ops.exp(self.uniform(x, low, high))

        def gains(hertz):
            if self.kind == "low_pass":
                return self._low_pass(hertz / cutoff)
            if self.kind == "high_pass":
                return self._low_pass(cutoff / ops.maximum(hertz, 1e-3))
            side = 2.0 ** (self.octaves / 2.0)
            below = self._low_pass(hertz / (cutoff * side))
            above = self._low_pass(cutoff / side / ops.maximum(hertz, 1e-3))
            return below * above

        return multiply_spectrum(x, gains, self.sample_rate)

    def _low_pass(self, ratio):
        # Beyond a thousand cutoffs it is silence anyway; powers would overflow.
        ratio = ops.minimum(ratio, 1e3)
        return 1.0 / ops.sqrt(1.0 + ratio ** (2.0 * self.order))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "sample_rate": self.sample_rate,
            "kind": self.kind,
            "min_hz": self.min_hz,
            "max_hz": self.max_hz,
            "order": self.order,
            "octaves": self.octaves,
        }


@keras.saving.register_keras_serializable(package="keras_musictag")
class RandomTilt(WaveformAugmentation):
    """Turn the balance of low and high: so many dB more with each octave.

    Args:
        sample_rate: Of the waveforms, in Hz.
        min_db, max_db: The slope is drawn evenly between these, in dB per octave:
            below 0 for duller, above for brighter.
        pivot_hz: The frequency whose level stays.
        probability: Chance of each item to be changed, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input and output: float32 `(batch, samples)`. Below 40 Hz the slope ends.

    Raises:
        ConfigError: If an argument cannot work or the input is not of rank 2.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import RandomTilt

    waveforms = np.random.default_rng(0).normal(size=(4, 16000)).astype("float32")
    tilted = RandomTilt(16000, -3, 3, seed=0)(waveforms, training=True)
    ```
    """

    def __init__(
        self,
        sample_rate,
        min_db=-3.0,
        max_db=3.0,
        pivot_hz=1000.0,
        probability=1.0,
        seed=None,
        **kwargs,
    ) -> None:
        super().__init__(probability, seed, **kwargs)
        self.sample_rate = check_positive_int(sample_rate, name="sample_rate")
        self.min_db, self.max_db = check_order(
            min_db, max_db, names=("min_db", "max_db")
        )
        self.pivot_hz = check_range(pivot_hz, 40, sample_rate / 2, name="pivot_hz")

    def augment(self, x):
        slope = self.uniform(x, self.min_db, self.max_db)

        def gains(hertz):
            octaves = ops.log(ops.maximum(hertz, 40.0) / self.pivot_hz) / math.log(2.0)
            return 10.0 ** (slope * octaves / 20.0)

        return multiply_spectrum(x, gains, self.sample_rate)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "sample_rate": self.sample_rate,
            "min_db": self.min_db,
            "max_db": self.max_db,
            "pivot_hz": self.pivot_hz,
        }


def multiply_spectrum(x, gains, sample_rate):
    """Weigh the frequencies of waveforms.

    Args:
        x: float32 tensor `(batch, samples)`.
        gains: Function from frequencies in Hz, `(1, bins)`, to factors that
            broadcast with `(batch, bins)`.
        sample_rate: In Hz.

    Returns:
        float32 tensor `(batch, samples)`.
    """
    samples = x.shape[1] or ops.shape(x)[1]
    length = samples + int(RINGING_SECONDS * sample_rate)
    length = length + length % 2
    real, imag = ops.rfft(ops.pad(x, [[0, 0], [0, length - samples]]))
    bins = ops.cast(ops.arange(length // 2 + 1), "float32")
    weights = gains((bins * (np.float32(sample_rate) / length))[None])
    return ops.irfft((real * weights, imag * weights), fft_length=length)[:, :samples]
