"""Reader of the HDF5 files of Keras 1; nothing in them is ever executed."""

import io
import re
from typing import Any

import numpy as np

from keras_musictag.errors import PresetError

SIGNATURE = b"\x89HDF\r\n\x1a\n"  # the first bytes of every HDF5 file
DAMAGE = (OSError, ValueError, TypeError, LookupError, RuntimeError, OverflowError)


def read_keras1(name: str, data: bytes) -> dict[str, np.ndarray]:
    """Read the arrays of a file made by `model.save_weights` of Keras 1.

    Only plain float32 arrays inside the file are read, one level below its root.

    Args:
        name: What it is called in messages.
        data: The bytes of the file.

    Returns:
        Arrays by their names without what TensorFlow adds: `conv1_W` for
        `conv1_W_1:0`.

    Raises:
        PresetError: If the file is damaged, holds no arrays, or other things.
    """
    import h5py  # Keras brings it

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            arrays = _arrays(file, h5py, len(data))
    except DAMAGE as error:
        raise _refused(name, f"{type(error).__name__}: {error}") from error
    if not arrays:
        raise _refused(name, "no arrays")
    return arrays


def _arrays(file, h5py: Any, room: int) -> dict[str, np.ndarray]:
    arrays = {}
    for layer in _inside(file, h5py):
        if not isinstance(layer, h5py.Group):
            raise ValueError("an array outside the layers")
        for dataset in _inside(layer, h5py):
            if not _is_plain(dataset, h5py):
                raise ValueError(f"{dataset.name} is no plain array of float32")
            room -= dataset.nbytes
            if room < 0:
                raise ValueError("more numbers than the file can hold")
            key = re.sub(r"(_\d+)?:0$", "", dataset.name.rpartition("/")[2])
            if key in arrays:
                raise ValueError(f"two arrays are named {key!r}")
            arrays[key] = dataset[()]
    return arrays


def _inside(group, h5py: Any):
    """What lies in a group itself: links may lead to other files."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name[:40]!r} is a link")
        yield group[name]


def _is_plain(dataset, h5py: Any) -> bool:
    return (
        isinstance(dataset, h5py.Dataset)
        and dataset.dtype == np.float32
        and not (dataset.external or dataset.is_virtual or dataset.chunks)
    )


def _refused(name: str, problem: str) -> PresetError:
    text = "".join(sign if sign.isprintable() else "?" for sign in problem[:300])
    return PresetError(
        "The file does not hold the weights of a network of Keras 1.",
        received=f"{name}: {text}",
        advice="Download it again from its authors.",
    )
