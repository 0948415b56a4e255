"""Chord labels in Harte's notation: reading, spelling, transposing.

A label is a root, a quality, tones added or left out, and a bass: `G#:min7(9,*5)/b3`.
Two more labels exist: `N`, no chord sounds, and `X`, a chord that cannot be named.
`N:-` is read as `N`.

Reference: Harte, Sandler, Abdallah and Gómez, "Symbolic representation of musical
chords: a proposed syntax for text annotations", ISMIR 2005; with the shorthands that
`mir_eval` and JAMS added later.
"""

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache

from keras_musictag.errors import LabelError

NO_CHORD, UNKNOWN_CHORD = "N", "X"
# How some data sets spell no chord, a root and a quality like all others.
NO_CHORD_SPELLED_OUT = "N:-"
ROOTS_SHARP = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
ROOTS_FLAT = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
NATURALS = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
DEGREE_SEMITONES = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19, 21)

# Semitones above the root of each shorthand; 13 and more lie above the octave.
QUALITIES: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "minmaj7": (0, 3, 7, 11),
    "dim7": (0, 3, 6, 9),
    "hdim7": (0, 3, 6, 10),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "9": (0, 4, 7, 10, 14),
    "maj9": (0, 4, 7, 11, 14),
    "min9": (0, 3, 7, 10, 14),
    "11": (0, 4, 7, 10, 14, 17),
    "min11": (0, 3, 7, 10, 14, 17),
    "13": (0, 4, 7, 10, 14, 17, 21),
    "maj13": (0, 4, 7, 11, 14, 17, 21),
    "min13": (0, 3, 7, 10, 14, 17, 21),
    "1": (0,),
    "5": (0, 7),
}
# Legal shorthands that mir_eval reads but has no tones for.
REWRITTEN = {"aug7": ("aug", ("b7",)), "maj11": ("maj9", ("11",))}

# How a chord sheet writes a quality after the root.
SHEET = {
    "maj": "",
    "min": "m",
    "min7": "m7",
    "minmaj7": "m(maj7)",
    "hdim7": "m7b5",
    "maj6": "6",
    "min6": "m6",
    "min9": "m9",
    "min11": "m11",
    "min13": "m13",
    "1": "(1)",
}
# What people write in place of a shorthand, for the advice of an error.
NICKNAMES = {
    **{written: quality for quality, written in SHEET.items() if written},
    **{"-": "min", "mi": "min", "-7": "min7", "M": "maj", "ma": "maj", "M7": "maj7"},
    **{"+": "aug", "o": "dim", "o7": "dim7", "ø": "hdim7", "ø7": "hdim7"},
    **{"dom": "7", "dom7": "7", "m7b5": "hdim7", "mM7": "minmaj7", "sus": "sus4"},
    **{"add9": "maj(9)", "7sus4": "sus4(b7)", "power": "5"},
}

ACCIDENTAL = "(?:b+|#*)"
_DEGREE = rf"{ACCIDENTAL}(?:1[0-3]|[1-9])"
ROOT = re.compile(rf"[A-G]{ACCIDENTAL}")
_DEGREES = re.compile(rf"\(\*?{_DEGREE}(?:,\*?{_DEGREE})*\)")
_BASS = re.compile(rf"/({_DEGREE})\Z")


@dataclass(frozen=True)
class Chord:
    """One chord, as `parse` reads it.

    Args:
        root: Pitch class of the root, 0 for C to 11 for B; `None` for `N` and `X`.
        quality: Harte's shorthand such as `"min7"`; `""` for a chord that is given
            by its degrees alone; `"N"` or `"X"` when there is no root.
        degrees: Tones added, and tones left out with `*` before them, as scale
            degrees: `("*3", "b7")`.
        bass: Scale degree of the lowest tone; `"1"` when it is the root.

    Example:

    ```python
    from keras_musictag.chords import parse

    chord = parse("Bb:min7/b3")
    print(chord.root, chord.quality, chord.bass_pitch_class)  # 10 min7 1
    print(chord.label(), chord.pretty(flats=True))  # A#:min7/b3 Bbm7/Db
    ```
    """

    root: int | None
    quality: str = "maj"
    degrees: tuple[str, ...] = ()
    bass: str = "1"

    @property
    def intervals(self) -> tuple[bool, ...]:
        """Which of the 12 semitones above the root sound within the octave.

        Ninths and higher tones do not count, and the bass does: the bitmap of
        `mir_eval.chord.encode`. All `False` for `N` and `X`.
        """
        return self._tones(fold=False)

    @property
    def pitch_classes(self) -> tuple[bool, ...]:
        """Which of the 12 pitch classes from C to B sound, ninths and bass included.

        All `False` for `N` and `X`.
        """
        tones, root = self._tones(fold=True), self.root or 0
        return tuple(tones[(pitch - root) % 12] for pitch in range(12))

    @property
    def bass_interval(self) -> int:
        """Semitones from the root up to the bass, 0 to 11."""
        return degree_semitones(self.bass) % 12

    @property
    def bass_pitch_class(self) -> int | None:
        """Pitch class of the bass, 0 to 11; `None` for `N` and `X`."""
        return None if self.root is None else (self.root + self.bass_interval) % 12

    def label(self, *, flats: bool = False) -> str:
        """Write the chord in Harte's notation.

        Args:
            flats: Write the five black keys as flats, not as sharps.

        Returns:
            A label that `parse` and `mir_eval` read as this chord.
        """
        if self.root is None:
            return self.quality
        degrees = f"({','.join(self.degrees)})" if self.degrees else ""
        bass = "" if self.bass == "1" else f"/{self.bass}"
        return f"{root_name(self.root, flats)}:{self.quality}{degrees}{bass}"

    def pretty(self, *, flats: bool = False) -> str:
        """Write the chord as a chord sheet does: `Am7/C`, `Bb7sus4`.

        Args:
            flats: Write the five black keys as flats, not as sharps.

        Returns:
            The text; `N.C.` for `N` and `?` for `X`. Reading it back is not possible.
        """
        return self.sheet(root_name(self.root, flats) if self.root is not None else "")

    def transposed(self, semitones: int) -> "Chord":
        """Move the chord.

        Args:
            semitones: How far up; negative for down.

        Returns:
            The chord whose root lies that far away; `N` and `X` stay.
        """
        if self.root is None:
            return self
        root = (self.root + semitones) % 12
        return Chord(root, self.quality, self.degrees, self.bass)

    def _tones(self, *, fold):
        if self.root is None:
            return (False,) * 12
        counts = [0] * 12
        for semitone in QUALITIES.get(self.quality, (0,)):
            if fold or semitone < 12:
                counts[semitone % 12] = 1
        # A degree named twice counts once, as in a set.
        for degree in set(self.degrees):
            semitone = degree_semitones(degree.lstrip("*"))
            if fold or semitone < 12:
                counts[semitone % 12] += -1 if degree.startswith("*") else 1
        counts[self.bass_interval] = 1
        return tuple(count > 0 for count in counts)

    def sheet(self, root: str) -> str:
        """Write the chord as `pretty` does, with the root's name as given."""
        if self.root is None:
            return "N.C." if self.quality == NO_CHORD else "?"
        if (self.quality, self.degrees) == ("sus4", ("b7",)):
            text = "7sus4"
        else:
            text = SHEET.get(self.quality, self.quality)
            names = [d.replace("*", "no") for d in self.degrees]
            text += f"({','.join(names)})" if names else ""
        if self.bass == "1":
            return root + text
        return f"{root}{text}/{self.bass_name(root)}"

    def bass_name(self, root: str) -> str:
        """Name the bass of a chord with a root of this name.

        The letter follows the degree: the third of Db is F, the sixth of F# is D#.
        """
        wanted, letters = self.bass_pitch_class or 0, "CDEFGAB"
        steps = int(self.bass.lstrip("b#")) - 1
        letter = letters[(letters.index(root[0]) + steps) % 7]
        accidentals = (wanted - NATURALS[letter] + 6) % 12 - 6
        if abs(accidentals) > 1:
            return root_name(wanted, "b" in root)
        return letter + ("", "#", "b")[accidentals]


def parse(label: str) -> Chord:
    """Read a chord label.

    Args:
        label: A label in Harte's notation, `N` (or `N:-`) or `X`. A root alone is a
            major chord. `aug7` and `maj11` are read as `aug(b7)` and `maj9(11)`.

    Returns:
        The `Chord`.

    Raises:
        LabelError: If the label breaks the grammar; the message says where, and
            names the nearest legal quality.

    Example:

    ```python
    from keras_musictag.chords import parse

    print(parse("D:(1,5,b7)/5"))
    print(parse("Eb").label())  # D#:maj
    ```
    """
    if not isinstance(label, str):
        raise LabelError(
            "A chord label must be text.",
            received=f"{label!r} of type {type(label).__name__}",
            advice='Give a label such as "A:min7".',
        )
    return _parse(label)


@lru_cache(maxsize=4096)
def _parse(label):
    if label in (NO_CHORD, UNKNOWN_CHORD):
        return Chord(None, label)
    if label == NO_CHORD_SPELLED_OUT:
        return Chord(None, NO_CHORD)
    root = ROOT.match(label)
    if root is None:
        raise _malformed(label, 0, "it must begin with a root from A to G", _advice(""))
    rest = root.end()
    quality, degrees = "maj", ()
    if label[rest : rest + 1] == ":":
        quality, degrees, rest = _read_quality(label, rest + 1)
    bass = _BASS.match(label, rest)
    if bass is None and rest < len(label):
        raise _malformed_end(label, rest)
    name = root.group()
    return Chord(note_pitch_class(name), quality, degrees, bass[1] if bass else "1")


def _read_quality(label, start):
    shorthand = re.split(r"[(/]", label[start:], maxsplit=1)[0]
    rest = start + len(shorthand)
    degrees: tuple[str, ...] = ()
    if label[rest : rest + 1] == "(":
        listed = _DEGREES.match(label, rest)
        if listed is None:
            raise _malformed(
                label,
                rest,
                "the list of degrees is not legal",
                "Write degrees from 1 to 13, as in (*3,b7,#11).",
            )
        degrees, rest = tuple(listed.group()[1:-1].split(",")), listed.end()
    if shorthand in REWRITTEN:
        shorthand, added = REWRITTEN[shorthand]
        return shorthand, added + degrees, rest
    if shorthand not in QUALITIES and (shorthand or not degrees):
        raise _malformed(
            label, start, f"the quality {shorthand!r} is unknown", _advice(shorthand)
        )
    return shorthand, degrees, rest


def _malformed(label, position, reason, advice):
    return LabelError(
        f"A chord label is malformed: {reason}.",
        received=f"{label!r}, character {position + 1}",
        advice=advice,
    )


def _malformed_end(label, position):
    left = label[position:]
    if left.startswith("/"):
        return _malformed(
            label,
            position,
            f"the bass {left[1:]!r} is not a scale degree",
            "Write the bass as a degree above the root, such as /3, /5 or /b7.",
        )
    advice = _advice(left, colon=True)
    return _malformed(label, position, f"{left!r} may not stand here", advice)


def _advice(written, *, colon=False):
    near = NICKNAMES.get(written.strip())
    if near is None and written:
        close = difflib.get_close_matches(written.strip().lower(), QUALITIES, n=1)
        near = close[0] if close else None
    if near:
        return f"Did you mean {':' if colon else ''}{near}?"
    return 'Write root, colon, quality, as in "A:min7", or "N" for no chord.'


def note_pitch_class(name: str) -> int:
    """Return the pitch class, 0 to 11, of a legal note name such as `"Bb"`."""
    shift = name.count("#") - name[1:].count("b")
    return (NATURALS[name[0]] + shift) % 12


def degree_semitones(degree: str) -> int:
    """Return the semitones above the root of a legal degree such as `"b7"`."""
    number = DEGREE_SEMITONES[int(degree.lstrip("b#")) - 1]
    return number + degree.count("#") - degree.count("b")


def transpose(label: str, semitones: int) -> str:
    """Move a chord label.

    Args:
        label: A label in Harte's notation.
        semitones: How far up; negative for down.

    Returns:
        The label of the moved chord. A label with a flat root stays with flats.

    Raises:
        LabelError: If the label is malformed.
    """
    chord = parse(label)
    if chord.root is None:
        return chord.label()
    if semitones % 12 == 0:
        return label
    return chord.transposed(semitones).label(flats="b" in label[1:].split(":")[0])


def root_name(pitch: int, flats: bool) -> str:
    """Return the name of a pitch class with flats or with sharps."""
    return (ROOTS_FLAT if flats else ROOTS_SHARP)[pitch]
