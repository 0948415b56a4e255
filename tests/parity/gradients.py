"""Gradients of a layer or model, the same call on all three backends."""

import keras
import numpy as np
from keras import ops


def gradients(model, x: np.ndarray, loss):
    """Differentiate a loss of the output in inference mode.

    Args:
        model: A built layer or model that takes one tensor.
        x: Its input.
        loss: Function from the output to a scalar tensor.

    Returns:
        Output, gradient of `x`, and a dict from the path of each trainable variable
        to its gradient; all as NumPy arrays.
    """
    run = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    y, of_x, of_variables = run[keras.backend.backend()](model, x, loss)
    paths = [v.path for v in model.trainable_variables]
    arrays = [ops.convert_to_numpy(g) for g in of_variables]
    return (
        ops.convert_to_numpy(y),
        ops.convert_to_numpy(of_x),
        dict(zip(paths, arrays, strict=True)),
    )


def _tensorflow(model, x, loss):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x, training=False)
        value = loss(y)
    inner = [v.value for v in model.trainable_variables]
    of_x, *rest = tape.gradient(value, [x, *inner])
    return y, of_x, rest


def _jax(model, x, loss):
    import jax

    def value(trainable, x):
        state = zip(model.trainable_variables, trainable, strict=True)
        with keras.StatelessScope(state_mapping=list(state)):
            y = model(x, training=False)
        return loss(y), y

    trainable = [v.value for v in model.trainable_variables]
    differentiate = jax.jit(jax.grad(value, argnums=(0, 1), has_aux=True))
    (rest, of_x), y = differentiate(trainable, jax.numpy.asarray(x))
    return y, of_x, rest


def _torch(model, x, loss):
    import torch

    x = torch.tensor(x, requires_grad=True)
    model.zero_grad()
    y = model(x, training=False)
    loss(y).backward()
    return y, x.grad, [v.value.grad for v in model.trainable_variables]
