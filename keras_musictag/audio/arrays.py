"""Arrays as audio: checks, mean of the channels, change of the sample rate."""

import math
import numbers
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_musictag.errors import AudioError

# A rank-2 array with a last axis up to this size and a longer first one is taken
# for (samples, channels), the order of soundfile.
_MOST_CHANNELS = 8

# Full scale of the integer types that audio is stored in, and their midpoint.
_PCM = {"int8": (128, 0), "uint8": (128, 128), "int16": (2**15, 0), "int32": (2**31, 0)}

# Sound that stays below is none: -120 dB of full scale.
SILENCE_PEAK = 1e-6


def is_silent(peak: float | None) -> bool | None:
    """Whether nothing is heard of sound.

    Args:
        peak: Its largest absolute sample; `None` if unknown.

    Returns:
        Whether it is; `None` if unknown.
    """
    return None if peak is None else peak <= SILENCE_PEAK


def check_sample_rate(sample_rate: Any) -> int:
    """Check a sample rate and return it as an `int`.

    Args:
        sample_rate: Samples per second in Hz: a positive whole number of any
            integer or float type.

    Returns:
        The sample rate as a Python `int`.

    Raises:
        AudioError: If it is zero, negative, not whole, or not a number.

    Example:

    ```python
    check_sample_rate(44100.0)  # 44100
    ```
    """
    is_number = isinstance(sample_rate, numbers.Real)
    is_bool = isinstance(sample_rate, (bool, np.bool_))
    if not is_number or is_bool or not _is_positive_whole(float(sample_rate)):
        raise AudioError(
            "A sample rate must be a positive whole number of samples per second.",
            received=f"sample_rate={sample_rate!r}",
            advice="Pass for example 16000, 22050, 44100 or 48000.",
        )
    return int(sample_rate)


def _is_positive_whole(value: float) -> bool:
    return math.isfinite(value) and value > 0 and value.is_integer()


def is_array(x: Any) -> bool:
    """Say whether `x` is a NumPy array or a tensor (a path or a file is not)."""
    return hasattr(x, "__array__") and hasattr(x, "shape")


def to_mono(y: Any, *, name: str = "array") -> np.ndarray:
    """Check an array of audio and return the mean of its channels.

    Integers are scaled by their type (`int16` by 1 / 32768). Floats are taken as
    they are: nothing is clipped or normalised.

    Args:
        y: NumPy array or backend tensor of shape `(samples,)` or
            `(channels, samples)`; integer PCM or float samples, full scale 1.
        name: What to call the array in an error message.

    Returns:
        float32 array of shape `(samples,)`. It may share memory with `y`.

    Raises:
        AudioError: If the array is no audio: wrong rank or type, no samples, NaN
            or infinity, or the order of the axes is `(samples, channels)`.

    Example:

    ```python
    stereo = np.array([[0, 16384], [0, -32768]], dtype="int16")
    to_mono(stereo)  # [0.0, -0.25]
    ```
    """
    y = _to_numpy(y, name)
    _check_shape(y, name)
    y = pcm_to_float(y, name=name)
    if not np.isfinite(y).all():
        where = np.argwhere(~np.isfinite(y))[0]
        raise AudioError(
            f"The {name} holds NaN or infinite samples.",
            received=f"{y[tuple(where)]} at sample {where[-1]} of {y.shape[-1]}",
            advice="Remove or replace them, for example with np.nan_to_num(x).",
        )
    return np.ascontiguousarray(y if y.ndim == 1 else np.mean(y, axis=0))


def mean_of_channels(block: np.ndarray) -> np.ndarray:
    """Return the mean `(samples,)` of a decoded block `(samples, channels)`."""
    # `np.mean` over so short an axis takes as long as decoding an MP3.
    total = block[:, 0].copy()
    for channel in block.T[1:]:
        total += channel
    return total if len(block.T) == 1 else total / np.float32(len(block.T))


def _to_numpy(y: Any, name: str) -> np.ndarray:
    if not is_array(y):
        raise AudioError(
            f"The {name} must be a NumPy array or a tensor.",
            received=f"an object of type {type(y).__name__}",
            advice="Convert it first, for example with np.asarray(x, 'float32').",
        )
    if hasattr(y, "detach"):  # PyTorch: leave the gradient and the device behind
        y = y.detach().cpu()
        y = y.float() if y.is_floating_point() else y
    try:
        return np.asarray(y)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise AudioError(
            f"The {name} cannot be turned into a NumPy array ({error}).",
            received=f"an object of type {type(y).__name__}",
            advice="Pass an array or a tensor that holds values.",
        ) from error


def _check_shape(y: np.ndarray, name: str) -> None:
    received = f"shape {y.shape}, type {y.dtype}"
    if y.ndim not in (1, 2):
        raise AudioError(
            f"The {name} must have the shape (samples,) or (channels, samples).",
            received=received,
            advice="Pass one track at a time, for example x[0].",
        )
    if y.size == 0:
        raise AudioError(
            f"The {name} has no samples.",
            received=received,
            advice="Pass at least one sample.",
        )
    check_axes(y.shape, name=name)


def check_axes(shape: Sequence[int], *, name: str = "array") -> None:
    """Refuse the shape `(samples, channels)`, the order of soundfile.

    Args:
        shape: Shape of an array. With two axes, it is taken for
            `(samples, channels)` if the last one is 8 or less and the first one
            more than 8.
        name: What to call the array in an error message.

    Raises:
        AudioError: If the shape looks like that.
    """
    if len(shape) == 2 and shape[1] <= _MOST_CHANNELS < shape[0]:
        raise AudioError(
            f"The {name} looks like (samples, channels), "
            "but the samples must be on the last axis.",
            received=f"shape {tuple(shape)}",
            advice="Transpose it: pass x.T.",
        )


def pcm_to_float(y: np.ndarray, *, name: str = "array") -> np.ndarray:
    """Turn PCM or float samples of any width into float32, full scale 1.

    Args:
        y: Array of any shape; `int8`, `uint8`, `int16`, `int32` or float.
        name: What to call the array in an error message.

    Returns:
        float32 array of the same shape.

    Raises:
        AudioError: If the type is not one that audio is stored in.
    """
    if y.dtype.name in _PCM:
        scale, middle = _PCM[y.dtype.name]
        return (y.astype(np.float32) - np.float32(middle)) / np.float32(scale)
    # bfloat16 of JAX and TensorFlow is a type of ml_dtypes, not of NumPy.
    if y.dtype.kind != "f" and y.dtype.name != "bfloat16":
        raise AudioError(
            f"The {name} is not of a type that audio is stored in.",
            received=f"shape {y.shape}, type {y.dtype}",
            advice="Pass float samples within [-1, 1], or int16 or int32 PCM.",
        )
    with np.errstate(over="ignore"):  # becomes infinity, which to_mono refuses
        return y.astype(np.float32, copy=False)


def resampled_length(samples: int, sample_rate: int, target_rate: int) -> int:
    """Give the number of samples after `resample`, by the rule of librosa."""
    # The same float arithmetic as librosa's, which rounding can push over a
    # whole number: lengths must agree.
    return int(np.ceil(samples * (float(target_rate) / sample_rate)))


def resample(y: Any, sample_rate: int, target_rate: int) -> np.ndarray:
    """Change the sample rate of a whole track with soxr, quality HQ.

    The result is that of `librosa.load(..., res_type="soxr_hq")`, with
    `ceil(samples * target_rate / sample_rate)` samples.

    Args:
        y: Array of shape `(samples,)` or `(channels, samples)`, as in `to_mono`.
        sample_rate: Rate of `y` in Hz.
        target_rate: Wanted rate in Hz.

    Returns:
        float32 array of shape `(samples,)`.

    Raises:
        AudioError: If the array is no audio or a rate is not valid.

    Example:

    ```python
    resample(np.zeros(44100), 44100, 16000).shape  # (16000,)
    ```
    """
    import soxr

    y = to_mono(y)
    sample_rate = check_sample_rate(sample_rate)
    target_rate = check_sample_rate(target_rate)
    if sample_rate == target_rate:
        return y
    out = soxr.resample(y, sample_rate, target_rate, quality="HQ")
    return _fit(out, resampled_length(len(y), sample_rate, target_rate))


def resample_blocks(
    blocks: Iterable[np.ndarray], sample_rate: int, target_rate: int
) -> Iterator[np.ndarray]:
    """Change the sample rate of a track that comes in blocks.

    The blocks joined are what `resample` gives for the whole track; the work and
    the memory of a block do not grow with the track.

    Args:
        blocks: float32 arrays of shape `(n,)`, in order, of any lengths.
        sample_rate: Rate of the blocks in Hz.
        target_rate: Wanted rate in Hz.

    Yields:
        float32 arrays of shape `(m,)`, none of them empty.

    Example:

    ```python
    joined = np.concatenate(list(resample_blocks([y[:999], y[999:]], 44100, 16000)))
    ```
    """
    import soxr

    sample_rate = check_sample_rate(sample_rate)
    target_rate = check_sample_rate(target_rate)
    if sample_rate == target_rate:
        yield from (block for block in blocks if len(block))
        return
    stream = soxr.ResampleStream(sample_rate, target_rate, 1, "float32", "HQ")
    taken = given = 0
    for block in blocks:
        taken += len(block)
        out = stream.resample_chunk(np.ascontiguousarray(block))
        given += len(out)
        if len(out):
            yield out
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    rest = _fit(rest, resampled_length(taken, sample_rate, target_rate) - given)
    if len(rest):
        yield rest


def _fit(y: np.ndarray, length: int) -> np.ndarray:
    # soxr rounds the length to the nearest; librosa rounds up and adds a zero.
    return np.pad(y, (0, max(0, length - len(y))))[:length]


def mono_steps(
    blocks: Iterable, sample_rate: int, target_rate: int, size: int
) -> Iterator[np.ndarray]:
    """Cut audio that arrives in blocks into mono steps of one size at another rate.

    Args:
        blocks: Blocks `(samples,)` or `(channels, samples)` of any lengths; empty ones
            are skipped.
        sample_rate: Rate of the blocks in Hz.
        target_rate: Wanted rate in Hz.
        size: Samples of a step.

    Yields:
        float32 arrays `(size,)`; the last one may be shorter.

    Raises:
        AudioError: If a block is no audio.
    """
    pieces = (to_mono(block, name="block") for block in blocks if np.size(block))
    kept = np.zeros(0, "float32")
    for piece in resample_blocks(pieces, sample_rate, target_rate):
        kept = np.concatenate([kept, piece])
        while len(kept) >= size:
            yield kept[:size]
            kept = kept[size:]
    if len(kept):
        yield kept
