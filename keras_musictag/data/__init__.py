"""From users' music to batches: data sets, their splits, and crops.

No reader downloads audio: each points at files that you have.
"""

import importlib
from typing import TYPE_CHECKING

from keras_musictag.data.beat_sets import beat_folder
from keras_musictag.data.cache import AudioCache
from keras_musictag.data.chord_sets import chord_folder, peeters, rwc_popular
from keras_musictag.data.collection import TrackList
from keras_musictag.data.datasets import gtzan, magnatagatune, mtg_jamendo
from keras_musictag.data.folders import from_folders
from keras_musictag.data.million_song import msd
from keras_musictag.data.mirdata_adapter import from_mirdata
from keras_musictag.data.tables import from_csv
from keras_musictag.data.track import Track

if TYPE_CHECKING:
    from keras_musictag.data.crops import RandomCrops, crop
    from keras_musictag.data.pipeline import TrackBatches, tf_dataset

__all__ = [
    "AudioCache",
    "RandomCrops",
    "Track",
    "TrackBatches",
    "TrackList",
    "beat_folder",
    "chord_folder",
    "crop",
    "from_csv",
    "from_folders",
    "from_mirdata",
    "gtzan",
    "magnatagatune",
    "msd",
    "mtg_jamendo",
    "peeters",
    "rwc_popular",
    "tf_dataset",
]

# These need Keras; the readers, and worker processes, start no backend.
_WITH_KERAS = {
    "RandomCrops": "crops",
    "TrackBatches": "pipeline",
    "crop": "crops",
    "tf_dataset": "pipeline",
}


def __getattr__(name: str):
    if name not in _WITH_KERAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_WITH_KERAS[name]}")
    return getattr(module, name)
