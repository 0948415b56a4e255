"""Deployment formats: SavedModel, ONNX and LiteRT, checked, and run without Keras.

`MusicTagger.export` and `ChordRecognizer.export` write them; `OnnxTagger`,
`LiteRTTagger`, `OnnxChordRecognizer` and `LiteRTChordRecognizer` hear tracks with them
and load neither Keras nor a backend.
"""

from keras_musictag.export.recognizers import (
    ExportedChordRecognizer,
    LiteRTChordRecognizer,
    OnnxChordRecognizer,
)
from keras_musictag.export.runtimes import open_exported, read_metadata
from keras_musictag.export.taggers import ExportedTagger, LiteRTTagger, OnnxTagger

__all__ = [
    "ExportedChordRecognizer",
    "ExportedTagger",
    "LiteRTChordRecognizer",
    "LiteRTTagger",
    "OnnxChordRecognizer",
    "OnnxTagger",
    "open_exported",
    "read_metadata",
]
