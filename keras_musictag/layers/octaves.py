"""The steps of the constant-Q transform from one octave to the next."""

import numpy as np
from keras import ops


def halving_kernel(taps):
    """Turn a low-pass into blocks for `halve`.

    Returns:
        Samples to put before the waveform, and a float32 array of shape
        `(blocks, 2 * outputs, outputs)`: a convolution over blocks of samples that
        computes a whole block of outputs at each step.
    """
    # The fastest block on TensorFlow and JAX, of 8 to 128.
    outputs = 16
    blocks = -(-(2 * outputs - 2 + len(taps)) // (2 * outputs))
    matrix = np.zeros((blocks * 2 * outputs, outputs), "float32")
    for column in range(outputs):
        matrix[2 * column : 2 * column + len(taps), column] = taps
    return len(taps) // 2, matrix.reshape(blocks, 2 * outputs, outputs)


def halve(x, before, kernel):
    """Low-pass a waveform and keep every second sample.

    Args:
        x: Tensor of shape `(batch, samples)`.
        before, kernel: From `halving_kernel`.

    Returns:
        Tensor of shape `(batch, (samples + 1) // 2)`.
    """
    length = (ops.shape(x)[1] + 1) // 2
    blocks, step, outputs = kernel.shape
    rows = (length + outputs - 1) // outputs + blocks - 1
    y = block_convolution(x, before, step, rows, kernel)
    return ops.reshape(y, (ops.shape(x)[0], -1))[:, :length]


def silence_outside(x, span, step):
    """Set samples outside a span to zero.

    Args:
        x: Tensor of shape `(batch, samples)`, at a lower rate.
        span: int32 tensor `(batch, 2)`: first sample and end, at the full rate.
        step: Samples at the full rate for each of `x`.

    Returns:
        Tensor of the same shape.
    """
    positions = step * ops.arange(ops.shape(x)[1], dtype="int32")
    inside = (positions >= span[:, :1]) & (positions < span[:, 1:])
    return x * ops.cast(inside, x.dtype)


def band_powers(x, level, kernel, frames):
    """Power of each band of one octave in each frame.

    Args:
        x: Tensor of shape `(batch, samples)` at the level's rate.
        level: `Level` of the plan.
        kernel: Its kernel, as an array or a variable.
        frames: Number of frames.

    Returns:
        Tensor of shape `(batch, frames, filters)`.
    """
    taps, columns = level.kernel.shape
    hop = level.hop
    blocks = -(-taps // hop)
    kernel = ops.convert_to_tensor(kernel)
    if blocks * hop > taps and taps > hop:
        kernel = ops.pad(kernel, [[0, blocks * hop - taps], [0, 0]])
    kernel = ops.reshape(kernel, (blocks, -1, columns))
    both = block_convolution(x, level.before, hop, frames + blocks - 1, kernel)
    squares = ops.square(both)
    return squares[..., : columns // 2] + squares[..., columns // 2 :]


def block_convolution(x, before, step, rows, kernel):
    """Convolve with a stride, as a convolution over blocks of `step` samples.

    One channel and a long stride become many channels and no stride, which is fast
    on every backend.

    Args:
        x: Tensor of shape `(batch, samples)`.
        before: Zeros to put before it.
        step: The stride, in samples.
        rows: Number of blocks to cut; zeros follow the end.
        kernel: Tensor of shape `(blocks, channels, outputs)`; `channels` is `step`,
            or less if only the beginning of each block counts.

    Returns:
        Tensor of shape `(batch, rows - blocks + 1, outputs)`.
    """
    blocks, channels, outputs = kernel.shape
    x = ops.pad(x, [[0, 0], [before, (blocks + 1) * step]])[:, : rows * step]
    x = ops.reshape(x, (ops.shape(x)[0], rows, step))[:, :, :channels]
    if blocks == 1:
        return ops.matmul(x, kernel[0])
    return ops.conv(x, kernel, padding="valid", data_format="channels_last")


def unpack(vector, plan):
    """Take the arrays out of a vector of `constant_q.tuning.pack`.

    Args:
        vector: float32 tensor `(size,)`.
        plan: A `Plan` whose arrays have the same shapes.

    Returns:
        Tensors: a list of the kernels of the levels, the weights of `plan.pseudo` (or
        `None`), and the order of the outputs, int32.
    """
    start = 0

    def take(shape):
        nonlocal start
        stop = start + int(np.prod(shape))
        part, start = ops.reshape(vector[start:stop], shape), stop
        return part

    kernels = [take(level.kernel.shape) for level in plan.levels]
    weights = None if plan.pseudo is None else take(plan.pseudo.weights.shape)
    return kernels, weights, ops.cast(take(plan.order.shape), "int32")
