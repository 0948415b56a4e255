"""Chords: labels, vocabularies, decoding and chord sequences, with NumPy only."""

from keras_musictag.chords.analysis import Key, estimate_key, find_beats
from keras_musictag.chords.annotations import KeySegment, read_keys
from keras_musictag.chords.beat_frames import pool_beats
from keras_musictag.chords.chordogram import Chordogram
from keras_musictag.chords.decoding import (
    DECODERS,
    decode,
    estimate_transitions,
    transition_matrix,
)
from keras_musictag.chords.harte import (
    ROOTS_FLAT,
    ROOTS_SHARP,
    Chord,
    parse,
    transpose,
)
from keras_musictag.chords.keys import camelot, open_key, pretty, spell
from keras_musictag.chords.paths import viterbi
from keras_musictag.chords.roman import Numeral, numerals
from keras_musictag.chords.segments import ChordSegment
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.chords.vocabulary import (
    VOCABULARIES,
    Vocabulary,
    get_vocabulary,
    reduce_probabilities,
)

__all__ = [
    "Chord",
    "ChordSegment",
    "ChordSequence",
    "Chordogram",
    "DECODERS",
    "Key",
    "KeySegment",
    "Numeral",
    "ROOTS_FLAT",
    "ROOTS_SHARP",
    "VOCABULARIES",
    "Vocabulary",
    "camelot",
    "decode",
    "estimate_key",
    "estimate_transitions",
    "find_beats",
    "get_vocabulary",
    "numerals",
    "open_key",
    "parse",
    "pool_beats",
    "pretty",
    "read_keys",
    "reduce_probabilities",
    "spell",
    "transition_matrix",
    "transpose",
    "viterbi",
]
