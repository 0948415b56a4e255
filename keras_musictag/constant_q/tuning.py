"""Filters of a constant-Q transform that follow the tuning of a track."""

import dataclasses
import functools
import math
import numbers

import numpy as np

from keras_musictag.constant_q.plan import make_plan
from keras_musictag.errors import ConfigError

# Frequencies of the Fourier transform that are kept beyond those of the extremes.
MARGIN = 4


@dataclasses.dataclass(frozen=True)
class Frame:
    """Shapes that hold the filters of a transform at any tuning of half a semitone.

    Attributes:
        levels: For each number of halvings, from the lowest rate on: samples before
            the centre, taps and filters.
        pseudo: First frequency, end and number of the filters that see magnitudes
            only, or `None`.
    """

    levels: dict
    pseudo: tuple | None

    @classmethod
    def from_config(cls, config):
        """Make the frame that `dataclasses.asdict` turned into JSON values."""
        levels = {int(index): tuple(shape) for index, shape in config["levels"].items()}
        pseudo = config["pseudo"]
        return cls(levels, None if pseudo is None else tuple(pseudo))

    @classmethod
    def of(cls, settings):
        """Make the frame of some `Settings`."""
        plans = [make_plan(settings, tuning) for tuning in extremes(settings)]
        levels: dict = {}
        for level in (level for plan in plans for level in plan.levels):
            taps, columns = level.kernel.shape
            shape = (level.before, taps - level.before, columns // 2)
            levels[level.index] = np.maximum(shape, levels.get(level.index, 0))
        pseudos = [
            (p.low, p.low + len(p.weights), p.weights.shape[1])
            for p in (plan.pseudo for plan in plans)
            if p is not None
        ]
        ends = None
        if pseudos:
            lows, highs, counts = zip(*pseudos, strict=True)
            # Which values are too small to be kept changes by a few with the tuning.
            highest = 1 + 2 ** math.ceil(math.log2(settings.hop_length))
            high = min(highest, max(highs) + MARGIN)
            ends = (max(0, min(lows) - MARGIN), high, max(counts))
        return cls(
            {
                index: (int(before), int(before + after), int(count))
                for index, (before, after, count) in sorted(
                    levels.items(), reverse=True
                )
            },
            ends,
        )


def extremes(settings):
    """Tunings at which filters are longest and shortest, and most and fewest."""
    largest = settings.bins_per_octave / 24
    tunings = [-largest, 0.0, largest]
    if settings.hybrid:
        # Where a filter begins or ends to be one that fits into two hops.
        longest = 2.0 ** (math.ceil(math.log2(settings.hop_length)))
        limit = settings.quality * settings.sample_rate / longest
        bins = math.log2(limit / settings.fmins[0]) * settings.bins_per_octave
        nearest = bins - math.floor(bins)
        turns = nearest + np.arange(-math.ceil(largest) - 1, math.ceil(largest) + 1)
        both = np.concatenate([turns - 1e-6, turns + 1e-6])
        tunings += both[np.abs(both) < largest].tolist()
    return tunings


@functools.lru_cache(maxsize=8)
def tuned_plan(settings, tuning=0.0):
    """The `Plan` of a tuning in bins; its arrays have the same shapes at any tuning."""
    return make_plan(settings, tuning, _frame(settings))


@functools.lru_cache(maxsize=8)
def _frame(settings):
    return Frame.of(settings)


def pack(plan):
    """Put all that depends on the tuning into one float32 vector."""
    weights = [] if plan.pseudo is None else [plan.pseudo.weights]
    arrays = [*(level.kernel for level in plan.levels), *weights, plan.order]
    return np.concatenate([np.ravel(a).astype("float32") for a in arrays])


def check_tuning(tuning, bins_per_octave):
    """Return a tuning in bins as a float, at most half a semitone up or down.

    Raises:
        ConfigError: If it is further away, or not a number.
    """
    largest = bins_per_octave / 24
    is_number = isinstance(tuning, numbers.Real) and not isinstance(tuning, bool)
    if not is_number or not abs(float(tuning)) <= largest:
        raise ConfigError(
            f"A tuning must be a number of bins from {-largest:g} to {largest:g}, "
            "half a semitone down or up.",
            received=f"tuning={tuning!r}",
            advice="0 is A4 at 440 Hz.",
        )
    return float(tuning)
