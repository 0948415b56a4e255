"""The recurrent half of BeatNet, over the parts of a track one after the other."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from keras_musictag.engines.recurrence import State, lstms

# Frames that go through the network at once.
PART = 8000


class RecurrentWeights(NamedTuple):
    """What follows after the dense layers of the networks.

    Args:
        lstms: For both layers, for each network: kernel, recurrent kernel and offset.
        heads: For each network: kernel and offset of the last layer.
    """

    lstms: list[list[list[np.ndarray]]]
    heads: list[list[np.ndarray]]


def cut(spectrogram: np.ndarray) -> Iterator[np.ndarray]:
    """Cut a spectrogram `(frames, bands)` into parts for `heard`."""
    return (spectrogram[i : i + PART] for i in range(0, len(spectrogram), PART))


def heard(
    parts: Iterable[np.ndarray],
    dense: Callable[[np.ndarray], list[np.ndarray]],
    weights: RecurrentWeights,
) -> Iterator[np.ndarray]:
    """Run the networks over the parts of a spectrogram, one after the other.

    Args:
        parts: float32 arrays `(frames, bands)`, in order.
        dense: From float32 `(1, frames, bands)` to the dense layer of each network,
            `(1, frames, units)`.
        weights: Of what follows.

    Yields:
        float32 arrays `(frames, 3)`, the mean of the networks.
    """
    states: list[State | None] = [None, None]
    last: np.ndarray | None = None
    for part in parts:
        # The rise of a band needs the frame before.
        rows = part if last is None else np.concatenate([last, part])
        x = np.stack(
            [values[0, len(rows) - len(part) :] for values in dense(rows[None])]
        )
        last = part[-1:]
        for n in (0, 1):
            x, states[n] = lstms(x, weights.lstms[n], states[n])
        each = [
            _softmax(h @ kernel + bias)
            for h, (kernel, bias) in zip(x, weights.heads, strict=True)
        ]
        yield np.mean(each, axis=0)


def _softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
