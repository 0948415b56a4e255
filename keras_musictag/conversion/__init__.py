"""Readers of other people's checkpoints; nothing in them is ever executed."""

from keras_musictag.conversion.checkpoints import ConversionReport, convert_checkpoint
from keras_musictag.conversion.pytorch import read_checkpoint

__all__ = ["ConversionReport", "convert_checkpoint", "read_checkpoint"]
