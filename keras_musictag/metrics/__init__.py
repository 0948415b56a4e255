"""How good predictions are, by the reference implementations."""

import importlib
from typing import TYPE_CHECKING

from keras_musictag.metrics.baseline import mfcc_baseline, mfcc_statistics
from keras_musictag.metrics.beats import beat_scores, key_scores
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
from keras_musictag.metrics.regression import RegressionReport, regression_scores
from keras_musictag.metrics.reliability import Calibration, calibration
from keras_musictag.metrics.report import TaggingReport
from keras_musictag.metrics.robustness import RobustnessReport, robustness
from keras_musictag.metrics.tagging import (
    aggregate_chunks,
    tagging_scores,
    tune_thresholds,
)
from keras_musictag.metrics.tracks import TrackScores

if TYPE_CHECKING:
    from keras_musictag.metrics.training import (
        MacroPRAUC,
        MacroROCAUC,
        MaskedBinaryCrossentropy,
    )

__all__ = [
    "COMPARISONS",
    "Calibration",
    "ChordConfusion",
    "ChordScores",
    "MacroPRAUC",
    "MacroROCAUC",
    "MaskedBinaryCrossentropy",
    "RegressionReport",
    "RobustnessReport",
    "SEGMENTATION",
    "TaggingReport",
    "TrackScores",
    "aggregate_chunks",
    "beat_scores",
    "calibration",
    "chord_confusion",
    "chord_scores",
    "class_scores",
    "frame_scores",
    "key_scores",
    "mfcc_baseline",
    "mfcc_statistics",
    "regression_scores",
    "robustness",
    "tagging_scores",
    "tune_thresholds",
]

# These need Keras; judging scores starts no backend.
_WITH_KERAS = ("MacroPRAUC", "MacroROCAUC", "MaskedBinaryCrossentropy")


def __getattr__(name: str):
    if name not in _WITH_KERAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.training"), name)
