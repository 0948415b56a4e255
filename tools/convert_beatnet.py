"""Make the bundled weights of BeatNet from the `beatnet` 1.1.3 wheel.

    pip download --no-deps beatnet==1.1.3
    python tools/convert_beatnet.py BeatNet-1.1.3-py3-none-any.whl

Only the three checkpoints are read, and nothing in them is executed. Every array is
used exactly once and every shape is checked. The file comes out the same byte for byte;
a preset whose recorded checksum differs is an error unless `--update` is given.
"""

import zipfile
from pathlib import Path

import numpy as np
from converting import convert_wheel

from keras_musictag.conversion.pytorch import read_checkpoint

MEMBER = "BeatNet/models/model_{}_weights.pt"
# 2 channels of 131 bands are flattened channel by channel there, band by band here.
FLATTENED = np.arange(262).reshape(2, 131).T.ravel()


def convert(arrays: dict[str, np.ndarray], net: str) -> dict[str, np.ndarray]:
    """Return our arrays by the paths of our variables.

    Args:
        arrays: A checkpoint, which is emptied.
        net: Name of our network, such as `net0`.
    """
    take = arrays.pop
    ours = {
        f"{net}_conv/kernel": take("conv1.weight").transpose(2, 1, 0)[None],
        f"{net}_conv/bias": take("conv1.bias"),
        f"{net}_dense/kernel": take("linear0.weight").T[FLATTENED],
        f"{net}_dense/bias": take("linear0.bias"),
        f"{net}_head/kernel": take("linear.weight").T,
        f"{net}_head/bias": take("linear.bias"),
    }
    for n in (0, 1):
        cell = f"{net}_lstm{n + 1}/lstm_cell"
        ours[f"{cell}/kernel"] = take(f"lstm.weight_ih_l{n}").T
        ours[f"{cell}/recurrent_kernel"] = take(f"lstm.weight_hh_l{n}").T
        bias = take(f"lstm.bias_ih_l{n}") + take(f"lstm.bias_hh_l{n}")
        ours[f"{cell}/bias"] = bias
    if arrays:
        raise SystemExit(f"arrays that nothing uses: {sorted(arrays)}")
    return ours


def read_wheel(wheel: Path, model) -> dict[str, np.ndarray]:
    """Read the checkpoints of all networks."""
    arrays = {}
    with zipfile.ZipFile(wheel) as archive:
        for i in range(model.settings["nets"]):
            checkpoint = read_checkpoint(archive.read(MEMBER.format(i + 1)))
            arrays |= convert(checkpoint, f"net{i}")
    return arrays


if __name__ == "__main__":
    convert_wheel(__doc__, "beatnet", read_wheel)
