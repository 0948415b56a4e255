"""Chords for notation programs: a lead sheet in MusicXML, chord symbols over rests."""

import math
import re
from xml.etree import ElementTree as xml

from keras_musictag.checks import check_positive, check_positive_int
from keras_musictag.chords import harte, keys

# Positions are rounded to so many parts of a beat; the grid of notation programs.
DIVISIONS = 480
DOCTYPE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" \
"http://www.musicxml.org/dtds/partwise.dtd">
"""
KINDS = {
    **{"maj": "major", "min": "minor", "aug": "augmented", "dim": "diminished"},
    **{"7": "dominant", "maj7": "major-seventh", "min7": "minor-seventh"},
    **{"dim7": "diminished-seventh", "hdim7": "half-diminished"},
    **{"minmaj7": "major-minor", "maj6": "major-sixth", "min6": "minor-sixth"},
    **{"9": "dominant-ninth", "maj9": "major-ninth", "min9": "minor-ninth"},
    **{"11": "dominant-11th", "min11": "minor-11th", "13": "dominant-13th"},
    **{"maj13": "major-13th", "min13": "minor-13th", "5": "power"},
    **{"sus2": "suspended-second", "sus4": "suspended-fourth"},
}
# The circle of fifths: how many sharps the key of a note has.
FIFTHS = dict(zip("FCGDAEB", range(-1, 6), strict=True))
# What no XML file may hold.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_musicxml(
    sequence,
    *,
    title: str = "",
    artist: str = "",
    key: str | None = None,
    tempo: float = 120.0,
    beats_per_bar: int = 4,
) -> str:
    """Return a lead sheet in MusicXML 4.0: a chord symbol at the start of each chord.

    Equal neighbours are one chord. `N` is written as `N.C.`, `X` as `?`.

    Args:
        sequence: The `ChordSequence`.
        title: Of the song.
        artist: Of the song.
        key: Decides between sharps and flats; `None` for the key of the chords.
        tempo: Beats per minute, quarter notes. Bars are counted with it from the start
            of the recording; positions are rounded to a 480th of a beat.
        beats_per_bar: Quarter notes in a bar.

    Returns:
        The text of a `.musicxml` file.

    Raises:
        ConfigError: If the tempo or the beats are not positive.
        LabelError: If the key is none.

    References:
        - W3C Music Notation Community Group, "MusicXML 4.0", 2021.

    Example:

    ```python
    from keras_musictag.chords import ChordSequence

    song = ChordSequence([[0, 2], [2, 4]], ["C:maj", "G:7/3"])
    song.to_musicxml("song.musicxml", title="Song", tempo=120)
    ```
    """
    tempo = check_positive(tempo, name="tempo")
    bar = check_positive_int(beats_per_bar, name="beats_per_bar") * DIVISIONS
    found = None if key is not None else sequence.key()
    key = found.label if found else key
    score = xml.Element("score-partwise", version="4.0")
    _add_head(score, title, artist)
    part = xml.SubElement(score, "part", id="P1")
    tick = DIVISIONS * tempo / 60
    chords: dict[int, list[tuple[int, str]]] = {}
    for start, _, label, _ in sequence.filled().merged() if len(sequence) else ():
        number, offset = divmod(round(start * tick), bar)
        chords.setdefault(number, []).append((offset, label))
    bars = math.ceil(round(sequence.duration * tick) / bar)
    for number in range(max(bars, 1, *(n + 1 for n in chords))):
        measure = xml.SubElement(part, "measure", number=str(number + 1))
        if number == 0:
            _add_attributes(measure, key, beats_per_bar)
            _add_tempo(measure, tempo)
        for offset, label in chords.get(number, ()):
            _add_harmony(measure, label, key, offset)
        _add_rest(measure, bar)
    xml.indent(score, " ")
    return DOCTYPE + xml.tostring(score, encoding="unicode") + "\n"


def _add(parent, name, text=None, /, **attributes):
    element = xml.SubElement(parent, name, attributes)
    element.text = None if text is None else _ILLEGAL.sub("\ufffd", str(text))
    return element


def _add_head(score, title, artist):
    if title:
        _add(_add(score, "work"), "work-title", title)
    identification = _add(score, "identification")
    if artist:
        _add(identification, "creator", artist, type="artist")
    _add(_add(identification, "encoding"), "software", "keras_musictag")
    score_part = _add(_add(score, "part-list"), "score-part", id="P1")
    _add(score_part, "part-name", "Chords")


def _add_attributes(measure, key, beats_per_bar):
    attributes = _add(measure, "attributes")
    _add(attributes, "divisions", DIVISIONS)
    if key is not None:
        # The name on Camelot's wheel has at most six accidentals.
        tonic, mode = keys.parse_key(keys.camelot(key))
        fifths = FIFTHS[tonic[0]] + 7 * (tonic.count("#") - tonic.count("b"))
        signature = _add(attributes, "key")
        _add(signature, "fifths", fifths - (3 if mode == "min" else 0))
        _add(signature, "mode", "minor" if mode == "min" else "major")
    time = _add(attributes, "time")
    _add(time, "beats", beats_per_bar)
    _add(time, "beat-type", 4)
    clef = _add(attributes, "clef")
    _add(clef, "sign", "G")
    _add(clef, "line", 2)


def _add_tempo(measure, tempo):
    direction = _add(measure, "direction", placement="above")
    metronome = _add(_add(direction, "direction-type"), "metronome")
    _add(metronome, "beat-unit", "quarter")
    _add(metronome, "per-minute", f"{tempo:g}")
    _add(direction, "sound", tempo=f"{tempo:g}")


def _add_rest(measure, bar):
    note = _add(measure, "note")
    _add(note, "rest", measure="yes")
    _add(note, "duration", bar)
    _add(note, "voice", 1)


def _add_harmony(measure, label, key, offset):
    chord = harte.parse(label)
    harmony = _add(measure, "harmony")
    if chord.root is None:
        # A root must stand here; with the empty text it is not shown.
        _add(_add(harmony, "root"), "root-step", "C", text="")
        text = "N.C." if chord.quality == harte.NO_CHORD else "?"
        _add(harmony, "kind", "none", text=text)
    else:
        root = harte.root_name(chord.root, keys.uses_flats(key))
        _add_note(harmony, "root", root)
        kind, degrees = KINDS.get(chord.quality, "other"), list(chord.degrees)
        if (chord.quality, degrees) == ("aug", ["b7"]):
            kind, degrees = "augmented-seventh", []
        elif chord.quality == "1":
            degrees = ["1", *degrees]
        _add(harmony, "kind", kind, text=harte.SHEET.get(chord.quality, chord.quality))
        if chord.bass != "1":
            _add_note(harmony, "bass", chord.bass_name(root))
        for degree in _degrees(chord.quality, degrees):
            _add_degree(harmony, *degree)
    if offset:
        _add(harmony, "offset", offset)


def _add_note(harmony, name, note):
    parent = _add(harmony, name)
    _add(parent, f"{name}-step", note[0])
    alter = note.count("#") - note.count("b")
    if alter:
        _add(parent, f"{name}-alter", alter)


def _degrees(quality, degrees):
    """Return value, alteration and type of each degree that the kind does not have."""
    tones = set(harte.QUALITIES.get(quality, ()))
    added = [degree for degree in degrees if not degree.startswith("*")]
    out = []
    for degree in (d[1:] for d in degrees if d.startswith("*")):
        # Harte's *3 takes nothing from a chord without that tone.
        if harte.degree_semitones(degree) in tones:
            out.append((_number(degree), 0, "subtract"))
    for degree in added:
        if harte.degree_semitones(degree) in tones and quality != "1":
            continue
        # An added degree is counted from a dominant chord: 7 is the minor seventh.
        alter = degree.count("#") - degree.count("b") + (_number(degree) == 7)
        out.append((_number(degree), alter, "add"))
    return out


def _number(degree):
    return int(degree.lstrip("b#"))


def _add_degree(harmony, value, alter, kind):
    degree = _add(harmony, "degree")
    _add(degree, "degree-value", value)
    _add(degree, "degree-alter", alter)
    _add(degree, "degree-type", kind)
