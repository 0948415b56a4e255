"""Layers that change music in training, and changes of whole tracks."""

from keras_musictag.augmentation.compression import DynamicRangeCompression
from keras_musictag.augmentation.filters import RandomFilter, RandomTilt
from keras_musictag.augmentation.mixing import MixUp
from keras_musictag.augmentation.spectrogram import FrequencyShift, SpecAugment
from keras_musictag.augmentation.tracks import (
    Deformation,
    deformations,
    from_audiomentations,
)
from keras_musictag.augmentation.waveform import (
    RandomCrop,
    RandomGain,
    RandomNoise,
    RandomPolarity,
)

__all__ = [
    "Deformation",
    "DynamicRangeCompression",
    "FrequencyShift",
    "MixUp",
    "RandomCrop",
    "RandomFilter",
    "RandomGain",
    "RandomNoise",
    "RandomPolarity",
    "RandomTilt",
    "SpecAugment",
    "deformations",
    "from_audiomentations",
]
