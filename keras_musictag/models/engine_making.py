"""From a Keras model to its engine, which runs without Keras."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from keras_musictag import audio
from keras_musictag.chords.vocabulary import vocabulary_to_config
from keras_musictag.engines import beats, chords
from keras_musictag.engines.storage import write_arrays
from keras_musictag.errors import ConfigError
from keras_musictag.export.formats import convert
from keras_musictag.export.recurrent import with_operators
from keras_musictag.insight.fingerprint import fingerprint
from keras_musictag.models.exporting import for_converters, in_float32
from keras_musictag.models.running.keras_track import named
from keras_musictag.replacing import replacing

# Of a score of a tag; of a probability of a chord, whose decibels magnify how quiet
# bins are rounded.
TOLERANCE = {"tags": 1e-5, "chords": 1e-4, "beats": 1e-4}
TUNINGS = (0.0, 0.3)  # in semitones


def make_engine(model, path: Path, *, preset: str | None = None) -> None:
    """Write the engine of a model, unless its answers are others.

    Args:
        model: A tagger, a chord recogniser or a `BeatNetTracker`, on the TensorFlow
            backend.
        path: A `.onnx` file for a tagger, a folder for the others.
        preset: Where the weights of networks that run block by block shall be looked
            for, if it is in the package; `None` to write them.

    Raises:
        ConfigError: If it cannot be converted, or differs.
        MissingExtraError: If a package for it is not installed.
    """
    if model.task == "tags":
        model.export(path, tolerance=TOLERANCE["tags"], embeddings=True)
        return
    with replacing(path) as part:
        part.mkdir(parents=True)
        if model.task == "beats":
            _write_beats(in_float32(model), part)
            _compare_beats(model, beats.BeatEngine(part))
        else:
            _write_chords(in_float32(model), part, preset)
            _compare_chords(model, chords.ChordEngine(part))


def _write_chords(model, folder: Path, preset: str | None) -> None:
    whole = model.whole_track
    nets = whole.block_weights()
    chords.ChordModel(
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
        preset if nets is not None else None,
        chords.frame_of(model.frontend.settings),
        whole.reach,
    ).write(folder)
    # Keras exports only what was called.
    silence = np.zeros((1, whole.plan.chunk_samples), "float32")
    for tuning in TUNINGS:
        whole.magnitudes(silence, np.array([[0, silence.size]], "int32"), tuning)
    convert(whole.tuned_frontend, folder / chords.TUNED_FRONTEND, "onnx")
    if not whole.hears_tuning:  # or hardly a track has that of the other one
        convert(whole.frontend, folder / chords.FRONTEND, "onnx")
    if nets is not None:
        if preset is None:
            write_arrays(folder, nets)
        return
    # All frames of a track count here, so that there is no mask.
    track = keras.Input(whole.network.input_shape[0][1:], name="magnitudes")
    seen = whole.prepare(track)
    valid = keras.ops.ones_like(track[(..., *[0] * (len(track.shape) - 2))], "bool")
    network = with_operators(model.backbone, [seen, valid])
    outputs = keras.Model(track, named(network([seen, valid])))
    outputs(np.zeros((1, whole.block_frames, *track.shape[2:]), "float32"))
    convert(outputs, folder / chords.NETWORK, "onnx")


def _compare_chords(model, made: chords.ChordEngine) -> None:
    """Refuse an engine that hears the demo clip otherwise, in tune or not."""
    for tuning in TUNINGS:
        heard = []
        for recognizer in (model, made):
            before, recognizer.tuning = recognizer.tuning, tuning
            heard.append(recognizer.chordogram(audio.demo_path()).probabilities())
            recognizer.tuning = before
        _refuse_other(heard[0], heard[1], "chords", f"tuning {tuning}")


def _write_beats(model, folder: Path) -> None:
    beats.BeatModel(
        model.sample_rate,
        model.hop_length,
        model.context_frames,
        model.default_decoder,
        fingerprint(model, "scores")["sha256"],
    ).write(folder)
    chunk = keras.Input((model.plan.chunk_samples,), name="chunk")
    frontend = keras.Model(chunk, for_converters(model)(chunk))
    frontend(np.zeros((1, model.plan.chunk_samples), "float32"))
    convert(frontend, folder / beats.FRONTEND, "onnx")
    dense = model.before_recurrence()
    dense(np.zeros((1, 10, dense.input_shape[-1]), "float32"))
    convert(dense, folder / beats.DENSE, "onnx")
    weights = model.recurrent_weights()
    write_arrays(folder, [*weights.lstms, weights.heads])


def _compare_beats(model, made: beats.BeatEngine) -> None:
    heard = [tracker.beatgram(audio.demo_path()) for tracker in (model, made)]
    wanted, got = (np.stack([gram.beat, gram.downbeat]) for gram in heard)
    _refuse_other(wanted, got, "beats", "the demo clip")


def _refuse_other(wanted: np.ndarray, got: np.ndarray, task: str, where: str) -> None:
    difference = float(np.abs(wanted - got).max())
    if not difference <= TOLERANCE[task]:
        raise ConfigError(
            "The engine does not hear what the model hears; it was not kept.",
            received=f"largest difference {difference:.2g} at {where}",
            advice="Go on with Keras; please report it.",
        )
