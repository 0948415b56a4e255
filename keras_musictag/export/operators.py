"""An operation that tf2onnx does not know, and that GELU is made of."""

import functools

import numpy as np


@functools.cache
def teach_tf2onnx() -> None:
    """Register `Erfc`, the complementary error function, as `1 - Erf`."""
    from tf2onnx import utils
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **kwargs):
            shapes, dtypes = node.output_shapes, node.output_dtypes
            dtype = utils.map_onnx_to_numpy_type(dtypes[0])
            one = ctx.make_const(utils.make_name("one"), np.ones((), dtype))
            ctx.remove_node(node.name)
            erf = ctx.make_node("Erf", [node.input[0]], shapes=shapes, dtypes=dtypes)
            ctx.make_node(
                "Sub",
                [one.output[0], erf.output[0]],
                name=node.name,
                outputs=node.output,
                shapes=shapes,
                dtypes=dtypes,
            )
