"""Files that are gone: `build` marks their tracks, `forget` drops them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from keras_musictag.errors import ConfigError
from keras_musictag.library import schema
from keras_musictag.library.addresses import covered, from_text, is_address, is_gone
from keras_musictag.library.scanning import FileState, Scanner
from keras_musictag.library.store import ERRORS, MISSING, Store, fetch


def missing_paths(store: Store) -> set[str]:
    """Return the paths of the tracks that are marked."""
    if not store.has_parts(MISSING):  # as in most libraries
        return set()
    with store.connect([]) as connection:
        return {path for (path,) in fetch(connection.execute("FROM missing"))}


def known_paths(store: Store) -> Iterator[str]:
    """Yield each path that has a row, or an error of a file that is not gone."""
    names = [*(schema.quoted(a.id) for a in store.analyses), "errors"]
    chosen = " UNION ".join(f"SELECT path FROM {name}" for name in names)
    with store.connect(store.analyses, errors=True) as connection:
        for (path,) in fetch(connection.execute(chosen)):
            yield path


def mark(store: Store, paths: Iterable[str], missing: bool) -> None:
    """Note that the files of tracks are gone, or that they are there again."""
    import pyarrow as pa

    origin = store.origin(store.next_sequence())
    marks = [{"path": path, "missing": missing, **origin} for path in paths]
    if marks:
        table = pa.Table.from_pylist(marks, schema=schema.missing())
        store.write_part(MISSING, table, origin["sequence"])


def mark_returned(store: Store) -> None:
    """Take the mark from tracks whose file is there again."""
    mark(store, [path for path in missing_paths(store) if not _is_gone(path)], False)


def mark_missing(
    store: Store,
    scanner: Scanner,
    paths: Iterable[str],
    pending: Iterable[FileState],
    addresses: Iterable[str] = (),
) -> int:
    """Mark the tracks whose file is gone.

    Args:
        store: The library, locked.
        scanner: Has told what was known before the run.
        paths: The files of this run.
        pending: Those of them with something to do; one without a size is not there.
        addresses: Only below these is an address looked for.

    Returns:
        How many tracks were marked that were not before.
    """
    there = set(paths).difference(file.path for file in pending if file.size is None)
    ends = [covered(address) for address in addresses]

    def in_question(path: str) -> bool:
        if path in there:
            return False
        outside = is_address(path) and from_text(path) == path
        return not outside or any(
            path.startswith(begin) and path.endswith(end) for begin, end in ends
        )

    marked = missing_paths(store)

    def unmarked(known: Iterable[str]) -> Iterator[str]:
        return (
            path
            for path in known
            if path not in marked and in_question(path) and _is_gone(path)
        )

    all_known = scanner.analysed.keys() >= {a.id for a in store.analyses}
    if all_known and next(unmarked(scanner.known()), None) is None:
        return 0
    gone = list(unmarked(known_paths(store)))  # without those that were moved
    mark(store, gone, True)
    return len(gone)


def forget(folder: str | Path) -> int:
    """Drop the tracks of a library whose files are gone.

    What `build` has marked as missing leaves the files of the library, those of
    earlier versions of its presets too. If one comes back it is analysed again.

    Args:
        folder: The library.

    Returns:
        How many tracks were dropped.

    Raises:
        ConfigError: If the folder is no library, is being written by another
            process, or cannot be written.
        MissingExtraError: If pyarrow or DuckDB is not installed.

    Example:

    ```python
    import pathlib
    import keras_musictag as kmt

    song = pathlib.Path("song.ogg")
    song.write_bytes(kmt.audio.demo_path().read_bytes())
    kmt.library.build([song, kmt.audio.demo_path()], "my_library")
    song.unlink()
    kmt.library.build(kmt.audio.demo_path(), "my_library").missing  # 1
    kmt.library.forget("my_library")  # 1
    ```
    """
    store = Store(folder)
    if not store.exists:
        raise ConfigError(
            "There is no library in this folder.",
            received=folder,
            advice="Name one that `library build` has made.",
        )
    with store.locked():
        mark_returned(store)
        gone, known = missing_paths(store), set(known_paths(store))
        kept = known | gone
        # Rows of a moved file's old path first: the row that took their place may be
        # among those that go, and without it they would count again.
        for analysis in store.analyses:
            store.drop(analysis.id, lambda path: path not in kept)
        folders = {part.parent.name for part in store.folder.glob("*/part-*.parquet")}
        # The marks last: until then nobody sees what a killed run has left.
        for name in [ERRORS, *sorted(folders - {ERRORS, MISSING}), MISSING]:
            store.drop(name, gone.__contains__)
    return len(known & gone)


def _is_gone(path: str) -> bool:
    return is_gone(from_text(path))
