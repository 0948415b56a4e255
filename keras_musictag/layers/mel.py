"""The log-mel spectrogram as a layer without weights."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_musictag.checks import check_choice, check_positive, check_positive_int
from keras_musictag.layers.compression import check_compression, compress
from keras_musictag.layers.filterbank import mel_filterbank
from keras_musictag.layers.stft import STFT

COMPRESSIONS = ("db", "log10_1p", "log1p", "log", None)
# Numbers of the half-precision format: largest value, smallest normal exponent,
# bits after the leading one.
FLOAT16_MAX, FLOAT16_MIN_EXPONENT, FLOAT16_BITS = 65504.0, -14, 10

# The settings of each source; `LogMelSpectrogram.from_convention` documents them.
CONVENTIONS: dict[str, dict[str, Any]] = {
    "librosa": {
        "sample_rate": 22050,
        "n_fft": 2048,
        "hop_length": 512,
        "pad_mode": "zeros",
        "n_mels": 128,
        "mel_scale": "slaney",
        "norm": "slaney",
        "compression": "db",
        "top_db": 80.0,
    },
    "torchaudio": {
        "sample_rate": 16000,
        "n_fft": 400,
        "hop_length": 200,
        "pad_mode": "reflect",
        "n_mels": 128,
        "mel_scale": "htk",
        "norm": None,
        "compression": "db",
    },
    # Kaldi states its windows in time: 25 ms every 10 ms.
    "kaldi": {
        "sample_rate": 16000,
        "window": "povey",
        "window_position": "start",
        "center": False,
        "remove_dc": True,
        "preemphasis": 0.97,
        "n_mels": 23,
        "fmin": 20.0,
        "mel_scale": "kaldi",
        "norm": None,
        "compression": "log",
        "amin": float(np.finfo("float32").eps),
    },
    "musicnn": {
        "sample_rate": 16000,
        "n_fft": 512,
        "hop_length": 256,
        "pad_mode": "reflect",
        "n_mels": 96,
        "mel_scale": "slaney",
        "norm": "slaney",
        "compression": "log10_1p",
        "gain": 10000.0,
        "round_mel": "float16",
    },
    # Keunwoo Choi squares the power once more and keeps 80 dB of that.
    "choi": {
        "sample_rate": 12000,
        "n_fft": 512,
        "hop_length": 256,
        "pad_mode": "zeros",
        "n_mels": 96,
        "mel_scale": "slaney",
        "norm": "slaney",
        "compression": "db",
        "amin": 1e-5,
        "top_db": 40.0,
    },
    # Essentia's bands as the baseline of MTG-Jamendo asks for them.
    "jamendo": {
        "sample_rate": 12000,
        "n_fft": 512,
        "hop_length": 256,
        "window": "symmetric_hann",
        "pad_mode": "zeros",
        "n_mels": 96,
        "mel_scale": "slaney",
        "norm": "slaney",
        "compression": "db",
    },
}


# Frames that are transformed at a time, and the most parts of a batch.
GROUP_BYTES, MOST_GROUPS = 8 * 2**20, 16


@keras.saving.register_keras_serializable(package="keras_musictag")
class LogMelSpectrogram(keras.layers.Layer):
    """Mel spectrogram of a waveform, with the compression that a model expects.

    `STFT`, then one matrix product with `mel_filterbank`, then the compression. The
    axes are `(batch, frames, n_mels)`: the transpose of librosa's
    `(n_mels, frames)`. `from_convention` gives the settings of librosa, torchaudio,
    Kaldi, musicnn and others by name.

    The layer has no weights and computes in float32 whatever the dtype policy.
    Maxima are taken per item, never across the batch.

    Args:
        sample_rate: Samples per second of the waveforms, in Hz.
        n_fft, hop_length, win_length, window, center, pad_mode, method: See `STFT`.
        power: 2 for power, 1 for magnitude.
        n_mels: Number of mel bands.
        fmin: Lower edge of the lowest band, in Hz.
        fmax: Upper edge of the highest band, in Hz; `None` means `sample_rate / 2`.
        mel_scale: `"slaney"` (librosa's default), `"htk"` (torchaudio's default) or
            `"kaldi"`, see `mel_filterbank`.
        norm: `"slaney"` for triangles of equal area, `None` for triangles of
            height 1.
        compression: What is done to the mel values `x`:
            `"db"`: `20 / power * log10(max(amin, x) / max(amin, ref))`;
            `"log10_1p"`: `log10(1 + gain * x)`; `"log1p"`: `log(1 + gain * x)`;
            `"log"`: `log(max(amin, x))`; `None`: nothing.
        gain: Factor before `"log10_1p"` and `"log1p"`.
        amin: Floor of `"db"` and `"log"`.
        ref: Value that becomes 0 dB: a number, or `"max"` for the largest of each
            item. Only for `"db"`.
        top_db: Values more than this far below the item's largest are raised to
            that level; `None` for no limit. Only for `"db"`.
        round_mel: `"float16"` rounds the mel values to the precision of half floats
            (up to 65504, the largest one) and goes on in float32, as the musicnn
            models were trained. The gradient passes as if nothing were rounded.
        window_position, remove_dc, preemphasis: See `STFT` (Kaldi).
        **kwargs: `name`, `trainable`. A `dtype` is accepted and has no effect.

    Input: float32 waveforms of shape `(batch, samples)`.

    Output: float32 of shape `(batch, frames, n_mels)`.

    Raises:
        ConfigError: If an argument cannot work, the input is not of rank 2, or it
            is too short.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import LogMelSpectrogram

    waveform = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    logmel = LogMelSpectrogram.from_convention("musicnn")(waveform)
    print(logmel.shape)  # (2, 63, 96)
    ```
    """

    def __init__(
        self,
        sample_rate,
        n_fft=2048,
        hop_length=512,
        win_length=None,
        window="hann",
        center=True,
        pad_mode="zeros",
        power=2.0,
        method="fft",
        n_mels=128,
        fmin=0.0,
        fmax=None,
        mel_scale="slaney",
        norm="slaney",
        compression="db",
        gain=10000.0,
        amin=1e-10,
        ref=1.0,
        top_db=None,
        round_mel=None,
        window_position="center",
        remove_dc=False,
        preemphasis=None,
        **kwargs,
    ) -> None:
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, **kwargs)
        check_choice(power, (1, 2), name="power")
        self.stft = STFT(
            n_fft=n_fft,
            hop_length=hop_length,
            win_length=win_length,
            window=window,
            center=center,
            pad_mode=pad_mode,
            power=power,
            method=method,
            window_position=window_position,
            remove_dc=remove_dc,
            preemphasis=preemphasis,
            name="stft",
        )
        self.sample_rate = check_positive_int(sample_rate, name="sample_rate")
        self.n_mels = check_positive_int(n_mels, name="n_mels")
        self.fmin = fmin
        self.fmax = fmax
        self.mel_scale = mel_scale
        self.norm = norm
        self.compression = check_choice(compression, COMPRESSIONS, name="compression")
        self.gain = check_positive(gain, name="gain")
        self.amin = check_positive(amin, name="amin")
        self.ref = ref if ref == "max" else check_positive(ref, name="ref")
        self.top_db = None if top_db is None else check_positive(top_db, name="top_db")
        self.round_mel = check_choice(round_mel, (None, "float16"), name="round_mel")
        check_compression(compression, ref=ref, top_db=top_db)
        # A NumPy array, not a tensor: a tensor kept here would belong to one graph.
        self._filters = mel_filterbank(
            sample_rate=sample_rate,
            n_fft=n_fft,
            n_mels=n_mels,
            fmin=fmin,
            fmax=fmax,
            mel_scale=mel_scale,
            norm=norm,
        )

    @classmethod
    def from_convention(cls, convention, sample_rate=None, **overrides):
        """Make the layer with the published settings of a well-known source.

        |   | librosa | torchaudio | kaldi | musicnn |
        |---|---|---|---|---|
        | rate (Hz) | 22050 | 16000 | 16000 | 16000 |
        | window | Hann 2048 | Hann 400 | Povey 25 ms | Hann 512 |
        | hop | 512 | 200 | 10 ms | 256 |
        | padding | zeros | reflect | none, not centred | reflect |
        | bands | 128 | 128 | 23 from 20 Hz | 96 |
        | scale | Slaney | HTK | Kaldi | Slaney |
        | triangles | equal area | height 1 | height 1 | equal area |
        | compression | dB | dB | log | log10_1p |
        | extras | `top_db` 80 |   | `amin` 1.19e-7 | float16 values |

        `"librosa"` is `librosa.feature.melspectrogram` and `power_to_db` (0.11),
        `"torchaudio"` is `MelSpectrogram` and `AmplitudeToDB`, `"kaldi"` is
        `compute-fbank-feats` without dither (DC removal, pre-emphasis 0.97, `n_fft`
        the next power of two), `"musicnn"` is
        [Pons and Serra (2019)](https://arxiv.org/abs/1909.06654). Kaldi counts
        samples from -32768 to 32767: multiply the waveform by 32768 to get its
        numbers.

        Two more are for 12000 Hz, with librosa's bands, of which there are 96, and a
        window of 512 every 256 samples. `"choi"` has `amin` 1e-5 and `top_db` 40
        ([Choi et al. 2017](https://arxiv.org/abs/1609.04243)), `"jamendo"` a symmetric
        window (the baseline of
        [MTG-Jamendo](https://github.com/MTG/mtg-jamendo-dataset)). Both sources square
        the power once more, which doubles these decibels.

        Args:
            convention: One of the names above.
            sample_rate: Samples per second in Hz; `None` for the one above.
            **overrides: Any argument of the layer, in place of the table's.

        Returns:
            A `LogMelSpectrogram`.

        Raises:
            ConfigError: If the name is unknown or the settings cannot work.

        Example:

        ```python
        from keras_musictag.layers import LogMelSpectrogram

        layer = LogMelSpectrogram.from_convention("torchaudio", hop_length=256)
        print(layer.compute_output_shape((None, 16000)))  # (None, 63, 128)
        ```
        """
        check_choice(convention, tuple(CONVENTIONS), name="convention")
        settings = dict(CONVENTIONS[convention])
        if sample_rate is not None:
            check_positive_int(sample_rate, name="sample_rate")
            settings["sample_rate"] = sample_rate
        if convention == "kaldi":
            # Rounded down, as Kaldi does.
            settings["win_length"] = settings["sample_rate"] * 25 // 1000
            settings["hop_length"] = settings["sample_rate"] * 10 // 1000
        settings.update(overrides)
        if "n_fft" not in settings:
            length = check_positive_int(settings["win_length"], name="win_length")
            settings["n_fft"] = 2 ** (length - 1).bit_length()
        return cls(**settings)

    def __call__(self, inputs, *args, **kwargs):
        # Checked here because Keras turns errors from inside `call` into its own.
        self.stft.check_input_shape(np.shape(inputs))
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape):
        self.stft.build(input_shape)
        self.built = True

    def call(self, inputs):
        size = self._group_size(inputs.shape)
        if size is None:
            return self._mel(inputs)
        starts = range(0, inputs.shape[0], size)
        groups = [self._mel(inputs[start : start + size]) for start in starts]
        return ops.concatenate(groups)

    def _group_size(self, shape):
        """How many items to transform at a time; `None` for all.

        The steps of a large batch go through memory, those of a few items stay in
        the processor's cache: 1.4 times as fast.
        """
        if None in tuple(shape):  # inside a model: chunks are short there
            return None
        item = 4 * self.stft.frame_count(shape[1]) * self.stft.n_fft
        size = max(GROUP_BYTES // item, -(-shape[0] // MOST_GROUPS))
        return None if shape[0] <= size else size

    def _mel(self, inputs):
        mel = ops.matmul(self.stft(inputs), ops.convert_to_tensor(self._filters))
        if self.round_mel == "float16":
            mel = round_to_float16(mel)
        return self._compress(mel)

    def _compress(self, mel):
        if self.compression == "log1p":
            return ops.log(1.0 + self.gain * mel)
        if self.compression == "log10_1p":
            return ops.log10(1.0 + self.gain * mel)
        return compress(
            mel,
            compression=self.compression,
            power=self.stft.power,
            amin=self.amin,
            ref=self.ref,
            top_db=self.top_db,
        )

    def compute_output_shape(self, input_shape):
        return (*self.stft.compute_output_shape(input_shape)[:2], self.n_mels)

    def get_config(self) -> dict:
        config = super().get_config()
        transform = self.stft.get_config()
        for base in ("name", "trainable", "dtype"):
            transform.pop(base)
        config.update(
            transform,
            sample_rate=self.sample_rate,
            n_mels=self.n_mels,
            fmin=self.fmin,
            fmax=self.fmax,
            mel_scale=self.mel_scale,
            norm=self.norm,
            compression=self.compression,
            gain=self.gain,
            amin=self.amin,
            ref=self.ref,
            top_db=self.top_db,
            round_mel=self.round_mel,
        )
        return config


def round_to_float16(x):
    """Round to the nearest value that a half float can hold, staying in float32.

    Args:
        x: float32 tensor of values that are not negative. Values above 65504, the
            largest half float, become 65504.

    Returns:
        float32 tensor, bit for bit what NumPy's `astype("float16")` holds. The
        gradient is that of `minimum(x, 65504)`.
    """
    # Not a pair of casts: XLA may drop them, since float32 is "at least as precise".
    # Scaling by a power of two is exact, so that only `round` (ties to even) rounds.
    # The spacings themselves fit into half floats; exported networks may keep them so.
    x = ops.minimum(x, FLOAT16_MAX)
    exponents = np.arange(FLOAT16_MIN_EXPONENT, 16)
    # Below 2 ** -14 half floats are subnormal: the spacing stays the same.
    log2 = ops.log(ops.maximum(x, 2.0**FLOAT16_MIN_EXPONENT)) * (1.0 / math.log(2.0))
    # Near a power of two the logarithm may be off by one step; both spacings then
    # round to that power, so that the result is the same.
    index = ops.cast(ops.floor(log2), "int32") - FLOAT16_MIN_EXPONENT
    index = ops.clip(index, 0, len(exponents) - 1)
    spacing = np.exp2(exponents - FLOAT16_BITS).astype("float32")
    step = ops.take(ops.convert_to_tensor(spacing), index)
    rounded = ops.round(x / step) * step
    return x + ops.stop_gradient(rounded - x)
