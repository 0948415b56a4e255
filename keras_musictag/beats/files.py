"""Files of beats: `.beats`, JSON, CSV, JAMS, MIDI and label tracks.

Readers give the arguments of a `BeatSequence` and refuse what is malformed with the
file and the line; writers take a `BeatSequence`.
"""

import json
import math
from typing import Any

from keras_musictag.chords.files import (
    csv_text,
    find_annotation,
    jams_document,
    jams_duration,
    read_json_text,
)
from keras_musictag.chords.midi import TICKS_PER_BEAT, meta_event, midi_file
from keras_musictag.chords.parsing import (
    csv_rows,
    malformed,
    number,
    read_text,
    reader_of,
)
from keras_musictag.errors import LabelError

JSON_FORMAT = "keras_musictag.beats"
JAMS_NAMESPACES = ("beat", "beat_position")
FIELDS = ("time", "position", "confidence")
# General MIDI's channel of drums: a wood block, high on downbeats.
DRUMS, HIGH, LOW = 9, 76, 77
# The format has three bytes for microseconds: 16.7 s.
LONGEST_QUARTER = 16.0
# What the file says of beats whose bars are not known.
USUAL_METER = 4


def to_beats(sequence) -> str:
    """Return time and position per line, a tab between them, times to 6 decimals."""
    return "".join(
        f"{time:.6f}\n" if position is None else f"{time:.6f}\t{position}\n"
        for time, position, _ in sequence
    )


def read_beats(path) -> dict[str, Any]:
    """Read a `.beats` file: a time in seconds, and perhaps a position, per line.

    Args:
        path: File, or an open text file. Columns are separated by tabs, spaces or
            commas; empty lines and lines that begin with `#` do not count.

    Returns:
        dict with `times` and `positions`.

    Raises:
        LabelError: If a line is malformed; the message names the file and the line.
    """
    text, name = read_text(path)
    rows = []
    for i, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            rows.append((f"line {i} of {name}", line.replace(",", " ").split()))
    for place, columns in rows:
        if len(columns) > 2:
            raise malformed(f"{place} holds more than a time and a position", columns)
    return _checked([(place, *columns) for place, columns in rows], name)


def to_csv(sequence) -> str:
    """Return CSV with the columns time, position, confidence; times unrounded."""
    return csv_text(FIELDS, sequence)


def read_csv(path) -> dict[str, Any]:
    """Read a CSV file with the columns time and perhaps position and confidence.

    Args:
        path: File with a header line, or an open text file.

    Returns:
        dict with `times`, `positions` and `confidences`.

    Raises:
        LabelError: If a line is malformed; the message names the file and the line.
    """
    text, name = read_text(path)
    lines = csv_rows(text, name)
    _, header = next(lines, ("", []))
    if FIELDS[0] not in header:
        raise malformed(f"{name} lacks the column time", f"header {header}")
    rows = []
    for place, columns in lines:
        row = dict(zip(header, columns, strict=False))
        rows.append((place, *(row.get(field) or None for field in FIELDS)))
    return _checked(rows, name)


def to_json(sequence) -> str:
    """Return JSON with the duration and all beats, numbers unrounded."""
    record = {
        "format": JSON_FORMAT,
        "version": 1,
        "duration": sequence.duration,
        "tempo": sequence.tempo,
        "meter": sequence.meter,
        "beats": [beat._asdict() for beat in sequence],
    }
    return json.dumps(record, indent=1) + "\n"


def read_json(path) -> dict[str, Any]:
    """Read what `to_json` wrote.

    Args:
        path: File, or an open text file.

    Returns:
        The arguments of a `BeatSequence`.

    Raises:
        LabelError: If the file is not of that form.
    """
    record, name = read_json_text(path)
    beats = record.get("beats") if isinstance(record, dict) else None
    if not isinstance(beats, list) or record.get("format") != JSON_FORMAT:
        raise malformed(f"{name} holds no beats of this package", repr(record)[:80])
    rows = [
        (f"beat {i} of {name}", *(item.get(field) for field in FIELDS))
        if isinstance(item, dict)
        else (f"beat {i} of {name}", None)
        for i, item in enumerate(beats)
    ]
    duration = record.get("duration")
    duration = None if duration is None else number(duration)
    return {**_checked(rows, name), "duration": duration}


def to_jams(sequence, *, title: str = "", artist: str = "") -> str:
    """Return a JAMS document with one annotation in the namespace `beat`.

    Args:
        sequence: The `BeatSequence`; positions are the values.
        title, artist: Of the song.

    Returns:
        JSON text that the `jams` package reads and finds valid.
    """
    data = [
        {"time": time, "duration": 0.0, "value": position, "confidence": confidence}
        for time, position, confidence in sequence
    ]
    return jams_document("beat", data, sequence.duration, title, artist)


def read_jams(path, *, index: int = 0) -> dict[str, Any]:
    """Read the beats of a JAMS file.

    Args:
        path: File, or an open text file.
        index: Which of several annotations of beats, counted from 0.

    Returns:
        The arguments of a `BeatSequence`.

    Raises:
        LabelError: If the file is no JAMS file, has no such annotation, or one that is
            malformed.
    """
    record, name = read_json_text(path)
    annotation = find_annotation(record, name, JAMS_NAMESPACES, "beat", index)
    atoms = annotation.get("data")
    rows = []
    for i, atom in enumerate(atoms if isinstance(atoms, list) else []):
        atom = atom if isinstance(atom, dict) else {}
        value = atom.get("value")
        # In `beat_position` the value is a record.
        position = value.get("position") if isinstance(value, dict) else value
        time, sure = atom.get("time"), atom.get("confidence")
        rows.append((f"beat {i} of {name}", time, position, sure))
    # An annotation is a set of observations, in any order.
    rows.sort(key=lambda row: number(row[1]) if row[1] is not None else -math.inf)
    read = _checked(rows, name)
    return {**read, "duration": jams_duration(record, read["times"][-1])}


def to_audacity(sequence) -> str:
    """Return a label track of Audacity: a point at each beat, its position as text."""
    return "".join(
        f"{time:.6f}\t{time:.6f}\t{'beat' if position is None else position}\n"
        for time, position, _ in sequence
    )


def to_midi(sequence, *, velocity: int = 100) -> bytes:
    """Return a MIDI file whose tempo follows the beats, with a click on each.

    In a program that reads tempo maps, bars and beats lie where they lie in the
    recording: the file begins with a beat that lasts until the first one of the music.

    Args:
        sequence: The `BeatSequence`.
        velocity: Loudness of the clicks, 1 to 127.

    Returns:
        The bytes of a Standard MIDI File of format 0. Each interval is exact to 0.5 us.
    """
    beats, now = list(sequence), 0
    events: list[tuple[int, int, bytes]] = []
    # The silence before the first beat is a beat too, of whatever length.
    bounds = [0.0, *sequence.times.tolist()]
    for i, beat in enumerate(beats):
        now += _wait(events, now, bounds[i + 1] - bounds[i])
        if beat.position == 1 or (beat.position is None and i == 0):
            meter = _meter(beats, i, sequence.meter or USUAL_METER)
            events.append((now, 1, meter))
        note = HIGH if beat.position == 1 else LOW
        events.append((now, 3, bytes((0x90 | DRUMS, note, int(velocity)))))
        events.append((now + TICKS_PER_BEAT // 4, 2, bytes((0x80 | DRUMS, note, 0))))
    events.append((now + TICKS_PER_BEAT, 4, meta_event(0x2F, b"")))
    return midi_file(sorted(events))


def _wait(events: list, now: int, seconds: float) -> int:
    """Set the tempo so that the next beat comes in time; return its ticks from now."""
    if not seconds:
        return 0
    quarters = -(-seconds // LONGEST_QUARTER)
    length = max(round(seconds / quarters * 1e6), 1)
    events.append((now, 0, meta_event(0x51, length.to_bytes(3, "big"))))
    return int(quarters) * TICKS_PER_BEAT


def _meter(beats, first, usual):
    """Return the time signature of the bar that begins at a beat."""
    count = 1
    while first + count < len(beats) and beats[first + count].position != 1:
        count += 1
    whole = beats[first].position is not None and first + count < len(beats)
    meter = min(count if whole else usual, 255)
    return meta_event(0x58, bytes((meter, 2, 24, 8)))


# Readers by suffix.
READERS = {
    ".beats": read_beats,
    ".txt": read_beats,
    ".csv": read_csv,
    ".json": read_json,
    ".jams": read_jams,
}


def read(path) -> dict[str, Any]:
    """Read a file of beats of any format, known by its suffix.

    Args:
        path: The file.

    Returns:
        The arguments of a `BeatSequence`.

    Raises:
        LabelError: If it has another suffix, or is malformed.
    """
    return reader_of(path, READERS, "beats")(path)


def _checked(rows, name):
    """Read `(place, time[, position[, confidence]])`, as written."""
    if not rows:
        raise LabelError(
            f"{name} has no beats.",
            received="a file without any beat",
            advice="Give a file with the time of a beat in each line.",
        )
    times, positions, confidences = [], [], []
    for place, time, *more in rows:
        position, sure = (*more, None, None)[:2]
        times.append(number(time))
        late = times[-2] if len(times) > 1 else -math.inf
        if not math.isfinite(times[-1]) or times[-1] < 0:
            raise malformed(f"{place} has no time in seconds", repr(time))
        if times[-1] <= late:
            raise malformed(
                f"{place} is not after the beat before it", f"{time} after {late:g}"
            )
        positions.append(None if position is None else number(position))
        confidences.append(None if sure is None else number(sure))
        given = positions[-1]
        if given is not None and not (given >= 1 and given == int(given)):
            raise malformed(
                f"{place} has no position in the bar, a whole number from 1 on",
                repr(position),
            )
    partly = None in positions and any(p is not None for p in positions)
    if partly:
        raise malformed(f"{name} says positions of some beats only", len(rows))
    return {
        "times": times,
        "positions": None if None in positions else positions,
        "confidences": None if None in confidences else confidences,
    }
