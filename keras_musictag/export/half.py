"""Half precision for the weights of an ONNX file."""

from pathlib import Path

import numpy as np

# Smaller constants are not worth a conversion, and may be exponents or thresholds.
LEAST_VALUES = 256
LARGEST = float(np.finfo("float16").max)


def halve_onnx(path: Path) -> None:
    """Store large float32 constants as float16, cast back when the file is opened.

    Runtimes fold these casts: computation, and its speed, stay those of float32.

    Args:
        path: The file; it is replaced.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values, name = numpy_helper.to_array(tensor), tensor.name
        if values.size < LEAST_VALUES or np.abs(values).max() > LARGEST:
            continue
        half = f"{name}_float16"
        tensor.CopyFrom(numpy_helper.from_array(values.astype("float16"), half))
        cast = onnx.helper.make_node("Cast", [half], [name], to=onnx.TensorProto.FLOAT)
        casts.append(cast)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)
