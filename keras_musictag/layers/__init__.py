"""Keras layers for music, written with `keras.ops` only."""

from keras_musictag.layers.filterbank import mel_filterbank
from keras_musictag.layers.frequency_max import FrequencyMaxConv2D
from keras_musictag.layers.harmonic import HarmonicSTFT
from keras_musictag.layers.mel import LogMelSpectrogram
from keras_musictag.layers.residual import ConvBlock2D, Residual2D
from keras_musictag.layers.squeeze_excitation import SqueezeExcitation
from keras_musictag.layers.stft import STFT
from keras_musictag.layers.transformer import FixedToken, TransformerEncoderBlock

__all__ = [
    "ConvBlock2D",
    "FixedToken",
    "FrequencyMaxConv2D",
    "HarmonicSTFT",
    "LogMelSpectrogram",
    "Residual2D",
    "STFT",
    "SqueezeExcitation",
    "TransformerEncoderBlock",
    "mel_filterbank",
]
