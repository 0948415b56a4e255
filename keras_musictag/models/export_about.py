"""What an exported network says about itself, by the task of its model."""

import numpy as np

import keras_musictag
from keras_musictag.audio.arrays import SILENCE_PEAK
from keras_musictag.export import metadata as meta
from keras_musictag.insight.fingerprint import fingerprint


def about(model) -> dict:
    return {
        "library_name": "keras-musictag",
        "library_version": keras_musictag.__version__,
        "format_version": 1,
        "class_name": type(model).__name__,
        "sampling_rate": model.sample_rate,
        "origin": getattr(model, "origin", None),
    }


def _about_tags(tagger, samples: int | None, expected: dict) -> dict:
    offsets = tagger.frame_offsets
    shapes = {k: ["batch", *values.shape[1:]] for k, values in expected.items()}
    embedding = {}
    if meta.EMBEDDING in shapes:
        output = {"name": meta.EMBEDDING, "shape": shapes[meta.EMBEDDING]}
        embedding = {"embedding": output}
    return {
        "task": "tags",
        "problem_type": tagger.problem_type,
        "labels": tagger.labels.to_config(),
        "chunking": tagger.chunking.to_config(),
        "frame_offsets": None if offsets is None else np.asarray(offsets).tolist(),
        "input": {"name": "waveform", "shape": ["batch", samples]},
        "output": {"name": "scores", "shape": shapes["scores"]},
        "fingerprint": fingerprint(tagger, "scores")["sha256"],
        **embedding,
    }


def _about_embedding(expected: dict) -> dict | None:
    values = expected.get(meta.EMBEDDING)
    if values is None:
        return None
    return {"name": meta.EMBEDDING, "shape": ["batch", *values.shape[1:]]}


def _about_chords(recognizer, samples: int | None, expected: dict) -> dict:
    frames = "frames" if samples is None else samples // recognizer.hop_length
    return {
        "task": "chords",
        "vocabulary": list(recognizer.vocabulary.labels),
        "vocabulary_name": recognizer.vocabulary.name,
        "vocabulary_rule": recognizer.vocabulary.rule,
        "hop_length": recognizer.hop_length,
        "boundary_shift": recognizer.boundary_shift,
        "decoder": recognizer.default_decoder,
        "hears_pieces": recognizer.hears_pieces,
        "calibration": dict(recognizer.calibration),
        "silence_peak": SILENCE_PEAK,
        "input": {"name": "waveform", "shape": ["batch", samples or "samples"]},
        "outputs": [
            {"name": name, "shape": ["batch", frames, values.shape[-1]]}
            for name, values in expected.items()
        ],
    }


def _about_beats(tracker, samples: int | None, expected: dict) -> dict:
    return {
        "task": "beats",
        "hop_length": tracker.hop_length,
        "piece_frames": tracker.piece_frames,
        "border_frames": tracker.border_frames,
        "decoder": tracker.default_decoder,
        "mirrored": bool(tracker.mirrored_frames),
        "silence_peak": SILENCE_PEAK,
        "input": {"name": "waveform", "shape": ["batch", "samples"]},
        "output": {"name": "beats", "shape": ["batch", "frames", 3]},
    }


def _about_key(recognizer, samples: int | None, expected: dict) -> dict:
    return {
        "task": "key",
        "labels": list(recognizer.labels),
        "least_samples": recognizer.least_samples,
        "input": {"name": "waveform", "shape": ["batch", "samples"]},
        "output": {"name": "keys", "shape": ["batch", len(recognizer.labels)]},
    }


ABOUT = {
    "tags": _about_tags,
    "chords": _about_chords,
    "beats": _about_beats,
    "key": _about_key,
}
