"""Operations that tf2onnx does not know, written with those of ONNX."""

import functools

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
