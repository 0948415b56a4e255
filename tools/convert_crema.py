"""Make the bundled weights of CREMA from the `crema` 0.2.0 wheel.

    pip download --no-deps crema==0.2.0
    python tools/convert_crema.py crema-0.2.0-py3-none-any.whl

Needs h5py. Only `model.h5` is read; the pickles beside it are never opened. Every
array is used exactly once and every shape is checked. The file comes out the same
byte for byte; a preset whose recorded checksum differs is an error unless `--update`
is given.
"""

import argparse
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from keras_musictag.models.recognizers.crema import CremaChordRecognizer
from keras_musictag.presets import preset_info
from keras_musictag.presets.weights import save_weights

FOLDER = Path(__file__).resolve().parent.parent / "keras_musictag" / "presets"
PRESET = "crema"
MEMBER = "crema/models/chord/model.h5"
# Their name of a layer for each of ours.
LAYERS = {
    **{f"bn{i}": f"batch_normalization_{i}" for i in range(1, 6)},
    **{f"conv{i}": f"conv2d_{i}" for i in (1, 2)},
    **{f"bigru{i}": f"bidirectional_{i}" for i in (1, 2)},
    **{name: f"chord_{name}" for name in ("tag", "pitch", "root", "bass")},
}


def read_wheel(wheel: Path) -> dict[str, np.ndarray]:
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


def assign(arrays: dict[str, np.ndarray], variables) -> None:
    """Fill the variables; every array must fit exactly one of them."""
    names = {their_name(v.path): v for v in variables}
    if set(names) != set(arrays):
        raise SystemExit(f"unmatched arrays: {sorted(set(names) ^ set(arrays))}")
    for name, variable in names.items():
        if arrays[name].shape != tuple(variable.shape):
            raise SystemExit(f"{name}: {arrays[name].shape}, not {variable.shape}")
        variable.assign(arrays[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--update", action="store_true", help="record a new checksum")
    options = parser.parse_args()
    record = preset_info(PRESET)
    model = CremaChordRecognizer.from_config(record["config"])
    arrays = read_wheel(options.wheel)
    assign(arrays, model.weights)
    made = save_weights(FOLDER / f"{PRESET}.safetensors", model.weights)
    known = {key: record["weights"].get(key) for key in made}
    if known != made and not options.update:
        raise SystemExit(f"{PRESET}: expected {known}, made {made}; see --update")
    record["weights"] |= made
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / f"{PRESET}.json").write_text(text, "utf-8")
    print(f"{PRESET}: {len(arrays)} arrays, {made['bytes']} bytes, {made['sha256']}")


if __name__ == "__main__":
    main()
