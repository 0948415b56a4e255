"""LSTMs over whole tracks, on the processor, those of several networks side by side."""

import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_musictag.engines.sessions import Graph, runtime_installed
from keras_musictag.environment import cores

# Steps whose gates are in memory at once.
PART = 4096

State = tuple[np.ndarray, np.ndarray]


def lstms(sequences, weights, state: State | None = None) -> tuple[np.ndarray, State]:
    """Run LSTMs over sequences of one length, one for each.

    A step of one small network takes less time than calling a backend for it. ONNX
    Runtime has all steps in one call; without it, one step of all networks is a
    handful of calls of NumPy.

    Args:
        sequences: float32 arrays `(steps, inputs)`.
        weights: For each its kernel, recurrent kernel and offset, gates in Keras'
            order.
        state: What was returned for the steps before; `None` for zeros.

    Returns:
        float32 `(sequences, steps, units)`, and the hidden and the cell state after
        the last step, float32 `(sequences, 1, units)` each.
    """
    if state is None:
        shape = len(sequences), 1, len(weights[0][1])
        zeros = np.zeros(shape, "float32")
        state = zeros, zeros
    run = _by_onnx if runtime_installed() else _by_numpy
    return run(sequences, weights, state)


def _by_onnx(sequences, weights, state: State) -> tuple[np.ndarray, State]:
    units = state[0].shape[-1]
    session = _onnx_session(units)
    # Its gates are in the order input, output, forget, cell.
    order = np.concatenate([np.arange(units) + units * i for i in (0, 3, 1, 2)])

    def run(x, one, h, c):
        kernel, recurrent, bias = one
        feeds = {
            "kernel": kernel[:, order].T[None],
            "recurrent": recurrent[:, order].T[None],
            "bias": np.concatenate([bias[order], np.zeros_like(bias)])[None],
        }
        feeds = {name: np.ascontiguousarray(value) for name, value in feeds.items()}
        hidden = np.empty((len(x), units), "float32")
        h, c = h[None], c[None]
        for start in range(0, len(x), PART):
            part = np.ascontiguousarray(x[start : start + PART, None])
            y, h, c = session.run(None, {"x": part, "h": h, "c": c, **feeds})
            hidden[start : start + PART] = y[:, 0, 0]
        return hidden, h[0], c[0]

    with ThreadPoolExecutor(cores()) as threads:
        each = list(threads.map(run, sequences, weights, *state))
    hidden, h, c = (np.stack(values) for values in zip(*each, strict=True))
    return hidden, (h, c)


@functools.cache
def _onnx_session(units: int):
    graph = Graph()
    names = [
        graph.input(name) for name in ("x", "kernel", "recurrent", "bias", "h", "c")
    ]
    names.insert(4, "")  # all sequences are of one length
    return graph.open(graph.node("LSTM", *names, outputs=3, hidden_size=units))


def _by_numpy(sequences, weights, state: State) -> tuple[np.ndarray, State]:
    number, steps, units = len(sequences), len(sequences[0]), state[0].shape[-1]
    # Gates in the order input, forget, output, cell, and scaled so that all are
    # `1 / (1 + exp(x))`.
    order = np.r_[0 : 2 * units, 3 * units : 4 * units, 2 * units : 3 * units]
    scale = np.repeat(np.array([-1, -1, -1, -2], "float32"), units)
    ordered = [[array[..., order] * scale for array in one] for one in weights]
    inner = np.stack([recurrent for _, recurrent, _ in ordered])
    hidden = np.empty((steps, number, 1, units), "float32")
    for start in range(0, steps, PART):
        part = slice(start, start + PART)
        gates = np.stack(
            [
                x[part] @ kernel + bias
                for x, (kernel, _, bias) in zip(sequences, ordered, strict=True)
            ]
        )
        state = _run(gates, inner, state, hidden[part])
    return hidden[:, :, 0].swapaxes(0, 1), state


def _run(gates, inner, state: State, hidden) -> State:
    """Fill `hidden`, `(steps, sequences, 1, units)`; return the state at the end."""
    h, c = state[0], state[1].copy()
    units, z = h.shape[-1], np.empty_like(gates[:, :1])
    with np.errstate(over="ignore"):
        for t in range(len(hidden)):
            np.matmul(h, inner, out=z)
            z += gates[:, t : t + 1]
            np.exp(z, out=z)
            z += 1.0
            np.reciprocal(z, out=z)
            c *= z[..., units : 2 * units]
            c += z[..., :units] * (2.0 * z[..., 3 * units :] - 1.0)
            h = np.multiply(z[..., 2 * units : 3 * units], np.tanh(c), out=hidden[t])
    return h.copy(), c
