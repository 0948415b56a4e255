"""Make the bundled weights of CREMA from the `crema` 0.2.0 wheel.

    pip download --no-deps crema==0.2.0
    python tools/convert_crema.py crema-0.2.0-py3-none-any.whl

Needs h5py. Only `model.h5` is read; the pickles beside it are never opened. Every
array is used exactly once and every shape is checked. The file comes out the same
byte for byte; a preset whose recorded checksum differs is an error unless `--update`
is given.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from converting import convert_wheel

MEMBER = "crema/models/chord/model.h5"
# Their name of a layer for each of ours.
LAYERS = {
    **{f"bn{i}": f"batch_normalization_{i}" for i in range(1, 6)},
    **{f"conv{i}": f"conv2d_{i}" for i in (1, 2)},
    **{f"bigru{i}": f"bidirectional_{i}" for i in (1, 2)},
    **{name: f"chord_{name}" for name in ("tag", "pitch", "root", "bass")},
}


def read_wheel(wheel: Path, model) -> dict[str, np.ndarray]:
    """Read the arrays of the checkpoint, without the optimizer's."""
    import h5py

    arrays = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with zipfile.ZipFile(wheel) as archive:
        blob = io.BytesIO(archive.read(MEMBER))
    with h5py.File(blob, "r") as file:
        file["model_weights"].visititems(keep)
    return arrays


def their_name(path: str) -> str:
    """Return the checkpoint's name for one of our variables.

    Args:
        path: Such as `bn1/gamma` or `bigru1/forward_gru/gru_cell/kernel`.
    """
    layer, *middle, weight = path.split("/")
    theirs = LAYERS[layer]
    inner = theirs
    if middle:
        number = layer.removeprefix("bigru")
        inner = f"{theirs}/{middle[0]}_{number}"
    return f"{theirs}/{inner}/{weight}:0"


if __name__ == "__main__":
    convert_wheel(__doc__, "crema", read_wheel, their_name)
