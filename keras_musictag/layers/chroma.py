"""Chroma: the energy of each pitch class over time, as a layer without weights."""

import math

import keras
import numpy as np
from keras import ops

from keras_musictag.checks import check_choice, check_positive, check_positive_int
from keras_musictag.constant_q.kernels import C1_HZ
from keras_musictag.errors import ConfigError
from keras_musictag.layers.cqt import CQT
from keras_musictag.layers.stft import STFT, safe_sqrt

NORMS = ("max", "l1", "l2", None)
# Below this a frame counts as silent and stays zero: the smallest normal float32.
TINY = float(np.finfo("float32").tiny)


@keras.saving.register_keras_serializable(package="keras_musictag")
class Chroma(keras.layers.Layer):
    """Chromagram of a waveform: one value per pitch class and frame.

    With `method="cqt"` the bins of a `CQT` are added up over the octaves, each with
    its neighbours that are nearest to the same pitch class. These are the values of
    `librosa.feature.chroma_cqt` with `threshold=0` and `tuning=0`. With
    `method="stft"` a power spectrum is weighted with Gaussian bumps around the pitches
    of each class, as `librosa.feature.chroma_stft` does with `tuning=0`. The axes are
    `(batch, frames, n_chroma)`, the transpose of librosa's; the first class is C.

    The layer has no weights and computes in float32 whatever the dtype policy.

    Args:
        sample_rate: Samples per second of the waveforms, in Hz.
        hop_length: Samples from one frame to the next.
        method: `"cqt"` or `"stft"`.
        n_chroma: Number of classes per octave.
        norm: What each frame is divided by: `"max"`, `"l1"` (the sum), `"l2"` (the
            Euclidean norm) or `None`. Silent frames stay zero.
        fmin: Frequency of the lowest bin in Hz, for `"cqt"`. It should be one of the
            pitches; the default is C1.
        n_octaves: Number of octaves, for `"cqt"`.
        bins_per_octave: Bins per octave, a multiple of `n_chroma`, for `"cqt"`.
        n_fft: Length of the transform in samples, for `"stft"`.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input: float32 waveforms of shape `(batch, samples)`.

    Output: float32 of shape `(batch, frames, n_chroma)`, `1 + samples // hop_length`
        frames.

    Raises:
        ConfigError: If an argument cannot work, or the input is not of rank 2 or too
            short.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import Chroma

    time = np.arange(22050) / 22050
    a4 = np.sin(2 * np.pi * 440.0 * time).astype("float32")
    chroma = np.asarray(Chroma()(a4[None]))
    print(chroma.shape, chroma[0, 20].argmax())  # (1, 44, 12) 9
    ```
    """

    def __init__(
        self,
        sample_rate=22050,
        hop_length=512,
        method="cqt",
        n_chroma=12,
        norm="max",
        fmin=C1_HZ,
        n_octaves=7,
        bins_per_octave=36,
        n_fft=2048,
        **kwargs,
    ) -> None:
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.sample_rate = check_positive(sample_rate, name="sample_rate")
        self.hop_length = check_positive_int(hop_length, name="hop_length")
        self.method = check_choice(method, ("cqt", "stft"), name="method")
        self.n_chroma = check_positive_int(n_chroma, name="n_chroma")
        self.norm = check_choice(norm, NORMS, name="norm")
        self.fmin = check_positive(fmin, name="fmin")
        self.n_octaves = check_positive_int(n_octaves, name="n_octaves")
        self.bins_per_octave = check_positive_int(
            bins_per_octave, name="bins_per_octave"
        )
        self.n_fft = check_positive_int(n_fft, name="n_fft")
        # NumPy arrays, not tensors: a tensor kept here would belong to one graph.
        if method == "cqt":
            self._matrix = fold_bins(
                n_bins=n_octaves * bins_per_octave,
                bins_per_octave=bins_per_octave,
                n_chroma=n_chroma,
                fmin=fmin,
            )
            self.transform = CQT(
                sample_rate=sample_rate,
                hop_length=hop_length,
                fmin=fmin,
                n_bins=n_octaves * bins_per_octave,
                bins_per_octave=bins_per_octave,
                name="cqt",
            )
        else:
            self._matrix = chroma_filterbank(
                sample_rate=sample_rate, n_fft=n_fft, n_chroma=n_chroma
            )
            self.transform = STFT(
                n_fft=n_fft, hop_length=hop_length, power=2, name="stft"
            )

    def __call__(self, inputs, *args, **kwargs):
        # Checked here because Keras turns errors from inside `call` into its own.
        self.transform.check_input_shape(np.shape(inputs))
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape):
        self.transform.build(input_shape)
        self.built = True

    def call(self, inputs):
        chroma = ops.matmul(self.transform(inputs), ops.convert_to_tensor(self._matrix))
        if self.norm is None:
            return chroma
        if self.norm == "max":
            size = ops.max(chroma, axis=-1, keepdims=True)
        elif self.norm == "l1":
            size = ops.sum(chroma, axis=-1, keepdims=True)
        else:
            size = safe_sqrt(ops.sum(ops.square(chroma), axis=-1, keepdims=True))
        return chroma / ops.where(size > TINY, size, 1.0)

    def compute_output_shape(self, input_shape):
        shape = self.transform.compute_output_shape(input_shape)
        return (*shape[:2], self.n_chroma)

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            sample_rate=self.sample_rate,
            hop_length=self.hop_length,
            method=self.method,
            n_chroma=self.n_chroma,
            norm=self.norm,
            fmin=self.fmin,
            n_octaves=self.n_octaves,
            bins_per_octave=self.bins_per_octave,
            n_fft=self.n_fft,
        )
        return config


def fold_bins(*, n_bins, bins_per_octave, n_chroma=12, fmin=C1_HZ):
    """Matrix that adds up the bins of a constant-Q transform by pitch class.

    Args:
        n_bins: Number of bins of the transform.
        bins_per_octave: Its bins per octave, a multiple of `n_chroma`.
        n_chroma: Number of classes.
        fmin: Frequency of its lowest bin in Hz; rounded to the nearest class.

    Returns:
        float32 array of shape `(n_bins, n_chroma)` of zeros and ones; the first class
        is C.

    Raises:
        ConfigError: If the bins cannot be shared out evenly.
    """
    if bins_per_octave % n_chroma:
        raise ConfigError(
            "`bins_per_octave` must be a multiple of `n_chroma`.",
            received=f"bins_per_octave={bins_per_octave}, n_chroma={n_chroma}",
            advice=f"Use {n_chroma * max(1, round(bins_per_octave / n_chroma))} bins.",
        )
    merged = bins_per_octave // n_chroma
    # Half of the neighbours lie below the pitch, so that those of the lowest class
    # begin at the end of the octave.
    lowest = round((12 * math.log2(fmin / C1_HZ) % 12) * n_chroma / 12)
    classes = (lowest + (np.arange(n_bins) + merged // 2) // merged) % n_chroma
    return np.eye(n_chroma, dtype="float32")[classes]


def chroma_filterbank(*, sample_rate, n_fft, n_chroma=12):
    """Weights of the bins of a Fourier transform for each pitch class.

    Gaussian bumps of one semitone around each pitch (of the width of a bin where bins
    are wider than that), columns of Euclidean norm 1, then a broad Gaussian over pitch
    that favours the octaves around 880 Hz. A4 is 440 Hz.

    Args:
        sample_rate: Samples per second, in Hz.
        n_fft: Length of the transform in samples.
        n_chroma: Number of classes.

    Returns:
        float32 array of shape `(1 + n_fft // 2, n_chroma)`: the transpose of
        `librosa.filters.chroma`. The first class is C.
    """
    # Octaves above A0, 27.5 Hz; the bin at 0 Hz is put far below the others.
    frequencies = np.arange(1, n_fft) * (sample_rate / n_fft)
    pitch = n_chroma * np.log2(frequencies / 27.5)
    pitch = np.concatenate([[pitch[0] - 1.5 * n_chroma], pitch])
    width = np.append(np.maximum(np.diff(pitch), 1.0), 1.0)
    half = round(n_chroma / 2)
    distance = pitch[:, None] - np.arange(n_chroma)
    distance = (distance + half) % n_chroma - half
    weights = np.exp(-0.5 * (2.0 * distance / width[:, None]) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    weights *= np.exp(-0.5 * ((pitch / n_chroma - 5.0) / 2.0) ** 2)[:, None]
    # From A to C as the first class.
    weights = np.roll(weights, -3 * (n_chroma // 12), axis=1)
    return weights[: n_fft // 2 + 1].astype("float32")
