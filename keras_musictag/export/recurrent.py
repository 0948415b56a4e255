"""Recurrent layers on their way to ONNX: one operator each instead of a loop.

tf2onnx 1.17 writes a loop of Keras 3 as a loop of ONNX, step by step, for which ONNX
Runtime takes about five times as long as for its own GRU
(`findings/keras_gru_becomes_a_loop_in_onnx.sh`). So such layers become calls of a
Python function in TensorFlow's graph, and these calls the operators of ONNX.
"""

import functools
from typing import Any, NamedTuple

import keras
import numpy as np

# What gates may be activated with, by Keras' name: ONNX's name, and alpha
# and beta of those that have them: others take none from the lists of ONNX.
ACTIVATIONS: dict[str, tuple] = {
    "tanh": ("Tanh",),
    "sigmoid": ("Sigmoid",),
    "relu": ("Relu",),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "keras2_hard_sigmoid": ("HardSigmoid", 0.2, 0.5),
}
CELLS = {keras.layers.GRU: "GRU", keras.layers.LSTM: "LSTM"}
# Where the gates of ONNX lie among those of Keras.
GATES = {"GRU": (0, 1, 2), "LSTM": (0, 3, 1, 2)}


class Recurrence(NamedTuple):
    """What ONNX needs to know of a recurrent layer.

    Args:
        operator: `"GRU"` or `"LSTM"`.
        kernel, recurrent, bias: float32 `(directions, gates * units, inputs)`, `(...,
            units)` and `(directions, 2 * gates * units)`.
        attributes: Of the operator.
        sequences: Whether all steps are wanted, or the last.
    """

    operator: str
    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    attributes: dict[str, Any]
    sequences: bool


# By the name that TensorFlow's graph has for the function.
_calls: dict[bytes, Recurrence] = {}


def recurrence(layer) -> Recurrence | None:
    """Describe a layer for ONNX; `None` if it is not recurrent, or cannot be said.

    Args:
        layer: A built Keras layer.
    """
    ways = [layer]
    if isinstance(layer, keras.layers.Bidirectional):
        if layer.merge_mode != "concat":
            return None
        ways = [layer.forward_layer, layer.backward_layer]
    operator, first = CELLS.get(type(ways[0])), ways[0]
    if operator is None or first.stateful or first.go_backwards:
        return None
    names = [first.recurrent_activation, first.activation]
    if operator == "LSTM":
        names.append(first.activation)
    known = [ACTIVATIONS.get(activation.__name__) for activation in names]
    if any(choice is None for choice in known):
        return None
    chosen = [choice for choice in known if choice is not None] * len(ways)
    attributes: dict[str, Any] = {
        "hidden_size": first.units,
        "direction": "bidirectional" if len(ways) > 1 else "forward",
        "activations": [name for name, *_ in chosen],
    }
    settings = [choice[1:] for choice in chosen if len(choice) > 1]
    if settings:
        alphas, betas = zip(*settings, strict=True)
        attributes |= {"activation_alpha": alphas, "activation_beta": betas}
    if operator == "GRU":
        attributes["linear_before_reset"] = int(first.reset_after)
    arrays = [_arrays(way, operator) for way in ways]
    kernel, inner, bias = (np.stack(values) for values in zip(*arrays, strict=True))
    every = first.return_sequences
    return Recurrence(operator, kernel, inner, bias, attributes, every)


def _arrays(way, operator: str) -> list[np.ndarray]:
    """Return kernel, recurrent kernel and offsets of one direction for ONNX."""
    units = way.units
    order = np.concatenate([np.arange(units) + units * g for g in GATES[operator]])
    kernel, recurrent = (
        np.asarray(keras.ops.convert_to_numpy(w), "float32")[:, order].T
        for w in (way.cell.kernel, way.cell.recurrent_kernel)
    )
    bias = np.zeros((2, len(order)), "float32")
    if way.use_bias:
        given = np.atleast_2d(keras.ops.convert_to_numpy(way.cell.bias))
        bias[: len(given)] = given[:, order]
    return [kernel, recurrent, bias.ravel()]


class CalledRecurrence(keras.layers.Layer):
    """Stands for a recurrent layer in the graph that tf2onnx reads; all steps count.

    Args:
        layer: The layer, whose weights it shares.
        described: Of the layer.
        **kwargs: `name`.
    """

    def __init__(self, layer, described: Recurrence, **kwargs):
        super().__init__(**kwargs)
        self.layer, self.described = layer, described
        self.supports_masking = True

    def call(self, inputs, mask=None):
        import tensorflow as tf

        def run(x):
            return np.asarray(self.layer(tf.convert_to_tensor(x)))

        y = tf.numpy_function(run, [inputs], tf.float32, stateful=False)
        if not tf.executing_eagerly():
            _calls[y.op.get_attr("token")] = self.described
        y.set_shape(self.layer.compute_output_shape(inputs.shape))
        return y

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


def with_operators(network, inputs):
    """Copy a network so that its recurrent layers become operators of ONNX.

    Args:
        network: A functional Keras model on TensorFlow, with its weights.
        inputs: Symbolic tensors like those that it shall be called with.

    Returns:
        A copy that shares all layers but these; the network itself if it has none that
        ONNX can say. Masks of steps are not heeded.
    """
    described = {layer.name: recurrence(layer) for layer in network.layers}
    if not any(described.values()):
        return network
    _teach()
    fresh = keras.tree.map_structure(
        lambda x: keras.Input(x.shape[1:], dtype=x.dtype), inputs
    )

    def shared(layer):
        told = described.get(layer.name)
        return layer if told is None else CalledRecurrence(layer, told, name=layer.name)

    return keras.models.clone_model(network, fresh, clone_function=shared)


@functools.cache
def _teach() -> None:
    """Let tf2onnx write the calls as operators."""
    from tf2onnx import utils
    from tf2onnx.handler import tf_op

    @tf_op("PyFuncStateless")
    class PyFuncStateless:
        @classmethod
        def version_14(cls, ctx, node, **kwargs):
            told = _calls[node.attr["token"].s]
            shapes, dtypes = node.output_shapes, node.output_dtypes

            def constant(name, values):
                return ctx.make_const(utils.make_name(name), values).output[0]

            x, directions = node.input[0], len(told.kernel)
            ctx.remove_node(node.name)
            steps_first = ctx.make_node("Transpose", [x], attr={"perm": [1, 0, 2]})
            arrays = [
                constant("kernel", told.kernel),
                constant("recurrent", told.recurrent),
                constant("bias", told.bias),
            ]
            # All steps `(steps, directions, batch, units)`, the last without the first.
            result = ctx.make_node(
                told.operator,
                [steps_first.output[0], *arrays],
                attr=told.attributes,
                output_count=2,
            )
            values = result.output[0 if told.sequences else 1]
            if told.sequences or directions > 1:  # else they are in place
                perm = [2, 0, 1, 3] if told.sequences else [1, 0, 2]
                values = ctx.make_node("Transpose", [values], attr={"perm": perm})
                values = values.output[0]
            units = directions * told.attributes["hidden_size"]
            shape = [0, 0, units] if told.sequences else [-1, units]
            ctx.make_node(
                "Reshape",
                [values, constant("shape", np.array(shape))],
                name=node.name,
                outputs=node.output,
                shapes=shapes,
                dtypes=dtypes,
            )
