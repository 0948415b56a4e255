"""Chords for notation programs: a lead sheet in MusicXML, chord symbols over rests."""

import math
import re
from typing import NamedTuple
from xml.etree import ElementTree as xml

from keras_musictag.checks import check_positive, check_positive_int
from keras_musictag.chords import harte, keys
from keras_musictag.chords.bars import BarChart, lay_bars

# Positions are rounded to so many parts of a beat; the grid of notation programs.
DIVISIONS = 480
# By what share a tempo is another: beats are found to 20 ms, 2 % of a bar of a second.
NEW_TEMPO = 0.04
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


class _Measure(NamedTuple):
    """A bar: its number, beats, tempo to be kept from here on, and its chords.

    Chords begin at offsets from the start of the bar, counted in `DIVISIONS`.
    """

    number: int
    beats: int
    tempo: float | None
    chords: list[tuple[int, str]]


def to_musicxml(
    sequence,
    *,
    title: str = "",
    artist: str = "",
    key: str | None = None,
    tempo: float = 120.0,
    beats_per_bar: int = 4,
    beats=None,
) -> str:
    """Return a lead sheet in MusicXML 4.0: a chord symbol at the start of each chord.

    Equal neighbours are one chord. `N` is written as `N.C.`, `X` as `?`.

    Args:
        sequence: The `ChordSequence`.
        title: Of the song.
        artist: Of the song.
        key: Decides between sharps and flats; `None` for the key of the chords.
        tempo: Beats per minute, quarter notes. Bars are counted with it from the start
            of the recording; positions are rounded to a 480th of a beat. With `beats`
            the tempo is theirs.
        beats_per_bar: Quarter notes in a bar; with `beats` only if these do not know
            where bars begin.
        beats: A `BeatSequence`, as `BeatTracker.track` finds it, or the times of beats
            in seconds, rising. Measures are its bars then, with one before the first
            whole bar if beats come first, and each chord begins on the beat nearest to
            it; one that would begin and end on one beat is left out, see
            `ChordSequence.to_sheet`. The tempo is given again where it is another by
            4 % or more. `None` or fewer than two beats: bars by `tempo`.

    Returns:
        The text of a `.musicxml` file.

    Raises:
        ConfigError: If the tempo or the beats are not positive, or the times of beats
            do not rise.
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
    meter = check_positive_int(beats_per_bar, name="beats_per_bar")
    estimated = None if key is not None else sequence.key()
    key = estimated.label if estimated else key
    chart = None if beats is None else lay_bars(sequence, beats, meter)
    if chart is None:
        measures = _by_tempo(sequence, tempo, meter)
    else:
        measures, meter = _by_beats(chart), chart.meter
    score = xml.Element("score-partwise", version="4.0")
    _add_head(score, title, artist)
    part = xml.SubElement(score, "part", id="P1")
    for i, bar in enumerate(measures):
        measure = _add(part, "measure", number=str(bar.number))
        if i == 0:
            _add_attributes(measure, key, meter)
        elif bar.number and bar.beats != meter:
            meter = bar.beats
            _add_time(_add(measure, "attributes"), meter)
        if bar.tempo and i == 0:
            _add_tempo(measure, bar.tempo)
        elif bar.tempo:
            _add(measure, "sound", tempo=f"{bar.tempo:.1f}")
        for offset, label in bar.chords:
            _add_harmony(measure, label, key, offset)
        if bar.number:
            _add_rest(measure, bar.beats)
            continue
        measure.set("implicit", "yes")
        for _ in range(bar.beats):  # a rest for the measure would fill it up
            _add(_add_rest(measure), "type", "quarter")
    xml.indent(score, " ")
    return DOCTYPE + xml.tostring(score, encoding="unicode") + "\n"


def _by_tempo(sequence, tempo, meter) -> list[_Measure]:
    """Count bars from the start of the recording."""
    tick, bar = DIVISIONS * tempo / 60, meter * DIVISIONS
    chords: dict[int, list[tuple[int, str]]] = {}
    for start, _, label, _ in sequence.filled().merged() if len(sequence) else ():
        number, offset = divmod(round(start * tick), bar)
        chords.setdefault(number, []).append((offset, label))
    bars = math.ceil(round(sequence.duration * tick) / bar)
    return [
        _Measure(number + 1, meter, None if number else tempo, chords.get(number, []))
        for number in range(max(bars, 1, *(n + 1 for n in chords)))
    ]


def _by_beats(chart: BarChart) -> list[_Measure]:
    measures: list[_Measure] = []
    tempo, sounding = 0.0, None
    for bar in chart.bars:
        # The first one has that of the song.
        now = bar.tempo if measures else round(chart.tempo, 1)
        told = now if abs(now - tempo) >= NEW_TEMPO * tempo else None
        tempo = told or tempo
        chords = []
        for beat, label in bar.changes():
            if sounding is None or harte.parse(label) != harte.parse(sounding):
                chords.append((beat * DIVISIONS, label))
            sounding = label
        measures.append(_Measure(bar.number, len(bar.labels), told, chords))
    return measures


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
    _add_time(attributes, beats_per_bar)
    clef = _add(attributes, "clef")
    _add(clef, "sign", "G")
    _add(clef, "line", 2)


def _add_time(attributes, beats_per_bar):
    time = _add(attributes, "time")
    _add(time, "beats", beats_per_bar)
    _add(time, "beat-type", 4)


def _add_tempo(measure, tempo):
    direction = _add(measure, "direction", placement="above")
    metronome = _add(_add(direction, "direction-type"), "metronome")
    _add(metronome, "beat-unit", "quarter")
    _add(metronome, "per-minute", f"{tempo:g}")
    _add(direction, "sound", tempo=f"{tempo:g}")


def _add_rest(measure, beats=None):
    """Add a rest for a measure of so many beats, or for one beat of it."""
    note = _add(measure, "note")
    rest = _add(note, "rest")
    if beats is not None:
        rest.set("measure", "yes")
    _add(note, "duration", (beats or 1) * DIVISIONS)
    _add(note, "voice", 1)
    return note


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
