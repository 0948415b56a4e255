"""From a model to its deployment formats, on whatever backend it runs."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

import keras_musictag
from keras_musictag import audio, export
from keras_musictag.errors import ConfigError
from keras_musictag.models.base import PretrainedModel


def export_tagger(tagger, path, format, float16: bool, tolerance) -> Path:
    """Write a tagger in a deployment format; see `MusicTagger.export`."""
    path, format = export.check_target(path, format, float16)
    wish = {"format": format, "float16": float16, "tolerance": tolerance}
    return _export(tagger, path, wish, _about_tagger(tagger))


def export_recognizer(recognizer, path, format, float16: bool, tolerance) -> Path:
    """Write a chord recogniser in a deployment format; see `ChordRecognizer.export`."""
    path, format = export.check_target(path, format, float16)
    if format == "litert":
        raise ConfigError(
            "Chord recognisers hear tracks of any length, which LiteRT cannot.",
            received="format='litert'",
            advice="Use format='onnx' or 'tf_saved_model'.",
        )
    wish = {"format": format, "float16": float16, "tolerance": tolerance}
    return _export(recognizer, path, wish, _about_recognizer(recognizer))


def _export(model, path: Path, wish: dict, metadata: dict) -> Path:
    plain, examples = _in_float32(model), _examples(model)
    outputs = _named(plain, plain(examples, training=False))
    expected = {k: keras.ops.convert_to_numpy(v) for k, v in outputs.items()}
    shapes = {name: ["batch", *v.shape[1:]] for name, v in expected.items()}
    wish["metadata"] = {**_about(model), **metadata}
    if metadata["task"] == "tags":
        wish["metadata"]["output"] = {"name": "scores", "shape": shapes["scores"]}
    else:
        wish["metadata"]["outputs"] = [
            {"name": name, "shape": ["batch", "frames", shape[-1]]}
            for name, shape in shapes.items()
        ]
    if keras.backend.backend() == "tensorflow":
        network = _network(plain, wish["format"])
        return export.export_network(
            network, path, examples=examples, expected=expected, **wish
        )
    _in_tensorflow(plain, path, wish, examples, expected)
    return path


def _named(model, outputs) -> dict:
    """Return outputs by name: the scores of taggers, the chords of recognisers."""
    if isinstance(outputs, dict):
        return outputs
    return {"scores" if hasattr(model, "labels") else "tag": outputs}


def _in_float32(tagger):
    """Copy a tagger, since policies of half precision are for training."""
    config = {**tagger.get_config(), "dtype": "float32"}
    copy = type(tagger).from_config(config)
    for variable, source in zip(copy.weights, tagger.weights, strict=True):
        variable.assign(keras.ops.convert_to_numpy(source.value))
    return copy


def _network(model, format: str) -> keras.Model:
    """Join the parts of a model from layers that the format knows."""
    waveform, outputs = model.input, model.output
    if hasattr(model, "labels"):
        waveform = keras.Input(model.input.shape[1:], name="waveform")
        features = _frontend(model)(waveform)
        outputs = model.head(_backbone(model, format)(features))
    network = keras.Model(waveform, _named(model, outputs))
    network(_examples(model)[:1])  # Keras exports only what was called
    return network


def _frontend(tagger):
    config = tagger.frontend.get_config()
    if config.get("method") != "fft":
        return tagger.frontend
    # As a matrix product: converters have no transform that is right.
    frontend = type(tagger.frontend).from_config({**config, "method": "dft"})
    frontend.build(tagger.input.shape)
    frontend.set_weights(tagger.frontend.get_weights())
    return frontend


def _backbone(tagger, format: str):
    backbone = tagger.backbone
    if format != "litert" or not any(map(_is_recurrent, backbone.layers)):
        return backbone
    unrolled = keras.models.clone_model(backbone, clone_function=_unrolled)
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


def _examples(model) -> np.ndarray:
    """Return audio to compare with: music, music, noise, silence; for chords music."""
    chords = not hasattr(model, "labels")
    size = 5 * model.sample_rate if chords else model.chunking.chunk_samples
    music, _ = audio.load(audio.demo_path(), model.sample_rate)
    rows = [np.resize(music, size), np.resize(music[::-1], size)]
    if not chords:
        noise = np.random.default_rng(0).uniform(-0.3, 0.3, size)
        rows += [noise, 0 * noise]
    return np.stack(rows).astype("float32")


# === What the network says about itself ===


def _about(model) -> dict:
    return {
        "library_name": "keras-musictag",
        "library_version": keras_musictag.__version__,
        "format_version": 1,
        "class_name": type(model).__name__,
        "sampling_rate": model.sample_rate,
        "origin": getattr(model, "origin", None),
    }


def _about_tagger(tagger) -> dict:
    offsets = tagger.frame_offsets
    samples = tagger.chunking.chunk_samples
    return {
        "task": "tags",
        "problem_type": tagger.problem_type,
        "labels": tagger.labels.to_config(),
        "chunking": tagger.chunking.to_config(),
        "frame_offsets": None if offsets is None else np.asarray(offsets).tolist(),
        "input": {"name": "waveform", "shape": ["batch", samples]},
    }


def _about_recognizer(recognizer) -> dict:
    return {
        "task": "chords",
        "vocabulary": list(recognizer.vocabulary.labels),
        "hop_length": recognizer.hop_length,
        "boundary_shift": recognizer.boundary_shift,
        "input": {"name": "waveform", "shape": ["batch", "samples"]},
    }


# === From other backends ===


def _in_tensorflow(model, path: Path, wish: dict, examples, expected) -> None:
    """Let another process do it, where Keras runs on TensorFlow."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        np.savez(Path(folder) / "parity.npz", **expected)
        np.save(Path(folder) / "examples.npy", examples)
        wish = {**wish, "path": str(path.absolute())}
        (Path(folder) / "wish.json").write_text(json.dumps(wish), "utf-8")
        code = "from keras_musictag.models import exporting; exporting.main()"
        environment = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        # What this process can import, the other one shall find as well.
        environment["PYTHONPATH"] = os.pathsep.join(p or os.getcwd() for p in sys.path)
        outcome = subprocess.run(
            [sys.executable, "-c", code, folder],
            env={**os.environ, **environment},
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
    network = _network(PretrainedModel.from_pretrained(folder), wish["format"])
    examples = np.load(folder / "examples.npy")
    with np.load(folder / "parity.npz") as parity:
        export.export_network(network, examples=examples, expected={**parity}, **wish)
