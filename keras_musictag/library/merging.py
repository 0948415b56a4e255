"""`merge`: several libraries, such as the shards of one, into one."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_musictag.errors import AudioWarning, ConfigError
from keras_musictag.library import schema
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.missing import known_paths, mark, missing_paths
from keras_musictag.library.store import ERRORS, Store

BATCH_ROWS = 65536


def merge(libraries: Iterable[str | Path], folder: str | Path) -> Path:
    """Bring libraries together in a new one, or add them to one that is there.

    That happens in one moment: whoever reads meanwhile, and a run that is killed, has
    what was there before. Of two versions of a preset the last library's is the current
    one; an `AudioWarning` says how many tracks only the other has heard.

    Args:
        libraries: Folders that `build` has made. Of a track that several of them
            know, the last one counts.
        folder: Where to: a new folder, or a library.

    Returns:
        The folder.

    Raises:
        ConfigError: If one of them is no library, or the folder cannot be written.
        MissingExtraError: If pyarrow or DuckDB is not installed.

    Example:

    ```python
    import keras_musictag as kmt

    clip = kmt.audio.demo_path()
    for i in (1, 2):
        kmt.library.build(clip, f"part-{i}", shard=f"{i}/2")
    kmt.library.merge(["part-1", "part-2"], "whole")
    ```
    """
    target = Store(folder)
    folders = [libraries] if isinstance(libraries, (str, Path)) else list(libraries)
    stores = [Store(library) for library in folders]
    for store in stores:
        if not store.exists or store.folder == target.folder:
            raise ConfigError(
                "This is no library that can be merged.",
                received=f"{store.folder} into {target.folder}",
                advice="Name folders that `library build` has made, and another one "
                "for the result.",
            )
    with target.locked():
        earlier = list(target.analyses)
        current = earlier
        for store in stores:
            names = {(a.kind, a.name) for a in current}
            newer = {(a.kind, a.name): a for a in store.analyses}
            # Of two versions of a preset the later library's is the current one.
            current = [newer.get((a.kind, a.name), a) for a in current]
            current += [a for k, a in newer.items() if k not in names]
            earlier += [a for a in store.analyses if a not in earlier]
        gone = _gone([target, *stores])
        with target.all_at_once(current):
            for store in stores:  # before the rows: what worked elsewhere counts
                _copy(store, target, ERRORS, schema.errors())
            for store in stores:
                for analysis in store.analyses:
                    _copy(store, target, analysis.id, schema.rows(analysis))
            back = missing_paths(target) - gone
            mark(target, sorted(back), False)
            mark(target, sorted(gone), True)
        _tell_left_out(target, [a for a in earlier if a not in current])
        target.compact()
    return target.folder


def _gone(stores: list[Store]) -> set[str]:
    """The files that are gone, as the last library says that knows them."""
    gone: set[str] = set()
    for store in stores:
        gone = gone.difference(known_paths(store)) | missing_paths(store)
    return gone


def _tell_left_out(target: Store, earlier: list[Analysis]) -> None:
    """Warn of tracks that only earlier versions of an analysis have heard."""
    for old in earlier:
        (new,) = [
            a for a in target.analyses if (a.kind, a.name) == (old.kind, old.name)
        ]
        with target.connect([old, new]) as connection:
            ((count,),) = connection.execute(
                f"SELECT count(*) FROM {schema.quoted(old.id)} "
                f"WHERE path NOT IN (SELECT path FROM {schema.quoted(new.id)})"
            ).fetchall()
        if count:
            warnings.warn(
                f"{count} tracks are known by another version of {old.name!r} alone, "
                f"and searches leave out what it says. Received: {old.preset} "
                f"({old.id}), current is {new.preset} ({new.id}). Build the library "
                "with the current one to have it for these tracks too.",
                AudioWarning,
                stacklevel=3,
            )


def _copy(store: Store, target: Store, name: str, columns: Any) -> None:
    import pyarrow as pa

    chosen = ", ".join(schema.quoted(column) for column in columns.names)
    with store.connect(store.analyses, errors=True) as connection:
        rows = connection.sql(f"SELECT {chosen} FROM {schema.quoted(name)}")
        for batch in rows.to_arrow_reader(BATCH_ROWS):
            table = pa.Table.from_batches([batch]).cast(columns)
            if not len(table):
                continue
            sequence = target.next_sequence()
            numbers = pa.array([sequence] * len(table), pa.int64())
            table = _with_column(table, columns, "sequence", numbers)
            if "replaces" in columns.names:  # it has: the old rows are not copied
                nothing = pa.nulls(len(table), pa.string())
                table = _with_column(table, columns, "replaces", nothing)
            target.write_part(name, table, sequence)


def _with_column(table: Any, columns: Any, name: str, values: Any) -> Any:
    return table.set_column(columns.names.index(name), columns.field(name), values)
