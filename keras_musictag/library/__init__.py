"""Whole collections: built once, kept as Parquet files, asked in SQL or by example."""

from keras_musictag.library.building import BuildProgress, build
from keras_musictag.library.merging import merge
from keras_musictag.library.missing import forget
from keras_musictag.library.reading import Library

__all__ = ["BuildProgress", "Library", "build", "forget", "merge"]
