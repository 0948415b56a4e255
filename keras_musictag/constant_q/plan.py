"""Which filters of a constant-Q transform work at which rate, at any tuning."""

import dataclasses
import functools
import math

import numpy as np

from keras_musictag.constant_q.kernels import (
    PASSBAND,
    filter_spectra,
    noise_bandwidth,
    octave_filters,
    relative_bandwidth,
    window_values,
)
from keras_musictag.errors import ConfigError

# Taps below this part of the largest one are left off the ends of the filters.
SILENT_TAP = 1e-7


@dataclasses.dataclass(frozen=True)
class Settings:
    """What decides the filters; see `CQT`, whose arguments these are.

    Attributes:
        fmins: Lowest frequency of each transform, in Hz.
        gamma: Bandwidth that is added to that of each filter, in Hz.
        hybrid: Whether short filters see magnitudes only.
    """

    sample_rate: float
    hop_length: int
    fmins: tuple
    n_bins: int
    bins_per_octave: int
    window: str
    filter_scale: float
    sparsity: float
    gamma: float = 0.0
    hybrid: bool = False

    @property
    def quality(self):
        """Cycles per filter."""
        return self.filter_scale / relative_bandwidth(self.bins_per_octave)

    @property
    def offset(self):
        """What is added to frequencies where lengths are decided, in Hz."""
        return self.gamma / relative_bandwidth(self.bins_per_octave)

    def frequencies(self, fmin, tuning=0.0):
        """Centre frequencies in Hz of one transform at a tuning in bins."""
        steps = (np.arange(self.n_bins) + tuning) / self.bins_per_octave
        return fmin * 2.0**steps

    def reach(self, frequency):
        """The highest frequency in Hz that the filter of one frequency lets pass."""
        widening = 1.0 + 0.5 * noise_bandwidth(self.window) / self.quality
        return frequency * widening + 0.5 * self.gamma


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
class Pseudo:
    """The filters that see magnitudes of a Fourier transform, at the full rate.

    Attributes:
        level: The transform's windowed waves, as a `Level`.
        weights: float32 array `(frequencies, filters)`.
        low: The first of the transform's frequencies.
    """

    level: Level
    weights: np.ndarray
    low: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that a constant-Q transform needs beside the waveform.

    Attributes:
        levels: The `Level`s, from the lowest rate to the highest.
        pseudo: The `Pseudo` of a hybrid transform, else `None`.
        exact: Whether the low-pass before each halving must be that of librosa.
        order: For each output, in order, which of the filters it is, counted through
            all levels and then those of `pseudo`.
        longest, shortest: Length of the longest and the shortest filter, in samples
            at the full rate.
    """

    levels: tuple
    pseudo: Pseudo | None
    exact: bool
    order: np.ndarray
    longest: float
    shortest: float


def make_plan(settings, tuning=0.0, frame=None):
    """Design the filters of one or several constant-Q transforms.

    Each octave has its own rate, as in librosa: the highest that its filters need,
    halved from octave to octave. Filters that several transforms share, such as those
    of the harmonics 1 and 2, are made once.

    Args:
        settings: The `Settings`.
        tuning: How far all filters are moved, in bins.
        frame: The `Frame` whose shapes the arrays shall have; their own if `None`.

    Returns:
        A `Plan`; the outputs are ordered by bin, then by transform.

    Raises:
        ConfigError: If a filter reaches above half the sample rate, or is too long
            for memory.
    """
    by_level: dict = {}  # index -> {frequency: filter}
    designed: dict = {}
    exact = settings.hybrid or settings.gamma > 0
    keys = np.empty((settings.n_bins, len(settings.fmins)), object)
    pseudo = None
    for column, fmin in enumerate(settings.fmins):
        frequencies = settings.frequencies(fmin, tuning)
        check_top(frequencies[-1], settings.reach(frequencies[-1]), settings)
        lower = settings.n_bins - count_pseudo(settings, frequencies)
        if lower < settings.n_bins:
            pseudo = make_pseudo(settings, frequencies[lower:])
        keys[lower:, column] = [("pseudo", n) for n in range(settings.n_bins - lower)]
        for index, start, stop in octaves(settings, frequencies[:lower]):
            rate = settings.sample_rate / 2.0**index
            if index and settings.reach(frequencies[stop - 1]) > PASSBAND * rate / 2:
                exact = True
            # At half the rate the octave below has the same filters.
            same = (stop - start, round(frequencies[start] / rate, 12))
            if same not in designed or settings.gamma:
                designed[same] = octave_filters(
                    frequencies[start:stop],
                    rate,
                    settings.quality,
                    settings.window,
                    settings.sparsity,
                    settings.offset,
                )
            shared = by_level.setdefault(index, {})
            filters = designed[same]
            for position, taps in zip(range(start, stop), filters, strict=True):
                key = round(float(frequencies[position]), 6)
                # The octave's gain: half as many samples carry the same sound.
                shared.setdefault(key, taps * 2.0 ** (index / 2))
                keys[position, column] = (index, key)
    return join(settings, tuning, by_level, pseudo, keys, exact, frame)


def octaves(settings, frequencies):
    """Share out the bins of one transform among the rates.

    Args:
        settings: The `Settings`.
        frequencies: Centre frequencies in Hz.

    Yields:
        From the highest octave down: how often the rate was halved, and the first of
        its bins and their end.
    """
    if not len(frequencies):
        return
    per_octave = settings.bins_per_octave
    count = math.ceil(len(frequencies) / per_octave)
    most = factors_of_two(settings.hop_length)
    headroom = settings.sample_rate / 2 / settings.reach(frequencies[-1])
    first = early_halvings(headroom, settings.hop_length, count)
    for octave in range(count):
        stop = len(frequencies) - octave * per_octave
        # As in librosa, the rate is halved no more where the hop has become odd.
        yield min(first + octave, most), max(0, stop - per_octave), stop


def count_pseudo(settings, frequencies):
    """How many of the highest filters see magnitudes only: those of two hops at most.

    Args:
        settings: The `Settings`.
        frequencies: Centre frequencies in Hz.
    """
    if not settings.hybrid:
        return 0
    lengths = settings.quality * settings.sample_rate / frequencies
    return int(np.sum(2.0 ** np.ceil(np.log2(lengths)) < 2 * settings.hop_length))


def make_pseudo(settings, frequencies):
    """Design the filters that see magnitudes of a Fourier transform.

    Args:
        settings: The `Settings`.
        frequencies: Their centre frequencies in Hz, ascending.

    Returns:
        float64 array `(n_fft // 2 + 1, filters)`: what the magnitudes of a transform
        of two hops with a Hann window are weighted with.
    """
    n_fft = 2 ** (1 + math.ceil(math.log2(settings.hop_length)))
    lengths = settings.quality * settings.sample_rate / frequencies
    spectra = filter_spectra(
        frequencies,
        settings.sample_rate,
        lengths,
        n_fft,
        settings.window,
        settings.sparsity,
    )
    return np.abs(spectra).T / math.sqrt(n_fft)


def join(settings, tuning, by_level, weights, keys, exact, frame):
    """Put filters side by side, and say where each output finds its own.

    Args:
        settings, tuning, frame: As in `make_plan`.
        by_level: For each number of halvings, the filters by their frequency.
        weights: From `make_pseudo`, or `None`.
        keys: For each bin and transform, the number of halvings and the frequency.
        exact: See `Plan`.

    Returns:
        The `Plan`.
    """
    if frame is None:
        indices, pseudo_shape = sorted(by_level, reverse=True), None
    else:
        indices, pseudo_shape = list(frame.levels), frame.pseudo
    levels, numbers, total = [], {}, 0
    for index in indices:
        filters = by_level.get(index, {})
        names = sorted(filters)
        numbers.update({(index, name): total + n for n, name in enumerate(names)})
        before, kernel = stack_filters([filters[name] for name in names])
        if frame is not None:
            before, kernel = fit(before, kernel, *frame.levels[index])
        levels.append(Level(index, settings.hop_length >> index, before, kernel))
        total += kernel.shape[1] // 2
    pseudo = None
    if pseudo_shape is not None or weights is not None:
        pseudo = window_pseudo(settings, weights, pseudo_shape)
        numbers.update(
            {("pseudo", n): total + n for n in range(pseudo.weights.shape[1])}
        )
    lowest, highest = min(settings.fmins), max(settings.fmins)
    longest = settings.frequencies(lowest, tuning)[0] + settings.offset
    shortest = settings.frequencies(highest, tuning)[-1] + settings.offset
    return Plan(
        tuple(levels),
        pseudo,
        exact,
        np.array([numbers[key] for row in keys for key in row], "int32"),
        settings.quality * settings.sample_rate / longest,
        settings.quality * settings.sample_rate / shortest,
    )


def stack_filters(filters):
    """Put filters of different lengths, centred, side by side.

    Args:
        filters: Complex arrays of even lengths; may be none.

    Returns:
        Samples before the centre, and a float32 array `(taps, 2 * filters)`.
    """
    if not filters:
        return 0, np.zeros((1, 0), "float32")
    half = max(len(taps) for taps in filters) // 2
    both = np.zeros((2 * half, len(filters)), "complex128")
    for column, taps in enumerate(filters):
        both[half - len(taps) // 2 : half + len(taps) // 2, column] = taps
    loud = np.flatnonzero(np.abs(both).max(axis=1) > SILENT_TAP * np.abs(both).max())
    start, stop = loud[0], loud[-1] + 1
    both = both[start:stop]
    kernel = np.concatenate([both.real, both.imag], axis=1).astype("float32")
    return half - int(start), kernel


def window_pseudo(settings, weights, shape):
    """Make the `Pseudo` of weights: only the frequencies that any filter needs.

    Args:
        settings: The `Settings`.
        weights: From `make_pseudo`; `None` for no filters.
        shape: First frequency, end and number of filters, or `None` for those of the
            weights.
    """
    n_fft = 2 ** (1 + math.ceil(math.log2(settings.hop_length)))
    if shape is None:
        needed = np.flatnonzero(weights.any(axis=1))
        shape = (int(needed[0]), int(needed[-1]) + 1, weights.shape[1])
    low, high, count = shape
    chosen = np.zeros((high - low, count), "float32")
    if weights is not None:
        chosen[:, : weights.shape[1]] = weights[low:high]
    level = Level(0, settings.hop_length, n_fft // 2, fourier(n_fft, low, high))
    return Pseudo(level, chosen, low)


@functools.lru_cache(maxsize=4)
def fourier(n_fft, low, high):
    """Waves of some frequencies of a Fourier transform in a Hann window.

    Returns:
        float32 array `(n_fft, 2 * (high - low))`: real parts, then imaginary ones.
    """
    circle = 2 * np.pi / n_fft * np.arange(n_fft)
    turns = np.outer(np.arange(n_fft), np.arange(low, high)) % n_fft
    waves = np.concatenate([np.cos(circle)[turns], -np.sin(circle)[turns]], axis=1)
    return (window_values("hann", n_fft)[:, None] * waves).astype("float32")


def fit(before, kernel, wanted_before, taps, filters):
    """Move a kernel into a larger one; what lies outside of that is next to nothing.

    Args:
        before, kernel: From `stack_filters`.
        wanted_before, taps, filters: Shape of the other.

    Returns:
        Samples before the centre, and a float32 array `(taps, 2 * filters)`.
    """
    held = kernel.shape[1] // 2
    parts = kernel.reshape(-1, 2, held)
    skipped, start = max(0, before - wanted_before), max(0, wanted_before - before)
    parts = parts[skipped : skipped + taps - start]
    larger = np.zeros((taps, 2, filters), "float32")
    larger[start : start + len(parts), :, :held] = parts
    return wanted_before, larger.reshape(taps, 2 * filters)


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


def check_top(frequency, cutoff, settings):
    """Raise a `ConfigError` if the highest filter reaches above half the rate."""
    if cutoff > settings.sample_rate / 2:
        raise ConfigError(
            f"The highest bin, {frequency:.1f} Hz, reaches up to {cutoff:.1f} Hz; that "
            f"is above half the sample rate, {settings.sample_rate / 2:g} Hz.",
            received=f"sample_rate={settings.sample_rate!r}",
            advice="Use fewer bins, a lower `fmin` or harmonic, or a higher rate.",
        )
