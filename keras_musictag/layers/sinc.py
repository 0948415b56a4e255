"""Band-pass filters on the waveform whose cut-off frequencies are learned."""

import keras
import numpy as np
from keras import ops

from keras_musictag.checks import check_positive, check_positive_int
from keras_musictag.errors import ConfigError

# In Hz: what is left of a band at half the sample rate, and the lowest edge.
LEAST_BAND, LEAST_LOW = 1.0, 1e-3


@keras.saving.register_keras_serializable(package="keras_musictag")
class SincConv(keras.layers.Layer):
    """SincNet's first layer: a bank of band-pass filters with learnable edges.

    Each filter is the difference of two low-pass filters, made finite by a Hamming
    window. It has two weights, in Hz: `low_hz` and `band_hz`. Whatever they are, its
    cut-offs are `f1 = min_low_hz + |low_hz|` and `f2 = f1 + min_band_hz + |band_hz|`,
    clipped (`f2`) and mirrored (`f1`) at half the sample rate, so that always
    0 < f1 < f2 <= `sample_rate / 2`. The middle tap is always 1.

    Before training the filters lie next to each other on the mel scale, from `fmin`
    up to half the sample rate.

    The layer computes in float32 whatever the dtype policy.

    Args:
        filters: How many filters.
        kernel_size: Taps of a filter. An even number is raised by one, so that
            filters are symmetric.
        sample_rate: Samples per second of the waveforms, in Hz.
        strides: Samples from one output to the next.
        fmin: `low_hz` of the lowest filter before training, in Hz.
        min_low_hz: Least lower cut-off, in Hz.
        min_band_hz: Least width of a band, in Hz.
        **kwargs: `name`, `trainable`. A `dtype` is accepted and has no effect.

    Input: float32 waveforms `(batch, samples)` or `(batch, samples, 1)`.

    Output: float32 `(batch, 1 + (samples - kernel_size) // strides, filters)`.

    Raises:
        ConfigError: If an argument cannot work, the input has more than one channel,
            or it is shorter than the filters.

    References:
        - Ravanelli and Bengio, "Speaker recognition from raw waveform with SincNet",
          SLT 2018.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import SincConv

    layer = SincConv(80, 251, sample_rate=22050)
    waveform = np.random.default_rng(0).normal(size=(2, 3200)).astype("float32")
    print(layer(waveform).shape)  # (2, 2950, 80)
    frequencies, response = layer.frequency_response()
    print(response.shape)  # (80, 513)
    ```
    """

    def __init__(
        self,
        filters=80,
        kernel_size=251,
        sample_rate=22050,
        strides=1,
        fmin=30.0,
        min_low_hz=50.0,
        min_band_hz=50.0,
        **kwargs,
    ) -> None:
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.n_filters = check_positive_int(filters, name="filters")
        # Bit 0 set: the next odd number, or itself.
        self.kernel_size = check_positive_int(kernel_size, name="kernel_size") | 1
        self.sample_rate = check_positive_int(sample_rate, name="sample_rate")
        self.strides = check_positive_int(strides, name="strides")
        self.fmin = check_positive(fmin, name="fmin")
        self.min_low_hz = min_low_hz
        self.min_band_hz = min_band_hz
        self._check_frequencies()
        half = (self.kernel_size - 1) // 2
        steps = np.arange(-half, 0.0)
        # NumPy arrays, not tensors: a tensor kept here would belong to one graph.
        self._angles = (2 * np.pi * steps / sample_rate).astype("float32")
        # The original's grid, a little off whole samples and the same to 1e-5.
        grid = np.linspace(0, self.kernel_size / 2 - 1, half)
        window = 0.54 - 0.46 * np.cos(2 * np.pi * grid / self.kernel_size)
        self._window = window.astype("float32")

    def _check_frequencies(self) -> None:
        low, band, nyquist = self.min_low_hz, self.min_band_hz, self.sample_rate / 2
        # A band below the resolution of float32 could vanish.
        if not (low >= 0 and band >= 1e-6 * self.sample_rate):
            raise ConfigError(
                "`min_low_hz` must not be negative, and `min_band_hz` must be above 0.",
                received=f"min_low_hz={low!r}, min_band_hz={band!r}",
                advice="Give them in Hz; SincNet has 50 for both.",
            )
        if self.fmin + low + band >= nyquist:
            raise ConfigError(
                "The lowest filter must lie below half the sample rate.",
                received=f"fmin={self.fmin}, min_low_hz={low}, min_band_hz={band}, "
                f"sample_rate={self.sample_rate}",
                advice="Use lower frequencies or a higher sample rate.",
            )

    def __call__(self, inputs, *args, **kwargs):
        # Checked here because Keras turns errors from inside `call` into its own.
        self._check_input(tuple(np.shape(inputs)))
        return super().__call__(inputs, *args, **kwargs)

    def _check_input(self, shape) -> None:
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 1):
            raise ConfigError(
                "SincConv takes mono waveforms.",
                received=f"shape {shape}",
                advice="Give (batch, samples) or (batch, samples, 1).",
            )
        if shape[1] is not None and shape[1] < self.kernel_size:
            raise ConfigError(
                "The filters are longer than the audio.",
                received=f"{shape[1]} samples, kernel_size={self.kernel_size}",
                advice="Give longer audio, or use a smaller `kernel_size`.",
            )

    def build(self, input_shape):
        self._check_input(tuple(input_shape))
        edges = self._initial_edges()
        starts = {"low_hz": edges[:-1], "band_hz": np.diff(edges)}
        for name, start in starts.items():
            weight = self.add_weight(
                name=name,
                shape=(self.n_filters,),
                initializer=lambda shape, dtype=None, start=start: (
                    ops.convert_to_tensor(start.astype("float32"))
                ),
            )
            setattr(self, name, weight)
        self.built = True

    def _initial_edges(self) -> np.ndarray:
        """Edges of the bands in Hz, equally spaced in mel, before the minima."""
        highest = self.sample_rate / 2 - (self.min_low_hz + self.min_band_hz)
        low, high = 2595 * np.log10(1 + np.array([self.fmin, highest]) / 700)
        mel = np.linspace(low, high, self.n_filters + 1)
        return 700 * (10 ** (mel / 2595) - 1)

    def cutoffs(self):
        """Give the cut-off frequencies that the weights stand for.

        Returns:
            Two float32 tensors `(filters,)`, in Hz: lower and upper.
        """
        rate, nyquist = self.sample_rate, self.sample_rate / 2
        low = self.min_low_hz + ops.abs(self.low_hz)
        # `where`, not `minimum`: its gradient on the very edge is the same everywhere.
        high = low + self.min_band_hz + ops.abs(self.band_hz)
        high = ops.where(high > nyquist, nyquist, high)
        # A lower edge above half the rate is mirrored there: sampled, that is the
        # very filter which the original makes of it, and its gradient.
        low = low - ops.floor(low / rate) * rate
        low = ops.where(low > nyquist, rate - low, low)
        low = ops.where(low > nyquist - LEAST_BAND, nyquist - LEAST_BAND, low)
        return ops.where(low < LEAST_LOW, LEAST_LOW, low), high

    def filters(self):
        """Give the taps of the filters, for pictures and for other uses.

        Returns:
            float32 tensor of shape `(filters, kernel_size)`.
        """
        low, high = (f[:, None] for f in self.cutoffs())
        angles = ops.convert_to_tensor(self._angles)
        band = high - low
        waves = ops.sin(high * angles) - ops.sin(low * angles)
        left = waves / (angles / 2) * ops.convert_to_tensor(self._window)
        right = ops.flip(left, axis=1)
        return ops.concatenate([left, 2 * band, right], axis=1) / (2 * band)

    def frequency_response(self, n_fft: int = 1024):
        """Give what each filter lets through.

        Args:
            n_fft: Length of the transform, at least `kernel_size` for all detail.

        Returns:
            Frequencies in Hz, `(1 + n_fft // 2,)`, and the magnitudes at them,
            `(filters, 1 + n_fft // 2)`, 1 being the largest of each filter; float32
            NumPy arrays.

        Raises:
            ConfigError: If `n_fft` is shorter than the filters.
        """
        if check_positive_int(n_fft, name="n_fft") < self.kernel_size:
            raise ConfigError(
                "The transform is shorter than the filters.",
                received=f"n_fft={n_fft}, kernel_size={self.kernel_size}",
                advice="Use a larger `n_fft`.",
            )
        magnitude = np.abs(np.fft.rfft(ops.convert_to_numpy(self.filters()), n_fft))
        magnitude /= magnitude.max(axis=1, keepdims=True)
        frequencies = np.fft.rfftfreq(n_fft, 1 / self.sample_rate)
        return frequencies.astype("float32"), magnitude.astype("float32")

    def call(self, inputs):
        x = inputs if len(inputs.shape) == 3 else ops.expand_dims(inputs, -1)
        kernel = ops.expand_dims(ops.transpose(self.filters()), 1)
        return ops.conv(
            x, kernel, self.strides, padding="valid", data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        samples = input_shape[1]
        if samples is not None:
            samples = 1 + (samples - self.kernel_size) // self.strides
        return (input_shape[0], samples, self.n_filters)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.n_filters,
            "kernel_size": self.kernel_size,
            "sample_rate": self.sample_rate,
            "strides": self.strides,
            "fmin": self.fmin,
            "min_low_hz": self.min_low_hz,
            "min_band_hz": self.min_band_hz,
        }
