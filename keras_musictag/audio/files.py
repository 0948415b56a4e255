"""Audio files: load them whole, stream them in blocks, measure them."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.audio.arrays import (
    check_sample_rate,
    is_array,
    mean_of_channels,
    resample,
    resample_blocks,
    resampled_length,
    to_mono,
)
from keras_musictag.audio.decoders import open_sound
from keras_musictag.errors import AudioError, AudioWarning, ConfigError

_BLOCK_SECONDS = 10.0
# Damaged headers announce absurd rates and channels; a block stays below 64 MiB.
_BLOCK_VALUES = 2**24
_MOST_TOLD = 5  # losses that a warning names one by one


def load(
    source: Any,
    sample_rate: int | None = None,
    mono: bool = True,
    *,
    compensate_delay: bool = False,
) -> tuple[np.ndarray, int]:
    """Load an audio file or the sound of a video whole.

    WAV, FLAC, OGG, MP3, AIFF and what else libsndfile knows is read by soundfile;
    M4A, AAC, WMA and videos by PyAV (extra `av`). Values are those of
    `librosa.load(source, sr=sample_rate, res_type="soxr_hq")`. Where the sound of a
    video begins after the picture, silence stands before it: times are those that a
    player shows.

    Args:
        source: Path (`str` or `Path`) or binary file object, read from its start.
        sample_rate: Wanted rate in Hz; `None` keeps the file's.
        mono: Whether to take the mean of the channels.
        compensate_delay: Whether to leave out the first 1105 samples of an MP3
            whose header does not tell its delay: the 576 that LAME puts before the
            sound, and the 529 of every decoder. They make it 25 ms late at 44.1 kHz
            and 138 ms at 8 kHz. By default they stay, as in FFmpeg, mpg123 and
            librosa; another encoder may have put fewer there.

    Returns:
        `(y, sample_rate)`: float32 array of shape `(samples,)`, or
        `(channels, samples)` if `mono` is false, and its rate in Hz. Full scale is
        1; peaks above it are kept.

    Raises:
        AudioError: If the file is missing, unreadable, empty, not audio, holds
            nothing that decodes, or NaN or infinity. A file that is cut short
            or damaged gives what it holds, with an `AudioWarning` that says how
            much is missing and where.

    Example:

    ```python
    y, sample_rate = load("song.mp3", sample_rate=16000)
    ```
    """
    rate = None if sample_rate is None else check_sample_rate(sample_rate)
    with open_sound(source, compensate_delay=compensate_delay) as sound:
        blocks = _decode(sound, _BLOCK_SECONDS)
        if mono:
            y = np.concatenate([mean_of_channels(block) for block in blocks])
        else:
            y = np.ascontiguousarray(np.concatenate(list(blocks)).T)
    if rate is None or rate == sound.sample_rate:
        return y, sound.sample_rate
    if mono:
        return resample(y, sound.sample_rate, rate), rate
    return np.stack([resample(row, sound.sample_rate, rate) for row in y]), rate


def blocks(
    source: Any,
    target_rate: int,
    *,
    sample_rate: int | None = None,
    block_seconds: float = _BLOCK_SECONDS,
    compensate_delay: bool = False,
) -> Iterator[np.ndarray]:
    """Stream a track at the wanted rate, so that it is never held whole.

    The blocks joined are what `load(source, target_rate)` gives.

    Args:
        source: Path, binary file object, or array of shape `(samples,)` or
            `(channels, samples)`.
        target_rate: Wanted rate in Hz.
        sample_rate: Rate of an array in Hz; `None` means `target_rate`. A file
            knows its own rate, so it is not used there.
        block_seconds: About how much to decode at a time.
        compensate_delay: As in `load`.

    Returns:
        Iterator of float32 arrays of shape `(n,)`: the mean of the channels.

    Raises:
        AudioError: As `load` and `to_mono`; what only decoding shows is raised
            while the blocks are read.
        ConfigError: If `block_seconds` is not positive.

    Example:

    ```python
    seconds = sum(len(block) for block in blocks("song.mp3", 16000)) / 16000
    ```
    """
    target_rate = check_sample_rate(target_rate)
    rate = target_rate if sample_rate is None else check_sample_rate(sample_rate)
    if not (math.isfinite(block_seconds) and block_seconds > 0):
        raise ConfigError(
            "A block must last longer than nothing.",
            received=f"block_seconds={block_seconds!r}",
            advice="Pass a number of seconds, for example 10.",
        )
    if is_array(source):
        y, size = to_mono(source), max(1, round(block_seconds * rate))
        pieces = (y[i : i + size] for i in range(0, len(y), size))
        return resample_blocks(pieces, rate, target_rate)
    # Opened now, not when the first block is asked for.
    sound = open_sound(source, compensate_delay=compensate_delay)
    return _file_blocks(sound, target_rate, block_seconds)


def native_blocks(source: Any) -> tuple[int, Iterator[np.ndarray]]:
    """Stream a file at its own rate, for those who need several rates of it.

    Args:
        source: Path or binary file object.

    Returns:
        `(sample_rate, blocks)`: in Hz, and an iterator of float32 arrays `(n,)`, the
        mean of the channels.

    Raises:
        AudioError: As `blocks`.
    """
    sound = open_sound(source)

    def pieces():
        with sound:
            for block in _decode(sound, _BLOCK_SECONDS):
                yield mean_of_channels(block)

    return sound.sample_rate, pieces()


def _file_blocks(sound: Any, target_rate: int, seconds: float) -> Iterator[np.ndarray]:
    with sound:
        pieces = (mean_of_channels(block) for block in _decode(sound, seconds))
        yield from resample_blocks(pieces, sound.sample_rate, target_rate)


def _decode(sound: Any, seconds: float) -> Iterator[np.ndarray]:
    """Decode checked blocks of `(n, channels)`; warn if the file is cut short."""
    decoded = 0
    for block in sound.blocks(_block_size(sound, seconds)):
        if not np.isfinite(block).all():
            bad = int(np.argmin(np.isfinite(block).all(axis=1)))
            second = (decoded + bad) / sound.sample_rate
            raise AudioError(
                "The audio file holds NaN or infinite samples.",
                received=f"{sound.name}, first at {second:.3f} s",
                advice="Make the file again, or repair the samples and pass an array.",
            )
        decoded += len(block)
        yield block
    if not decoded:
        raise _no_samples(sound.name)
    if sound.truncated:
        _warn_of_losses(sound, decoded / sound.sample_rate)


def _warn_of_losses(sound: Any, decoded: float) -> None:
    whole = "" if sound.announced is None else f" of {sound.announced:.2f}"
    losses = sorted(sound.losses)
    told = [f"{seconds:.2f} s at {at:.2f} s" for at, seconds in losses]
    if len(told) > _MOST_TOLD:
        rest = sum(loss.seconds for loss in losses[_MOST_TOLD:])
        told = told[:_MOST_TOLD]
        told.append(f"{rest:.2f} s at {len(losses) - _MOST_TOLD} more places")
    missing = ", ".join(told) or "a part, of unknown length"
    warnings.warn(
        f"The audio file is cut short or damaged. Received: {sound.name}, "
        f"{decoded:.2f}{whole} s decoded; missing: {missing}. "
        "What was decoded is used; copy or download the file again for the rest.",
        AudioWarning,
        stacklevel=4,
    )


def _block_size(sound: Any, seconds: float) -> int:
    most = _BLOCK_VALUES // max(1, sound.channels)
    return max(1, min(most, round(seconds * sound.sample_rate)))


def _count(source: Any, compensate_delay: bool) -> tuple[int, int]:
    """Give the samples per channel that decoding yields, and the rate."""
    with open_sound(source, compensate_delay=compensate_delay) as sound:
        samples = sound.exact_length()
        if samples is None:
            size = _block_size(sound, _BLOCK_SECONDS)
            samples = sum(len(block) for block in sound.blocks(size))
    if not samples:
        raise _no_samples(sound.name)
    return samples, sound.sample_rate


def _no_samples(name: str) -> AudioError:
    return AudioError(
        "The audio file holds no samples that can be decoded.",
        received=name,
        advice="It may be cut short or damaged: copy or download it again.",
    )


def duration(source: Any, *, compensate_delay: bool = False) -> float:
    """Give the length of an audio file in seconds.

    Compressed files are decoded to count their samples, in bounded memory: headers
    may only estimate the length, and do not know that a file is cut short.

    Args:
        source: Path or binary file object.
        compensate_delay: As in `load`.

    Returns:
        Seconds.

    Raises:
        AudioError: If the file cannot be read.
    """
    samples, sample_rate = _count(source, compensate_delay)
    return samples / sample_rate


def length(
    source: Any,
    target_rate: int,
    *,
    sample_rate: int | None = None,
    compensate_delay: bool = False,
) -> int:
    """Give the number of samples that `blocks` yields for a track.

    Args:
        source: Path, file object or array, as in `blocks`.
        target_rate: Wanted rate in Hz.
        sample_rate: Rate of an array in Hz; `None` means `target_rate`.
        compensate_delay: As in `load`.

    Returns:
        Samples at `target_rate`.

    Raises:
        AudioError: If the source is no audio.
    """
    target_rate = check_sample_rate(target_rate)
    if is_array(source):
        rate = target_rate if sample_rate is None else check_sample_rate(sample_rate)
        samples = len(to_mono(source))
    else:
        samples, rate = _count(source, compensate_delay)
    if rate == target_rate:
        return samples
    return resampled_length(samples, rate, target_rate)


def demo_path() -> Path:
    """Return the path of a demo clip that comes with the package.

    Ten seconds of rendered slow jazz: piano, saxophone, bass and drums; mono,
    16 kHz, OGG.

    Returns:
        A `Path`.
    """
    return Path(__file__).with_name("demo.ogg")
