"""Some of the convolutions of the ISMIR 2019 chord network, by Keras.

On devices other than the processor, and where ONNX Runtime is not installed.
"""

import numpy as np
from keras import ops

from keras_musictag.engines.sessions import runtime_installed
from keras_musictag.engines.structure_convolutions import Convolve, Step, by_onnx
from keras_musictag.layers.processor import on_processor


def convolutions(steps: list[Step], activated: bool, pool: int) -> Convolve:
    """Make what runs convolutions over blocks, as `by_onnx` does, where it is fast."""
    make = by_onnx if engine() == "onnx" else _by_keras
    return make(steps, activated, pool)


def engine() -> str:
    """Say what runs the convolutions, `"onnx"` or `"keras"`."""
    return "onnx" if runtime_installed() and on_processor() else "keras"


def _by_keras(steps: list[Step], activated: bool, pool: int) -> Convolve:
    kernels = [ops.convert_to_tensor(step.kernel) for step in steps]

    def convolve(block, norms, out):
        norms = [*norms]
        x = ops.transpose(ops.convert_to_tensor(block), (1, 2, 0))[None]
        for i, (step, kernel) in enumerate(zip(steps, kernels, strict=True)):
            if activated or i:
                scale, shift = (values.T[:, None] for values in norms.pop(0))
                x = ops.selu(ops.add(ops.multiply(x, scale), shift))
            if step.padding:
                x = ops.pad(x, ((0, 0), (0, 0), (step.padding,) * 2, (0, 0)))
            x = ops.conv(x, kernel, padding="valid", data_format="channels_last")
        # One reduction over both axes is less exact.
        moments = [ops.sum(values[0], axis=1) for values in (x, ops.square(x))]
        if out is not None:
            if pool > 1:
                x = ops.max_pool(x, (1, pool), (1, pool), data_format="channels_last")
            out[:] = ops.convert_to_numpy(ops.transpose(x[0], (2, 0, 1)))
        arrays = [ops.convert_to_numpy(values) for values in moments]
        return np.array([values.sum(axis=0, dtype="float64") for values in arrays])

    return convolve
