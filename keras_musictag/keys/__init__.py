"""Keys: of a song and of its parts, over time, with NumPy only."""

from keras_musictag.keys.from_chords import keygram_of_chords
from keras_musictag.keys.keygram import KEYS, Keygram
from keras_musictag.keys.sequence import KeyRegion, KeySequence

__all__ = ["KEYS", "KeyRegion", "KeySequence", "Keygram", "keygram_of_chords"]
