"""Audio in: files and arrays, checked, at the wanted rate; chunks of one size.

Every function takes a path, a file object or an array and gives float32 samples,
full scale 1, mean of the channels. Nothing is clipped, normalised or guessed.
"""

from keras_musictag.audio.arrays import (
    resample,
    resample_blocks,
    to_mono,
)
from keras_musictag.audio.chunks import ChunkPlan
from keras_musictag.audio.excerpts import excerpt
from keras_musictag.audio.files import (
    blocks,
    demo_path,
    duration,
    length,
    load,
)
from keras_musictag.audio.finding import find_files
from keras_musictag.audio.tuning import Tuning, TuningEstimator, estimate_tuning

__all__ = [
    "ChunkPlan",
    "Tuning",
    "TuningEstimator",
    "blocks",
    "demo_path",
    "duration",
    "estimate_tuning",
    "excerpt",
    "find_files",
    "length",
    "load",
    "resample",
    "resample_blocks",
    "to_mono",
]
