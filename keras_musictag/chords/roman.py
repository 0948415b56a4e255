"""Roman numerals: chords by the degree of the key that they stand on."""

from collections.abc import Sequence
from typing import NamedTuple

from keras_musictag.chords import harte, keys
from keras_musictag.chords.vocabulary import BASS_DEGREES

# Degrees by semitones above the tonic. Chords with a minor third and a diminished
# fifth lead upwards: a raised degree, where others stand on a lowered one.
MAJOR = "I bII II bIII III IV bV V bVI VI bVII VII".split()
MINOR = "I bII II III #III IV bV V VI #VI VII #VII".split()
MAJOR_RAISED = {1: "#I", 3: "#II", 6: "#IV", 8: "#V"}
MINOR_RAISED = {1: "#I", 4: "#III", 6: "#IV", 9: "#VI", 10: "bVII", 11: "VII"}
# Semitones above the tonic that belong to each mode; in minor a chord may take its
# tones from either.
SCALES = {
    "maj": (frozenset((0, 2, 4, 5, 7, 9, 11)),),
    "min": (frozenset((0, 2, 3, 5, 7, 8, 10)), frozenset((0, 2, 3, 5, 7, 8, 11))),
}
PARALLEL = {"maj": "min", "min": "maj"}
# What follows the numeral of a chord in root position; figures follow the first part.
SUFFIXES: dict[str, tuple[str, str]] = {
    **{"maj": ("", ""), "min": ("", ""), "dim": ("o", ""), "aug": ("+", "")},
    **{"7": ("", "7"), "min7": ("", "7"), "dim7": ("o", "7"), "hdim7": ("ø", "7")},
    **{"maj7": ("maj", "7"), "minmaj7": ("maj", "7"), "aug7": ("+", "7")},
}
# Others stand as they are.
PLAIN = {
    **{"maj6": "add6", "min6": "add6", "min9": "9", "min11": "11", "min13": "13"},
    **{"1": "(1)", "5": "(5)"},
}
FIGURES = {"": {3: "6", 5: "64"}, "7": {3: "65", 5: "43", 7: "42"}}
DIATONIC, SECONDARY, BORROWED = "diatonic", "secondary", "borrowed"
CHROMATIC = "chromatic"
DOMINANTS = ("maj", "7", "9", "11", "13")
LEADING = ("dim", "dim7", "hdim7")


class Numeral(NamedTuple):
    """A chord in its key.

    Args:
        figure: Such as `"ii65"` or `"V7/V"`; `N.C.` for `N`, `?` for `X`.
        role: `"diatonic"`, `"secondary"` (leads to another degree than the tonic),
            `"borrowed"` (from the parallel key), `"chromatic"`; `None` for `N` and `X`.
    """

    figure: str
    role: str | None


def numerals(labels: Sequence[str], key: str) -> list[Numeral]:
    """Name chords by the degrees of a key.

    Upper case has a major third, lower case a minor one; `o` is diminished, `ø`
    half-diminished, `+` augmented, and a major seventh is `maj7`. Inversions have the
    figures of a thorough bass: 6 and 64, 65, 43 and 42; a bass that these do not know
    stands as a degree, `I/2`. Degrees are those of the key's own scale: A minor has
    `VI` and `VII` on F and G, C major `bVI` and `bVII` on Ab and Bb. `viio` stands on
    the leading tone in both. Roots count by their pitch: `A#:maj` is a `IV` in F.

    A chord is called secondary where it is plain: it is not of the key, and the next
    one stands on another degree than the tonic, of the key, with a major or minor
    third. `V` and `V7` before it have their root a fifth above it, `viio` and its
    sevenths a semitone below it. The seventh on the tonic before IV is `V7/IV`.

    Args:
        labels: Chords in Harte's notation, in the order of the song.
        key: As in `chords.spell`.

    Returns:
        A `Numeral` for each chord.

    Raises:
        LabelError: If a label or the key is malformed.

    References:
        - Aldwell, Schachter and Cadwallader, "Harmony and Voice Leading", 2011.
        - Neuwirth et al., "The Annotated Beethoven Corpus", Frontiers in Digital
          Humanities 5, 2018, which tells major sevenths from minor ones too (`IM7`).

    Example:

    ```python
    from keras_musictag.chords import ChordSequence

    song = ChordSequence([[0, 1], [1, 2], [2, 3], [3, 4]], ["C", "D:7", "G:7/3", "C"])
    print(song.to_roman("C:maj"))  # ['I', 'V7/V', 'V65', 'I']
    ```
    """
    tonic, mode = keys.parse_key(key)
    pitch = harte.note_pitch_class(tonic)
    chords = [harte.parse(label).transposed(-pitch) for label in labels]
    out = []
    for i, chord in enumerate(chords):
        if chord.root is None:
            figure = "N.C." if chord.quality == harte.NO_CHORD else "?"
            out.append(Numeral(figure, None))
            continue
        role = _role(chord, mode)
        target = _target(chord, _next(chords, i), mode) if role != DIATONIC else None
        if target:
            degree = "V" if chord.quality in DOMINANTS else "VII"
            out.append(Numeral(f"{_figure(chord, degree)}/{target}", SECONDARY))
        else:
            out.append(Numeral(_figure(chord, _degree(chord, mode)), role))
    return out


def numerals_in_keys(labels: Sequence[str], names: Sequence[str]) -> list[Numeral]:
    """Name chords by the degrees of keys of their own.

    Args:
        labels: The chords, as in `numerals`.
        names: The key of each.

    Returns:
        A `Numeral` for each chord. What a chord leads to is read in its own key.

    Raises:
        LabelError: If a label or a key is malformed.
    """
    by_key = {name: numerals(labels, name) for name in dict.fromkeys(names)}
    return [by_key[name][i] for i, name in enumerate(names)]


def _role(chord, mode):
    tones = {pitch for pitch, sounds in enumerate(chord.pitch_classes) if sounds}
    if any(tones <= scale for scale in SCALES[mode]):
        return DIATONIC
    # The first scale alone: minor without its leading tone, which major has too.
    if tones <= SCALES[PARALLEL[mode]][0]:
        return BORROWED
    return CHROMATIC


def _next(chords, i):
    """Return the chord that one leads to; others of its kind on its root wait too."""
    leading = DOMINANTS if chords[i].quality in DOMINANTS else LEADING
    for chord in chords[i + 1 :]:
        if chord.root != chords[i].root or chord.quality not in leading:
            return chord
    return None


def _target(chord, following, mode):
    """Return the degree that a chord leads to, if it plainly does."""
    if following is None or following.root in (None, 0):
        return None
    fifth = (following.root - chord.root) % 12 == 5 and chord.quality in DOMINANTS
    semitone = (following.root - chord.root) % 12 == 1 and chord.quality in LEADING
    third = following.intervals[4] or following.intervals[3]
    diminished = _is_diminished(following)
    if not (fifth or semitone) or not third or diminished:
        return None
    if _role(following, mode) != DIATONIC:
        return None
    return _cased(_degree(following, mode), following)


def _is_diminished(chord):
    tones = chord.intervals
    return tones[3] and tones[6] and not tones[4] and not tones[7]


def _degree(chord, mode):
    if _is_diminished(chord):
        raised = MAJOR_RAISED if mode == "maj" else MINOR_RAISED
        if chord.root in raised:
            return raised[chord.root]
    return (MAJOR if mode == "maj" else MINOR)[chord.root]


def _cased(degree, chord):
    return degree.lower() if chord.intervals[3] and not chord.intervals[4] else degree


def _figure(chord, degree):
    """Write a chord on a degree: case, quality and inversion."""
    name = _cased(degree, chord)
    quality, degrees = chord.quality, list(chord.degrees)
    if quality in ("aug", "sus4", "sus2") and "b7" in degrees:
        degrees.remove("b7")
        quality = f"7{quality}" if quality != "aug" else "aug7"
    bass = chord.bass_interval
    if not degrees:
        # A seventh in the bass belongs to the chord: C:maj/b7 is a seventh chord.
        quality = {("maj", 10): "7", ("min", 10): "min7", ("maj", 11): "maj7"}.get(
            (quality, bass), quality
        )
    added = f"({','.join(d.replace('*', 'no') for d in degrees)})" if degrees else ""
    if quality in SUFFIXES:
        sign, seventh = SUFFIXES[quality]
        figure = FIGURES[seventh].get(_chord_step(chord, quality), "")
        if figure or bass == 0:
            return f"{name}{sign}{figure or seventh}{added}"
        text = sign + seventh
    else:
        text = PLAIN.get(quality, quality)
    slash = f"/{BASS_DEGREES[bass]}" if bass else ""
    return f"{name}{text}{added}{slash}"


def _chord_step(chord, quality):
    """Return 3, 5 or 7 if that tone of the chord is its bass."""
    tones = (*harte.QUALITIES.get(quality, (0, 4, 8, 10)), None)[1:4]
    steps = dict(zip(tones, (3, 5, 7), strict=False))
    return steps.get(chord.bass_interval)
