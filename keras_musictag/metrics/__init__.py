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

__all__ = [
    "COMPARISONS",
    "ChordConfusion",
    "ChordScores",
    "SEGMENTATION",
    "chord_confusion",
    "chord_scores",
    "frame_scores",
]
