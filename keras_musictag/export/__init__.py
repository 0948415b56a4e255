"""Deployment formats: SavedModel, ONNX, LiteRT, OpenVINO, run without Keras.

The method `export` of each model writes them; `OnnxTagger`, `LiteRTTagger` and the
classes of the same kind for chords, beats and keys hear tracks with them and load
neither Keras nor a backend.
"""

from keras_musictag.export.key_recognizers import (
    ExportedKeyRecognizer,
    OnnxKeyRecognizer,
)
from keras_musictag.export.recognizers import (
    ExportedChordRecognizer,
    LiteRTChordRecognizer,
    OnnxChordRecognizer,
)
from keras_musictag.export.runtimes import open_exported, read_metadata
from keras_musictag.export.taggers import (
    ExportedTagger,
    LiteRTTagger,
    OnnxTagger,
    OpenVINOTagger,
)
from keras_musictag.export.texts import OnnxTextEncoder
from keras_musictag.export.trackers import ExportedBeatTracker, OnnxBeatTracker

__all__ = [
    "ExportedBeatTracker",
    "ExportedChordRecognizer",
    "ExportedKeyRecognizer",
    "ExportedTagger",
    "LiteRTChordRecognizer",
    "LiteRTTagger",
    "OnnxBeatTracker",
    "OnnxChordRecognizer",
    "OnnxKeyRecognizer",
    "OnnxTagger",
    "OnnxTextEncoder",
    "OpenVINOTagger",
    "open_exported",
    "read_metadata",
]
