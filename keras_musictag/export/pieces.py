"""Networks that take pieces of one length, over tracks of any length."""

import math
from collections.abc import Callable

import numpy as np


def hear_in_pieces(
    hear: Callable[[np.ndarray], dict[str, np.ndarray]],
    samples: np.ndarray,
    hop_length: int,
    size: int,
) -> dict[str, np.ndarray]:
    """Give the outputs of a whole track by a network that takes pieces.

    Pieces overlap by half or more; a shorter track is filled up with zeros. The outputs
    of a frame are their mean, weighted by how far it lies from the ends of a piece.

    Args:
        hear: From `(size * hop_length,)` samples to `(size, classes)` by name.
        samples: float32 `(samples,)`.
        hop_length: Samples from one frame to the next.
        size: Frames of a piece.

    Returns:
        float32 arrays `(samples // hop_length, classes)` by name.
    """
    frames = len(samples) // hop_length
    samples = np.pad(samples, (0, max(0, size * hop_length - len(samples))))
    weights = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
    weights = weights.astype("float32")[:, None]
    sums: dict[str, np.ndarray] = {}
    total = np.zeros((max(frames, size), 1), "float32")
    for start in piece_starts(frames, size):
        piece = samples[start * hop_length :][: size * hop_length]
        part = slice(start, start + size)
        total[part] += weights
        for name, values in hear(piece).items():
            shape = (len(total), values.shape[1])
            sums.setdefault(name, np.zeros(shape, "float32"))
            sums[name][part] += weights * values
    return {name: (values / total)[:frames] for name, values in sums.items()}


def piece_starts(frames: int, size: int) -> list[int]:
    """Lay pieces evenly over a track, each frame in two or more but at the ends.

    Args:
        frames: Of the track.
        size: Frames of a piece.

    Returns:
        The first frame of each piece.
    """
    last = max(0, frames - size)
    count = math.ceil(last / max(1, size // 2)) + 1
    return np.linspace(0, last, count).round().astype(int).tolist()
