"""Deployment formats: SavedModel, ONNX and LiteRT, checked, and run without Keras.

`MusicTagger.export` writes them; `OnnxTagger` and `LiteRTTagger` tag tracks with them
and load neither Keras nor a backend.
"""

from keras_musictag.export.runtimes import open_exported, read_metadata
from keras_musictag.export.taggers import ExportedTagger, LiteRTTagger, OnnxTagger

__all__ = [
    "ExportedTagger",
    "LiteRTTagger",
    "OnnxTagger",
    "open_exported",
    "read_metadata",
]
