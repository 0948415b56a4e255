"""Keras layers for music, written with `keras.ops` only."""

from keras_musictag.layers.chroma import Chroma
from keras_musictag.layers.cqt import CQT
from keras_musictag.layers.crf import LinearChainCRF
from keras_musictag.layers.filterbank import mel_filterbank
from keras_musictag.layers.frequency_max import FrequencyMaxConv2D
from keras_musictag.layers.harmonic import HarmonicSTFT
from keras_musictag.layers.hcqt import HCQT
from keras_musictag.layers.instance_normalization import (
    InstanceNormalization,
    RunningMoments,
)
from keras_musictag.layers.max_pooling import MaxPooling1D
from keras_musictag.layers.mel import LogMelSpectrogram
from keras_musictag.layers.padded_mel import PaddedLogMelSpectrogram
from keras_musictag.layers.pool_first import PooledConv2D
from keras_musictag.layers.pooling import (
    AutoPool,
    AutoPoolWeightSplit,
    SoftmaxWeightPool,
)
from keras_musictag.layers.pre_norm import PreNormTransformerBlock
from keras_musictag.layers.residual import ConvBlock2D, Residual2D
from keras_musictag.layers.rotary import RotaryTransformerBlock
from keras_musictag.layers.sinc import SincConv
from keras_musictag.layers.squeeze_excitation import SqueezeExcitation
from keras_musictag.layers.stft import STFT
from keras_musictag.layers.tcn import TCNBlock, WeightNormConv1D
from keras_musictag.layers.transformer import FixedToken, TransformerEncoderBlock
from keras_musictag.layers.vqt import VQT
from keras_musictag.layers.windows import PatchMerging, ShiftedWindowBlock

__all__ = [
    "CQT",
    "Chroma",
    "HCQT",
    "AutoPool",
    "AutoPoolWeightSplit",
    "ConvBlock2D",
    "FixedToken",
    "FrequencyMaxConv2D",
    "HarmonicSTFT",
    "InstanceNormalization",
    "LinearChainCRF",
    "LogMelSpectrogram",
    "MaxPooling1D",
    "PaddedLogMelSpectrogram",
    "PatchMerging",
    "PooledConv2D",
    "PreNormTransformerBlock",
    "Residual2D",
    "RotaryTransformerBlock",
    "RunningMoments",
    "STFT",
    "ShiftedWindowBlock",
    "SincConv",
    "SoftmaxWeightPool",
    "SqueezeExcitation",
    "TCNBlock",
    "TransformerEncoderBlock",
    "VQT",
    "WeightNormConv1D",
    "mel_filterbank",
]
