"""From a Keras model to its engine, which runs without Keras."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from keras_musictag import audio
from keras_musictag.chords.vocabulary import vocabulary_to_config
from keras_musictag.engines import chords as engine
from keras_musictag.errors import ConfigError
from keras_musictag.export.formats import convert
from keras_musictag.export.recurrent import with_operators
from keras_musictag.insight.fingerprint import fingerprint
from keras_musictag.models.exporting import in_float32
from keras_musictag.models.running.keras_track import named
from keras_musictag.replacing import replacing

# Of a score of a tag; of a probability of a chord, whose decibels magnify how quiet
# bins are rounded.
TOLERANCE = {"tags": 1e-5, "chords": 1e-4}
TUNINGS = (0.0, 0.3)  # in semitones


def make_engine(model, path: Path) -> None:
    """Write the engine of a model, unless its answers are others.

    Args:
        model: A tagger or a chord recogniser, on the TensorFlow backend.
        path: A `.onnx` file for a tagger, a folder for a chord recogniser.

    Raises:
        ConfigError: If it cannot be converted, or differs.
        MissingExtraError: If a package for it is not installed.
    """
    if model.task == "tags":
        model.export(path, tolerance=TOLERANCE["tags"], embeddings=True)
        return
    with replacing(path) as part:
        part.mkdir(parents=True)
        _write_chords(in_float32(model), part)
        _compare(model, engine.ChordEngine(part))


def _write_chords(model, folder: Path) -> None:
    whole = model.whole_track
    engine.ChordModel(
        vocabulary_to_config(model.vocabulary),
        model.sample_rate,
        model.hop_length,
        whole.context,
        whole.block_frames,
        whole.decibels,
        model.tuning,
        model.boundary_shift,
        model.default_decoder,
        model.hears_pieces,
        dict(model.calibration),
        dataclasses.asdict(model.frontend.settings),
        fingerprint(model, "scores")["sha256"],
    ).write(folder)
    # Keras exports only what was called.
    silence = np.zeros((1, whole.plan.chunk_samples), "float32")
    for tuning in TUNINGS:
        whole.magnitudes(silence, np.array([[0, silence.size]], "int32"), tuning)
    convert(whole.frontend, folder / engine.FRONTEND, "onnx")
    convert(whole.tuned_frontend, folder / engine.TUNED_FRONTEND, "onnx")
    nets = whole.block_weights()
    if nets is not None:
        engine.write_nets(folder / engine.WEIGHTS, nets)
        return
    # All frames of a track count here, so that there is no mask.
    track = keras.Input(whole.network.input_shape[0][1:], name="magnitudes")
    seen = whole.prepare(track)
    valid = keras.ops.ones_like(track[(..., *[0] * (len(track.shape) - 2))], "bool")
    network = with_operators(model.backbone, [seen, valid])
    outputs = keras.Model(track, named(network([seen, valid])))
    outputs(np.zeros((1, whole.block_frames, *track.shape[2:]), "float32"))
    convert(outputs, folder / engine.NETWORK, "onnx")


def _compare(model, made: engine.ChordEngine) -> None:
    """Refuse an engine that hears the demo clip otherwise, in tune or not."""
    for tuning in TUNINGS:
        heard = []
        for recognizer in (model, made):
            before, recognizer.tuning = recognizer.tuning, tuning
            heard.append(recognizer.chordogram(audio.demo_path()).probabilities())
            recognizer.tuning = before
        difference = float(np.abs(heard[0] - heard[1]).max())
        if not difference <= TOLERANCE["chords"]:
            raise ConfigError(
                "The engine does not hear what the model hears; it was not kept.",
                received=f"largest difference {difference:.2g} at tuning {tuning}",
                advice="Go on with Keras; please report it.",
            )
