"""The constant-Q transform, and its stack over harmonics, as layers."""

import math

import keras
import numpy as np
from keras import ops

from keras_musictag.checks import check_choice, check_positive, check_positive_int
from keras_musictag.errors import ConfigError
from keras_musictag.layers.compression import check_compression, compress
from keras_musictag.layers.cqt_kernels import C1_HZ, WINDOWS, lowpass, make_plan
from keras_musictag.layers.octaves import (
    band_powers,
    halve,
    halving_kernel,
    silence_outside,
)
from keras_musictag.layers.stft import safe_sqrt

COMPRESSIONS = (None, "log", "db")


@keras.saving.register_keras_serializable(package="keras_musictag")
class CQT(keras.layers.Layer):
    """Constant-Q transform of a waveform: bins equally spaced in pitch.

    The values are those of the magnitude of `librosa.cqt` with its default
    `scale=True`, `norm=1`, `tuning=0` and zero padding; the axes are
    `(batch, frames, bins)`, the transpose of librosa's. Frame `t` is centred on sample
    `t * hop_length`. A tone of amplitude 1 at a bin's frequency gives half the square
    root of the length of the bin's filter in samples.

    The filters work octave by octave: the waveform is low-passed and halved in rate
    from one octave to the next, so that those of low octaves are as short as those
    of high ones. Before the highest octave the rate is halved as often as its
    frequencies allow.

    Filters that are longer than the waveform see zeros beyond its ends: near the ends
    and in short clips the low bins are quieter. A waveform that is shorter than even
    the shortest filter is refused.

    The layer computes in float32 whatever the dtype policy, and its gradient is
    finite everywhere, also at digital silence.

    Args:
        sample_rate: Samples per second of the waveforms, in Hz.
        hop_length: Samples from one frame to the next. It must be divisible by 2 to
            the power of the number of octaves minus 1.
        fmin: Frequency of the lowest bin, in Hz. The default is C1.
        n_bins: Number of bins.
        bins_per_octave: Number of bins per octave.
        window: `"hann"`, `"hamming"`, `"blackman"`, `"blackmanharris"` or `"ones"`.
        filter_scale: Factor on the lengths of the filters; below 1 for a finer
            resolution in time and a coarser one in frequency.
        sparsity: The smallest values of each filter's spectrum, which together make
            up this part of its sum of magnitudes, are set to zero. 0.01 is what
            librosa does; 0 gives the exact filters. On music the difference is up to
            0.7 % of the largest magnitude.
        power: 1 for magnitude, 2 for power.
        compression: `None`; `"log"`: `log(max(amin, x))`; or `"db"`:
            `20 / power * log10(max(amin, x) / max(amin, ref))`.
        amin: Floor of `"log"` and `"db"`. `None` means 1e-5 for magnitude and 1e-10
            for power.
        ref: Value that becomes 0 dB: a number, or `"max"` for the largest of each
            item. Only for `"db"`.
        top_db: Values more than this far below the item's largest are raised to that
            level; `None` for no limit. Only for `"db"`.
        trainable: If `True`, the filters are weights that training moves; if `False`
            they are constants and the layer has no weights.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input: float32 waveforms of shape `(batch, samples)`.

    Output: float32 of shape `(batch, frames, n_bins)`, `1 + samples // hop_length`
        frames.

    Raises:
        ConfigError: If an argument cannot work, the highest filter reaches above half
            the sample rate, or the input is not of rank 2 or too short.

    References:
        - Schörkhuber and Klapuri, "Constant-Q transform toolbox for music
          processing", Sound and Music Computing Conference 2010.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import CQT

    waveform = np.random.default_rng(0).normal(size=(2, 22050)).astype("float32")
    print(CQT()(waveform).shape)  # (2, 44, 84)
    ```
    """

    def __init__(
        self,
        sample_rate=22050,
        hop_length=512,
        fmin=C1_HZ,
        n_bins=84,
        bins_per_octave=12,
        window="hann",
        filter_scale=1.0,
        sparsity=0.01,
        power=1.0,
        compression=None,
        amin=None,
        ref=1.0,
        top_db=None,
        trainable=False,
        **kwargs,
    ) -> None:
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, trainable=trainable, **kwargs)
        self.sample_rate = check_positive(sample_rate, name="sample_rate")
        self.hop_length = check_positive_int(hop_length, name="hop_length")
        self.fmin = check_positive(fmin, name="fmin")
        self.n_bins = check_positive_int(n_bins, name="n_bins")
        self.bins_per_octave = check_positive_int(
            bins_per_octave, name="bins_per_octave"
        )
        self.window = check_choice(window, tuple(WINDOWS), name="window")
        self.filter_scale = check_positive(filter_scale, name="filter_scale")
        self.sparsity = check_sparsity(sparsity)
        self.power = check_choice(power, (1, 2), name="power")
        self.compression = check_choice(compression, COMPRESSIONS, name="compression")
        self.amin = None if amin is None else check_positive(amin, name="amin")
        self.ref = ref if ref == "max" else check_positive(ref, name="ref")
        self.top_db = None if top_db is None else check_positive(top_db, name="top_db")
        check_compression(compression, ref=ref, top_db=top_db)
        # Set aside now: frozen filters are NumPy constants, not tensors, since a
        # tensor kept here would belong to one graph.
        self._learns = bool(trainable)
        self._plan = make_plan(
            sample_rate=self.sample_rate,
            hop_length=self.hop_length,
            fmins=self._fmins(),
            n_bins=self.n_bins,
            bins_per_octave=self.bins_per_octave,
            window=self.window,
            filter_scale=self.filter_scale,
            sparsity=self.sparsity,
        )
        self._halving = halving_kernel(lowpass(self._plan.rejection_db))

    def _fmins(self):
        return [self.fmin]

    @property
    def frequencies(self):
        """Centre frequencies of the bins in Hz, float64 array `(n_bins,)`."""
        return self.fmin * 2.0 ** (np.arange(self.n_bins) / self.bins_per_octave)

    def __call__(self, inputs, *args, **kwargs):
        # Checked here because Keras turns errors from inside `call` into its own.
        self.check_input_shape(np.shape(inputs))
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape):
        self._kernels = [level.kernel for level in self._plan.levels]
        if self._learns:
            self._kernels = [
                self.add_weight(
                    name=f"kernel_{level.index}",
                    shape=level.kernel.shape,
                    initializer=keras.initializers.Constant(level.kernel),
                )
                for level in self._plan.levels
            ]
        self.built = True

    def call(self, inputs, span=None):
        """Transform waveforms, or the parts of longer ones.

        Args:
            inputs: float32 waveforms `(batch, samples)`.
            span: For blocks that reach beyond the ends of a longer waveform: the
                first sample of the waveform in each block and the end, int32
                `(batch, 2)`, with zeros outside. Without it the low-passes would
                ring beyond the ends, which they do not do on a whole waveform.
        """
        x = ops.cast(inputs, "float32")
        frames = 1 + ops.shape(x)[1] // self.hop_length
        by_index = {
            level.index: (level, kernel)
            for level, kernel in zip(self._plan.levels, self._kernels, strict=True)
        }
        powers: list = []
        for index in range(max(by_index) + 1):
            if index > 0:
                x = halve(x, *self._halving)
                if span is not None:
                    x = silence_outside(x, span, 2**index)
            if index in by_index:
                powers.insert(0, band_powers(x, *by_index[index], frames))
        values = powers[0] if len(powers) == 1 else ops.concatenate(powers, axis=-1)
        values = self._arrange(values)
        if self.power == 1:
            values = safe_sqrt(values)
        return compress(
            values,
            compression=self.compression,
            power=self.power,
            amin=self.amin,
            ref=self.ref,
            top_db=self.top_db,
        )

    def _arrange(self, values):
        order = self._plan.order
        if len(order) == values.shape[-1] and np.array_equal(
            order, np.arange(len(order))
        ):
            return values
        return ops.take(values, ops.convert_to_tensor(order.astype("int32")), axis=-1)

    def check_input_shape(self, shape):
        """Refuse a shape that this layer cannot take.

        Args:
            shape: Shape of the input; unknown sizes are `None`.

        Raises:
            ConfigError: If the rank is not 2 or the waveform is shorter than every
                filter.
        """
        shape = tuple(shape)
        if len(shape) != 2:
            raise ConfigError(
                "Waveforms must have the shape (batch, samples).",
                received=f"shape {shape}",
                advice="Give one track as `x[None]`; average the channels first.",
            )
        least = math.ceil(self._plan.shortest)
        if shape[1] is not None and shape[1] < least:
            raise ConfigError(
                "Every filter is longer than the waveform.",
                received=f"{shape[1]} samples; the shortest filter has {least}",
                advice="Give longer audio, or pad it with zeros.",
            )

    def compute_output_shape(self, input_shape):
        self.check_input_shape(input_shape)
        batch, samples = input_shape
        frames = None if samples is None else 1 + samples // self.hop_length
        return (batch, frames, self.n_bins)

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            sample_rate=self.sample_rate,
            hop_length=self.hop_length,
            fmin=self.fmin,
            n_bins=self.n_bins,
            bins_per_octave=self.bins_per_octave,
            window=self.window,
            filter_scale=self.filter_scale,
            sparsity=self.sparsity,
            power=self.power,
            compression=self.compression,
            amin=self.amin,
            ref=self.ref,
            top_db=self.top_db,
            trainable=self._learns,
        )
        return config


@keras.saving.register_keras_serializable(package="keras_musictag")
class HCQT(CQT):
    """Constant-Q transforms from several multiples of one lowest frequency, stacked.

    Channel `h` starts at `harmonics[h] * fmin`, so that a note's overtones lie at the
    same bin in all channels and a convolution sees them at one place. Each channel
    holds the values of `CQT(fmin=harmonics[h] * fmin)`; the halved waveforms are made
    once for all channels, and so are bins that several channels have in common.
    Maxima for decibels are taken per item and channel.

    Args:
        harmonics: Multiples of `fmin`, numbers above 0.
        **kwargs: Everything that `CQT` takes.

    Input: float32 waveforms of shape `(batch, samples)`.

    Output: float32 of shape `(batch, frames, n_bins, len(harmonics))`.

    Raises:
        ConfigError: As `CQT`, for the highest of the harmonics.

    References:
        - Bittner et al., "Deep salience representations for F0 estimation in
          polyphonic music", ISMIR 2017.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import HCQT

    waveform = np.random.default_rng(0).normal(size=(2, 22050)).astype("float32")
    layer = HCQT(harmonics=(1, 2), n_bins=72)
    print(layer(waveform).shape)  # (2, 44, 72, 2)
    ```
    """

    def __init__(self, harmonics=(0.5, 1, 2, 3, 4, 5), n_bins=72, **kwargs) -> None:
        if not np.ndim(harmonics) or not len(harmonics):
            raise ConfigError(
                "`harmonics` must list at least one multiple of `fmin`.",
                received=f"harmonics={harmonics!r}",
                advice="Use for example (0.5, 1, 2, 3, 4, 5).",
            )
        self.harmonics = tuple(check_positive(h, name="harmonics") for h in harmonics)
        super().__init__(n_bins=n_bins, **kwargs)

    def _fmins(self):
        return [harmonic * self.fmin for harmonic in self.harmonics]

    def _arrange(self, values):
        values = super()._arrange(values)
        batch, frames = ops.shape(values)[:2]
        return ops.reshape(values, (batch, frames, self.n_bins, len(self.harmonics)))

    def compute_output_shape(self, input_shape):
        return (*super().compute_output_shape(input_shape), len(self.harmonics))

    def get_config(self) -> dict:
        return {**super().get_config(), "harmonics": list(self.harmonics)}


def check_sparsity(value):
    """Return `value` as a float, or refuse it unless it is from 0 to below 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        value = math.nan
    if not 0 <= value < 1:
        raise ConfigError(
            "`sparsity` must be a number from 0 to below 1.",
            received=f"sparsity={value!r}",
            advice="0.01 is librosa's; 0 keeps the exact filters.",
        )
    return float(value)
