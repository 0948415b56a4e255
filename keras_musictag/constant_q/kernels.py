"""Filters of the constant-Q transform, octave by octave, as plain arrays."""

import math

import numpy as np

from keras_musictag.errors import ConfigError

C1_HZ = 32.70319566257483
# Coefficients of the cosines in each window (periodic, as SciPy makes them).
WINDOWS = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "ones": (1.0,),
}
# The low-pass before each halving of the rate: end of its passband and start of its
# stopband, as parts of half the new rate. They are those of the resampler that librosa
# uses (soxr "HQ"); a shorter filter is twice as fast, but even the low bins respond a
# little near half the rate, which then costs 1 % of the largest magnitude.
PASSBAND, STOPBAND = 0.913, 1.0
# Its rejection. It grows with the distance from the passband, so that what folds onto
# the bins themselves is further down.
REJECTION_DB = 67.0
# The resampler's own low-pass for 2 -> 1, read off its response to an impulse: half its
# length in samples, Kaiser's shape parameter, and the cutoff as a part of the old rate.
SOXR_HALF, SOXR_BETA, SOXR_CUTOFF = 194.5, 13.04003, 0.23921795


def octave_filters(frequencies, rate, quality, window, sparsity, offset=0.0):
    """Filters of up to one octave, at one rate, as librosa applies them.

    librosa multiplies the spectrum of a rectangular frame by the positive half of
    each filter's spectrum, from which it drops the smallest values. This is the
    same as correlating with the filters below.

    Args:
        frequencies: Centre frequencies in Hz, ascending.
        rate: Samples per second.
        quality: Cycles per filter.
        window: One of `WINDOWS`.
        sparsity: Values that make up this part of the sum of a spectrum's
            magnitudes are set to zero, the smallest first.
        offset: Added to the frequencies where lengths are decided, in Hz.

    Returns:
        complex128 array of shape `(filters, taps)`; `taps` is a power of two and the
        centre at `taps // 2`. A tone of amplitude 1 at the centre frequency gives
        half the square root of the filter's length in samples.
    """
    lengths = quality * rate / (frequencies + offset)
    taps = 2 ** math.ceil(math.log2(lengths.max()))
    spectra = filter_spectra(frequencies, rate, lengths, taps, window, sparsity)
    return np.fft.fft(spectra, n=taps) / np.sqrt(lengths)[:, None]


def filter_spectra(frequencies, rate, lengths, taps, window, sparsity):
    """Positive halves of the spectra of filters, as librosa scales them.

    Args:
        frequencies, rate, window, sparsity: As in `octave_filters`.
        lengths: Lengths of the filters in samples, not rounded.
        taps: Length of the transform in samples.

    Returns:
        complex128 array of shape `(filters, taps // 2 + 1)`, for filters whose centre
        is at `taps // 2` and whose magnitudes sum to their length divided by `taps`.
    """
    if len(lengths) * taps > 2**24:  # 256 MiB, and several times that on the way
        raise ConfigError(
            "Filters of this length do not fit into memory.",
            received=f"{len(lengths)} filters of {taps} samples, the lowest at "
            f"{frequencies.min():g} Hz",
            advice="Use a higher `fmin`, or fewer bins per octave.",
        )
    waves = np.zeros((len(lengths), taps), "complex128")
    for row, length, frequency in zip(waves, lengths, frequencies, strict=True):
        start, stop = -math.ceil(length / 2), math.floor(length / 2)
        wave = np.exp(2j * np.pi * frequency / rate * np.arange(start, stop))
        values = window_values(window, stop - start)
        row[taps // 2 + start : taps // 2 + stop] = wave * values / values.sum()
    waves *= lengths[:, None] / taps
    spectra = np.fft.fft(waves)[:, : taps // 2 + 1]
    drop_smallest(spectra, sparsity)
    return spectra


def drop_smallest(spectra, part):
    """Zero, in place, the smallest values of each row: `part` of its sum at most."""
    for row in spectra:
        size = np.abs(row)
        ascending = np.sort(size)
        kept = np.argmin(np.cumsum(ascending) / ascending.sum() < part)
        row[size < ascending[kept]] = 0.0


def lowpass(exact):
    """Linear-phase low-pass before halving a rate, a Kaiser-windowed sinc.

    Args:
        exact: Whether it is that of soxr, or one of half the length.

    Returns:
        float32 array of odd length, centred, with sum 1.
    """
    half, beta, cutoff = SOXR_HALF, SOXR_BETA, SOXR_CUTOFF
    if not exact:
        transition, cutoff = (STOPBAND - PASSBAND) / 4, (STOPBAND + PASSBAND) / 8
        # Kaiser's formulas for the length and the shape of his window.
        half = math.ceil((REJECTION_DB - 7.95) / (14.36 * transition) / 2)
        beta = 0.1102 * (REJECTION_DB - 8.7)
    times = np.arange(-math.floor(half), math.floor(half) + 1)
    shape = np.i0(beta * np.sqrt(1 - (times / half) ** 2))
    taps = np.sinc(2 * cutoff * times) * shape
    return (taps / taps.sum()).astype("float32")


def relative_bandwidth(bins_per_octave):
    """Bandwidth of a filter divided by its centre frequency."""
    ratio = 4.0 ** (1.0 / bins_per_octave)
    return (ratio - 1.0) / (ratio + 1.0)


def noise_bandwidth(window):
    """Equivalent noise bandwidth of a window, in bins of its transform."""
    values = window_values(window, 1000)
    return 1000 * np.sum(values**2) / np.sum(values) ** 2


def window_values(window, length):
    """Values of one of `WINDOWS`, periodic: float64 array of shape `(length,)`."""
    angles = 2.0 * np.pi * np.arange(length) / length
    parts = enumerate(WINDOWS[window])
    return sum((-1) ** n * part * np.cos(n * angles) for n, part in parts)
