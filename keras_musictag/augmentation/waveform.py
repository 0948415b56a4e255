"""Gain, noise, polarity and crops of waveforms."""

import keras
from keras import ops

from keras_musictag.augmentation.base import WaveformAugmentation, check_order
from keras_musictag.checks import check_choice, check_positive_int
from keras_musictag.errors import ConfigError

COLORS = ("white", "pink")
PACKAGE = "keras_musictag"


@keras.saving.register_keras_serializable(package=PACKAGE)
class RandomGain(WaveformAugmentation):
    """Make each waveform louder or softer.

    Args:
        min_db, max_db: The gain is drawn evenly between these, in dB.
        probability: Chance of each item to be changed, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input and output: float32 `(batch, samples)`. Nothing is clipped.

    Raises:
        ConfigError: If an argument cannot work or the input is not of rank 2.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import RandomGain

    waveforms = np.random.default_rng(0).normal(size=(4, 16000)).astype("float32")
    softer = RandomGain(-12, -6, seed=0)(waveforms, training=True)
    ```
    """

    def __init__(
        self, min_db=-12.0, max_db=6.0, probability=1.0, seed=None, **kwargs
    ) -> None:
        super().__init__(probability, seed, **kwargs)
        self.min_db, self.max_db = check_order(
            min_db, max_db, names=("min_db", "max_db")
        )

    def augment(self, x):
        return x * 10.0 ** (self.uniform(x, self.min_db, self.max_db) / 20.0)

    def get_config(self) -> dict:
        return {**super().get_config(), "min_db": self.min_db, "max_db": self.max_db}


@keras.saving.register_keras_serializable(package=PACKAGE)
class RandomNoise(WaveformAugmentation):
    """Add noise, so that it lies a drawn number of dB below each waveform.

    The ratio is that of the powers measured over the item, so it holds exactly. A
    silent item stays silent.

    Args:
        min_snr_db, max_snr_db: The signal-to-noise ratio is drawn evenly between
            these, in dB.
        color: `"white"`: equal power at all frequencies; `"pink"`: equal power in
            each octave, nearer to what rooms and old records add.
        probability: Chance of each item to be changed, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input and output: float32 `(batch, samples)`. Nothing is clipped.

    Raises:
        ConfigError: If an argument cannot work or the input is not of rank 2.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import RandomNoise

    waveforms = np.random.default_rng(0).normal(size=(4, 16000)).astype("float32")
    noisy = RandomNoise(10, 30, color="pink", seed=0)(waveforms, training=True)
    ```
    """

    def __init__(
        self,
        min_snr_db=5.0,
        max_snr_db=40.0,
        color="white",
        probability=1.0,
        seed=None,
        **kwargs,
    ) -> None:
        super().__init__(probability, seed, **kwargs)
        self.min_snr_db, self.max_snr_db = check_order(
            min_snr_db, max_snr_db, names=("min_snr_db", "max_snr_db")
        )
        self.color = check_choice(color, COLORS, name="color")

    def augment(self, x):
        noise = keras.random.normal(ops.shape(x), dtype="float32", seed=self.generator)
        if self.color == "pink":
            noise = to_pink(noise)
        ratio_db = self.uniform(x, self.min_snr_db, self.max_snr_db)
        wanted = _power(x) * 10.0 ** (-ratio_db / 10.0)
        # How loud the noise is shall not be a way for gradients to flow.
        scale = ops.stop_gradient(ops.sqrt(wanted / _power(noise)))
        return x + scale * noise

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "min_snr_db": self.min_snr_db,
            "max_snr_db": self.max_snr_db,
            "color": self.color,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class RandomPolarity(WaveformAugmentation):
    """Turn some waveforms upside down: sounds the same, and is new to a network.

    Args:
        probability: Chance of each item to be turned, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input and output: float32 `(batch, samples)`.

    Raises:
        ConfigError: If an argument cannot work or the input is not of rank 2.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import RandomPolarity

    turned = RandomPolarity(seed=0)(np.ones((4, 16000), "float32"), training=True)
    ```
    """

    def __init__(self, probability=0.5, seed=None, **kwargs) -> None:
        super().__init__(probability, seed, **kwargs)

    def augment(self, x):
        return -x


@keras.saving.register_keras_serializable(package=PACKAGE)
class RandomCrop(WaveformAugmentation):
    """Cut one chunk out of each waveform: anywhere in training, else in the middle.

    `keras.layers.RandomCrop` cuts pictures, all of a batch at the same place.

    Args:
        chunk_samples: Length of the chunk, in samples.
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input: float32 `(batch, samples)`, at least a chunk long.

    Output: float32 `(batch, chunk_samples)`.

    Raises:
        ConfigError: If an argument cannot work, the input is not of rank 2, or it is
            shorter than a chunk.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import RandomCrop

    waveforms = np.zeros((4, 160000), "float32")
    print(RandomCrop(48000)(waveforms, training=True).shape)  # (4, 48000)
    ```
    """

    def __init__(self, chunk_samples, seed=None, **kwargs) -> None:
        # Every item is cropped: else lengths would differ.
        kwargs.pop("probability", None)
        super().__init__(1.0, seed, **kwargs)
        self.chunk_samples = check_positive_int(chunk_samples, name="chunk_samples")

    def augment(self, x):
        room = ops.shape(x)[1] - self.chunk_samples
        shape = (ops.shape(x)[0], 1)
        start = keras.random.randint(shape, 0, room + 1, seed=self.generator)
        index = start + ops.arange(self.chunk_samples, dtype="int32")
        return ops.take_along_axis(x, index, axis=1)

    def untouched(self, x):
        start = (ops.shape(x)[1] - self.chunk_samples) // 2
        return x[:, start : start + self.chunk_samples]

    def check_input_shape(self, shape):
        super().check_input_shape(shape)
        if shape[1] is not None and shape[1] < self.chunk_samples:
            raise ConfigError(
                "The waveforms are shorter than one chunk.",
                received=f"{shape[1]} samples, chunk_samples={self.chunk_samples}",
                advice="Pad them with zeros, or cut shorter chunks.",
            )

    def compute_output_shape(self, input_shape):
        self.check_input_shape(input_shape)
        return (input_shape[0], self.chunk_samples)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["probability"]
        return {**config, "chunk_samples": self.chunk_samples}


def to_pink(noise):
    """Weigh white noise so that its power falls by 3 dB from octave to octave.

    Args:
        noise: float32 tensor `(batch, samples)`.

    Returns:
        float32 tensor of the same shape, without a mean.
    """
    samples = noise.shape[1] or ops.shape(noise)[1]
    real, imag = ops.rfft(noise)
    bins = ops.cast(ops.arange(samples // 2 + 1), "float32")
    weights = ops.where(bins > 0, 1.0 / ops.sqrt(ops.maximum(bins, 1.0)), 0.0)
    return ops.irfft((real * weights, imag * weights), fft_length=samples)


def _power(x):
    return ops.mean(ops.square(x), axis=-1, keepdims=True)
