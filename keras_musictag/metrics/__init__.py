"""How good predictions are, by the reference implementations."""

from keras_musictag.metrics.chords import (
    COMPARISONS,
    SEGMENTATION,
    ChordConfusion,
    ChordScores,
    chord_confusion,
    chord_scores,
    frame_scores,
)
from keras_musictag.metrics.classes import class_scores
from keras_musictag.metrics.reliability import Calibration, calibration
from keras_musictag.metrics.report import TaggingReport
from keras_musictag.metrics.tagging import (
    aggregate_chunks,
    tagging_scores,
    tune_thresholds,
)

__all__ = [
    "COMPARISONS",
    "Calibration",
    "ChordConfusion",
    "ChordScores",
    "SEGMENTATION",
    "TaggingReport",
    "aggregate_chunks",
    "calibration",
    "chord_confusion",
    "chord_scores",
    "class_scores",
    "frame_scores",
    "tagging_scores",
    "tune_thresholds",
]
