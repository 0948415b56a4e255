"""Pages to look at in a browser: one file each, without a server or a network."""

from keras_musictag.pages.collection import collection_map
from keras_musictag.pages.report import song_report
from keras_musictag.pages.summary import SongSummary

__all__ = ["SongSummary", "collection_map", "song_report"]
