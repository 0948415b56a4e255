"""A short piece of a long file, without decoding and resampling all of it."""

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_musictag.audio.arrays import (
    check_sample_rate,
    mean_of_channels,
    resample,
    resampled_length,
)
from keras_musictag.audio.decoders import open_sound
from keras_musictag.audio.files import load

# Neighbouring samples, at the lower of the two rates, that the resampler hears:
# from 160 on the difference to the whole file stays below 1e-6.
_MARGIN = 512


def excerpt(
    path: str | os.PathLike,
    sample_rate: int,
    samples: int,
    start: Callable[[int], int],
    *,
    compensate_delay: bool = False,
) -> np.ndarray:
    """Read a piece of an audio file.

    WAV, AIFF, FLAC and MP3 are decoded only where the piece lies (MP3 from some
    frames before on, which the right values need); OGG up to its end; all of other
    and of damaged files. The values are those of `load(path, sample_rate)`, within
    1e-6 if the rate changes.

    Args:
        path: An audio file.
        sample_rate: Wanted rate in Hz.
        samples: Length of the piece at that rate; zeros fill up what is shorter.
        start: Takes the length of the track in samples at `sample_rate`, gives the
            first sample of the piece.
        compensate_delay: As in `load`.

    Returns:
        float32 array `(samples,)`.

    Raises:
        AudioError: As `load`.

    Example:

    ```python
    middle = excerpt("song.flac", 16000, 48000, lambda n: max(0, n - 48000) // 2)
    ```
    """
    rate = check_sample_rate(sample_rate)
    y = None
    with open_sound(Path(path), compensate_delay=compensate_delay) as sound:
        length = sound.known_length()
        if length:
            size = length
            if sound.sample_rate != rate:
                size = resampled_length(length, sound.sample_rate, rate)
            y = _decode(sound, length, rate, start(size), samples)
    if y is None:
        whole, _ = load(path, rate, compensate_delay=compensate_delay)
        begin = start(len(whole))
        y = whole[begin : begin + samples]
    return np.pad(y, (0, samples - len(y)))


def _decode(sound, length, rate, start, samples) -> np.ndarray | None:
    """Decode and resample a piece; `None` if the file is not what it announces."""
    common = math.gcd(sound.sample_rate, rate)
    up, down = rate // common, sound.sample_rate // common
    margin = 0
    if rate != sound.sample_rate:
        margin = math.ceil(_MARGIN * rate / min(rate, sound.sample_rate))
    # Begin where a sample of the one rate meets one of the other: the same phase.
    first = max(0, start - margin) // up * up
    begin = first // up * down
    end = min(length, math.ceil((start + samples + margin) * down / up))
    block = sound.read(begin, end - begin)
    if block is None or not np.isfinite(block).all():
        return None
    y = mean_of_channels(block)
    if rate != sound.sample_rate:
        y = resample(y, sound.sample_rate, rate)
    return y[start - first : start - first + samples]
