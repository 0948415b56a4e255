"""A chord as six choices: triad, bass, seventh, ninth, eleventh and thirteenth."""

from typing import NamedTuple

from keras_musictag.chords.harte import NO_CHORD, QUALITIES, Chord, degree_semitones

# How many classes each choice has. A triad is none, or 1 + 12 * quality + root; a bass
# is a pitch class from C on, or none; the others are none, or one of the degrees.
CHOICES = {
    "triad": 73,
    "bass": 13,
    "seventh": 4,
    "ninth": 4,
    "eleventh": 3,
    "thirteenth": 3,
}
EXTENSIONS = ("seventh", "ninth", "eleventh", "thirteenth")
TRIAD_QUALITIES = ("maj", "min", "sus4", "sus2", "dim", "aug")
NO_TRIAD, NO_BASS, NOT_SAID = 0, 12, -1
# The classes of the extensions by the names of the degrees, 0 for none.
DEGREES = {
    "seventh": {"7": 1, "b7": 2, "bb7": 3},
    "ninth": {"9": 1, "2": 1, "#9": 2, "#2": 2, "b9": 3, "b2": 3},
    "eleventh": {"11": 1, "4": 1, "#11": 2},
    "thirteenth": {"13": 1, "6": 1, "b13": 2, "b6": 2},
}
# What a shorthand adds to its triad, by semitones above the root.
ADDED = {11: "7", 10: "b7", 14: "9", 17: "11", 21: "13"}


class Structure(NamedTuple):
    """The six choices of a chord; -1 where the label does not say, or none fits.

    Args:
        triad: 0 for no chord, or 1 + 12 * quality + root with the qualities maj, min,
            sus4, sus2, dim and aug.
        bass: Pitch class from C on; 12 for no chord.
        seventh: 0 none, 1 major, 2 minor (b7), 3 diminished (bb7).
        ninth: 0 none, 1 for 9, 2 for #9, 3 for b9.
        eleventh: 0 none, 1 for 11, 2 for #11.
        thirteenth: 0 none, 1 for 13 or 6, 2 for b13 or b6.
    """

    triad: int = NOT_SAID
    bass: int = NOT_SAID
    seventh: int = NOT_SAID
    ninth: int = NOT_SAID
    eleventh: int = NOT_SAID
    thirteenth: int = NOT_SAID


def structure(chord: Chord) -> Structure:
    """Take a chord apart.

    Args:
        chord: As `parse` reads it.

    Returns:
        Its `Structure`. `X` says nothing; `N` says that there is neither triad nor
        bass. Where third and fifth are those of no triad, as in a power chord, the
        triad is -1 and the rest is what the label says.

    References:
        - Jiang, Chen, Li and Xia, "Large-vocabulary chord transcription via chord
          structure decomposition", ISMIR 2019.
    """
    if chord.root is None:
        if chord.quality == NO_CHORD:
            return Structure(NO_TRIAD, NO_BASS)
        return Structure()
    tones = set(QUALITIES.get(chord.quality, (0,)))
    extensions = dict.fromkeys(EXTENSIONS, 0)
    for semitone in [s for s in tones if s > 8]:
        tones.discard(semitone)
        # The ninth semitone is a sixth, but the seventh of a diminished chord.
        sixth = "bb7" if 6 in tones else "6"
        _extend(extensions, ADDED.get(semitone, sixth))
    strange = False
    for degree in chord.degrees:
        name = degree.lstrip("*")
        if degree.startswith("*"):
            taken = _drop(extensions, name)
            if not taken and name.lstrip("b#") in ("1", "3", "5"):
                tones.discard(degree_semitones(name))
        elif not _extend(extensions, name):
            if name.lstrip("b#") in ("1", "3", "5"):
                tones.add(degree_semitones(name))
            else:
                strange = True
    triad = NOT_SAID if strange else _triad(tones, chord.root)
    return Structure(triad, chord.bass_pitch_class or 0, **extensions)


def _triad(tones: set[int], root: int) -> int:
    for number, quality in enumerate(TRIAD_QUALITIES):
        if tones == set(QUALITIES[quality]):
            return 1 + 12 * number + root
    return NOT_SAID


def _extend(extensions: dict[str, int], degree: str) -> bool:
    for name, classes in DEGREES.items():
        if degree in classes:
            extensions[name] = classes[degree]
            return True
    return False


def _drop(extensions: dict[str, int], degree: str) -> bool:
    for name, classes in DEGREES.items():
        if degree in classes and extensions[name] == classes[degree]:
            extensions[name] = 0
            return True
    return False
