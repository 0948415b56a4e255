"""Some of the convolutions of the ISMIR 2019 chord network, over a block of frames.

By ONNX Runtime, which on the processor is several times as fast as the backends of
Keras.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_musictag.engines.sessions import Graph


class Step(NamedTuple):
    """One convolution.

    Args:
        kernel: `(3, 3, in, out)`.
        padding: Zeros beyond the lowest and the highest bin.
    """

    kernel: np.ndarray
    padding: int


# From a block, float32 `(channels, frames, bins)` with one more frame on either side
# for each convolution; a scale and a shift for each activation before one, `(channels,
# frames)`, which are 0 beyond the track; and an array for the output of the last
# convolution, pooled, if that is wanted. To the sums of this output and of its squares
# before it is pooled, float64 `(2, channels)`.
Convolve = Callable[
    [np.ndarray, list[tuple[np.ndarray, np.ndarray]], np.ndarray | None], np.ndarray
]


def by_onnx(steps: list[Step], activated: bool, pool: int) -> Convolve:
    """Make what runs convolutions over blocks, with an activation between two.

    Args:
        steps: The convolutions.
        activated: Whether there is an activation before the first one as well.
        pool: Bins of the pooling of the last output; 0 if that is not wanted.

    Returns:
        The function, which threads may share.
    """
    session = _session(steps, activated, pool)
    names = [output.name for output in session.get_outputs()]

    def convolve(block, norms, out):
        binding = session.io_binding()
        binding.bind_cpu_input("block", block[None])
        for i, (scale, shift) in enumerate(norms, start=not activated):
            binding.bind_cpu_input(f"scale{i}", scale[None, ..., None])
            binding.bind_cpu_input(f"shift{i}", shift[None, ..., None])
        channels, frames = steps[-1].kernel.shape[3], block.shape[1] - 2 * len(steps)
        moments = np.empty((2, 1, channels, frames), "float32")
        outputs = [*moments]
        # Straight into the array: the interpreter would copy one at a time.
        half = out is not None and out.dtype != np.float32
        values = np.empty(out.shape, "float32") if half else out
        if values is not None:
            outputs.append(values[None])
        for name, array in zip(names, outputs, strict=True):
            place = array.ctypes.data
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, place)
        session.run_with_iobinding(binding)
        if half:
            out[:] = values
        return moments[:, 0].sum(axis=2, dtype="float64")

    return convolve


def _session(steps: list[Step], activated: bool, pool: int):
    graph = Graph()
    x = graph.input("block", [1, steps[0].kernel.shape[2], None, None])
    for i, step in enumerate(steps):
        channels = step.kernel.shape[2]
        if activated or i:
            shape = [1, channels, None, 1]
            x = graph.node("Mul", x, graph.input(f"scale{i}", shape))
            x = graph.node("Add", x, graph.input(f"shift{i}", shape))
            x = graph.node("Selu", x)
        kernel = graph.constant(f"kernel{i}", step.kernel.transpose(3, 2, 0, 1))
        pads = [0, step.padding, 0, step.padding]
        x = graph.node("Conv", x, kernel, kernel_shape=[3, 3], pads=pads)
    bins = graph.constant("bins", np.array([3]))
    outputs = [
        graph.node(reduce, x, bins, keepdims=0)
        for reduce in ("ReduceSum", "ReduceSumSquare")
    ]
    if pool > 1:
        size = [1, pool]
        x = graph.node("MaxPool", x, kernel_shape=size, strides=size)
    return graph.open([*outputs, x] if pool else outputs)
