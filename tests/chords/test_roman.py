"""Roman numerals: degrees, qualities, inversions, and what leads where."""

import itertools

import pytest

from keras_musictag.chords import ROOTS_SHARP, numerals, parse
from keras_musictag.chords.harte import QUALITIES
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.errors import LabelError
from keras_musictag.keys import KeySequence

KEYS = [f"{root}:{mode}" for root in ROOTS_SHARP for mode in ("maj", "min")]
# The 14 of the vocabulary "tetrads".
TETRADS = (
    *("maj", "min", "dim", "aug", "sus2", "sus4", "7", "maj7", "min7", "minmaj7"),
    *("dim7", "hdim7", "maj6", "min6"),
)


def figures(labels, key):
    return [numeral.figure for numeral in numerals(labels.split(), key)]


@pytest.mark.parametrize(
    ("key", "labels", "wanted"),
    [
        # As every textbook has them.
        ("C:maj", "C D:min E:min F G A:min B:dim", "I ii iii IV V vi viio"),
        ("A:min", "A:min B:dim C D:min E:min F G", "i iio III iv v VI VII"),
        ("A:min", "E E:7 G#:dim7 C:aug A:minmaj7", "V V7 viio7 III+ imaj7"),
        (
            "Bb:maj",
            "Bb:maj7 C:min7 Eb:maj7 F:7 A:hdim7",
            "Imaj7 ii7 IVmaj7 V7 viiø7",
        ),
        ("G:maj", "Bb Eb F Ab C:min", "bIII bVI bVII bII iv"),
        ("C:maj", "C#:dim7 D#:dim F#:hdim7 G#:dim7", "#io7 #iio #ivø7 #vo7"),
        ("C:min", "Bb:dim B:dim A:hdim7 Db", "bviio viio #viø7 bII"),
        # Inversions of triads and of sevenths; C/b7 and A:min/b7 are sevenths too.
        ("C:maj", "C/3 C/5 A:min/b3 A:min/5 B:dim/b3", "I6 I64 vi6 vi64 viio6"),
        ("C:maj", "G:7/3 G:7/5 G:7/b7 C/b7 A:min/b7", "V65 V43 V42 I42 vi42"),
        ("C:maj", "C:maj7/3 C:maj7/7 B:hdim7/b5", "Imaj65 Imaj42 viiø43"),
        ("C:maj", "C/2 F:sus2/5 G:sus4(b7)", "I/2 IVsus2/5 V7sus4"),
        # What classical figures do not have.
        ("C:maj", "C:maj6 D:min6 G:9 G:7(b9) G:13", "Iadd6 iiadd6 V9 V7(b9) V13"),
        ("C:maj", "G:aug(b7) G:5 F:maj(9) N X", "V+7 V(5) IV(9) N.C. ?"),
        # However the roots are spelled; in Camelot's notation too.
        ("F:maj", "A#:maj Cb:maj", "IV bV"),
        ("8A", "A:min Fb:7", "i V7"),
    ],
)
def test_degrees_of_the_key(key, labels, wanted):
    assert figures(labels, key) == wanted.split()


@pytest.mark.parametrize("key", KEYS)
def test_no_two_chords_have_one_numeral(key):
    labels = []
    for root, quality in itertools.product(ROOTS_SHARP, TETRADS):
        names = {3: "b3", 4: "3", 6: "b5", 7: "5", 8: "#5", 10: "b7", 11: "7"}
        basses = [names[tone] for tone in QUALITIES[quality] if tone in names]
        labels += [f"{root}:{quality}", *(f"{root}:{quality}/{b}" for b in basses)]
    # By themselves: in a row they would lead to one another.
    found = [numerals([label], key)[0].figure for label in labels]
    assert len(set(found)) == len(labels) > 500


@pytest.mark.parametrize("semitones", range(12))
def test_numerals_move_with_the_key(semitones):
    song = ChordSequence([[0, 1], [1, 2], [2, 3]], ["E:7", "A:min7/b3", "F:hdim7"])
    key = f"{ROOTS_SHARP[semitones]}:maj"
    assert song.transpose(semitones).to_roman(key) == ["V7/vi", "vi65", "ivø7"]


@pytest.mark.parametrize(
    ("key", "labels", "wanted"),
    [
        ("C:maj", "C D:7 G:7 C", "I V7/V V7 I"),
        ("C:maj", "D D:7/3 G", "V/V V65/V V"),
        ("C:maj", "E A:min A:7 D:min7 C:7 F", "V/vi vi V7/ii ii7 V7/IV IV"),
        ("C:maj", "F#:dim7 G G#:dim7 A:min", "viio7/V V viio7/vi vi"),
        ("A:min", "B:7 E:7 A:7 D:min", "V7/V V7 V7/iv iv"),
        # V and viio lead to the tonic themselves; VII of a minor key is its own.
        ("C:maj", "G C B:dim C", "V I viio I"),
        ("A:min", "G:7 C", "VII7 III"),
        # They do not resolve: to another chord, to none, to one outside the key.
        ("C:maj", "D:7 F E:7 N A:min D:7", "II7 IV III7 N.C. vi II7"),
        ("C:maj", "D:7 G:min D:7 D:min7 G", "II7 v II7 ii7 V"),
    ],
)
def test_what_leads_to_another_degree(key, labels, wanted):
    assert figures(labels, key) == wanted.split()


def test_roles():
    labels = "C F:min Bb Ab:maj7 D:7 G N Db C#:dim7 D:min X".split()
    roles = [numeral.role for numeral in numerals(labels, "C:maj")]
    assert roles == [
        *("diatonic", "borrowed", "borrowed", "borrowed", "secondary", "diatonic"),
        *(None, "chromatic", "secondary", "diatonic", None),
    ]
    minor = numerals(["D:maj", "B:min", "E:7", "Bb"], "A:min")
    wanted = ["IV", "ii", "V7", "bII"]
    assert [numeral.figure for numeral in minor] == wanted
    roles = [numeral.role for numeral in minor]
    assert roles == ["borrowed", "borrowed", "diatonic", "chromatic"]


def test_the_key_of_the_chords_if_none_is_given():
    song = ChordSequence(
        [[0, 2], [2, 4], [4, 6], [6, 8]], ["Bb:maj", "Eb:maj", "F:7", "Bb:maj"]
    )
    assert song.to_roman() == ["I", "IV", "V7", "I"]
    assert song.to_roman("Gm") == ["III", "VI", "VII7", "III"]
    assert ChordSequence([[0, 1]], ["N"]).to_roman() == ["N.C."]
    assert ChordSequence([], []).to_roman() == []
    with pytest.raises(LabelError, match="no name of a key"):
        song.to_roman("H:maj")
    with pytest.raises(LabelError, match="malformed"):
        numerals(["C:majj"], "C:maj")


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_quality_has_a_numeral(quality):
    (numeral,) = numerals([f"C:{quality}"], "C:maj")
    minor = parse(f"C:{quality}").intervals[3]
    assert numeral.figure.startswith("i" if minor else "I")


def test_each_region_has_its_own_key():
    names = ["C", "F", "D:7", "G", "A", "D"]
    song = ChordSequence([[i, i + 1] for i in range(6)], names)
    keys = KeySequence([[0, 2.6], [3.4, 6]], ["C:maj", "G:maj"])
    # D7 leads to G, which is named in the key that it is in.
    assert song.to_roman(keys) == ["I", "IV", "V7/V", "I", "V/V", "V"]
    assert song.to_roman(KeySequence([], [])) == song.to_roman()
    one = KeySequence([[0, 6]], ["G:maj"])
    assert song.to_roman(one) == song.to_roman("G:maj")
    assert ChordSequence([], []).to_roman(keys) == []


def test_each_region_has_its_own_accidentals():
    song = ChordSequence([[0, 1], [1, 2], [2, 3]], ["A#", "D#:min", "A#"])
    keys = KeySequence([[0, 1.3], [1.6, 3]], ["F:maj", "B:maj"])
    assert song.spelled(keys).labels == ["Bb:maj", "D#:min", "A#:maj"]
    assert song.spelled(KeySequence([], [])) == song.spelled()
