"""Chord files: `.lab`, JAMS, JSON, CSV and `.pyjama`; `annotations` reads more.

Readers give the arguments of a `ChordSequence` (`intervals`, `labels` and what else
the file knows) and refuse what is malformed with the file and the place in it; writers
take a `ChordSequence` and give text.
"""

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_musictag.chords.parsing import (
    checked,
    csv_rows,
    malformed,
    number,
    read_text,
)
from keras_musictag.errors import LabelError

JSON_FORMAT = "keras_musictag.chords"
JAMS_NAMESPACES = ("chord", "chord_harte")
# The schema whose fields `to_jams` fills in.
JAMS_VERSION = "0.3.5"
FIELDS = ("start", "end", "label", "confidence")
AGREEMENT = "agreement"


def write(content, path):
    """Write text or bytes to a file if there is a path, and return the content."""
    if path is not None:
        data = content.encode("utf-8") if isinstance(content, str) else content
        Path(path).write_bytes(data)
    return content


def to_lab(sequence) -> str:
    """Return start, end and label per line, tabs between them, times to 6 decimals."""
    return "".join(f"{s:.6f}\t{e:.6f}\t{label}\n" for s, e, label, _ in sequence)


def read_lab(path) -> dict[str, Any]:
    """Read a `.lab` file: start and end in seconds and a chord label per line.

    Args:
        path: File, or an open text file. Columns are separated by tabs or spaces;
            empty lines and lines that begin with `#` do not count.

    Returns:
        dict with `intervals` and `labels`.

    Raises:
        LabelError: If a line is malformed; the message names the file and the line.
    """
    text, name = read_text(path)
    rows, places = [], []
    for i, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            place = f"{name}, line {i}"
            columns = line.split()
            if len(columns) != 3:
                raise malformed(
                    f"{place}: a line must hold start, end and label", repr(line)
                )
            rows.append((*map(number, columns[:2]), columns[2]))
            places.append(f"line {i} of {name}")
    return checked(rows, places, name, "start, end and chord label, tab separated")


def to_csv(sequence) -> str:
    """Return CSV with the columns start, end, label, confidence; times unrounded.

    A column `agreement` follows if another recogniser was asked.
    """
    more = () if sequence.agreements is None else (AGREEMENT,)
    rows = (tuple(row.values()) for row in _records(sequence))
    return csv_text((*FIELDS, *more), rows)


def csv_text(header: Iterable, rows: Iterable[Iterable]) -> str:
    """Return CSV with a header, lines ended by `\\n`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def _records(sequence) -> list[dict[str, Any]]:
    """Return the segments as dicts, with their agreements if there are any."""
    records = [segment._asdict() for segment in sequence]
    if sequence.agreements is not None:
        for record, share in zip(records, sequence.agreements.tolist(), strict=True):
            record[AGREEMENT] = None if share != share else share
    return records


def read_csv(path) -> dict[str, Any]:
    """Read a CSV file with start, end, label, perhaps confidence and agreement.

    Args:
        path: File with a header line, or an open text file.

    Returns:
        dict with `intervals`, `labels`, `confidences` and `agreements`.

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
    rows, places, shares = [], [], []
    for place, columns in lines:
        places.append(place)
        if len(columns) > len(header):
            more = repr(columns[len(header) :])
            raise malformed(f"{place} has too many columns", more)
        row = dict(zip(header, columns, strict=False))
        label = row.get("label", "")
        rows.append((number(row.get("start")), number(row.get("end")), label))
        shares.append(_shares(row, place))
    read = checked(rows, places, name, "a header and one line for each chord")
    return {**read, **_columns(shares)}


def to_json(sequence) -> str:
    """Return JSON with the duration and all segments, numbers unrounded."""
    record = {
        "format": JSON_FORMAT,
        "version": 1,
        "duration": sequence.duration,
        "segments": _records(sequence),
    }
    return json.dumps(record, indent=1) + "\n"


def read_json(path) -> dict[str, Any]:
    """Read what `to_json` wrote.

    Args:
        path: File, or an open text file.

    Returns:
        dict with `intervals`, `labels`, `confidences`, `agreements` and `duration`.

    Raises:
        LabelError: If the file is not of that form.
    """
    record, name = read_json_text(path)
    segments = record.get("segments") if isinstance(record, dict) else None
    if not isinstance(segments, list) or record.get("format") != JSON_FORMAT:
        raise malformed(f"{name} holds no chords of this package", _shorten(record))
    items = [item if isinstance(item, dict) else {} for item in segments]
    places = [f"segment {i} of {name}" for i in range(len(items))]
    rows = [
        (number(item.get("start")), number(item.get("end")), item.get("label"))
        for item in items
    ]
    shares = [_shares(item, place) for item, place in zip(items, places, strict=True)]
    read = checked(rows, places, name, "at least one segment")
    duration = record.get("duration")
    duration = None if duration is None else number(duration)
    return {**read, **_columns(shares), "duration": duration}


def to_jams(sequence, *, title: str = "", artist: str = "") -> str:
    """Return a JAMS document with one annotation in the namespace `chord`.

    Args:
        sequence: The `ChordSequence`.
        title: Of the song.
        artist: Of the song.

    Returns:
        JSON text that the `jams` package reads and finds valid.

    References:
        - Humphrey et al., "JAMS: a JSON annotated music specification for
          reproducible MIR research", ISMIR 2014.
    """
    data = [
        {
            "time": start,
            "duration": _exact_length(start, end),
            "value": label,
            "confidence": confidence,
        }
        for start, end, label, confidence in sequence
    ]
    return jams_document("chord", data, sequence.duration, title, artist)


def jams_document(namespace: str, data: list, duration: float, title="", artist=""):
    """Return a JAMS document with one annotation.

    Args:
        namespace: Of the annotation.
        data: Its observations, dicts of `time`, `duration`, `value` and `confidence`.
        duration: Length of the recording in seconds.
        title, artist: Of the song.

    Returns:
        JSON text.
    """
    metadata = {
        "curator": {"name": "", "email": ""},
        "annotator": {},
        "version": "",
        "corpus": "",
        "annotation_tools": "keras_musictag",
        "annotation_rules": "",
        "validation": "",
        "data_source": "program",
    }
    annotation = {
        "namespace": namespace,
        "annotation_metadata": metadata,
        "data": data,
        "sandbox": {},
        "time": 0.0,
        "duration": duration,
    }
    file_metadata = {
        "title": title,
        "artist": artist,
        "release": "",
        "duration": duration,
        "identifiers": {},
        "jams_version": JAMS_VERSION,
    }
    document = {
        "annotations": [annotation],
        "file_metadata": file_metadata,
        "sandbox": {},
    }
    return json.dumps(document, indent=1) + "\n"


def read_jams(path, *, index: int = 0) -> dict[str, Any]:
    """Read the chords of a JAMS file.

    Args:
        path: File, or an open text file.
        index: Which of several chord annotations, counted from 0.

    Returns:
        dict with `intervals`, `labels`, `confidences` and `duration`.

    Raises:
        LabelError: If the file is no JAMS file, has no such chord annotation, or one
            that is malformed.
    """
    record, name = read_json_text(path)
    chosen = find_annotation(record, name, JAMS_NAMESPACES, "chord", index)
    read = _from_atoms(chosen.get("data"), name)
    return {**read, "duration": jams_duration(record, float(read["intervals"][-1, 1]))}


def find_annotation(record, name: str, namespaces, kind: str, index: int = 0) -> dict:
    """Return one annotation of a JAMS file.

    Args:
        record: What the file holds.
        name: Of the file, for messages.
        namespaces: Those that will do, the usual one first.
        kind: What it annotates, in a word.
        index: Which of several, counted from 0.

    Raises:
        LabelError: If it is no JAMS file, or has no such annotation.
    """
    annotations = record.get("annotations") if isinstance(record, dict) else None
    if not isinstance(annotations, list):
        raise malformed(f"{name} is no JAMS file", _shorten(record))
    items = [item for item in annotations if isinstance(item, dict)]
    fitting = [item for item in items if item.get("namespace") in namespaces]
    if not 0 <= index < len(fitting):
        others = sorted({str(item.get("namespace")) for item in items})
        raise LabelError(
            f"{name} has no {kind} annotation number {index}."
            if fitting
            else f"{name} has no {kind} annotation.",
            received=f"{len(fitting)} of {kind}s, namespaces {others}",
            advice=f"Give a JAMS file with the namespace {namespaces[0]!r}.",
        )
    return fitting[index]


def jams_duration(record, last: float) -> float:
    """Return the duration that a JAMS file states, or the last time in it if later.

    Some files state one that is rounded or wrong; what is annotated counts more.
    """
    metadata = record.get("file_metadata")
    duration = metadata.get("duration") if isinstance(metadata, dict) else None
    return last if duration is None else max(number(duration), last)


def read_pyjama(path, *, key: str = "chord") -> dict[str, dict[str, Any]]:
    """Read the chords of a `.pyjama` collection, the format of Peeters' tutorial.

    Args:
        path: File, or an open text file.
        key: Name of the annotation.

    Returns:
        For each entry that has chords its file path, with a dict of `intervals`,
        `labels` and `confidences`.

    Raises:
        LabelError: If the file is of another form, has no chords, or malformed ones.

    References:
        - Peeters et al., "Deep Learning 101 for Audio-based MIR", ISMIR 2024 tutorial.
    """
    record, name = read_json_text(path)
    collection = record.get("collection") if isinstance(record, dict) else None
    entries = collection.get("entry") if isinstance(collection, dict) else None
    if not isinstance(entries, list):
        raise malformed(f"{name} is no .pyjama collection", _shorten(record))
    read: dict[str, dict[str, Any]] = {}
    for i, entry in enumerate(item for item in entries if isinstance(item, dict)):
        if not entry.get(key):
            continue
        try:
            track = str(entry["filepath"][0]["value"])
        except (KeyError, IndexError, TypeError) as error:
            raise malformed(f"entry {i} of {name} has no file path", "none") from error
        if track in read:
            raise malformed(f"{name} has two entries with chords for one file", track)
        read[track] = _from_atoms(entry[key], f"{name}, entry {track}")
    if not read:
        raise LabelError(
            f"{name} has no chords.",
            received=f"{len(entries)} entries without the annotation {key!r}",
            advice="Give a collection with chords, or name another `key`.",
        )
    return read


def read_json_text(source):
    """Return what a JSON file holds, and its name for messages."""
    text, name = read_text(source)
    try:
        return json.loads(text), name
    except (ValueError, RecursionError) as error:
        raise malformed(f"{name} is no JSON", str(error)) from error


def _from_atoms(atoms, name):
    """Read a list of `{time, duration, value, confidence}`, in any order.

    A JAMS annotation is a set of observations; the `jams` package sorts them too.
    """
    atoms = atoms if isinstance(atoms, list) else []
    rows = []
    for i, atom in enumerate(atoms):
        atom = atom if isinstance(atom, dict) else {}
        start, length = number(atom.get("time")), number(atom.get("duration"))
        place = f"chord {i} of {name}"
        confidence = _share(atom, "confidence", place)
        rows.append((start, start + length, atom.get("value"), confidence, place))
    # What has no time stays where it is refused by name.
    rows.sort(key=lambda row: row[0] if math.isfinite(row[0]) else -math.inf)
    *_, confidences, places = zip(*rows, strict=True) if rows else ((), ())
    read = checked(rows, places, name, "chords")
    return {**read, "confidences": list(confidences)}


def _shares(row, place) -> tuple:
    return _share(row, "confidence", place), _share(row, AGREEMENT, place)


def _columns(shares) -> dict[str, list]:
    confidences, agreements = zip(*shares, strict=True) if shares else ((), ())
    return {"confidences": list(confidences), "agreements": list(agreements)}


def _share(row, name, place):
    written = row.get(name)
    if written is None or written == "":
        return None
    value = number(written)
    if not math.isfinite(value):
        raise malformed(f"the {name} in {place} is no number", repr(written))
    return value


def _exact_length(start, end):
    # start + (end - start) can miss `end` by one rounding; a neighbour then hits it.
    length = end - start
    near = (length, math.nextafter(length, 0.0), math.nextafter(length, math.inf))
    return next((value for value in near if start + value == end), length)


def _shorten(record):
    text = repr(record)
    return text if len(text) <= 80 else text[:80] + "..."
