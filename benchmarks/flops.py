"""Counting the work of a network from its layers."""

import keras
import numpy as np


def multiply_adds(model, inputs):
    """Counts the multiply-adds of convolutions, dense and recurrent layers per item.

    Every number of a kernel is used once per output position of a convolution, once
    per input position of a dense layer, and once per step of a recurrent one. So one
    pass over real data, with the layers' calls overheard, counts every architecture.
    The pass is one of training, in which no layer takes a short cut. The model is
    spoilt afterwards: its layers stay overheard. The products of queries, keys and
    values inside attention are left out.

    Args:
        model: Keras model.
        inputs: array with one item, shape (1, ...).

    Returns:
        Integer.
    """
    counted, total = set(), 0

    def overhear(layer, kernels, call):
        def listen(x, *args, **kwargs):
            nonlocal total
            outputs = call(x, *args, **kwargs)
            convolves = hasattr(layer, "strides")
            shape = outputs.shape if convolves else x.shape
            axes = 2 if isinstance(layer, keras.layers.EinsumDense) else -1
            positions = int(np.prod(shape[:axes]))
            total += positions * sum(int(np.prod(k.shape)) for k in kernels)
            counted.update(k.path for k in kernels)
            return outputs

        return listen

    # Keras has no public way to see the layers inside layers.
    for layer in model._flatten_layers():
        kernels = [getattr(layer, "kernel", None)]
        if isinstance(layer, keras.layers.GRU):
            kernels = [layer.cell.kernel, layer.cell.recurrent_kernel]
        if "Cell" not in type(layer).__name__ and kernels[0] is not None:
            layer.call = overhear(layer, kernels, layer.call)
    model(inputs, training=True)
    missed = {w.path for w in model.weights if "kernel" in w.path} - counted
    if missed:
        raise SystemExit(f"Kernels that the count does not see: {sorted(missed)}")
    return total
