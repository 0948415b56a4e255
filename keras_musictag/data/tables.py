"""Everybody's own data: tables of paths and tags, and a folder for each class."""

import csv
import io
import math
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.checks import check_choice, open_file
from keras_musictag.data.collection import TrackList
from keras_musictag.data.track import Track, listed, warn_of
from keras_musictag.errors import AudioWarning, LabelError

UNKNOWN = "?"
BAD_ROWS = ("raise", "skip")
UNKNOWN_TAGS = ("raise", "drop")
OTHER_SEPARATORS = (";", ",")


def from_csv(
    table,
    *,
    audio_folder: str | Path | None = None,
    path: str = "path",
    tags: str | list[str] = "tags",
    split: str | None = None,
    id: str | None = None,
    separator: str = "|",
    delimiter: str | None = None,
    labels: Iterable[str] | None = None,
    unknown_tags: str = "raise",
    bad_rows: str = "raise",
) -> TrackList:
    """Read a table of audio files and their tags.

    Args:
        table: CSV or TSV file with a header line, or a pandas `DataFrame`.
        audio_folder: Folder that the paths are relative to; `None` for the folder of
            the file (the current one for a `DataFrame`).
        path: Column of the audio files.
        tags: Column of the tags, joined by `separator`; an empty cell means that no
            label is true, `?` that none is known. Or a list of columns, one for each
            label, with 0, 1, other numbers for regression, or nothing for unknown.
        split: Column of the splits; `None` for `"split"` if there is such a column.
            An empty cell means no split.
        id: Column of the tracks' names; `None` for the paths as they are written.
        separator: What stands between two tags.
        delimiter: What stands between two columns of a file; `None` for a tab in
            `.tsv` and `.txt` files and a comma in others.
        labels: The labels, in the order wanted, such as `model.labels`; `None` for
            all tags found, sorted.
        unknown_tags: What to do with tags that are not in `labels`: `"raise"`, or
            `"drop"`, which takes them off their tracks and warns.
        bad_rows: What to do with rows without a path, with too few columns, with a
            malformed number, or with a path or id that an earlier row has: `"raise"`,
            or `"skip"`, which leaves them out and warns.

    Returns:
        A `TrackList`. Files are not opened: see `TrackList.check_files`.

    Raises:
        LabelError: If a column is missing, a row is bad, a tag is unknown, or no row
            has any tag. All bad rows are named at once.

    Example:

    ```python
    import keras_musictag as kmt

    tracks = kmt.data.from_csv("songs.csv", separator=";").check_files()
    train, valid = tracks.split("train"), tracks.split("valid")
    ```
    """
    check_choice(unknown_tags, UNKNOWN_TAGS, name="unknown_tags")
    check_choice(bad_rows, BAD_ROWS, name="bad_rows")
    header, rows, name, folder = read_rows(table, delimiter)
    if split is None and "split" in header:
        split = "split"
    tag_columns = [tags] if isinstance(tags, str) else list(tags)
    _check_columns(header, [path, *tag_columns, split, id], name)
    folder = folder if audio_folder is None else Path(audio_folder).expanduser()
    parsed: list[tuple[str, Track, Any]] = []
    problems: list[str] = []
    seen: dict[str, str] = {}
    for place, row in rows:
        try:
            track = _track(row, folder, path, split, id)
            if isinstance(tags, str):
                values: Any = _split_tags(row[tags], separator)
            else:
                values = [_number(row[column], column) for column in tags]
            _refuse_repeated(track, place, seen)
        except ValueError as error:
            problems.append(f"{place}: {error}")
        else:
            parsed.append((place, track, values))
    _report(problems, len(rows), name, bad_rows)
    if not parsed:
        raise LabelError(
            f"{name} has no usable rows.",
            received=f"{len(rows)} rows",
            advice="Give a table with a header line and a row for each track.",
        )
    if isinstance(tags, str):
        cells = [row[tags] for _, row in rows]
        _hint_separator(cells, separator, name)
        targets, columns = _targets(parsed, labels, unknown_tags, name)
    else:
        targets, columns = np.array([values for *_, values in parsed]), tags
    tracks = TrackList([t for _, t, _ in parsed], targets, columns, name=name)
    if labels is None or isinstance(tags, str):
        return tracks
    return tracks.with_labels(labels)


def read_rows(table, delimiter: str | None = None):
    """Read the rows of a CSV or TSV file or a `DataFrame`.

    Args:
        table: Path, or `DataFrame`.
        delimiter: As in `from_csv`.

    Returns:
        `(header, rows, name, folder)`: column names; `(place, row)` pairs, each row
        a dict of str, `None` where the line has too few columns; what to call the
        table in messages; the folder that paths are relative to.

    Raises:
        LabelError: If the file is missing or no text in UTF-8.
    """
    if hasattr(table, "columns") and hasattr(table, "to_dict"):
        rows = [
            (f"row {index!r}", {key: _text(value) for key, value in row.items()})
            for index, row in zip(table.index, table.to_dict("records"), strict=True)
        ]
        return list(table.columns), rows, "The DataFrame", Path()
    file = Path(table).expanduser()
    header, lines = read_lines(file, delimiter)
    rows = []
    for place, values in lines:
        row: dict[Any, Any] = dict.fromkeys(header)
        row.update(zip(header, values, strict=False))
        if len(values) > len(header):
            row[None] = values[len(header) :]
        rows.append((place, row))
    return header, rows, file.name, file.parent


def read_lines(file: Path, delimiter: str | None = None):
    """Read a CSV or TSV file.

    Args:
        file: The file.
        delimiter: As in `from_csv`.

    Returns:
        `(header, lines)`: column names, and `(place, values)` pairs; empty lines do
        not count.

    Raises:
        LabelError: If the file is missing or no text in UTF-8.
    """
    if delimiter is None:
        delimiter = "\t" if file.suffix.lower() in (".tsv", ".txt") else ","
    try:
        with (
            open_file(file) as opened,
            io.TextIOWrapper(opened, "utf-8-sig", newline="") as text,
        ):
            reader = csv.reader(text, delimiter=delimiter)
            header = next(reader, [])
            return header, [(f"line {reader.line_num}", row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(
            "The table cannot be read.",
            received=f"{os.fspath(file)} ({error})",
            advice="Give a CSV or TSV file in UTF-8.",
        ) from error


def _text(value) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    # pandas' own NA is neither; it prints as this.
    return "" if missing or str(value) in ("<NA>", "NaT") else str(value)


def _check_columns(header, wanted, name) -> None:
    absent = [c for c in wanted if c is not None and c not in header]
    if absent:
        raise LabelError(
            f"{name} lacks a column: {listed(map(repr, absent))}.",
            received=f"header {listed(map(repr, header), 20) or 'without columns'}",
            advice="Add the column, or name the one to use by `path`, `tags`, `split` "
            "or `id`; `delimiter` says what stands between columns.",
        )


def _track(row, folder, path, split, id) -> Track:
    if None in row:
        raise ValueError(f"too many columns ({listed(map(repr, row[None]))})")
    short = [key for key, value in row.items() if value is None]
    if short:
        raise ValueError(f"too few columns, none for {listed(map(repr, short))}")
    written = row[path].strip()
    if not written:
        raise ValueError(f"no path in the column {path!r}")
    key = written if id is None else row[id].strip()
    if not key:
        raise ValueError(f"no id in the column {id!r}")
    part = row[split].strip() or None if split is not None else None
    file = Path(os.path.normpath(folder / Path(written).expanduser()))
    return Track(key, file, split=part)


def _split_tags(cell, separator) -> tuple[str, ...] | None:
    if cell.strip() == UNKNOWN:
        return None
    names = [tag.strip() for tag in cell.split(separator)]
    return tuple(dict.fromkeys(tag for tag in names if tag))


def _number(cell, column) -> float:
    if cell.strip() in ("", UNKNOWN):
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise ValueError(f"no number in the column {column!r} ({cell!r})")
    return value


def _refuse_repeated(track, place, seen) -> None:
    path = os.fspath(track.path)
    for kind, key in (("path", path), ("id", track.id)):
        if (kind, key) in seen:
            raise ValueError(f"the {kind} {key!r} is also in {seen[kind, key]}")
    seen["path", path] = seen["id", track.id] = place


def _report(problems, n, name, bad_rows) -> None:
    if not problems:
        return
    problem = f"{len(problems)} of {n} rows of {name} are bad."
    if bad_rows == "raise":
        raise LabelError(
            problem,
            received=listed(problems),
            advice='Mend these rows, or pass bad_rows="skip" to leave them out.',
        )
    warn_of(problem, listed(problems), "left out")


def _hint_separator(cells, separator, name) -> None:
    if any(cell and separator in cell for cell in cells):
        return
    for other in OTHER_SEPARATORS:
        n = sum(1 for cell in cells if cell and other in cell)
        if n and other != separator:
            warnings.warn(
                f"No tags in {name} are joined by {separator!r}. Received: {n} cells "
                f"with {other!r}. If that joins tags, pass separator={other!r}.",
                AudioWarning,
                stacklevel=3,
            )
            return


def _targets(parsed, labels, unknown_tags, name):
    """Turn tags to targets; unknown tags and rows without a tag are reported."""
    tags_there = {tag for *_, tags in parsed for tag in tags or ()}
    if not tags_there:
        raise LabelError(
            f"No row of {name} has a tag.",
            received=f"{len(parsed)} rows",
            advice="Check the column of the tags and what separates them.",
        )
    names = sorted(tags_there) if labels is None else list(labels)
    column = {label: i for i, label in enumerate(names)}
    strange = [
        f"{place}: {listed(repr(tag) for tag in tags if tag not in column)}"
        for place, _, tags in parsed
        if set(tags or ()) - set(column)
    ]
    if strange:
        problem = f"{len(strange)} rows of {name} have tags that are not labels."
        if unknown_tags == "raise":
            raise LabelError(
                problem,
                received=listed(strange),
                advice="Correct them, add them to `labels`, or pass "
                'unknown_tags="drop".',
            )
        warn_of(problem, listed(strange), "taken off their tracks")
    targets = np.zeros((len(parsed), len(names)), "float32")
    for row, (_, _, tags) in enumerate(parsed):
        if tags is None:
            targets[row] = np.nan
        else:
            targets[row, [column[tag] for tag in tags if tag in column]] = 1
    _mention_negatives(parsed, targets, names, name)
    return targets, names


def _mention_negatives(parsed, targets, known, name) -> None:
    rows = [parsed[i][0] for i in np.flatnonzero((targets == 0).all(axis=1))]
    columns = [known[i] for i in np.flatnonzero(~(targets == 1).any(axis=0))]
    for what, listing in (
        (f"{len(rows)} rows of {name} have no tag: all labels are negative.", rows),
        (f"{len(columns)} labels have no track in {name}: all negative.", columns),
    ):
        if listing:
            warnings.warn(
                f"{what} Received: {listed(listing)}. Check them; `?` in the column "
                "of the tags says that they are unknown.",
                AudioWarning,
                stacklevel=4,
            )
