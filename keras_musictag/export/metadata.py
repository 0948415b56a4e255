"""What an exported network says about itself, and where that is written.

In a folder it is `metadata.json`. An ONNX file holds each entry as JSON under its name
in `metadata_props`; a LiteRT file ends in a ZIP archive with `metadata.json`, as files
with TensorFlow Lite's metadata do; the XML of OpenVINO has it among its `rt_info`. So a
single file says all as well.
"""

import json
import zipfile
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from keras_musictag.audio import ChunkPlan
from keras_musictag.audio.arrays import SILENCE_PEAK, check_sample_rate
from keras_musictag.beats.beatgram import DECODERS as BEAT_DECODERS
from keras_musictag.checks import check_choice, check_positive_int, read_file
from keras_musictag.chords.confidence import check_calibration
from keras_musictag.chords.decoding import DECODERS
from keras_musictag.chords.vocabulary import (
    VOCABULARIES,
    Vocabulary,
    get_vocabulary,
    vocabulary_from_config,
)
from keras_musictag.errors import MusicTagError, PresetError
from keras_musictag.keys import KEYS
from keras_musictag.labels import Labels
from keras_musictag.presets.tokens import Tokenizer

METADATA_FILE = "metadata.json"
MODEL_FILES = {"onnx": "model.onnx", "litert": "model.tflite", "openvino": "model.xml"}
SUFFIXES = {".onnx": "onnx", ".tflite": "litert", ".xml": "openvino"}
OPENVINO_ENTRY = "keras_musictag"
LIBRARY = "keras-musictag"
VERSION = 1
INPUT = "waveform"
# What the one output is called; chord recognisers may have several.
OUTPUTS = {"tags": "scores", "beats": "beats", "key": "keys", "text": "vectors"}
EMBEDDING = "penultimate"  # of taggers, if it was asked for
# What outputs were called once.
RENAMED = {"tag": "chord"}


def locate(path) -> tuple[str, Path]:
    """Find out what kind of exported network a path is.

    Args:
        path: A `.onnx`, `.tflite` or `.xml` file, or a folder made by `export`.

    Returns:
        The format, and the file (SavedModel: the folder) that holds the network.

    Raises:
        PresetError: If there is no exported network.
    """
    path = Path(path)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return SUFFIXES[path.suffix.lower()], path
    for name, file in MODEL_FILES.items():
        if (path / file).is_file():
            return name, path / file
    if (path / "saved_model.pb").is_file():
        return "tf_saved_model", path
    raise PresetError(
        "There is no exported network.",
        received=str(path),
        advice="Give a .onnx, .tflite or .xml file or the folder that `export` made: "
        "keras-musictag export PRESET OUT --format onnx",
    )


def is_exported(path) -> bool:
    """Whether a path looks like an exported network; opens nothing."""
    try:
        locate(path)
    except PresetError:
        return False
    return True


def is_export_folder(path: Path) -> bool:
    """Whether a folder was made by `export`."""
    try:
        return _from_json(read_file(path / METADATA_FILE).decode("utf-8"))[
            "library_name"
        ] == (LIBRARY)
    except (OSError, KeyError, PresetError):
        return False


def embed(format: str, path: Path, metadata: dict) -> None:
    """Write the metadata into a finished network.

    Args:
        format: `"tf_saved_model"`, `"onnx"`, `"litert"` or `"openvino"`.
        path: The file, or the folder of the SavedModel.
        metadata: Plain JSON values.
    """
    text = json.dumps(metadata, indent=2, ensure_ascii=False)
    if format == "onnx":
        import onnx

        model = onnx.load(path)
        entries = {key: json.dumps(value) for key, value in metadata.items()}
        onnx.helper.set_model_props(model, entries)
        onnx.save(model, path)
    elif format == "litert":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(METADATA_FILE, text)
    elif format == "openvino":
        text = json.dumps({**metadata, "weights_crc32": _checksum(path)}, indent=2)
        tree = ElementTree.parse(path)
        about = tree.getroot().find("rt_info")
        if about is None:
            about = ElementTree.SubElement(tree.getroot(), "rt_info")
        ElementTree.SubElement(about, OPENVINO_ENTRY, value=text)
        tree.write(path, encoding="utf-8", xml_declaration=True)
    if path.name != MODEL_FILES.get(format) and format != "tf_saved_model":
        return
    folder = path if format == "tf_saved_model" else path.parent
    (folder / METADATA_FILE).write_text(text + "\n", "utf-8")


def from_onnx(entries: dict[str, str]) -> dict:
    """Return the metadata that stands in `metadata_props`."""
    return {key: _from_json(value) for key, value in entries.items()}


def from_litert(path: Path) -> dict:
    """Return the metadata at the end of a LiteRT file; nothing if there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _from_json(archive.read(METADATA_FILE).decode("utf-8"))
    except (OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile):
        return {}


def from_openvino(path: Path) -> dict:
    """Return the metadata in the XML of OpenVINO; nothing if there is none.

    Raises:
        PresetError: If the weights beside it are not those that it was written with.
    """
    try:
        entry = ElementTree.parse(path).getroot().find(f"rt_info/{OPENVINO_ENTRY}")
    except (OSError, ElementTree.ParseError):
        return {}
    metadata = {} if entry is None else _from_json(entry.get("value", ""))
    if metadata and metadata.get("weights_crc32") != _checksum(path):
        raise PresetError(
            "The weights beside this network are not its own.",
            received=f"{path.with_suffix('.bin')}, missing or of another export",
            advice="Keep the .xml and the .bin file together, or export it again.",
        )
    return metadata


def _checksum(path: Path) -> int | None:
    """Return that of the weights beside an XML file; `None` if there are none."""
    try:
        return zlib.crc32(path.with_suffix(".bin").read_bytes())
    except OSError:
        return None


def from_folder(path: Path) -> dict:
    """Return the metadata of a SavedModel; nothing if there is none."""
    try:
        return _from_json(read_file(path / METADATA_FILE).decode("utf-8"))
    except OSError:
        return {}


def check(metadata: dict, path) -> dict:
    """Return metadata that this version understands, or refuse it.

    Raises:
        PresetError: If it is missing, newer, or cannot be used.
    """
    if not isinstance(metadata, dict) or metadata.get("library_name") != LIBRARY:
        raise PresetError(
            "This network does not say that it was exported by keras-musictag.",
            received=str(path),
            advice="Export it with MusicTagger.export or keras-musictag export.",
        )
    version = metadata.get("format_version")
    if not isinstance(version, int) or version > VERSION:
        raise PresetError(
            "This network was exported by a newer version of keras-musictag.",
            received=f"{path} with format_version {version!r}, known is {VERSION}",
            advice="Upgrade keras-musictag.",
        )
    try:
        task = check_choice(metadata["task"], ("chords", *OUTPUTS), name="task")
        check_sample_rate(metadata["sampling_rate"])
        if task == "tags":
            Labels.from_config(metadata["labels"])
            ChunkPlan.from_config(metadata["chunking"])
            np.asarray(metadata["frame_offsets"] or [], "float64")
        elif task == "beats":
            check_positive_int(metadata["hop_length"], name="hop_length")
            check_choice(metadata["decoder"], BEAT_DECODERS, name="decoder")
            float(metadata["silence_peak"] + metadata["border_frames"])
            bool(metadata["piece_frames"] or metadata["mirrored"])
        elif task == "key":
            check_positive_int(metadata["least_samples"], name="least_samples")
            if sorted(metadata["labels"]) != sorted(KEYS):
                raise ValueError("the labels are not the 24 keys")
        elif task == "text":
            check_positive_int(metadata["output"]["shape"][-1], name="units")
            Tokenizer(metadata["tokenizer"], metadata["tokens"])
            str(metadata["tagger_sha256"])
        else:
            metadata = _of_chords(metadata)
    except (KeyError, TypeError, ValueError, MusicTagError) as error:
        raise PresetError(
            "What this network says about itself cannot be used.",
            received=f"{path}: {type(error).__name__}: {error}",
            advice="Export it again.",
        ) from error
    return metadata


def vocabulary(metadata: dict) -> Vocabulary:
    """Return the classes of a chord network."""
    return vocabulary_from_config(
        {
            "name": metadata["vocabulary_name"],
            "labels": metadata["vocabulary"],
            "rule": metadata["vocabulary_rule"],
        }
    )


def _of_chords(metadata: dict) -> dict:
    """Check what decoding needs; complete what earlier versions did not write."""
    vocabularies = [get_vocabulary(name) for name in VOCABULARIES]
    same = [v for v in vocabularies if list(v.labels) == list(metadata["vocabulary"])]
    name, rule = (same[0].name, same[0].rule) if same else ("exported", "tones")
    check_positive_int(metadata["hop_length"], name="hop_length")
    metadata = {
        "vocabulary_name": name,
        "vocabulary_rule": rule,
        "silence_peak": SILENCE_PEAK,
        "decoder": "viterbi",
        "hears_pieces": True,
        **metadata,
    }
    check_choice(metadata["decoder"], DECODERS, name="decoder")
    metadata["calibration"] = check_calibration(metadata.get("calibration"))
    metadata["outputs"] = [
        {**output, "name": RENAMED.get(output["name"], output["name"])}
        for output in metadata["outputs"]
    ]
    vocabulary(metadata)
    for number in ("boundary_shift", "silence_peak"):
        float(metadata[number])
    return metadata


def _from_json(text: str) -> dict:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PresetError(
            "What the network says about itself is no JSON.",
            received=f"{text[:40]!r}",
            advice="Export it again.",
        ) from error
