"""Parts: the Parquet files of a library, each whole and as it was written, or refused.

The name of a part tells the writes that it holds and the digest of its bytes:
`part-000000007.<digest>.parquet`, or `part-000000001-000000048.<digest>.parquet` after
parts were joined. Those of earlier versions have no digest.
"""

import contextlib
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from keras_musictag.errors import ConfigError, LibraryError
from keras_musictag.replacing import SUFFIX, sync, take_place

SMALL_ROWS = 8192  # parts of fewer rows are joined, so only these are ever removed
NAME = re.compile(r"part-(\d+)(?:-(\d+))?(?:\.([0-9a-f]{16}))?\.parquet")
READ_BYTES = 2**20


class Part(NamedTuple):
    """A part that was opened: its rows can be read even if a writer removes it.

    `source` is an open file, or the path of a part too large to be ever joined.
    """

    path: Path
    source: Any
    rows: int


def numbers(path: Path) -> tuple[int, int]:
    """Return the first and the last write that a part holds, from its name.

    Raises:
        LibraryError: If that is no name of a part.
    """
    match = NAME.fullmatch(path.name)
    if match is None:
        raise LibraryError(
            "A file has the place of a part of the library, but not its name.",
            received=path,
            advice="Give it the name back that it had, or move it elsewhere.",
        )
    first, last, _ = match.groups()
    return int(first), int(last or first)


def listed(folder: Path) -> list[Path]:
    """Return the parts in a folder, the oldest first.

    A list is read in pieces: while parts are joined, one may have neither the new part
    nor the old ones. The new one is there before the first old one goes, so two lists
    that agree have all.
    """
    names: set[Path] = set()
    while True:
        before, names = names, set(folder.glob("part-*.parquet"))
        if names == before:
            return sorted(names, key=lambda path: (numbers(path), path.name))


# === Writing ===


class _HashedFile(io.BufferedWriter):
    """A file that keeps the digest of what is written to it."""

    def __init__(self, path: Path):
        super().__init__(io.FileIO(path, "wb"))
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return super().write(data)


def write(folder: Path, table: Any, first: int, last: int | None = None) -> Path:
    """Write a table as a part: all of it or nothing.

    Args:
        folder: Where to; it exists.
        table: `pyarrow.Table`.
        first, last: Which writes it holds; one if `last` is `None`. A part of the same
            numbers goes.

    Returns:
        The path of the part.

    Raises:
        OSError: If it cannot be written; what was there stays.
    """
    import pyarrow.parquet as pq

    stem = f"part-{first:09d}" + ("" if last is None else f"-{last:09d}")
    before = [path for path in listed(folder) if path.name.split(".")[0] == stem]
    unfinished = folder / f".{stem}{SUFFIX}"  # whoever holds the lock writes alone
    try:
        with _HashedFile(unfinished) as file:
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)
        sync(unfinished)
        path = folder / f"{stem}.{file.sha256.hexdigest()[:16]}.parquet"
        take_place(unfinished, path)
        sync(folder)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
    remove(before, path)
    return path


def remove(parts: Iterable[Path], kept: Path) -> None:
    """Remove parts whose rows are in the part `kept`.

    Whoever is killed here leaves rows twice, which is allowed.

    Raises:
        OSError: If that fails for another reason than that somebody reads them.
    """
    for part in parts:
        if part != kept:
            # Windows removes nothing that is open: the next joining does.
            try:
                part.unlink()
            except PermissionError:
                if os.name != "nt":
                    raise


def join(folder: Path, parts: list[Part]) -> None:
    """Bring the rows of small parts, the oldest first, together in one.

    Raises:
        LibraryError: If one of them is damaged: nothing is joined then.
        OSError: If the new one cannot be written.
    """
    import pyarrow as pa

    tables = [_read(part) for part in parts]
    table = pa.concat_tables(tables, promote_options="default")
    for part in parts:
        part.source.close()
    first, last = numbers(parts[0].path)[0], numbers(parts[-1].path)[1]
    path = write(folder, table, first, last)
    remove([part.path for part in parts], path)


def drop(
    folder: Path, opened: Iterable[Part], is_dropped: Callable[[str], bool]
) -> None:
    """Write parts anew without the rows of some paths.

    Raises:
        LibraryError: If one of them is damaged.
        OSError: If one cannot be written.
    """
    for part in opened:
        table = _read(part)
        if not isinstance(part.source, (str, Path)):
            part.source.close()
        kept = [not is_dropped(path) for path in table.column("path").to_pylist()]
        if all(kept):
            continue
        if any(kept):
            first, last = numbers(part.path)
            joined = "-" in part.path.stem.removeprefix("part-")
            write(folder, table.filter(kept), first, last if joined else None)
        else:
            part.path.unlink()


# === Reading ===


def snapshot(folder: Path, whole: set[Path]) -> list[Part]:
    """Open the parts of a folder as they are at one moment.

    Args:
        folder: The folder.
        whole: Parts whose digest need not be looked at again; new ones are added.

    Returns:
        The parts, the oldest first.

    Raises:
        LibraryError: If one is damaged or cannot be read.
    """
    paths = listed(folder)
    while True:
        try:
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                parts = list(pool.map(lambda p: opened(p, p in whole), paths))
        except FileNotFoundError as error:  # it was joined with others meanwhile
            paths, before = listed(folder), paths
            if paths == before:  # a link that leads nowhere
                raise _damaged(Path(error.filename or folder), error) from error
            continue
        whole.update(paths)
        return parts


def opened(path: Path, trusted: bool = False) -> Part:
    """Open a part, and check that it is as it was written.

    Args:
        path: The part.
        trusted: Whether its digest was looked at before.

    Raises:
        FileNotFoundError: If it is gone.
        LibraryError: If it is damaged or cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    match = NAME.fullmatch(path.name)
    digest = match and match.group(3)
    try:
        file = pa.OSFile(str(path), "r")
        if digest and not trusted and _sha256(file) != digest:
            raise _damaged(path, "its bytes are not those that were written")
        file.seek(0)
        rows = pq.read_metadata(file).num_rows
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    if rows < SMALL_ROWS:
        return Part(path, file, rows)
    file.close()
    return Part(path, str(path), rows)


def data_set(parts: Iterable[Part], columns: Any) -> Any:
    """Return the rows of parts as an Arrow data set; columns that lack are null."""
    import pyarrow.dataset as ds
    import pyarrow.fs as fs

    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    format = ds.ParquetFileFormat(default_fragment_scan_options=options)
    disk = fs.LocalFileSystem()
    fragments = [
        format.make_fragment(p.source, disk if isinstance(p.source, str) else None)
        for p in parts
    ]
    return ds.FileSystemDataset(fragments, columns, format, disk)


def find_damage(parts: Iterable[Part]) -> None:
    """Read parts to the end that carry no digest, after something has failed.

    Raises:
        ConfigError: If a part has gone.
        LibraryError: If one is damaged.
    """
    for part in parts:
        if isinstance(part.source, str) and not part.path.exists():
            raise ConfigError(
                "A part of the library was removed while it was read.",
                received=part.path,
                advice="Run the same again.",
            )
        _read(part)


def _read(part: Part) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(part.source, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(part.path, error) from error


def _sha256(file: Any) -> str:
    sha256 = hashlib.sha256()
    while piece := file.read(READ_BYTES):
        sha256.update(piece)
    return sha256.hexdigest()[:16]


def _damaged(path: Path, why: object) -> LibraryError:
    return LibraryError(
        "A part of the library is damaged.",
        received=f"{path} ({' '.join(str(why).split())})",
        advice="Restore it from a backup. If there is none, move it out of the "
        "library's folder and run the same `library build` or `merge` again: what was "
        "in it is made anew, the other parts stay. A disk that does this should be "
        "checked.",
    )
