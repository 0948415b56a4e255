"""OpenVINO's intermediate representation of a network, made from its ONNX file."""

from pathlib import Path

import numpy as np

from keras_musictag.export.quantizing import Outcome, quantize


def write_openvino(
    onnx_file: Path,
    path: Path,
    *,
    float16: bool = False,
    calibration: tuple[np.ndarray, ...] | None = None,
) -> dict:
    """Write `path`, and the weights beside it.

    Args:
        onnx_file: The network, in float32.
        path: The XML file; the name of the other one ends in .bin.
        float16: Whether to store what is float in half precision.
        calibration: What `quantize` takes after the network; `None` leaves it in float.

    Returns:
        What was put into integers, see `quantize`; an empty dict without.

    Raises:
        ConfigError: If no layer can be put into integers.
    """
    import openvino
    from openvino.passes import ConstantFolding, Manager

    # `openvino.convert_model` would do the same, and tell its makers.
    model, passes = openvino.Core().read_model(onnx_file), Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)
    outcome = Outcome(model, {})
    if calibration is not None:
        outcome = quantize(model, *calibration)
    openvino.save_model(outcome.model, path, compress_to_fp16=float16)
    return outcome.report
