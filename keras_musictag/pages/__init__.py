"""Pages to look at in a browser: one file each, without a server or a network."""

from keras_musictag.pages.collection import collection_map
from keras_musictag.pages.report import song_report

__all__ = ["collection_map", "song_report"]
