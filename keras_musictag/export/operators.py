"""Operations that tf2onnx does not know, written with those of ONNX."""

import functools
from collections.abc import Iterator

import numpy as np


@functools.cache
def teach_tf2onnx() -> None:
    """Register `Erfc`, which GELU is made of, as `1 - Erf`; `Log1p` as `Log(1 + x)`.

    The logarithm rounds: of values below 1e-7 nothing is left.
    """
    from tf2onnx import utils
    from tf2onnx.handler import tf_op

    def with_one(ctx, node, steps):
        """Replace a node by two, each of which takes what the one before gave."""
        shapes, dtypes = node.output_shapes, node.output_dtypes
        dtype = utils.map_onnx_to_numpy_type(dtypes[0])
        one = ctx.make_const(utils.make_name("one"), np.ones((), dtype)).output[0]
        ctx.remove_node(node.name)
        (first, inputs), (last, rest) = steps(one, node.input[0])
        value = ctx.make_node(first, inputs, shapes=shapes, dtypes=dtypes).output[0]
        ctx.make_node(
            last,
            [*rest, value],
            name=node.name,
            outputs=node.output,
            shapes=shapes,
            dtypes=dtypes,
        )

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **kwargs):
            with_one(ctx, node, lambda one, x: (("Erf", [x]), ("Sub", [one])))

    @tf_op("Log1p")
    class Log1p:
        @classmethod
        def version_7(cls, ctx, node, **kwargs):
            with_one(ctx, node, lambda one, x: (("Add", [one, x]), ("Log", [])))


def fold_shapes(graph) -> None:
    """Write the shapes of constants out, and drop constants that nothing uses then.

    tf2onnx keeps the kernels of attention twice, once for its shape alone: a sixth of
    the file of a transformer.

    Args:
        graph: `onnx.GraphProto`, changed in place.
    """
    from onnx import numpy_helper

    constants = {constant.name: constant for constant in graph.initializer}
    for node in list(graph.node):
        if node.op_type != "Shape" or node.attribute:
            continue
        if constant := constants.get(node.input[0]):
            shape = np.asarray(constant.dims, "int64")
            graph.initializer.append(numpy_helper.from_array(shape, node.output[0]))
            graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    used |= {output.name for output in graph.output}
    used |= {name for node in graph.node for name in _names_inside(node)}
    for constant in list(graph.initializer):
        if constant.name not in used:
            graph.initializer.remove(constant)


def _names_inside(node) -> Iterator[str]:
    """Yield what the bodies of loops and branches take from outside."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from inner.input
                yield from _names_inside(inner)
            yield from (output.name for output in graph.output)
