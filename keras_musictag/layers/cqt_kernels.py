"""Filters of the constant-Q transform, octave by octave, as plain arrays."""

import dataclasses
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
# the bins themselves is further down. Where bins lie in the transition itself, its
# exact shape matters; the second value is that of the resampler.
REJECTION_DB, STEEP_REJECTION_DB = 67.0, 120.0
# Taps below this part of the largest one are left off the ends of the filters.
SILENT_TAP = 1e-7


@dataclasses.dataclass(frozen=True)
class Level:
    """The filters that work at one sampling rate.

    Attributes:
        index: How often the rate was halved.
        hop: Samples from frame to frame at this rate.
        before: Samples of a filter that lie before the frame's centre.
        kernel: float32 array `(taps, 2 * filters)`: real parts, then imaginary ones.
    """

    index: int
    hop: int
    before: int
    kernel: np.ndarray


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that a constant-Q transform needs beside the waveform.

    Attributes:
        levels: The `Level`s, from the lowest rate to the highest.
        rejection_db: Rejection of the low-pass before each halving of the rate.
        order: For each output, in order, which of the levels' filters (counted
            through all levels) it is.
        longest, shortest: Length of the longest and the shortest filter, in samples
            at the full rate.
    """

    levels: tuple
    rejection_db: float
    order: np.ndarray
    longest: float
    shortest: float


def make_plan(
    *,
    sample_rate,
    hop_length,
    fmins,
    n_bins,
    bins_per_octave,
    window,
    filter_scale,
    sparsity,
):
    """Design the filters of one or several constant-Q transforms.

    Each octave has its own rate, as in librosa: the highest that its filters need,
    halved from octave to octave. Filters that several transforms share, such as those
    of the harmonics 1 and 2, are made once.

    Args:
        sample_rate: Samples per second, in Hz.
        hop_length: Samples from frame to frame.
        fmins: Lowest frequency of each transform, in Hz.
        n_bins: Bins of each transform.
        bins_per_octave: Bins per octave.
        window: One of `WINDOWS`.
        filter_scale: Factor on the lengths of the filters.
        sparsity: Part of each filter's spectrum that is set to zero, from 0 to 1.

    Returns:
        A `Plan`; the outputs are ordered by bin, then by transform.

    Raises:
        ConfigError: If a filter reaches above half the sample rate, or the hop
            cannot be halved once per octave.
    """
    quality = filter_scale / relative_bandwidth(bins_per_octave)
    widening = 1.0 + 0.5 * noise_bandwidth(window) / quality
    octaves = math.ceil(n_bins / bins_per_octave)
    check_hop(hop_length, octaves)
    steps = 2.0 ** (np.arange(n_bins) / bins_per_octave)
    found: dict = {}  # level -> {frequency: filter}
    rejection_db = REJECTION_DB
    places = [[(0, 0.0)] * len(fmins) for _ in range(n_bins)]
    for column, fmin in enumerate(fmins):
        frequencies = fmin * steps
        cutoff = frequencies[-1] * widening
        check_top(frequencies[-1], cutoff, sample_rate)
        first = early_halvings(sample_rate / 2 / cutoff, hop_length, octaves)
        for octave in range(octaves):
            index = first + octave
            stop = n_bins - octave * bins_per_octave
            start = max(0, stop - bins_per_octave)
            filters = octave_filters(
                frequencies[start:stop],
                sample_rate / 2.0**index,
                quality,
                window,
                sparsity,
            )
            halved = sample_rate / 2.0 ** (index + 1)
            if index and frequencies[stop - 1] * widening > PASSBAND * halved:
                rejection_db = STEEP_REJECTION_DB
            known = found.setdefault(index, {})
            for position, taps in zip(range(start, stop), filters, strict=True):
                key = round(float(frequencies[position]), 6)
                # The octave's gain: half as many samples carry the same sound.
                known.setdefault(key, taps * 2.0 ** (index / 2))
                places[position][column] = (index, key)
    levels = []
    numbers: dict = {}
    for index in sorted(found, reverse=True):
        for key in sorted(found[index]):
            numbers[index, key] = len(numbers)
        filters = [found[index][key] for key in sorted(found[index])]
        levels.append(Level(index, hop_length >> index, *stack_filters(filters)))
    return Plan(
        tuple(levels),
        rejection_db,
        np.array([numbers[place] for row in places for place in row]),
        quality * sample_rate / min(fmins),
        quality * sample_rate / (max(fmins) * steps[-1]),
    )


def octave_filters(frequencies, rate, quality, window, sparsity):
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

    Returns:
        complex128 array of shape `(filters, taps)`; `taps` is a power of two and the
        centre at `taps // 2`. A tone of amplitude 1 at the centre frequency gives
        half the square root of the filter's length in samples.
    """
    lengths = quality * rate / frequencies
    taps = 2 ** math.ceil(math.log2(lengths.max()))
    waves = np.zeros((len(lengths), taps), "complex128")
    for row, length, frequency in zip(waves, lengths, frequencies, strict=True):
        start, stop = -math.ceil(length / 2), math.floor(length / 2)
        wave = np.exp(2j * np.pi * frequency / rate * np.arange(start, stop))
        values = window_values(window, stop - start)
        row[taps // 2 + start : taps // 2 + stop] = wave * values / values.sum()
    spectra = np.fft.fft(waves)[:, : taps // 2 + 1]
    drop_smallest(spectra, sparsity)
    return np.fft.fft(spectra, n=taps) / taps * np.sqrt(lengths)[:, None]


def drop_smallest(spectra, part):
    """Zero, in place, the smallest values of each row: `part` of its sum at most."""
    for row in spectra:
        size = np.abs(row)
        ascending = np.sort(size)
        kept = np.argmin(np.cumsum(ascending) / ascending.sum() < part)
        row[size < ascending[kept]] = 0.0


def stack_filters(filters):
    """Put filters of different lengths, centred, side by side.

    Args:
        filters: Complex arrays of even lengths.

    Returns:
        Samples before the centre, and a float32 array `(taps, 2 * filters)`.
    """
    half = max(len(taps) for taps in filters) // 2
    both = np.stack([np.pad(taps, half - len(taps) // 2) for taps in filters], axis=1)
    loud = np.flatnonzero(np.abs(both).max(axis=1) > SILENT_TAP * np.abs(both).max())
    start, stop = loud[0], loud[-1] + 1
    both = both[start:stop]
    kernel = np.concatenate([both.real, both.imag], axis=1).astype("float32")
    return half - int(start), kernel


def lowpass(rejection_db):
    """Linear-phase low-pass before halving a rate, a Kaiser-windowed sinc.

    Args:
        rejection_db: Rejection in its stopband, in dB.

    Returns:
        float32 array of odd length, centred, with sum 1.
    """
    transition, cutoff = (STOPBAND - PASSBAND) / 4, (STOPBAND + PASSBAND) / 8
    # Kaiser's formulas for the length and the shape of his window.
    half = math.ceil((rejection_db - 7.95) / (14.36 * transition) / 2)
    beta = 0.1102 * (rejection_db - 8.7)
    sinc = np.sinc(2 * cutoff * np.arange(-half, half + 1))
    taps = sinc * np.kaiser(2 * half + 1, beta)
    return (taps / taps.sum()).astype("float32")


def early_halvings(headroom, hop_length, octaves):
    """How often the rate can be halved before the highest octave, as in librosa.

    Args:
        headroom: Half the rate, divided by the highest frequency that matters.
        hop_length: Samples from frame to frame.
        octaves: Number of octaves.

    Returns:
        An int of at least 0; a factor of 2 to 4 of the headroom stays.
    """
    by_rate = math.ceil(math.log2(headroom)) - 2
    return max(0, min(by_rate, factors_of_two(hop_length) - octaves + 1))


def factors_of_two(number):
    """How often a positive int can be halved."""
    return (number & -number).bit_length() - 1


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


def check_hop(hop_length, octaves):
    """Raise a `ConfigError` unless the hop can be halved once per further octave."""
    if factors_of_two(hop_length) < octaves - 1:
        step = 2 ** (octaves - 1)
        nearest = max(1, round(hop_length / step)) * step
        raise ConfigError(
            f"{octaves} octaves need a `hop_length` that {step} divides: the rate is "
            "halved from octave to octave.",
            received=f"hop_length={hop_length}",
            advice=f"Use {nearest}, or fewer octaves.",
        )


def check_top(frequency, cutoff, sample_rate):
    """Raise a `ConfigError` if the highest filter reaches above half the rate."""
    if cutoff > sample_rate / 2:
        raise ConfigError(
            f"The highest bin, {frequency:.1f} Hz, reaches up to {cutoff:.1f} Hz; that "
            f"is above half the sample rate, {sample_rate / 2:g} Hz.",
            received=f"sample_rate={sample_rate!r}",
            advice="Use fewer bins, a lower `fmin` or harmonic, or a higher rate.",
        )
