"""Beats: where they fall, which of them begin bars, and the tempo, with NumPy only."""

from keras_musictag.beats.beatgram import Beatgram
from keras_musictag.beats.decoding import decode
from keras_musictag.beats.peaks import pick_peaks
from keras_musictag.beats.sequence import Beat, BeatSequence

__all__ = ["Beat", "BeatSequence", "Beatgram", "decode", "pick_peaks"]
