"""The folder of a library: Parquet parts, written so that a crash loses nothing."""

import contextlib
import datetime
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras_musictag
from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.library import parts, schema
from keras_musictag.library.description import (
    DESCRIPTION,
    LOCK,
    Description,
    read_description,
)
from keras_musictag.library.jobs import Analysis
from keras_musictag.replacing import SUFFIX, replacing

ERRORS, MISSING = "errors", "missing"
SMALL_PARTS = 48  # so many small parts become one


class Store:
    """Reads and writes the files of a library; see `docs/library.md` for the layout.

    Args:
        folder: The library's folder; `write` and `register` make it.

    Attributes:
        folder: Its absolute path.
        analyses: What is known in it, in the order that searches use.

    Raises:
        ConfigError: If the folder is no library, or was written by a newer version.
        MissingExtraError: If pyarrow or DuckDB is not installed.
    """

    def __init__(self, folder):
        import_extra("pyarrow", "library", "A library")
        import_extra("duckdb", "library", "A library")
        self.folder = Path(folder).expanduser().absolute()
        self._whole: set[Path] = set()  # parts whose digest was right
        self._take(read_description(self.folder))

    @property
    def exists(self) -> bool:
        """Whether there is a library in the folder."""
        return bool(self.analyses)

    def _take(self, description: Description) -> None:
        self.analyses = list(description.analyses)
        self._unfinished = description.unfinished

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who writes; what a killed run left half-written goes.

        Raises:
            ConfigError: If another process writes, or the folder cannot be written.
        """
        import filelock

        with self._explained():
            self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / LOCK, timeout=0)
        with self._explained():
            try:
                lock.acquire()
            except filelock.Timeout as error:  # an OSError as well
                raise ConfigError(
                    "Another process is writing this library.",
                    received=self.folder,
                    advice="Wait for it, or build a shard in a folder of its own and "
                    "use `merge`.",
                ) from error
        try:
            with self._explained():
                for rest in self.folder.glob(f"**/.*{SUFFIX}"):
                    rest.unlink()
            self._take(read_description(self.folder))
            self._undo()
            yield
        finally:
            lock.release()

    # === Writing ===

    def register(self, analyses: Iterable[Analysis]) -> None:
        """Make these the current analyses of their names; others stay.

        Args:
            analyses: In the order that searches shall use.
        """
        new = list(analyses)
        names = {(a.kind, a.name) for a in new}
        kept = [a for a in self.analyses if (a.kind, a.name) not in names]
        if [*new, *kept] == self.analyses and self.exists:
            return
        self.analyses = [*new, *kept]
        self._describe()

    @contextlib.contextmanager
    def all_at_once(self, analyses: list[Analysis]) -> Iterator[None]:
        """Let parts that the block writes count in one moment, at its end.

        After an error, or a kill, the library is as it was before.

        Args:
            analyses: The current ones from that moment on.
        """
        self._unfinished = self.next_sequence()
        self._describe()
        try:
            yield
        except BaseException:
            self._undo()
            raise
        self.analyses, self._unfinished = analyses, None
        self._describe()

    def _undo(self) -> None:
        """Remove what `all_at_once` has not finished."""
        if self._unfinished is None:
            return
        with self._explained():
            for part in self.folder.glob("*/part-*.parquet"):
                if parts.numbers(part)[1] >= self._unfinished:
                    part.unlink()
        self._unfinished = None
        self._describe()

    def _describe(self) -> None:
        text = Description(tuple(self.analyses), self._unfinished).to_json()
        with self._replaced(self.folder / DESCRIPTION) as file:
            file.write(text.encode())

    def write(
        self, rows: dict[Analysis, list[dict]], errors: list[dict] | None = None
    ) -> None:
        """Write rows and errors, each kind as one new part.

        Args:
            rows: By analysis; each with the columns of its schema that are known
                (`sequence` and the like are added).
            errors: Rows of the table of errors.

        Raises:
            ConfigError: If the disk is full or may not be written; what was there
                stays.
        """
        import pyarrow as pa

        sequence = self.next_sequence()
        common = self.origin(sequence)
        for analysis, values in rows.items():
            if not values:
                continue
            facts = {
                **common,
                "preset": analysis.preset,
                "weights_sha256": analysis.weights_sha256,
            }
            ready = [schema.to_row(analysis, {**row, **facts}) for row in values]
            table = pa.Table.from_pylist(ready, schema=schema.rows(analysis))
            self.write_part(analysis.id, table, sequence)
        if errors:
            ready = [{**row, **common} for row in errors]
            table = pa.Table.from_pylist(ready, schema=schema.errors())
            self.write_part(ERRORS, table, sequence)

    def origin(self, sequence: int) -> dict[str, Any]:
        """Return by what and when a row is written: columns that all tables have."""
        return {
            "package_version": keras_musictag.__version__,
            "schema_version": schema.VERSION,
            "sequence": sequence,
            "written": datetime.datetime.now(datetime.UTC),
        }

    def write_part(
        self, name: str, table: Any, sequence: int, last: int | None = None
    ) -> None:
        """Write a table as a part of the folder `name`: all of it or nothing."""
        folder = self.folder / name
        with self._explained():
            folder.mkdir(exist_ok=True)
            parts.write(folder, table, sequence, last)

    @contextlib.contextmanager
    def _replaced(self, path: Path) -> Iterator[Any]:
        """Write a file beside `path`; it takes that name once it is on the disk."""
        with (
            self._explained(),
            replacing(path, durable=True) as part,
            open(part, "wb") as file,
        ):
            yield file

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigError(
                f"The library cannot be written ({error.strerror or error}).",
                received=self.folder,
                advice="Make room, or let it be written; then run the same command "
                "again: what is written stays, and it goes on from there.",
            ) from error

    def drop(self, name: str, is_dropped: Callable[[str], bool]) -> None:
        """Remove the rows of some paths from the parts of the folder `name`."""
        folder = self.folder / name
        with self._explained():
            parts.drop(folder, self._opened(name), is_dropped)

    def next_sequence(self) -> int:
        """Return a number above those of all parts."""
        paths = self.folder.glob("*/part-*.parquet")
        return 1 + max((parts.numbers(path)[1] for path in paths), default=0)

    def compact(self) -> None:
        """Join small parts, so that their number does not grow with the run."""
        for name in [*(a.id for a in self.analyses), ERRORS, MISSING]:
            folder = self.folder / name
            if len(parts.listed(folder)) < SMALL_PARTS:
                continue
            small = [
                part
                for part in parts.snapshot(folder, self._whole)
                if part.rows < parts.SMALL_ROWS
            ]
            if len(small) >= SMALL_PARTS:
                with self._explained():
                    parts.join(folder, small)

    # === Reading ===

    def has_parts(self, name: str) -> bool:
        """Whether anything was ever written into the folder `name`."""
        return bool(parts.listed(self.folder / name))

    def _opened(self, name: str) -> list[parts.Part]:
        """Open the parts of a folder that count."""
        opened = parts.snapshot(self.folder / name, self._whole)
        if self._unfinished is None:
            return opened
        return [p for p in opened if parts.numbers(p.path)[1] < self._unfinished]

    @contextlib.contextmanager
    def connect(
        self, analyses: Iterable[Analysis], errors: bool = False
    ) -> Iterator[Any]:
        """Open an in-memory DuckDB that sees the current rows of each analysis.

        It has the parts of one moment, whatever is written or joined meanwhile.

        Args:
            analyses: Each becomes a view named by its id.
            errors: Whether to give the view `errors` as well.

        Yields:
            The connection.

        Raises:
            LibraryError: If a part is damaged.
        """
        import duckdb
        import pyarrow as pa

        config: dict[str, Any] = {"python_enable_replacements": "false"}
        connection = duckdb.connect(":memory:", config=config)
        read: list[parts.Part] = []

        def add(name: str, columns: Any) -> None:
            opened = self._opened(name)
            read.extend(opened)
            connection.register(f"all:{name}", parts.data_set(opened, columns))

        try:
            for analysis in analyses:
                add(analysis.id, schema.rows(analysis))
                connection.execute(schema.current_rows(analysis.id))
            add(MISSING, schema.missing())
            connection.execute(schema.current_missing())
            if errors:
                add(ERRORS, schema.errors())
                connection.execute(schema.current_errors([a.id for a in self.analyses]))
            yield connection
        except (duckdb.Error, pa.ArrowException, OSError):
            parts.find_damage(read)
            raise
        finally:
            with contextlib.suppress(duckdb.Error):  # busy, after a second Ctrl-C
                connection.close()

    def analysed(self, analysis: Analysis) -> dict[str, tuple[int, int, str]]:
        """Return size, time of change and hash of each track that has a row."""
        with self.connect([analysis]) as connection:
            files = connection.execute(
                f"SELECT path, size, mtime_ns, sha256 FROM {schema.quoted(analysis.id)}"
            )
            return {path: (size, time, sha) for path, size, time, sha in fetch(files)}

    def failed(self) -> dict[tuple[str, str], tuple[int | None, int | None]]:
        """Return size and time of change by path and analysis of what failed."""
        with self.connect(self.analyses, errors=True) as connection:
            failed = connection.execute(
                "SELECT path, analysis, size, mtime_ns FROM errors"
            )
            return {
                (path, key): (size, time) for path, key, size, time in fetch(failed)
            }

    def copy_rows(self, analysis: Analysis, copies: list[dict]) -> None:
        """Write rows that are known under another path or time again.

        Args:
            analysis: Which rows.
            copies: For each: `source` (path) and `sha256` of the row, and the new
                `path`, `size`, `mtime_ns` and `replaces`.
        """
        import pyarrow as pa

        if not copies:
            return
        columns = schema.rows(analysis)
        names = [name for name in columns.names if name not in schema.COPIED]
        sequence = self.next_sequence()
        chosen = ", ".join(f"r.{schema.quoted(name)}" for name in names)
        with self.connect([analysis]) as connection:
            connection.register(
                "copies", pa.Table.from_pylist(copies, schema=schema.copies())
            )
            # Of all rows: at that path there may be another file by now, with a row
            # of its own.
            rows = schema.quoted(f"all:{analysis.id}")
            copied = connection.sql(
                "SELECT c.path, c.size, c.mtime_ns, c.replaces, "
                f"{sequence}::BIGINT AS sequence, {chosen} "
                f"FROM {rows} r JOIN copies c "
                "ON r.path = c.source AND r.sha256 = c.sha256 "
                "QUALIFY row_number() OVER "
                "(PARTITION BY c.path ORDER BY r.sequence DESC) = 1"
            ).to_arrow_table()
        table = copied.select(columns.names).cast(columns)
        self.write_part(analysis.id, table, sequence)


def fetch(answer) -> Iterator[tuple]:
    """Yield the rows that a DuckDB answers with, without a list of all."""
    while batch := answer.fetchmany(10000):
        yield from batch
