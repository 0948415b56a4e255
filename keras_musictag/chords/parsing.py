"""What all readers of files of chords, beats and keys share."""

import csv
import io
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_musictag.checks import read_file
from keras_musictag.chords.segments import check_segments
from keras_musictag.errors import ConfigError, LabelError


def read_text(source):
    """Return the text of a path or an open file, and its name for messages."""
    if hasattr(source, "read"):
        content, name = source.read(), getattr(source, "name", "the file")
    elif isinstance(source, (str, os.PathLike)):
        content, name = read_file(source), os.fspath(source)
    else:
        raise ConfigError(
            "Such a file must be a path or an open file.",
            received=type(source).__name__,
            advice="Give a str, a Path or an open file.",
        )
    if isinstance(content, bytes):
        try:
            content = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise malformed(f"{name} is no text in UTF-8", str(error)) from error
    return content, str(name)


def csv_rows(text: str, name: str, **options) -> Iterator[tuple[str, list[str]]]:
    """Read CSV; give the place and the columns of each row that has any.

    Args:
        text: Of the file.
        name: Of the file.
        **options: Of `csv.reader`.

    Raises:
        LabelError: If it is no CSV.
    """
    reader = csv.reader(io.StringIO(text), **options)
    try:
        for row in reader:
            if any(column.strip() for column in row):
                yield f"line {reader.line_num} of {name}", row
    except csv.Error as error:
        place = f"line {reader.line_num} of {name}"
        raise malformed(f"{place} is no CSV", str(error)) from error


def number(written) -> float:
    """Return what a file gives as a number; NaN if it is none."""
    # NaN stands for "no number" until the checks name the place.
    if isinstance(written, bool):
        return math.nan
    try:
        return float(written)
    except (TypeError, ValueError):
        return math.nan


def checked(rows, places, name, expected) -> dict[str, Any]:
    """Check the segments of a file.

    Args:
        rows: Start, end and label of each.
        places: Where each stands in the file, for messages.
        name: Of the file.
        expected: What such a file holds.

    Returns:
        dict with `intervals` and `labels`.

    Raises:
        LabelError: If there are none, or `check_segments` refuses them.
    """
    if not rows:
        raise LabelError(
            f"{name} has no chords.",
            received="a file without any segment",
            advice=f"Give a file with {expected}.",
        )
    intervals = [row[:2] for row in rows]
    labels = [row[2] for row in rows]
    intervals, labels = check_segments(intervals, labels, places.__getitem__)
    return {"intervals": intervals, "labels": labels}


def malformed(problem, received) -> LabelError:
    """Return the error of a file that is not as it must be."""
    return LabelError(
        f"A file is malformed: {problem}.",
        received=received,
        advice="Mend the file, or leave it out.",
    )


def reader_of(path, readers: Mapping[str, Callable], what: str) -> Callable:
    """Choose what reads a file, by its suffix.

    Args:
        path: The file.
        readers: Functions by suffix, such as `".csv"`.
        what: What the file should hold, for the message.

    Raises:
        LabelError: If it has another suffix.
    """
    reader = readers.get(Path(path).suffix.lower())
    if reader is None:
        raise LabelError(
            f"This is no file of {what}.",
            received=os.fspath(path),
            advice=f"Give one of {', '.join(readers)}.",
        )
    return reader
