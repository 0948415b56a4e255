"""Both directions of a GRU in one loop."""

import keras
from keras import layers, ops

from keras_musictag.layers.processor import on_processor

# Steps in one turn of the loop, which costs as much as some of them.
TURN = 16
# Opens an update gate wide: the state stays as it is.
OPEN = 1e4


@keras.saving.register_keras_serializable(package="keras_musictag")
class Bidirectional(layers.Bidirectional):
    """Keras' `Bidirectional`, whose two GRUs take their steps together.

    TensorFlow on a processor spends most of a step on starting its operations. There,
    and not in training, both directions are one state with one matrix product for the
    gates of both, several steps in a turn of the loop, and masked steps are ordinary
    ones with an open update gate. The numbers are those of Keras but for rounding, and
    so are the weights, their names and the files that hold them. Other layers, backends
    and settings run as in Keras.

    Args:
        layer, **kwargs: As in `keras.layers.Bidirectional`.

    Input: `(batch, steps, inputs)`, and a mask `(batch, steps)`.

    Output: `(batch, steps, 2 * units)`, zero where masked.

    References:
        - Cho et al., "Learning phrase representations using RNN encoder-decoder for
          statistical machine translation", EMNLP 2014.

    Example:

    ```python
    import numpy as np
    from keras import layers
    from keras_musictag.layers.bidirectional import Bidirectional

    gru = Bidirectional(layers.GRU(8, return_sequences=True))
    print(gru(np.zeros((1, 20, 3), "float32")).shape)  # (1, 20, 16)
    ```
    """

    def call(self, sequences, initial_state=None, mask=None, training=None):
        if training or initial_state is not None or not self._fuses():
            return super().call(sequences, initial_state, mask, training)
        forward, backward = self.forward_layer, self.backward_layer
        steps, units = ops.shape(sequences)[1], forward.units
        gates = [
            _given(forward.cell, sequences, mask),
            _given(backward.cell, *_flipped(sequences, mask)),
        ]
        gates = ops.transpose(_interleave(*gates), (1, 0, 2))
        y = _run(gates, forward.cell, backward.cell)[:steps]
        y = [y[..., :units], ops.flip(y[..., units:], axis=0)]
        y = ops.transpose(ops.concatenate(y, axis=-1), (1, 0, 2))
        return y if mask is None else y * ops.cast(mask, y.dtype)[..., None]

    def _fuses(self) -> bool:
        layer = self.forward_layer
        return (
            keras.backend.backend() == "tensorflow"
            and isinstance(layer, layers.GRU)
            and layer.return_sequences
            and layer.use_bias
            and not (layer.stateful or layer.return_state or layer.unroll)
            and self.merge_mode == "concat"
            and on_processor()
        )


def _flipped(sequences, mask):
    mask = None if mask is None else ops.flip(mask, axis=1)
    return ops.flip(sequences, axis=1), mask


def _given(cell, sequences, mask):
    """What the inputs add to the gates, `(batch, steps, 3 * units)`."""
    bias = ops.cast(cell.bias, sequences.dtype)
    bias = bias[0] if cell.reset_after else bias
    gates = ops.matmul(sequences, ops.cast(cell.kernel, sequences.dtype)) + bias
    if mask is None:
        return gates
    update, rest = gates[..., : cell.units], gates[..., cell.units :]
    update = ops.where(mask[..., None], update, ops.full_like(update, OPEN))
    return ops.concatenate([update, rest], axis=-1)


def _interleave(forward, backward):
    """Put the same gate of both directions side by side."""
    halves = [ops.split(gates, 3, axis=-1) for gates in (forward, backward)]
    return ops.concatenate(
        [part for pair in zip(*halves, strict=True) for part in pair], axis=-1
    )


def _recurrent(forward, backward, dtype):
    """Both recurrent kernels as one, `(2 * units, 6 * units)`, zero in between."""
    rows = []
    for own, cell in enumerate((forward, backward)):
        kernel = ops.cast(cell.recurrent_kernel, dtype)
        pair = [ops.zeros_like(kernel), ops.zeros_like(kernel)]
        pair[own] = kernel
        rows.append(_interleave(*pair))
    return ops.concatenate(rows, axis=0)


def _run(gates, forward, backward):
    """All states, `(steps and some, batch, 2 * units)`."""
    steps, batch, size = ops.shape(gates)
    width = 2 * forward.units
    kernel = _recurrent(forward, backward, gates.dtype)
    bias = None
    if forward.reset_after:
        biases = [ops.cast(cell.bias, gates.dtype)[1] for cell in (forward, backward)]
        bias = _interleave(*biases)
    kernels = kernel[:, : 2 * width], kernel[:, 2 * width :]

    def step(given, state):
        if bias is None:
            recurrent = ops.matmul(state, kernels[0])
        else:
            recurrent = ops.matmul(state, kernel) + bias
        both = forward.recurrent_activation(
            given[:, : 2 * width] + recurrent[:, : 2 * width]
        )
        update, reset = both[:, :width], both[:, width:]
        if bias is None:
            inner = ops.matmul(reset * state, kernels[1])
        else:
            inner = reset * recurrent[:, 2 * width :]
        candidate = forward.activation(given[:, 2 * width :] + inner)
        return candidate + update * (state - candidate)

    def turn(states, given):
        state, states = states[-1], []
        for values in ops.unstack(given, axis=0):
            state = step(values, state)
            states.append(state)
        states = ops.stack(states)
        return states, states  # the loop of Keras wants one shape for both

    gates = ops.pad(gates, ((0, -steps % TURN), (0, 0), (0, 0)))
    gates = ops.reshape(gates, (-1, TURN, batch, size))
    start = ops.zeros((TURN, batch, width), gates.dtype)
    _, states = ops.scan(turn, start, gates)
    return ops.reshape(states, (-1, batch, width))
