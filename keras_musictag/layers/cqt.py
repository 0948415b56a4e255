"""The constant-Q transform as a layer."""

import math

import keras
import numpy as np
from keras import ops

from keras_musictag.checks import check_choice, check_positive, check_positive_int
from keras_musictag.constant_q.kernels import C1_HZ, WINDOWS, lowpass
from keras_musictag.constant_q.plan import Settings, make_plan
from keras_musictag.constant_q.tuning import check_tuning, pack, tuned_plan
from keras_musictag.errors import ConfigError
from keras_musictag.layers.compression import check_compression, compress
from keras_musictag.layers.octaves import (
    band_powers,
    halve,
    halving_kernel,
    silence_outside,
    unpack,
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
        hop_length: Samples from one frame to the next. Best divisible by 2 to the
            power of the number of octaves minus 1: as in librosa, octaves below the
            one at which it becomes odd keep that one's rate, with longer filters.
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
        hybrid: If `True`, the values are those of `librosa.hybrid_cqt`: filters that
            fit into two hops weight the magnitudes of a Fourier transform, whose
            phases do not count.
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
        hybrid=False,
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
        self.hybrid = bool(hybrid)
        self.settings = Settings(
            sample_rate=self.sample_rate,
            hop_length=self.hop_length,
            fmins=tuple(self._fmins()),
            n_bins=self.n_bins,
            bins_per_octave=self.bins_per_octave,
            window=self.window,
            filter_scale=self.filter_scale,
            sparsity=self.sparsity,
            gamma=self._gamma(),
            hybrid=self.hybrid,
        )
        self._plan = make_plan(self.settings)
        self._halving = halving_kernel(lowpass(self._plan.exact))

    def _fmins(self):
        return [self.fmin]

    def _gamma(self):
        return 0.0

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

    def call(self, inputs, span=None, filters=None):
        """Transform waveforms, or the parts of longer ones.

        Args:
            inputs: float32 waveforms `(batch, samples)`.
            span: For blocks that reach beyond the ends of a longer waveform: the
                first sample of the waveform in each block and the end, int32
                `(batch, 2)`, with zeros outside. Without it the low-passes would
                ring beyond the ends, which they do not do on a whole waveform.
            filters: What the method `filters` gave for the tuning of the waveforms,
                float32 `(size,)`; `None` for the layer's own filters.
        """
        x = ops.cast(inputs, "float32")
        frames = 1 + ops.shape(x)[1] // self.hop_length
        plan, kernels, weights, order = self._plan, self._kernels, None, None
        if filters is not None:
            plan = tuned_plan(self.settings)
            kernels, weights, order = unpack(ops.cast(filters, "float32"), plan)
        upper = [] if plan.pseudo is None else [self._upper(x, plan, weights, frames)]
        powers = [
            band_powers(waveform, level, kernel, frames)
            for waveform, level, kernel in self._octaves(x, span, plan, kernels)
        ]
        values = powers if self.power == 2 else [safe_sqrt(p) for p in powers]
        values = self._arrange(_join([*reversed(values), *upper]), order)
        return compress(
            values,
            compression=self.compression,
            power=self.power,
            amin=self.amin,
            ref=self.ref,
            top_db=self.top_db,
        )

    def _octaves(self, x, span, plan, kernels):
        """Yield the waveform at each level's rate with the level and its kernel."""
        pairs = zip(plan.levels, kernels, strict=True)
        by_index = {level.index: (level, kernel) for level, kernel in pairs}
        for index in range(max(by_index, default=-1) + 1):
            if index > 0:
                x = halve(x, *self._halving)
                if span is not None:
                    x = silence_outside(x, span, 2**index)
            if index in by_index:
                yield x, *by_index[index]

    def _upper(self, x, plan, weights, frames):
        """Filter the magnitudes of a Fourier transform; phases do not count."""
        level = plan.pseudo.level
        magnitudes = safe_sqrt(band_powers(x, level, level.kernel, frames))
        if weights is None:
            weights = ops.convert_to_tensor(plan.pseudo.weights)
        values = ops.matmul(magnitudes, weights)
        return values if self.power == 1 else ops.square(values)

    def _arrange(self, values, order):
        if order is None:
            order = self._plan.order
            if np.array_equal(order, np.arange(values.shape[-1])):
                return values
            order = ops.convert_to_tensor(order)
        return ops.take(values, order, axis=-1)

    def filters(self, tuning):
        """Design the filters for music that is not tuned to 440 Hz.

        One compiled graph takes the filters of any tuning, since their shapes are the
        same for all of them.

        Args:
            tuning: How far to move all filters, in bins, as in librosa; at most half
                a semitone up or down.

        Returns:
            float32 array `(size,)`, the argument `filters` of a call.

        Raises:
            ConfigError: If the tuning is further away, or the filters are weights
                that training moves.

        Example:

        ```python
        import numpy as np
        from keras_musictag.layers import CQT

        time = np.arange(22050) / 22050
        tone = np.sin(2 * np.pi * 452.9 * time).astype("float32")  # half a semitone up
        layer = CQT()
        magnitudes = layer(tone[None], filters=layer.filters(tuning=0.5))
        print(np.asarray(magnitudes)[0, 20].argmax())  # 45, A4
        ```
        """
        if self._learns:
            raise ConfigError(
                "Filters that training moves have no tuning.",
                received="trainable=True",
                advice="Use trainable=False, or resample the audio.",
            )
        tuning = check_tuning(tuning, self.bins_per_octave)
        return pack(tuned_plan(self.settings, tuning))

    @property
    def filter_size(self):
        """Size of what `filters` gives, an int."""
        return len(pack(tuned_plan(self.settings)))

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
            hybrid=self.hybrid,
        )
        return config


def _join(values):
    return values[0] if len(values) == 1 else ops.concatenate(values, axis=-1)


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
