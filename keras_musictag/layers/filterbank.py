"""Mel filter banks: triangles from FFT bins to mel bands, as plain arrays."""

import numbers

import numpy as np

from keras_musictag.checks import check_choice, check_positive_int
from keras_musictag.errors import ConfigError

MEL_SCALES = ("slaney", "htk", "kaldi")


def mel_filterbank(
    *,
    sample_rate,
    n_fft,
    n_mels,
    fmin=0.0,
    fmax=None,
    mel_scale="slaney",
    norm="slaney",
):
    """Triangular filters from FFT bins to mel bands, computed in float64.

    The edges of the bands are equally spaced in mel; each triangle starts at the
    centre of the band below and ends at the centre of the band above. A band that is
    narrower than the spacing of the bins may hold none; its values are then all zero.

    Args:
        sample_rate: Samples per second, in Hz.
        n_fft: Length of the transform in samples.
        n_mels: Number of bands.
        fmin: Lower edge of the lowest band, in Hz.
        fmax: Upper edge of the highest band, in Hz; `None` means `sample_rate / 2`.
        mel_scale: `"slaney"`: linear below 1000 Hz and logarithmic above (Slaney's
            Auditory Toolbox). `"htk"`: `2595 log10(1 + f / 700)`. `"kaldi"`: HTK's
            scale, with triangles that are straight over mel instead of over Hz.
        norm: `"slaney"` multiplies each triangle by 2 / its width in Hz, which makes
            their areas equal. `None` leaves them at height 1.

    Returns:
        float32 array of shape `(1 + n_fft // 2, n_mels)`: the transpose of
        `librosa.filters.mel`.

    Raises:
        ConfigError: If an argument cannot work.

    Example:

    ```python
    from keras_musictag.layers import mel_filterbank

    filters = mel_filterbank(sample_rate=16000, n_fft=512, n_mels=96)
    print(filters.shape)  # (257, 96)
    ```
    """
    check_positive_int(n_fft, name="n_fft")
    check_positive_int(n_mels, name="n_mels")
    if n_fft * n_mels > 2**24:  # 32 MiB, and several times that on the way
        raise ConfigError(
            "A filter bank of this size does not fit into memory.",
            received=f"n_fft={n_fft}, n_mels={n_mels}",
            advice="Use a shorter transform or fewer bands.",
        )
    check_choice(mel_scale, MEL_SCALES, name="mel_scale")
    check_choice(norm, ("slaney", None), name="norm")
    check_positive_int(sample_rate, name="sample_rate")
    fmax = sample_rate / 2 if fmax is None else fmax
    check_band_limits(fmin, fmax, sample_rate)
    low, high = hz_to_mel(np.array([fmin, fmax], "float64"), mel_scale)
    edges_mel = np.linspace(low, high, n_mels + 2)
    edges_hz = mel_to_hz(edges_mel, mel_scale)
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    if mel_scale == "kaldi":
        bins, edges = hz_to_mel(bins, mel_scale), edges_mel
    else:
        edges = edges_hz
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - left) / (centre - left)
    falling = (right - bins[:, None]) / (right - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if norm == "slaney":
        filters = filters * (2.0 / (edges_hz[2:] - edges_hz[:-2]))
    return filters.astype("float32")


def hz_to_mel(hz, mel_scale):
    """Turn a float64 array of frequencies in Hz into mel, see `mel_filterbank`."""
    if mel_scale != "slaney":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    # 200/3 Hz per mel up to 15 mel (1000 Hz), then a factor of 6.4 in 27 mel.
    above = 15.0 + 27.0 * np.log(np.maximum(hz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(hz < 1000.0, hz * 3.0 / 200.0, above)


def mel_to_hz(mel, mel_scale):
    """Turn a float64 array of frequencies in mel into Hz, undoing `hz_to_mel`."""
    if mel_scale != "slaney":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    above = 1000.0 * np.exp((np.maximum(mel, 15.0) - 15.0) * np.log(6.4) / 27.0)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, above)


def check_band_limits(fmin, fmax, sample_rate):
    """Raise a `ConfigError` unless `0 <= fmin < fmax <= sample_rate / 2` (Hz)."""
    numeric = isinstance(fmin, numbers.Real) and isinstance(fmax, numbers.Real)
    if not numeric or not 0 <= fmin < fmax:
        raise ConfigError(
            "`fmin` must be at least 0 and below `fmax`.",
            received=f"fmin={fmin!r}, fmax={fmax!r}",
            advice="Leave `fmax` out to reach up to half the sample rate.",
        )
    if fmax > sample_rate / 2:
        raise ConfigError(
            f"`fmax` is above half the sample rate, {sample_rate / 2:g} Hz.",
            received=f"fmax={fmax!r}, sample_rate={sample_rate!r}",
            advice="Lower it, or leave it out to reach up to that limit.",
        )
