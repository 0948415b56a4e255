"""From users' music to batches: data sets, their splits, and crops.

No reader downloads audio: each points at files that you have.
"""

from keras_musictag.data.chord_sets import chord_folder, peeters, rwc_popular
from keras_musictag.data.collection import TrackList
from keras_musictag.data.crops import RandomCrops, crop
from keras_musictag.data.datasets import gtzan, magnatagatune, mtg_jamendo
from keras_musictag.data.million_song import msd
from keras_musictag.data.tables import from_csv, from_folders
from keras_musictag.data.track import Track

__all__ = [
    "RandomCrops",
    "Track",
    "TrackList",
    "chord_folder",
    "crop",
    "from_csv",
    "from_folders",
    "gtzan",
    "magnatagatune",
    "msd",
    "mtg_jamendo",
    "peeters",
    "rwc_popular",
]
