"""Chord labels against mir_eval: what is legal, roots, tones, basses, spelling."""

import csv
import itertools

import mir_eval.chord
import numpy as np
import pytest

from keras_musictag.chords import (
    ROOTS_FLAT,
    VOCABULARIES,
    camelot,
    get_vocabulary,
    parse,
    pretty,
    spell,
    transpose,
)
from keras_musictag.errors import LabelError

LEGAL = [
    "C C/5 Cb E# Fbb/b7 G## N X A:1 A:5/5 D:sus4(b7) D:sus2(*5,9)/2 Bb:min(*b3,*5)/5",
    "F#:maj(*3,*3,3) C:min(3,*3) C:maj(*1) C:maj(b1) C:maj(13,#11)/13 C:maj/b1",
    "C:(1,5,b7)/5 C:(b3,5) Gb:minmaj7/7 Ab:hdim7/b5 B:dim7/bb7 C:7(#9) C:maj(9,##4)",
]
LEGAL = " ".join(LEGAL).split()
QUALITIES = sorted(set(mir_eval.chord.QUALITIES) - {""})

MALFORMED = {
    "": "must begin with a root",
    "H:maj": "must begin with a root",
    "c:maj": "must begin with a root",
    " C:maj": "must begin with a root",
    "C:maj ": "Did you mean maj",
    "C:maj\n": "Did you mean maj",
    "C:": "Write root, colon, quality",
    "C:m7": "Did you mean min7",
    "C:M7": "Did you mean maj7",
    "C:Maj": "Did you mean maj",
    "C:majj7": "Did you mean maj7",
    "Am7": "Did you mean :min7",
    "C:add9": r"Did you mean maj\(9\)",
    "C#b:maj": "may not stand here",
    "C:maj/E": "bass 'E' is not a scale degree.*character 6",
    "C:maj/14": "bass '14'",
    "C:maj/": "bass ''",
    "C:maj/3/5": "bass '3/5'",
    "C:maj()": "list of degrees",
    "C:maj(14)": "list of degrees",
    "C:maj(3,)": "list of degrees",
    "C:maj(b#3)": "list of degrees",
    "C:maj(3": "list of degrees",
    "C(3)": "may not stand here",
    "N:maj": "must begin with a root",
    "N/5": "must begin with a root",
    "X/5": "must begin with a root",
    "NC": "must begin with a root",
}


def same_as_mir_eval(label):
    """Compare root, tones and bass of our reading and our writing with mir_eval."""
    chord = parse(label)
    for text in (label, chord.label(), chord.label(flats=True)):
        root, bitmap, bass = mir_eval.chord.encode(text)
        if chord.root is None:
            assert text == label and root == -1
            assert not any(chord.intervals) and chord.bass_pitch_class is None
            continue
        assert (chord.root, chord.bass_interval) == (root % 12, bass % 12), text
        np.testing.assert_array_equal(chord.intervals, bitmap, err_msg=text)
        _, full, _ = mir_eval.chord.encode(text, reduce_extended_chords=True)
        absolute = mir_eval.chord.rotate_bitmap_to_root(full, root)
        np.testing.assert_array_equal(chord.pitch_classes, absolute, err_msg=text)
        assert chord.bass_pitch_class == (root + bass) % 12
        assert parse(text) == chord
    return chord


@pytest.mark.parametrize("label", LEGAL)
def test_reads_and_writes_as_mir_eval(label):
    same_as_mir_eval(label)


def test_every_quality_root_and_bass_as_mir_eval():
    basses = ("", "/3", "/b3", "/5", "/b7", "/9", "/#11")
    roots = ["C", "F#", "Bb", "Cb", "E#", "Abb"]
    for root, quality, bass in itertools.product(roots, QUALITIES, basses):
        same_as_mir_eval(f"{root}:{quality}{bass}")


def test_random_degree_lists_as_mir_eval():
    random = np.random.default_rng(0)
    degrees = [f"{a}{n}" for a in ("", "b", "#", "bb") for n in range(1, 14)]
    for _ in range(500):
        listed = random.choice(degrees, size=random.integers(1, 5))
        listed = ",".join(random.choice(["", "*"]) + d for d in listed)
        quality = random.choice(["", *QUALITIES])
        same_as_mir_eval(f"{random.choice(ROOTS_FLAT)}:{quality}({listed})/5")


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_label_of_a_vocabulary_transposed_as_mir_eval(name):
    for label, semitones in itertools.product(get_vocabulary(name), range(12)):
        moved = transpose(label, semitones)
        root, bitmap, bass = mir_eval.chord.encode(label)
        again, bitmap_again, bass_again = mir_eval.chord.encode(moved)
        assert again == ((root + semitones) % 12 if root >= 0 else -1), label
        assert bitmap.tolist() == bitmap_again.tolist() and bass == bass_again
        if semitones == 0:
            same_as_mir_eval(label)


def test_labels_of_the_corpus_as_mir_eval_and_spelt_by_key(corpus):
    songs = corpus / "chords"
    rows = csv.DictReader((songs / "manifest.csv").open(encoding="utf-8"))
    keys = {row["file"].rsplit(".", 1)[0]: row["key"] for row in rows}
    files = sorted(songs.glob("*.lab"))
    assert files
    for file in files:
        labels = mir_eval.io.load_labeled_intervals(str(file))[1]
        for label in set(labels):
            chord = same_as_mir_eval(label)
            assert spell(chord.label(), keys[file.stem]) == label
            assert spell(chord.label(flats=True), keys[file.stem]) == label


@pytest.mark.parametrize("label", MALFORMED)
def test_malformed_labels_are_refused(label):
    assert mir_eval.chord.CHORD_RE.fullmatch(label) is None
    with pytest.raises(LabelError, match=MALFORMED[label]) as caught:
        parse(label)
    assert repr(label) in caught.value.received and caught.value.advice


def test_what_is_no_text_is_refused():
    with pytest.raises(LabelError, match="must be text.*7 of type int"):
        parse(7)


def test_same_grammar_as_mir_eval():
    random = np.random.default_rng(1)
    pieces = ["C", "G", "b", "#", ":", "/", "(", ")", ",", "*", "1", "3", "13", "N"]
    pieces += ["maj", "min7", "sus4", "aug7", "maj11", "hdim7", "X", "9"]
    legal = 0
    for _ in range(20000):
        text = "".join(random.choice(pieces, size=random.integers(1, 7)))
        wanted = mir_eval.chord.CHORD_RE.fullmatch(text) is not None
        try:
            parse(text)
            assert wanted, text
            legal += 1
        except LabelError:
            assert not wanted, text
    assert legal > 100


def test_shorthands_without_tones_in_mir_eval_become_legal():
    assert same_as_mir_eval(parse("C:aug7/b7").label()).label() == "C:aug(b7)/b7"
    chord = same_as_mir_eval(parse("D:maj11").label())
    assert np.flatnonzero(chord.pitch_classes).tolist() == [1, 2, 4, 6, 7, 9]


def test_spelling_follows_the_signature():
    assert spell("A#:min7/b3", "Eb:maj") == "Bb:min7/b3"
    for key, wanted in {"Fm": "Db", "D minor": "Db", "8A": "C#", "6B": "Db"}.items():
        assert spell("C#", key) == f"{wanted}:maj", key
    assert spell("Db:maj", None) == "C#:maj"
    assert transpose("Bb:7", 1) == "B:7" and transpose("Bb:7", 3) == "Db:7"
    assert transpose("A#:7", 3) == "C#:7" and transpose("Bb:7", 12) == "Bb:7"
    assert transpose("N", 5) == "N" and transpose("X", -5) == "X"
    with pytest.raises(LabelError, match="no name of a key.*'H dur'"):
        spell("C:maj", "H dur")


# As written in lead sheets; the bass is spelt by its degree.
SHEET = {
    "A:min7/b3": "Am7/C",
    "C": "C",
    "Db:maj/3": "Db/F",
    "F#:maj/3": "F#/A#",
    "Ab:min/b3": "Abm/Cb",
    "D#:maj/3": "D#/G",
    "B:hdim7": "Bm7b5",
    "E:sus4(b7)": "E7sus4",
    "C:maj(9)/5": "C(9)/G",
    "G:7(*5)": "G7(no5)",
    "C:minmaj7": "Cm(maj7)",
    "C:maj6": "C6",
    "C:(1,b7)": "C(1,b7)",
    "N": "N.C.",
    "X": "?",
}


@pytest.mark.parametrize("label", SHEET)
def test_sheet_names(label):
    assert pretty(label) == SHEET[label]


def test_sheet_names_follow_a_key():
    assert pretty("A#:min7/b3", "F") == "Bbm7/Db"
    assert parse("Bb:maj").pretty() == "A#"


def test_camelot_wheel():
    # The wheel as printed for disc jockeys, 1 to 12.
    minor = "Ab Eb Bb F C G D A E B F# Db".split()
    major = "B F# Db Ab Eb Bb F C G D A E".split()
    for hour, (low, high) in enumerate(zip(minor, major, strict=True), start=1):
        assert camelot(f"{low}:min") == camelot(f"{low}m") == f"{hour}A"
        assert camelot(f"{high}:maj") == camelot(f"{high} major") == f"{hour}B"
        assert camelot(f"{hour}A") == f"{hour}A" and camelot(f"{hour}b") == f"{hour}B"
