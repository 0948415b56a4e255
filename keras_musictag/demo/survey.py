"""A first look at a file: is it music that can be listened to, and how loud is it."""

import dataclasses
import warnings

import numpy as np

from keras_musictag.audio.files import native_blocks
from keras_musictag.errors import AudioError, AudioWarning

STEPS_PER_SECOND = 50
POINTS = 1200  # of the waveform: no screen shows more


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a file is, before any model hears it.

    Args:
        duration: In seconds.
        peaks: Loudest sample of each of at most `POINTS` equal parts.
        notice: What is odd about it, such as a file that is cut short; else empty.
    """

    duration: float
    peaks: list[float]
    notice: str


def survey(path: str, max_minutes: float) -> Survey:
    """Decode a file once, in bounded memory.

    Args:
        path: The file.
        max_minutes: Longer ones are refused as soon as that much is decoded.

    Returns:
        The `Survey`.

    Raises:
        AudioError: If it is no audio, or too long.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AudioWarning)
        rate, blocks = native_blocks(path)
        step = max(1, rate // STEPS_PER_SECOND)
        found, rest, samples = [], np.zeros(0, "float32"), 0
        for block in blocks:
            samples += len(block)
            if samples > max_minutes * 60 * rate:
                raise _too_long(path, max_minutes)
            joined = np.concatenate([rest, np.abs(block)])
            whole = len(joined) - len(joined) % step
            found.append(joined[:whole].reshape(-1, step).max(axis=1))
            rest = joined[whole:]
    if len(rest):
        found.append(rest.max(keepdims=True))
    peaks = np.concatenate(found)
    cut_short = any(issubclass(item.category, AudioWarning) for item in caught)
    notice = "The file is cut short or damaged; this is what could be read of it."
    return Survey(samples / rate, _fewer(peaks), notice if cut_short else "")


def _fewer(peaks: np.ndarray) -> list[float]:
    size = -(-len(peaks) // POINTS)
    padded = np.pad(peaks, (0, -len(peaks) % size))
    return [round(float(v), 3) for v in padded.reshape(-1, size).max(axis=1)]


def _too_long(path: str, max_minutes: float) -> AudioError:
    return AudioError(
        f"The recording is longer than {max_minutes:g} minutes.",
        received=path,
        advice="Cut it, or use the command line, which takes any length.",
    )
