"""Chords and keys as data sets and other programs write them.

RWC's tables, Chordino's lists, layers of Sonic Visualiser, label tracks of Audacity,
and the keys of Isophonics. Readers give the arguments of a `ChordSequence`, as those
in `files` do. Some formats say only where chords begin: each lasts until the next one.
"""

import math
from typing import Any, NamedTuple
from xml.parsers import expat

from keras_musictag.chords import keys, naming
from keras_musictag.chords.harte import NO_CHORD, NO_CHORD_SPELLED_OUT
from keras_musictag.chords.parsing import (
    checked,
    csv_rows,
    malformed,
    number,
    read_text,
)
from keras_musictag.errors import LabelError

# Columns of RWC's tables, with and without ends.
RWC_START, RWC_END, RWC_CHORD = ("t_start", "t", "start"), ("t_end", "end"), "chord"
# What stands for a mode of Isophonics' keys, by its third.
MODES = {
    **{"": "maj", "major": "maj", "maj": "maj", "ionian": "maj", "lydian": "maj"},
    **{"mixolydian": "maj", "minor": "min", "min": "min", "aeolian": "min"},
    **{"dorian": "min", "phrygian": "min", "locrian": "min"},
}


class KeySegment(NamedTuple):
    """A key for some time.

    Args:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        key: As `"C:min"`, major or minor by the third; `None` if there is none.
        written: What the file says, such as `"D:mixolydian"` or `"Silence"`.
    """

    start: float
    end: float
    key: str | None
    written: str


class _Event(NamedTuple):
    """A chord with or without its end, and its place in the file."""

    start: float
    end: float | None
    label: Any
    place: str


def read_rwc(path, *, duration: float | None = None) -> dict[str, Any]:
    """Read a table of RWC's annotations: semicolons between the columns.

    Args:
        path: File, or an open text file. Its header is `t_start;t_end;chord`, or
            `t;chord` for starts alone.
        duration: Length of the recording in seconds, where the last chord ends that
            has no end of its own. `None`: the last line must be `N`, and ends the list.

    Returns:
        dict with `intervals`, `labels` and `duration`.

    Raises:
        LabelError: If a line is malformed; the message names the file and the line.

    References:
        - Goto et al., "RWC Music Database: popular, classical, and jazz music
          databases", ISMIR 2002.
    """
    text, name = read_text(path)
    rows = csv_rows(text, name, delimiter=";")
    header = [column.strip().lower() for column in next(rows, ("", []))[1]]
    starts = [header.index(column) for column in RWC_START if column in header]
    ends = [header.index(column) for column in RWC_END if column in header]
    if not starts or RWC_CHORD not in header:
        raise malformed(
            f"{name}, line 1: the header is not t_start;t_end;chord or t;chord",
            ";".join(header),
        )
    events = []
    for place, row in rows:
        if len(row) != len(header):
            raise malformed(f"{place} has not {len(header)} columns", ";".join(row))
        end = number(row[ends[0]]) if ends else None
        label = row[header.index(RWC_CHORD)].strip()
        events.append(_Event(number(row[starts[0]]), end, label, place))
    return _from_events(events, name, duration, "a header and one line for each chord")


def read_chordino(path, *, duration: float | None = None) -> dict[str, Any]:
    """Read what Chordino found, as Sonic Annotator writes it: `0.37,"Am7"` per line.

    Args:
        path: CSV file without a header, or an open text file. A line is a start in
            seconds, perhaps an end (`--csv-end-times`), and a chord as musicians write
            it; before them may stand the audio file, on the first line or on all.
        duration: As in `read_rwc`.

    Returns:
        dict with `intervals`, `labels` and `duration`.

    Raises:
        LabelError: If a line is malformed, or the file is about several songs.

    References:
        - Mauch and Dixon, "Approximate note transcription for the improved
          identification of difficult chords", ISMIR 2010.
    """
    text, name = read_text(path)
    events, songs = [], set()
    for place, row in csv_rows(text, name, skipinitialspace=True):
        *times, label = row
        if times and math.isnan(number(times[0])):
            songs |= {times.pop(0)} - {""}
        if len(times) not in (1, 2) or any(math.isnan(number(t)) for t in times):
            raise malformed(f"{place} is not a start and a chord", ",".join(row))
        if len(songs) > 1:
            raise malformed(f"{place} begins a second song", ",".join(row))
        end = number(times[1]) if len(times) == 2 else None
        events.append(_Event(number(times[0]), end, _readable(label), place))
    return _from_events(events, name, duration, "a start and a chord per line")


def read_audacity(path, *, duration: float | None = None) -> dict[str, Any]:
    """Read a label track of Audacity: start, end and text per line, tabs between them.

    Args:
        path: File, or an open text file. A label at a point, with equal start and end,
            lasts until the next one. Lines with frequencies, which begin with a
            backslash, do not count.
        duration: As in `read_rwc`, for a point at the end.

    Returns:
        dict with `intervals`, `labels` and `duration`.

    Raises:
        LabelError: If a line is malformed; the message names the file and the line.

    References:
        - "Importing and Exporting Labels", manual of Audacity.
    """
    text, name = read_text(path)
    events = []
    for i, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        columns, place = line.split("\t"), f"line {i} of {name}"
        if len(columns) != 3:
            raise malformed(
                f"{place} is not start, end and chord with tabs between them",
                repr(line),
            )
        start, end = (number(column) for column in columns[:2])
        is_point = start == end
        label = _readable(columns[2].strip())
        events.append(_Event(start, None if is_point else end, label, place))
    return _from_events(events, name, duration, "start, end and chord per line")


def read_svl(path, *, duration: float | None = None) -> dict[str, Any]:
    """Read a layer of Sonic Visualiser, `.svl`: instants, values, texts or regions.

    Args:
        path: File, or an open text file. A point is where a chord begins; regions have
            ends. The last point lasts to the end of the layer; if it says `end`, it is
            none.
        duration: As in `read_rwc`, for a layer that ends with its last point.

    Returns:
        dict with `intervals`, `labels` and `duration`.

    Raises:
        LabelError: If the file is no layer, or a point is malformed; the message names
            the file and the line.

    References:
        - Cannam et al., "Sonic Visualiser: an open source application for viewing,
          analysing, and annotating music audio files", ACM Multimedia 2010.
    """
    text, name = read_text(path)
    models, points = _parse_layer(text, name)
    models = [model for model in models if number(model.get("sampleRate")) > 0]
    if not models:
        raise malformed(f"{name} is no layer of Sonic Visualiser", "no model with rate")
    rate = number(models[0]["sampleRate"])
    events = []
    for line, point in points:
        start, length = number(point.get("frame")), point.get("duration")
        end = None if length is None else (start + number(length)) / rate
        label = _readable(point.get("label"))
        place = f"line {line} of {name}"
        events.append(_Event(start / rate, end, label, place))
    last = number(models[0].get("end")) / rate
    if events and str(events[-1].label).lower() == "end":
        last = events.pop().start
    if duration is None and events and last > events[-1].start:
        duration = last
    return _from_events(events, name, duration, "points with labels")


def _parse_layer(text, name):
    """Return the models, and the points with their lines."""
    models: list[dict[str, str]] = []
    points: list[tuple[int, dict[str, str]]] = []
    parser = expat.ParserCreate()

    def start(tag, attributes):
        if tag == "model":
            models.append(attributes)
        elif tag == "point":
            points.append((parser.CurrentLineNumber, attributes))

    parser.StartElementHandler = start
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise malformed(f"{name}, line {error.lineno}: no XML", str(error)) from error
    return models, points


def read_keys(path) -> list[KeySegment]:
    r"""Read the keys of Isophonics: `start end Key A:minor` per line.

    Args:
        path: `.lab` file, or an open text file. Columns are separated by tabs or
            spaces; empty lines do not count.

    Returns:
        The segments in order. Modes count as the key with their third, `D:mixolydian`
        as D major; silence and keys of no such mode (`D:modal`) have `None`.

    Raises:
        LabelError: If a line is malformed; the message names the file and the line.

    References:
        - Mauch et al., "OMRAS2 metadata project 2009", ISMIR 2009.

    Example:

    ```python
    import io

    from keras_musictag.chords import read_keys

    file = io.StringIO("0.0\t1.2\tSilence\n1.2\t150.0\tKey\tA:minor\n")
    print([(segment.start, segment.key) for segment in read_keys(file)])
    ```
    """
    text, name = read_text(path)
    segments: list[KeySegment] = []
    for i, line in enumerate(text.splitlines(), 1):
        columns = line.split()
        if not columns or line.startswith("#"):
            continue
        kind = [column.lower() for column in columns[2:3]]
        if not (kind == ["key"] and len(columns) == 4) and kind != ["silence"]:
            raise malformed(
                f"{name}, line {i}: a line must be start, end, Key and its name, or "
                "start, end and Silence",
                repr(line),
            )
        start, end = (number(column) for column in columns[:2])
        before = segments[-1].end if segments else 0.0
        if not before - 1e-3 <= start < end < math.inf:
            raise malformed(
                f"{name}, line {i}: a key must have a start and an end after it, and "
                "begin when the one above it ends, or later",
                repr(line),
            )
        written = columns[-1]
        key = None if kind == ["silence"] else _key(written, f"{name}, line {i}")
        segments.append(KeySegment(start, end, key, written))
    if not segments:
        raise malformed(f"{name} has no keys", "a file without any key")
    return segments


def _key(written, place):
    tonic, _, mode = written.partition(":")
    try:
        tonic, _ = keys.parse_key(f"{tonic}:maj")
    except LabelError as error:
        raise malformed(f"{place}: {written!r} is no key", repr(written)) from error
    mode_name = MODES.get(mode.lower())
    return f"{tonic}:{mode_name}" if mode_name else None


def _readable(label):
    """Turn a chord sheet's name into a label; what is neither is refused later."""
    try:
        return naming.read_name(label)
    except LabelError:
        return label


def _from_events(events, name, duration, expected):
    """Give each chord without an end the start of the next one."""
    if not events:
        return checked([], [], name, expected)
    for event in events:
        if not math.isfinite(event.start):
            raise malformed(
                f"{event.place} has no number for a start", str(event.label)
            )
    last = events[-1]
    if last.end is None and duration is None:
        if last.label not in (NO_CHORD, NO_CHORD_SPELLED_OUT) or len(events) == 1:
            raise LabelError(
                f"A chord file does not say where its last chord ends: {last.place}.",
                received=f"{last.label} from {last.start} s",
                advice="Pass the length of the recording as `duration`, or end the "
                "file with N.",
            )
        # A list of starts ends with silence, which lasts as long as nobody knows.
        events, duration = events[:-1], last.start
    following = [event.start for event in events[1:]] + [duration]
    rows = [
        (event.start, after if event.end is None else event.end, event.label)
        for event, after in zip(events, following, strict=True)
    ]
    read = checked(rows, [event.place for event in events], name, expected)
    if duration is not None:
        duration = max(float(duration), float(read["intervals"][-1, 1]))
    return {**read, "duration": duration}
