"""From a model to its deployment formats, on whatever backend it runs."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_musictag import audio, environment
from keras_musictag.checks import check_positive
from keras_musictag.errors import ConfigError
from keras_musictag.export import metadata as meta
from keras_musictag.export.formats import check_target, export_network
from keras_musictag.insight.fingerprint import fingerprint
from keras_musictag.layers.frequency_max import small_kernels
from keras_musictag.models.base import PretrainedModel
from keras_musictag.models.export_about import ABOUT, about
from keras_musictag.models.running import keras_track
from keras_musictag.presets import weights
from keras_musictag.tracks import sources

# What LiteRT hears of chords at a time, unless `seconds` says otherwise.
SECONDS = 10.0
# What a tokenizer must know of its tower; what vectors of length 1 may differ by.
TOKEN_SETTINGS = ("vocabulary_size", "positions", "padding")
TEXT_TOLERANCE = 1e-4
# How much music integers are found with, and as much to judge them by.
CALIBRATION_SECONDS = 800


def export_model(
    model,
    path,
    format,
    float16,
    tolerance,
    seconds=None,
    embeddings=False,
    precision="float32",
    calibration=None,
) -> Path:
    """Write a model of any task; see the methods `export`."""
    path, format = check_target(path, format, float16, precision)
    if calibration is not None and precision != "int8":
        raise ConfigError(
            "Only integers are calibrated.",
            received=f"precision={precision!r} with a `calibration`",
            advice='Pass precision="int8", or leave `calibration` out.',
        )
    samples = _samples(model, format, seconds)
    plain, examples = in_float32(model), _examples(model, samples)
    if model.task == "tags":
        features = plain.frontend(examples)
        outputs = _of_tags(plain, plain.backbone(features, training=False), embeddings)
    else:
        outputs = _named(plain, plain(examples, training=False))
    expected = {k: keras.ops.convert_to_numpy(v) for k, v in outputs.items()}
    wish: dict = {
        "format": format,
        "float16": float16,
        "tolerance": tolerance,
        "precision": precision,
        "metadata": {**about(model), **ABOUT[model.task](model, samples, expected)},
    }
    arrays: dict = {"examples": examples, "expected": expected, "calibration": None}
    if precision == "int8":
        arrays["calibration"] = _music(model, calibration)
        wish["metadata"]["calibrated_with"] = "files" if calibration else "demo clip"
    parts = {"samples": samples, "embeddings": embeddings}
    if keras.backend.backend() == "tensorflow":
        with _kernels(format):
            network = _network(plain, format, **parts)
            return export_network(network, path, **arrays, **wish)
    _in_tensorflow(plain, path, {**wish, "parts": parts}, arrays)
    return path


def export_text(model, path, float16, tolerance) -> Path:
    """Write the text tower of a model as ONNX; see `CLAPTagger.export_text`."""
    path, _ = check_target(path, "onnx", float16)
    if model.tokenizer is None:
        model.embed_text("")  # says what is missing
    text = model.settings["text"]
    tower = model.text
    if tower.compute_dtype != "float32":
        tower = in_float32(model).text
    examples = _token_examples(text)
    expected = {"vectors": keras.ops.convert_to_numpy(tower(examples))}
    if tolerance is None and not float16:
        tolerance = TEXT_TOLERANCE
    wish: dict = {
        "format": "onnx",
        "float16": float16,
        "tolerance": tolerance,
        "metadata": {
            **about(model),
            "task": "text",
            "tokenizer": model.tokenizer.description,
            "tokens": {key: text[key] for key in TOKEN_SETTINGS},
            "tagger_sha256": fingerprint(model, "scores")["sha256"],
            "input": {"name": "tokens", "shape": ["batch", "tokens"]},
            "output": {"name": "vectors", "shape": ["batch", tower.output.shape[-1]]},
        },
    }
    arrays: dict = {"examples": examples, "expected": expected, "calibration": None}
    if keras.backend.backend() == "tensorflow":
        network = _text_network(tower, examples)
        return export_network(network, path, **arrays, **wish)
    _in_tensorflow(model, path, {**wish, "parts": None}, arrays)
    return path


def _kernels(format: str) -> contextlib.AbstractContextManager:
    """Return what the network shall be traced in.

    LiteRT is for small devices, and OpenVINO has fast convolutions of less precision.
    """
    if format in ("litert", "openvino"):
        return small_kernels()
    return contextlib.nullcontext()


def _samples(model, format: str, seconds: float | None) -> int | None:
    """Return the fixed length of the input; `None` if it is free."""
    if model.task == "tags":
        return model.chunking.chunk_samples
    if format == "litert" and not getattr(model, "hears_pieces", False):
        raise ConfigError(
            f"A {type(model).__name__} is no network for LiteRT: it must hear tracks "
            "as a whole, and LiteRT takes pieces of one length.",
            received=f"format={format!r}",
            advice='Use format="onnx", which takes tracks of any length.',
        )
    if format != "litert":
        if seconds is None:
            return None
        raise ConfigError(
            "Only LiteRT needs a fixed length; other formats take any.",
            received=f"seconds={seconds!r}, format={format!r}",
            advice="Leave `seconds` out.",
        )
    seconds = check_positive(SECONDS if seconds is None else seconds, name="seconds")
    frames = round(seconds * model.sample_rate / model.hop_length)
    return max(1, frames) * model.hop_length


def _named(model, outputs) -> dict:
    """Return outputs by name; chord recognisers may have several."""
    if model.task == "chords":
        return keras_track.named(outputs)
    return {meta.OUTPUTS[model.task]: outputs}


def in_float32(model):
    """Copy a model, since policies of half precision are for training."""
    config = {**model.get_config(), "dtype": "float32"}
    copy = type(model).from_config(config)
    weights.copy_weights(copy.weights, model.weights)
    return copy


def _of_tags(model, embedding, embeddings: bool) -> dict:
    """Return what a tagger makes of the output of its backbone."""
    outputs = {meta.OUTPUTS["tags"]: model.head(embedding)}
    return {**outputs, meta.EMBEDDING: embedding} if embeddings else outputs


def _text_network(tower, examples) -> keras.Model:
    network = keras.Model(tower.input, {meta.OUTPUTS["text"]: tower.output})
    network(examples)  # Keras exports only what was called
    return network


def _token_examples(text: dict) -> np.ndarray:
    """Return tokens to compare with: a row for each of four lengths, filled up."""
    longest = min(16, text["positions"] - text["padding"] - 1)
    random = np.random.default_rng(0)
    rows = random.integers(0, text["vocabulary_size"], (4, longest), "int32")
    rows[rows == text["padding"]] = 0 if text["padding"] else 1
    for row, used in zip(rows, (2, longest // 2, longest - 1, longest), strict=True):
        row[used:] = text["padding"]
    return rows


def _network(
    model, format: str, samples: int | None, embeddings: bool = False
) -> keras.Model:
    """Join the parts of a model from layers that the format knows."""
    waveform = keras.Input((samples,), name="waveform")
    if model.task == "chords":
        decibels = model.whole_track.decibels
        features = keras_track.features(model.frontend, waveform, decibels)
        outputs = _backbone(model, format, features)(features)
    else:
        features = for_converters(model)(waveform)
        backbone = _backbone(model, format, features)
        if model.task == "beats":
            outputs = model.bordered(features, backbone)
        elif model.task == "tags":
            outputs = _of_tags(model, backbone(features), embeddings)
        else:
            outputs = model.head(backbone(features))
    if model.task != "tags":
        outputs = _named(model, outputs)
    network = keras.Model(waveform, outputs)
    network(_examples(model, samples)[:1])  # Keras exports only what was called
    return network


def for_converters(model):
    """Return the front-end of a model, its Fourier transform as a matrix product.

    Converters have no transform that is right.
    """
    config = model.frontend.get_config()
    if config.get("method") != "fft":
        return model.frontend
    frontend = type(model.frontend).from_config({**config, "method": "dft"})
    frontend.build(model.input.shape)
    frontend.set_weights(model.frontend.get_weights())
    return frontend


def _backbone(model, format: str, features):
    backbone = model.backbone
    if format == "onnx":
        from keras_musictag.export.recurrent import with_operators

        return with_operators(backbone, features)
    if format != "litert" or not any(map(_is_recurrent, backbone.layers)):
        return backbone
    # Built for these shapes, since only so many steps can be written out.
    inputs = keras.tree.map_structure(
        lambda x: keras.Input(x.shape[1:], dtype=x.dtype), features
    )
    unrolled = keras.models.clone_model(backbone, inputs, clone_function=_unrolled)
    unrolled.set_weights(backbone.get_weights())
    return unrolled


def _is_recurrent(layer) -> bool:
    return isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional))


def _unrolled(layer):
    """Copy a layer; loops become one step after the other, as LiteRT has no lists."""
    config = layer.get_config()
    if isinstance(layer, keras.layers.RNN):
        config["unroll"] = True
    elif isinstance(layer, keras.layers.Bidirectional):
        for part in ("layer", "backward_layer"):
            if config.get(part):
                config[part]["config"]["unroll"] = True
    return type(layer).from_config(config)


def _examples(model, samples: int | None) -> np.ndarray:
    """Return audio to compare with: music, music, for tags noise and silence."""
    size = samples or 5 * model.sample_rate
    music, _ = audio.load(audio.demo_path(), model.sample_rate)
    rows = [np.resize(music, size), np.resize(music[::-1], size)]
    if model.task == "tags":
        noise = np.random.default_rng(0).uniform(-0.3, 0.3, size)
        rows += [noise, 0 * noise]
    return np.stack(rows).astype("float32")


def _music(tagger, files) -> tuple[np.ndarray, ...]:
    """Return chunks of every second file, those of the others, and whose they are.

    Of one file, and of the demo clip, it is the first and the second half; there, each
    chunk counts as a track.
    """
    plan, rate = tagger.chunking, tagger.sample_rate
    if files is None:
        warnings.warn(
            "Integers are calibrated with the demo clip alone; pass `calibration`, "
            "files of the music that will be tagged, for scores nearer to the model's.",
            stacklevel=4,
        )
        music, _ = audio.load(audio.demo_path(), rate)
        step = plan.chunk_samples // 8
        music = np.resize(music, max(len(music), plan.chunk_samples + 8 * step))
        windows = np.lib.stride_tricks.sliding_window_view(music, plan.chunk_samples)
        tracks = [list(windows[::step])]
    else:
        paths = audio.find_files(files)
        cuts = (sources.cut(path, rate, rate, plan) for path in paths)
        tracks = [[chunk.samples for chunk in chunks] for chunks in cuts]
    if len(tracks) == 1:
        half = len(tracks[0]) // 2
        tracks = [tracks[0][:half], tracks[0][half:]]
        owners = np.arange(len(tracks[1]))
    else:
        owners = np.repeat(range(len(tracks[1::2])), [len(t) for t in tracks[1::2]])
    parts = [sum(tracks[start::2], []) for start in (0, 1)]
    if not all(parts):
        raise ConfigError(
            "There is too little music to calibrate integers with.",
            received=f"{len(tracks)} files with {sum(map(len, parts))} chunks",
            advice="Pass files or a folder of the music that will be tagged.",
        )
    most = max(8, CALIBRATION_SECONDS * rate // plan.chunk_samples)
    heard, judged = (slice(None, None, -(-len(part) // most)) for part in parts)
    return np.stack(parts[0][heard]), np.stack(parts[1][judged]), owners[judged]


# === From other backends ===


def _in_tensorflow(model, path: Path, wish: dict, arrays: dict) -> None:
    """Let another process do it, where Keras runs on TensorFlow."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        np.savez(Path(folder) / "parity.npz", **arrays["expected"])
        np.save(Path(folder) / "examples.npy", arrays["examples"])
        if arrays["calibration"] is not None:
            np.savez(Path(folder) / "music.npz", *arrays["calibration"])
        wish = {**wish, "path": str(path.absolute())}
        (Path(folder) / "wish.json").write_text(json.dumps(wish), "utf-8")
        code = "from keras_musictag.models import exporting; exporting.main()"
        # What this process can import, the other one shall find as well.
        search_path = os.pathsep.join(p or os.getcwd() for p in sys.path)
        outcome = subprocess.run(
            [sys.executable, "-c", code, folder],
            env=environment.of_child(
                KERAS_BACKEND="tensorflow",
                TF_CPP_MIN_LOG_LEVEL="3",
                PYTHONPATH=search_path,
            ),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            check=False,
        )
    if outcome.returncode:
        lines = outcome.stderr.strip().splitlines() or ["no message"]
        raise ConfigError(
            "The TensorFlow process that exports has failed.",
            received=lines[-1][:500].rstrip("."),
            advice="Export with KERAS_BACKEND=tensorflow to see more.",
        )


def main() -> None:
    """Export what another process has laid into the folder that is named."""
    folder = Path(sys.argv[1])
    wish = json.loads((folder / "wish.json").read_text("utf-8"))
    model = PretrainedModel.from_pretrained(folder)
    examples, music = np.load(folder / "examples.npy"), None
    parts = wish.pop("parts")
    if parts is None:
        network = _text_network(model.text, examples)
    else:
        network = _network(model, wish["format"], **parts)
    if (folder / "music.npz").is_file():
        with np.load(folder / "music.npz") as saved:
            music = tuple(saved.values())
    with np.load(folder / "parity.npz") as parity, _kernels(wish["format"]):
        export_network(
            network, examples=examples, expected={**parity}, calibration=music, **wish
        )
