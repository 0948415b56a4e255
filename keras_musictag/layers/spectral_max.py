"""The largest value of a convolution over frequency, by a transform along frequency.

A tall kernel multiplies every position by every one of its bands. After a Fourier
transform along frequency it multiplies once per coefficient, and what remains is to
turn the coefficients back into positions: for Musicnn's kernels a quarter of the
multiplications, all of them in matrix products.
"""

import functools
from typing import NamedTuple

import numpy as np
from keras import ops

# A coefficient is written to memory and read again, which takes the time of some
# multiplications.
COST_OF_COEFFICIENT = 16
# Matrix products as thin as these reach half the rate of a direct convolution.
COST_OF_MULTIPLICATION = 2


class Transform(NamedTuple):
    """How kernels of one height meet spectra of one height.

    Kernels are cut along frequency into parts, each of which meets its own stretch of
    the bands: shorter transforms for a few more products.

    Args:
        parts: Parts of a kernel.
        step: Bands of a part.
        forward: From bands to coefficients, `(bands, coefficients * 2 * parts)`, real
            and imaginary.
        weigh: From the bands of a part of a kernel to what the real and the imaginary
            coefficients of a spectrum are multiplied by, for the real and the
            imaginary coefficients of the product: `(2, coefficients, 2, step)`.
        cosines, sines: From these to the mean and to half of the difference of the two
            positions at the same distance from the middle, `(distances,
            coefficients)`.
    """

    parts: int
    step: int
    forward: np.ndarray
    weigh: np.ndarray
    cosines: np.ndarray
    sines: np.ndarray


@functools.cache
def transform(bands: int, height: int, inputs: int) -> Transform | None:
    """Return the cheapest transform for a kernel.

    Args:
        bands: Of the spectra.
        height: Of the kernel, in bands.
        inputs: What the kernel reads of a band: its frames times its channels.

    Returns:
        The transform, `None` if a direct convolution takes less.
    """
    positions = bands - height + 1

    def cost(parts: int) -> int:
        coefficients = (positions + -(-height // parts) - 1) // 2 + 1
        distances = (positions + 1) // 2
        return 2 * coefficients * (2 * inputs * parts + distances + COST_OF_COEFFICIENT)

    parts = min(range(1, height + 1), key=cost)
    if cost(parts) * COST_OF_MULTIPLICATION > positions * height * inputs:
        return None
    return _transform(bands, height, parts)


def _transform(bands: int, height: int, parts: int) -> Transform:
    positions, step = bands - height + 1, -(-height // parts)
    length = positions + step - 1
    turns = 2 * np.pi * np.arange(length // 2 + 1)[:, None] / length
    # Of the bands of a stretch to its coefficients; the last stretch may end early.
    forward = np.zeros((bands, len(turns), 2, parts))
    for part in range(parts):
        own = np.arange(min(length, bands - part * step))
        angles = (turns * own).T
        forward[part * step + own, :, 0, part] = np.cos(angles)
        forward[part * step + own, :, 1, part] = -np.sin(angles)
    # The inverse counts from the middle of the positions: there the two on either side
    # share their products.
    middle = (positions - 1) / 2
    share = np.where((turns == 0) | np.isclose(turns, np.pi), 1, 2) / length
    angles = turns * (np.arange(step) + middle)
    real, imaginary = share * np.cos(angles), share * np.sin(angles)
    weigh = np.stack(
        [
            np.stack([real, -imaginary], axis=1),
            np.stack([imaginary, real], axis=1),
        ]
    )
    angles = (turns * np.arange(middle % 1, middle + 1)).T
    arrays = forward.reshape(bands, -1), weigh, np.cos(angles), np.sin(angles)
    return Transform(parts, step, *(array.astype("float32") for array in arrays))


def strongest(x, kernel, by: Transform):
    """Convolve without padding and keep the largest value over frequency.

    Args:
        x: float32 tensor `(batch, frames, bands, channels)`.
        kernel: float32 tensor `(frames, bands, channels, filters)`.
        by: What `transform` returned for both.

    Returns:
        float32 tensor `(batch, frames left, filters)`.
    """
    weights = ops.unstack(_weights(kernel, by))
    # One item at a time: its coefficients stay in the cache of the processor.
    return ops.map(lambda item: _strongest_of_item(item, weights, kernel, by), x)


def _weights(kernel, by: Transform):
    """`(2, coefficients, frames * channels * 2 * parts, filters)`."""
    frames, height, channels, filters = kernel.shape
    missing = by.parts * by.step - height
    kernel = ops.pad(kernel, ((0, 0), (0, missing), (0, 0), (0, 0)))
    kernel = ops.reshape(kernel, (frames, by.parts, by.step, channels, filters))
    weights = ops.tensordot(by.weigh, kernel, axes=((3,), (2,)))
    weights = ops.transpose(weights, (0, 1, 3, 5, 2, 4, 6))
    inputs = frames * channels * 2 * by.parts
    return ops.reshape(weights, (2, len(by.cosines[0]), inputs, filters))


def _strongest_of_item(x, weights, kernel, by: Transform):
    bands, channels = x.shape[1:]
    coefficients, inputs, filters = weights[0].shape
    frames = ops.shape(x)[0] - kernel.shape[0] + 1
    x = ops.reshape(ops.transpose(x, (0, 2, 1)), (-1, bands))
    x = ops.matmul(x, by.forward)
    x = ops.reshape(x, (-1, channels, coefficients, 2 * by.parts))
    x = ops.transpose(x, (2, 0, 1, 3))
    x = ops.stack([x[:, i : frames + i] for i in range(kernel.shape[0])], axis=2)
    x = ops.reshape(x, (coefficients, -1, inputs))
    mean, difference = (
        ops.matmul(inverse, ops.reshape(ops.matmul(x, part), (coefficients, -1)))
        for inverse, part in zip((by.cosines, by.sines), weights, strict=True)
    )
    # Row by row: XLA and ONNX Runtime take the maximum of an axis value by value.
    rows = ops.unstack(mean + ops.abs(difference), axis=0)
    return ops.reshape(functools.reduce(ops.maximum, rows), (-1, filters))
