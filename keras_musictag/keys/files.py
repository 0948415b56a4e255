"""Files of keys: `.lab`, JSON, CSV and JAMS.

Readers give the arguments of a `KeySequence` and refuse what is malformed with the
file and the place in it; writers take a `KeySequence`.
"""

import json
from typing import Any

from keras_musictag.chords.annotations import MODES, read_keys
from keras_musictag.chords.files import (
    csv_text,
    find_annotation,
    jams_document,
    jams_duration,
    read_json_text,
)
from keras_musictag.chords.keys import parse_key
from keras_musictag.chords.parsing import (
    csv_rows,
    malformed,
    number,
    read_text,
    reader_of,
)
from keras_musictag.errors import LabelError

JSON_FORMAT = "keras_musictag.keys"
JAMS_NAMESPACES = ("key_mode",)
FIELDS = ("start", "end", "label", "confidence")
NO_KEY = "N"
# Gaps in seconds that rounding leaves are none.
TOUCH = 1e-3


def to_lab(sequence) -> str:
    """Return the keys as Isophonics has them, with `Silence` where there is none."""
    lines, last = [], 0.0
    ends = [(region.start, region.end, region.label) for region in sequence]
    for start, end, label in [*ends, (sequence.duration, sequence.duration, "")]:
        if start - last > TOUCH:
            lines.append(f"{last:.6f}\t{start:.6f}\tSilence\n")
        if label:
            tonic, mode = parse_key(label)
            written = f"{tonic}:minor" if mode == "min" else tonic
            lines.append(f"{start:.6f}\t{end:.6f}\tKey\t{written}\n")
        last = end
    return "".join(lines)


def read_lab(path) -> dict[str, Any]:
    """Read the keys of Isophonics; see `chords.read_keys`.

    Args:
        path: File, or an open text file.

    Returns:
        dict with `intervals`, `labels` and `duration`.

    Raises:
        LabelError: If a line is malformed; the message names the file and the line.
    """
    segments = read_keys(path)
    keys = [segment for segment in segments if segment.key is not None]
    return {
        "intervals": [(segment.start, segment.end) for segment in keys],
        "labels": [segment.key for segment in keys],
        "duration": segments[-1].end,
    }


def to_csv(sequence) -> str:
    """Return CSV with the columns start, end, label, confidence; times unrounded."""
    return csv_text(FIELDS, sequence)


def read_csv(path) -> dict[str, Any]:
    """Read a CSV file with the columns start, end, label and perhaps confidence.

    Args:
        path: File with a header line, or an open text file.

    Returns:
        dict with `intervals`, `labels` and `confidences`.

    Raises:
        LabelError: If a line is malformed; the message names the file and the line.
    """
    text, name = read_text(path)
    lines = csv_rows(text, name)
    _, header = next(lines, ("", []))
    if not set(FIELDS[:3]) <= set(header):
        raise malformed(
            f"{name} lacks the columns start, end and label", f"header {header}"
        )
    rows = [(place, dict(zip(header, row, strict=False))) for place, row in lines]
    return _checked(rows)


def to_json(sequence) -> str:
    """Return JSON with the key of the song and all regions, numbers unrounded."""
    record = {
        "format": JSON_FORMAT,
        "version": 1,
        "duration": sequence.duration,
        "key": sequence.key and sequence.key.label,
        "camelot": sequence.key and sequence.key.camelot,
        "confidence": sequence.confidence,
        "regions": [region._asdict() for region in sequence],
    }
    return json.dumps(record, indent=1) + "\n"


def read_json(path) -> dict[str, Any]:
    """Read what `to_json` wrote.

    Args:
        path: File, or an open text file.

    Returns:
        The arguments of a `KeySequence`.

    Raises:
        LabelError: If the file is not of that form.
    """
    record, name = read_json_text(path)
    regions = record.get("regions") if isinstance(record, dict) else None
    if not isinstance(regions, list) or record.get("format") != JSON_FORMAT:
        raise malformed(f"{name} holds no keys of this package", repr(record)[:80])
    rows = [
        (f"region {i} of {name}", item if isinstance(item, dict) else {})
        for i, item in enumerate(regions)
    ]
    duration, key = record.get("duration"), record.get("key")
    return {
        **_checked(rows),
        "key": None if key is None else _key(key, f"the key of {name}"),
        "confidence": _share(record.get("confidence"), f"the key of {name}"),
        "duration": None if duration is None else number(duration),
    }


def to_jams(sequence, *, title: str = "", artist: str = "") -> str:
    """Return a JAMS document with one annotation in the namespace `key_mode`.

    Args:
        sequence: The `KeySequence`; its regions are the observations.
        title, artist: Of the song.

    Returns:
        JSON text that the `jams` package reads and finds valid.
    """
    data = []
    for start, end, label, confidence in sequence:
        tonic, mode = parse_key(label)
        value = f"{tonic}:{'minor' if mode == 'min' else 'major'}"
        entry = {"time": start, "duration": end - start, "value": value}
        data.append({**entry, "confidence": confidence})
    return jams_document("key_mode", data, sequence.duration, title, artist)


def read_jams(path, *, index: int = 0) -> dict[str, Any]:
    """Read the keys of a JAMS file; modes count as the key with their third.

    Args:
        path: File, or an open text file.
        index: Which of several annotations of keys, counted from 0.

    Returns:
        The arguments of a `KeySequence`.

    Raises:
        LabelError: If the file is no JAMS file, has no such annotation, or one that is
            malformed.
    """
    record, name = read_json_text(path)
    annotation = find_annotation(record, name, JAMS_NAMESPACES, "key", index)
    atoms = annotation.get("data")
    rows: list[tuple[str, dict[str, Any]]] = []
    for i, atom in enumerate(atoms if isinstance(atoms, list) else []):
        place, atom = f"key {i} of {name}", atom if isinstance(atom, dict) else {}
        if atom.get("value") == NO_KEY:
            continue
        tonic, _, mode = str(atom.get("value")).partition(":")
        start = number(atom.get("time"))
        end, label = start + number(atom.get("duration")), MODES.get(mode.lower())
        row = {"start": start, "end": end, "label": f"{tonic}:{label or mode}"}
        rows.append((place, {**row, "confidence": atom.get("confidence")}))
    # An annotation is a set of observations, in any order.
    rows.sort(key=lambda row: row[1]["start"])
    read = _checked(rows)
    last = read["intervals"][-1][1] if rows else 0.0
    return {**read, "duration": jams_duration(record, last)}


# Readers by suffix.
READERS = {
    ".lab": read_lab,
    ".txt": read_lab,
    ".csv": read_csv,
    ".json": read_json,
    ".jams": read_jams,
}


def read(path) -> dict[str, Any]:
    """Read a file of keys of any format, known by its suffix.

    Args:
        path: The file.

    Returns:
        The arguments of a `KeySequence`.

    Raises:
        LabelError: If it has another suffix, or is malformed.
    """
    return reader_of(path, READERS, "keys")(path)


def _checked(rows) -> dict[str, Any]:
    """Read `(place, {start, end, label, confidence})`, as written."""
    intervals, labels, confidences, last = [], [], [], 0.0
    for place, row in rows:
        start, end = number(row.get("start")), number(row.get("end"))
        if not last - TOUCH <= start < end < float("inf"):
            raise malformed(
                f"{place} must end after its start, and not begin before the region "
                "above it ends",
                f"{row.get('start')} to {row.get('end')}",
            )
        intervals.append((max(start, last), end))
        labels.append(_key(row.get("label"), place))
        confidences.append(_share(row.get("confidence"), place))
        last = end
    return {"intervals": intervals, "labels": labels, "confidences": confidences}


def _key(written, place) -> str:
    try:
        return ":".join(parse_key(written))
    except LabelError as error:
        raise malformed(f"{place}: {written!r} is no key", repr(written)) from error


def _share(written, place) -> float | None:
    if written is None or written == "":
        return None
    value = number(written)
    if not 0 <= value <= 1:
        raise malformed(f"{place} has no confidence from 0 to 1", repr(written))
    return value
