"""What other programs call a chord, and what a name on a chord sheet means."""

import re
from dataclasses import replace
from functools import cache

from keras_musictag.chords import harte
from keras_musictag.errors import LabelError

# What stands behind the root in chords that ChordPro's parser knows, and what it sounds
# like in Harte's notation. It takes all else for a text, which it does not transpose.
CHORDPRO: dict[str, tuple[str, ...]] = {
    **{"": ("maj",), "m": ("min",), "dim": ("dim",), "aug": ("aug",), "5": ("5",)},
    **{"sus2": ("sus2",), "sus4": ("sus4",), "6": ("maj6",), "m6": ("min6",)},
    **{"7": ("7",), "maj7": ("maj7",), "m7": ("min7",), "mmaj7": ("minmaj7",)},
    **{"dim7": ("dim7",), "m7b5": ("hdim7",), "aug7": ("aug(b7)",)},
    **{"7sus4": ("sus4(b7)",), "7sus2": ("sus2(b7)",), "9sus": ("sus4(b7,9)",)},
    **{"maj7sus4": ("sus4(7)",), "maj7sus2": ("sus2(7)",), "6sus4": ("sus4(6)",)},
    **{"6sus2": ("sus2(6)",), "13sus4": ("sus4(b7,13)", "sus4(b7,9,13)")},
    **{"add9": ("maj(9)",), "madd9": ("min(9)",), "add11": ("maj(11)",)},
    **{"69": ("maj6(9)",), "m69": ("min6(9)",), "7add11": ("7(11)",)},
    **{"9": ("9",), "maj9": ("maj9",), "m9": ("min9",), "mmaj9": ("minmaj7(9)",)},
    **{"11": ("11",), "m11": ("min11", "min7(11)"), "13": ("13", "7(13)", "9(13)")},
    **{"maj13": ("maj13", "maj7(13)", "maj9(13)")},
    **{"m13": ("min13", "min7(13)", "min9(13)")},
    **{"7b5": ("7(*5,b5)",), "7b9": ("7(b9)",), "7#9": ("7(#9)",)},
    **{"7#11": ("7(#11)",), "7b13": ("7(b13)",), "7b9#9": ("7(b9,#9)",)},
    **{"7b9b5": ("7(*5,b5,b9)",), "7b9#5": ("7(*5,#5,b9)",)},
    **{"7#9b5": ("7(*5,b5,#9)",), "7#9#5": ("7(*5,#5,#9)",)},
    **{"7b9#11": ("7(b9,#11)",), "7#9#11": ("7(#9,#11)",)},
    **{"7b9b13": ("7(b9,b13)",), "13b9": ("7(b9,13)",), "13#9": ("7(#9,13)",)},
    **{"9b5": ("9(*5,b5)",), "9#5": ("9(*5,#5)",), "9#11": ("9(#11)",)},
    **{"13#11": ("9(#11,13)", "7(#11,13)"), "maj7#5": ("maj7(*5,#5)",)},
    **{"maj7#11": ("maj7(#11)",), "maj9#11": ("maj9(#11)",)},
    **{"m#5": ("min(*5,#5)",), "mb6": ("min(b6)",)},
}
# Yamaha's chord types, "XF Format Specifications", 1999; a type's number is its place.
XF_TYPES: dict[str, tuple[str, ...]] = {
    **{"Maj": ("maj",), "Maj6": ("maj6",), "Maj7": ("maj7",)},
    **{"Maj7(#11)": ("maj7(#11)",), "Maj(9)": ("maj(9)",), "Maj7(9)": ("maj9",)},
    **{"Maj6(9)": ("maj6(9)",), "aug": ("aug",), "min": ("min",), "min6": ("min6",)},
    **{"min7": ("min7",), "min7b5": ("hdim7",), "min(9)": ("min(9)",)},
    **{"min7(9)": ("min9",), "min7(11)": ("min7(11)", "min11")},
    **{"minMaj7": ("minmaj7",), "minMaj7(9)": ("minmaj7(9)",), "dim": ("dim",)},
    **{"dim7": ("dim7",), "7th": ("7",), "7sus4": ("sus4(b7)",), "7b5": ("7(*5,b5)",)},
    **{"7(9)": ("9",), "7(#11)": ("7(#11)", "9(#11)"), "7(13)": ("7(13)", "9(13)")},
    **{"7(b9)": ("7(b9)",), "7(b13)": ("7(b13)",), "7(#9)": ("7(#9)",)},
    **{"Maj7aug": ("maj7(*5,#5)",), "7aug": ("aug(b7)",), "1+8": ("1",)},
    **{"1+5": ("5",), "sus4": ("sus4",), "1+2+5": ("sus2",)},
}
TABLES = {"chordpro": CHORDPRO, "xf": XF_TYPES}
# The degree that is so many semitones above the root.
DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")
_NAME = re.compile(rf"({harte.ROOT.pattern})([^/]*)(?:/({harte.ROOT.pattern}))?")


def nearest(chord: harte.Chord, table: str) -> str:
    """Name a chord as another program does.

    Args:
        chord: The chord; its root and bass do not count.
        table: Whose names: `"chordpro"` or `"xf"`.

    Returns:
        The name with the same tones. If there is none, the one with the fewest others,
        best of all none that do not sound.
    """
    tones, names = _tones(chord), _names_by_tones(table)
    if tones in names:
        return names[tones]
    near = min(names, key=lambda own: (len(own ^ tones), len(own - tones)))
    return names[near]


def read_name(name: str) -> str:
    """Read a chord as musicians write it.

    Args:
        name: Such as `"Am7/G"`; a label in Harte's notation stays as it is.

    Returns:
        The label in Harte's notation, such as `"A:min7/b7"`.

    Raises:
        LabelError: If it is neither.
    """
    try:
        harte.parse(name)
        return name
    except LabelError:
        match = _NAME.fullmatch(name) if isinstance(name, str) else None
        quality = match and _quality(match[2])
        if not match or not quality:
            raise
    label = f"{match[1]}:{quality}"
    if match[3]:
        above = harte.note_pitch_class(match[3]) - harte.note_pitch_class(match[1])
        label += f"/{DEGREES[above % 12]}" if above % 12 else ""
    return label


def _quality(written):
    if written in harte.QUALITIES:
        return written
    return harte.NICKNAMES.get(written) or CHORDPRO.get(written, (None,))[0]


@cache
def _names_by_tones(table):
    return {
        _tones(harte.parse(f"C:{quality}")): name
        for name, qualities in TABLES[table].items()
        for quality in qualities
    }


def _tones(chord):
    """Return the pitch classes above the root, without the bass."""
    sounding = replace(chord, root=0, bass="1").pitch_classes
    return frozenset(pitch for pitch, sounds in enumerate(sounding) if sounds)
