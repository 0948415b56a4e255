"""How far music is from A4 at 440 Hz."""

import functools
import math
import numbers
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from keras_musictag.audio.arrays import check_sample_rate, resample_blocks, to_mono
from keras_musictag.audio.files import blocks
from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError

# How the tuning of a track is heard: see `ChordRecognizer`.
TUNINGS = ("auto", "original")
RATE = 22050
N_FFT, HOP = 2048, 512
# Spectral peaks count from here to there, in Hz, if they reach this part of the
# loudest value of their frame.
LOWEST, HIGHEST, PART = 150.0, 4000.0, 0.1
# Steps of the answer in a bin.
STEPS = 100
# A peak agrees with the answer if it is no further from it, in semitones.
AGREEMENT = 0.1
# Below this confidence, music as good as says nothing about its tuning.
DOUBTFUL = 0.05
A0_HZ = 27.5
FRAMES_AT_ONCE = 256


class Tuning(NamedTuple):
    """How far music is from A4 at 440 Hz.

    Attributes:
        bins: The distance in bins, above 0 for sharp music.
        bins_per_octave: Bins in an octave.
        confidence: From 0 (peaks lie anywhere, as in noise) to 1 (all of them agree).
    """

    bins: float
    bins_per_octave: int
    confidence: float

    @property
    def semitones(self) -> float:
        """The distance in semitones."""
        return self.bins * 12 / self.bins_per_octave

    @property
    def cents(self) -> float:
        """The distance in hundredths of a semitone."""
        return 100 * self.semitones

    @property
    def reference_hz(self) -> float:
        """Frequency of the music's A4, in Hz."""
        return 440.0 * 2.0 ** (self.semitones / 12)


class TuningEstimator:
    """Estimates the tuning of a track that comes in blocks.

    It keeps the spectral peaks of the track, about 0.3 MB per minute, and no audio.

    Args:
        sample_rate: Of the blocks, in Hz. Frames have 2048 samples, so 22050 is the
            rate that the method is made for.

    Example:

    ```python
    import keras_musictag as kmt

    estimator = kmt.audio.TuningEstimator()
    for block in kmt.audio.blocks(kmt.audio.demo_path(), 22050):
        estimator.add(block)
    print(estimator.estimate(bins_per_octave=36).cents)
    ```
    """

    def __init__(self, sample_rate: int = RATE):
        self.sample_rate = check_sample_rate(sample_rate)
        self._held = [np.zeros(N_FFT // 2, "float32")]
        self._count = N_FFT // 2
        self._peaks: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, block: Any) -> None:
        """Take the next samples, float `(n,)`."""
        samples = to_mono(block, name="block")
        self._held.append(samples)
        self._count += len(samples)
        if self._count >= N_FFT + FRAMES_AT_ONCE * HOP:
            self._held = [self._analyse(np.concatenate(self._held))]
            self._count = len(self._held[0])

    def estimate(self, bins_per_octave: int = 12, *, unwrap: bool = True) -> Tuning:
        """Say how far what came so far is from A4 at 440 Hz.

        Args:
            bins_per_octave, unwrap: As in `estimate_tuning`.

        Returns:
            The `Tuning`.
        """
        check_positive_int(bins_per_octave, name="bins_per_octave")
        frequencies = self._frequencies()
        if not len(frequencies):
            return Tuning(0.0, bins_per_octave, 0.0)
        octaves = np.log2(frequencies / A0_HZ)
        bins = fullest(bins_per_octave * octaves)
        if unwrap:
            coarse = bins_per_octave / 12 * fullest(12 * octaves)
            bins += round(coarse - bins)
            # The finer estimate may lie a little beyond half a semitone, where there
            # is no telling which of two pitches is meant.
            bins = max(-bins_per_octave / 24, min(bins, bins_per_octave / 24))
        distance = residuals(12 * octaves - 12 / bins_per_octave * bins)
        share = np.mean(np.abs(distance) <= AGREEMENT)
        by_chance = 2 * AGREEMENT
        confidence = max(0.0, float(share - by_chance) / (1 - by_chance))
        return Tuning(float(bins), bins_per_octave, confidence)

    def _frequencies(self) -> np.ndarray:
        """Frequencies of the louder half of all peaks, in Hz."""
        end = np.concatenate([*self._held, np.zeros(N_FFT // 2, "float32")])
        rest = TuningEstimator(self.sample_rate)
        rest._analyse(end)
        peaks = [*self._peaks, *rest._peaks]
        if not peaks:
            return np.zeros(0)
        frequencies, sizes = (np.concatenate(part) for part in zip(*peaks, strict=True))
        if not len(sizes):
            return frequencies
        return frequencies[sizes >= np.median(sizes)]

    def _analyse(self, samples: np.ndarray) -> np.ndarray:
        """Keep the peaks of all whole frames; return the samples of the next ones."""
        if len(samples) < N_FFT:
            return samples
        frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP]
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            part = frames[start : start + FRAMES_AT_ONCE]
            self._peaks.append(spectral_peaks(part, self.sample_rate))
        return samples[len(frames) * HOP :]


def estimate_tuning(
    source: Any,
    sample_rate: int = RATE,
    *,
    bins_per_octave: int = 12,
    unwrap: bool = True,
) -> Tuning:
    """Estimate how far music is from A4 at 440 Hz.

    The frequencies of the louder half of all spectral peaks between 150 and 4000 Hz
    are counted by their distance from the nearest bin; most of them say the tuning.
    That is the method of `librosa.estimate_tuning`, whose values this gives, in steps
    of a hundredth of a bin.

    With `bins_per_octave` above 12 the method cannot tell a tuning from one that is a
    whole bin away: with 36, a track 20 cents flat looks as one 13 cents sharp. With
    `unwrap=True` the estimate for 12 bins, which tells -50 to +50 cents apart, decides
    which of them it is.

    A file is read in blocks, at 22,050 Hz; memory grows by 0.3 MB per minute.

    Args:
        source: A path, an open file or an array `(samples,)` or
            `(channels, samples)`.
        sample_rate: Of an array, in Hz.
        bins_per_octave: In what the answer is counted.
        unwrap: Whether whole bins are told apart; `False` for librosa's values.

    Returns:
        A `Tuning`: `bins`, `cents`, `semitones`, the frequency of A4 as
        `reference_hz`, and a `confidence`: the share of those peaks within 10 cents of
        the answer, counted from what chance gives (0) to all of them (1). Silence
        gives 0 with confidence 0.

    Raises:
        AudioError: If the source is not usable audio.
        ConfigError: If `bins_per_octave` is not a whole number above 0.

    Example:

    ```python
    import keras_musictag as kmt

    tuning = kmt.audio.estimate_tuning(kmt.audio.demo_path())
    print(f"A4 at {tuning.reference_hz:.1f} Hz, {tuning.cents:+.0f} cents")
    ```
    """
    check_positive_int(bins_per_octave, name="bins_per_octave")
    estimator = TuningEstimator()
    for block in blocks(source, RATE, sample_rate=sample_rate):
        estimator.add(block)
    return estimator.estimate(bins_per_octave, unwrap=unwrap)


def hear_tuning(blocks: Iterable[np.ndarray], sample_rate: int, method: str) -> float:
    """Say where the bins of a transform should lie for one track.

    Args:
        blocks: The track's samples, float32 `(n,)` each.
        sample_rate: In Hz.
        method: `"auto"`: what `estimate_tuning` says for 36 bins per octave, or 0 where
            its confidence is next to nothing, as in noise. `"original"`: the same
            without telling whole bins apart, whatever the confidence.

    Returns:
        Semitones from the pitches for A4 at 440 Hz.
    """
    estimator = TuningEstimator()
    for block in resample_blocks(blocks, sample_rate, RATE):
        estimator.add(block)
    tuning = estimator.estimate(36, unwrap=method == "auto")
    doubtful = method == "auto" and tuning.confidence < DOUBTFUL
    return 0.0 if doubtful else tuning.semitones


def spectral_peaks(
    frames: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the local maxima of spectra, between bins by a parabola.

    Args:
        frames: float32 array `(frames, N_FFT)`.
        sample_rate: In Hz.

    Returns:
        Frequencies in Hz and magnitudes, float32 `(peaks,)`.
    """
    width = sample_rate / N_FFT
    first = max(1, math.ceil(LOWEST / width))
    end = min(N_FFT // 2, math.ceil(HIGHEST / width))
    spectra = np.fft.rfft(frames * _window())
    powers = spectra.real**2 + spectra.imag**2
    least = PART * np.sqrt(powers.max(axis=1, keepdims=True))
    sizes = np.sqrt(powers[:, first - 1 : end + 1])
    heard = np.where(sizes > least, sizes, 0)
    inner = heard[:, 1:-1]
    rows, columns = np.nonzero((inner > heard[:, :-2]) & (inner >= heard[:, 2:]))
    before, size, after = (sizes[rows, columns + n] for n in range(3))
    bend, slope = after + before - 2 * size, (after - before) / 2
    flat = np.abs(slope) >= np.abs(bend)
    shift = np.where(flat, 0, -slope / np.where(flat, 1, bend))
    frequencies = (columns + first + shift) * width
    return frequencies.astype("float32"), size + 0.5 * slope * shift


@functools.cache
def _window() -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi / N_FFT * np.arange(N_FFT))).astype("float32")


def residuals(bins: np.ndarray) -> np.ndarray:
    """Distances from the nearest whole number, from -0.5 to below 0.5."""
    rest = np.mod(bins, 1.0)
    return np.where(rest >= 0.5, rest - 1, rest)


def fullest(bins: np.ndarray) -> float:
    """Return where most values lie between whole numbers: the left edge of a cell."""
    edges = np.linspace(-0.5, 0.5, STEPS + 1)
    counts, _ = np.histogram(residuals(bins), edges)
    return float(edges[counts.argmax()])


def check_tuning(tuning) -> str | float:
    """Return a tuning if it is one, in semitones if it is a number.

    Raises:
        ConfigError: If it is neither a name of `TUNINGS` nor a number of at most half
            a semitone.
    """
    if isinstance(tuning, str) and tuning in TUNINGS:
        return tuning
    is_number = isinstance(tuning, numbers.Real) and not isinstance(tuning, bool)
    if not is_number or not abs(float(tuning)) <= 0.5:
        raise ConfigError(
            'A tuning must be "auto", "original" or a number of semitones from -0.5 '
            "to 0.5.",
            received=f"tuning={tuning!r}",
            advice='"auto" hears it in each track; 0 is A4 at 440 Hz.',
        )
    return float(tuning)
