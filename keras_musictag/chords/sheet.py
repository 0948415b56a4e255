"""Chord sheets: text that musicians read, in the ChordPro format."""

from dataclasses import replace
from functools import cache

from keras_musictag.checks import check_positive_int
from keras_musictag.chords import harte, keys

# The names after the root that ChordPro's parser knows, and what they sound like in
# Harte's notation. It takes all else for a text, which it does not transpose.
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


def to_chordpro(
    sequence,
    *,
    title: str = "",
    artist: str = "",
    key: str | None = None,
    tempo: float | None = None,
    chords_per_line: int = 4,
) -> str:
    """Return a chord sheet in the ChordPro format, with the time of each line.

    Chords are written as musicians do, `Bbm7` for `A#:min7`, and only with names that
    ChordPro knows, so that it can transpose them: a bass is one of the 12 usual notes
    (`C#/F`), and what has no name gets the nearest (`C5` for `C:1`, `C` for
    `C:maj(b9)`). Equal neighbours are one chord.

    Args:
        sequence: The `ChordSequence`.
        title: Of the song.
        artist: Of the song.
        key: Decides between sharps and flats; `None` for the key of the chords.
        tempo: In beats per minute, if known.
        chords_per_line: How many chords stand in a line.

    Returns:
        The text; each line begins with the minute and second of its first chord.

    References:
        - "ChordPro Implementation: Chords", https://chordpro.org/chordpro/chordpro-chords
    """
    per_line = check_positive_int(chords_per_line, name="chords_per_line")
    found = None if key is not None else sequence.key()
    key = found.label if found else key
    head = {"title": title, "artist": artist}
    if key is not None:
        tonic, mode = keys.parse_key(key)
        tonic = _note(harte.note_pitch_class(tonic), key)
        head["key"] = tonic + ("m" if mode == "min" else "")
    head["tempo"] = "" if tempo is None else f"{tempo:.0f}"
    head["duration"] = clock(sequence.duration)
    lines = [f"{{{name}: {value}}}" for name, value in head.items() if value]
    segments = list(sequence.merged())
    for i in range(0, len(segments), per_line):
        row = segments[i : i + per_line]
        # [*text] is an annotation: ChordPro prints it and never transposes it.
        if i % (4 * per_line) == 0:
            lines.append("")
        chords = [_sheet_chord(segment.label, key) for segment in row]
        lines.append(" ".join([f"[*{clock(row[0].start)}]", *chords]))
    return "\n".join(lines) + "\n"


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds: `1:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _sheet_chord(label, key):
    chord = harte.parse(label)
    if chord.root is None:
        # What ChordPro cannot know is a text, like the times.
        return "[N.C.]" if chord.quality == harte.NO_CHORD else "[*?]"
    name = _note(chord.root, key) + chordpro_name(chord)
    if chord.bass_pitch_class != chord.root:
        name += "/" + _note(chord.bass_pitch_class, key)
    return f"[{name}]"


def _note(pitch, key):
    return harte.root_name(pitch, keys.uses_flats(key))


def chordpro_name(chord: harte.Chord) -> str:
    """Name a chord in ChordPro's way.

    Args:
        chord: The chord; its root and bass do not count.

    Returns:
        What stands behind the root, such as `"m7b5"`: the name with the same tones or,
        if there is none, with the fewest others, best of all none that do not sound.
    """
    tones = _tones(chord)
    names = _named_tones()
    return names.get(tones) or min(
        names.items(), key=lambda item: (len(item[0] ^ tones), len(item[0] - tones))
    )[1]


@cache
def _named_tones():
    return {
        _tones(harte.parse(f"C:{quality}")): name
        for name, qualities in CHORDPRO.items()
        for quality in qualities
    }


def _tones(chord):
    """Return the pitch classes above the root, without the bass."""
    sounding = replace(chord, root=0, bass="1").pitch_classes
    return frozenset(pitch for pitch, sounds in enumerate(sounding) if sounds)
