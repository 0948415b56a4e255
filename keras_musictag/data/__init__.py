"""From users' music to batches: crops, and later data sets and pipelines."""

from keras_musictag.data.crops import RandomCrops, crop

__all__ = ["RandomCrops", "crop"]
