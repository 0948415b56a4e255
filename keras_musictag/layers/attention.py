"""Scaled dot-product attention, as the blocks of both kinds of transformers have it."""

import keras
from keras import ops


def split_heads(x, heads: int) -> list:
    """Take apart what one dense layer computed.

    Args:
        x: Tensor `(batch, positions, 3 * heads * channels)`.
        heads: Number of heads.

    Returns:
        Queries, keys and values, each `(batch, positions, heads, channels)`.
    """
    each = (-1, ops.shape(x)[1], heads, x.shape[-1] // (3 * heads))
    return [ops.reshape(part, each) for part in ops.split(x, 3, axis=-1)]


def attend(query, key, value):
    """Return the mean of the values that each query asks for.

    Args:
        query: Tensor `(batch, positions, heads, channels)`.
        key: Tensor `(batch, others, heads, channels)`.
        value: Tensor of the same shape.

    Returns:
        Tensor of the shape and type of `query`.
    """
    if not _in_float32(query):
        return ops.dot_product_attention(query, key, value)
    parts = (ops.cast(part, "float32") for part in (query, key, value))
    return ops.cast(ops.dot_product_attention(*parts), query.dtype)


def _in_float32(query) -> bool:
    """Whether JAX, on a processor, can compile no attention in the type of a query."""
    if keras.backend.backend() != "jax" or query.dtype != "float16":
        return False
    import jax

    return jax.default_backend() == "cpu"
