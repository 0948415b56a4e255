"""Networks and parts of networks in ONNX Runtime."""

import functools
import importlib.util
import threading

import numpy as np

from keras_musictag.errors import PresetError

# What every ONNX Runtime that is allowed here understands.
OPSET, IR_VERSION = 18, 9


def runtime_installed() -> bool:
    """Return whether `Graph` can be opened."""
    return all(map(importlib.util.find_spec, ("onnx", "onnxruntime")))


def import_graphs() -> None:
    """Import what `Graph` needs, which takes a moment."""
    import onnxruntime  # noqa: F401


def damaged(folder, error: Exception) -> PresetError:
    """Return the error of a folder that is no engine."""
    return PresetError(
        "This is no engine, or it is damaged.",
        received=f"{folder}: {error}",
        advice="Remove the folder; the next run makes it anew.",
    )


class Network:
    """A network that was written to a file.

    Calling it takes arrays in the order of the inputs.

    Args:
        path: The `.onnx` file.
        whole: Whether it sees whole tracks: then the memory of a call goes back to the
            system, where others keep it for the next one.
        threads: How many compute an operator; `None` for all cores.

    Raises:
        PresetError: If it cannot be opened.
    """

    def __init__(self, path, whole: bool = False, threads: int | None = None):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = not whole
        # A thread that waits in a loop takes a core from who decodes the next track.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # each of its errors is a class of its own
            raise PresetError(
                "A network of an engine cannot be opened.",
                received=f"{path}: {error}",
                advice="Remove the file; the next run makes it anew.",
            ) from error
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]

    def __call__(self, *arrays: np.ndarray) -> dict[str, np.ndarray]:
        feeds = dict(zip(self.inputs, arrays, strict=True))
        values = self.session.run(self.outputs, feeds)
        return dict(zip(self.outputs, values, strict=True))


_LOCK = threading.Lock()


@functools.cache
def _share_memory() -> None:
    """Let sessions take their memory from one pool, where each would keep its own."""
    import onnxruntime

    place = onnxruntime.OrtMemoryInfo(
        "Cpu",
        onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
        0,
        onnxruntime.OrtMemType.DEFAULT,
    )
    onnxruntime.create_and_register_allocator(place, None)


class Graph:
    """A graph of operators, written one after the other."""

    def __init__(self):
        self.nodes, self.constants, self.inputs = [], [], []

    def input(self, name: str, shape: list[int | None] | None = None) -> str:
        """Add a float32 input, and return its name."""
        from onnx import TensorProto, helper

        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        self.inputs.append(value)
        return name

    def constant(self, name: str, values: np.ndarray) -> str:
        """Add a constant, and return its name."""
        from onnx import numpy_helper

        self.constants.append(
            numpy_helper.from_array(np.ascontiguousarray(values), name)
        )
        return name

    def node(self, operator: str, *names: str, outputs: int = 1, **attributes):
        """Add an operator; return the name of its output, or a list if of several."""
        from onnx import helper

        results = [f"{operator}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, names, results, **attributes))
        return results if outputs > 1 else results[0]

    def open(self, outputs: list[str]):
        """Return the `onnxruntime.InferenceSession` that computes some outputs.

        Threads may share it; it computes in the thread that asks.
        """
        import onnxruntime
        from onnx import TensorProto, helper

        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in outputs
        ]
        graph = helper.make_graph(
            self.nodes, "graph", self.inputs, ends, self.constants
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        with _LOCK:  # threads open sessions
            _share_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
