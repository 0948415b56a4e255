"""The folder of a library: Parquet parts, written so that a crash loses nothing."""

import contextlib
import datetime
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras_musictag
from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.library import schema
from keras_musictag.library.jobs import Analysis
from keras_musictag.replacing import SUFFIX, replacing

DESCRIPTION, LOCK, ERRORS = "library.json", "library.lock", "errors"
SMALL_ROWS, SMALL_PARTS = 8192, 48  # so many parts of fewer rows become one


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
        self.analyses: list[Analysis] = []
        self._read_description()

    @property
    def exists(self) -> bool:
        """Whether there is a library in the folder."""
        return (self.folder / DESCRIPTION).exists()

    def _read_description(self) -> None:
        path = self.folder / DESCRIPTION
        if not path.exists():
            strangers = self.folder.exists() and (
                not self.folder.is_dir()
                or any(p.name != LOCK for p in self.folder.iterdir())
            )
            if strangers:
                raise ConfigError(
                    "The folder is not empty and holds no library.",
                    received=self.folder,
                    advice="Name a new folder, or one that a library was built in.",
                )
            return
        try:
            about = json.loads(path.read_text("utf-8"))
            version = about["schema_version"]
            analyses = [Analysis.from_config(config) for config in about["analyses"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                "The description of the library cannot be read.",
                received=f"{path}: {type(error).__name__}: {error}",
                advice="Restore the file, or build the library in a new folder.",
            ) from error
        if version > schema.VERSION:
            raise ConfigError(
                "The library was written by a newer version of keras-musictag.",
                received=f"schema version {version}, known is {schema.VERSION}",
                advice="Upgrade keras-musictag.",
            )
        self.analyses = analyses

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
            self._read_description()
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
        about = {
            "schema_version": schema.VERSION,
            "package_version": keras_musictag.__version__,
            "analyses": [a.to_config() for a in self.analyses],
        }
        text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
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
        now = datetime.datetime.now(datetime.UTC)
        common = {
            "package_version": keras_musictag.__version__,
            "schema_version": schema.VERSION,
            "sequence": sequence,
            "written": now,
        }
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

    def write_part(self, name: str, table: Any, sequence: int, last: str = "") -> None:
        """Write a table as a part of the folder `name`: all of it or nothing."""
        import pyarrow.parquet as pq

        folder = self.folder / name
        with self._explained():
            folder.mkdir(exist_ok=True)
        with self._replaced(folder / f"part-{sequence:09d}{last}.parquet") as file:
            pq.write_table(table, file, compression="zstd")

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

    def next_sequence(self) -> int:
        """Return a number above those of all parts."""
        names = (path.stem for path in self.folder.glob("*/part-*.parquet"))
        return 1 + max((int(name.split("-")[-1]) for name in names), default=0)

    def compact(self) -> None:
        """Join small parts, so that their number does not grow with the run."""
        for name in [*(a.id for a in self.analyses), ERRORS]:
            parts = self.parts(name)
            small = [p for p in parts if _row_count(p) < SMALL_ROWS]
            if len(small) >= SMALL_PARTS:
                self._join(name, small)

    def _join(self, name: str, parts: list[Path]) -> None:
        import pyarrow as pa

        tables = [_read_part(part) for part in parts]
        joined = pa.concat_tables(tables, promote_options="default")
        first, last = parts[0].stem.split("-")[1], parts[-1].stem.split("-")[-1]
        self.write_part(name, joined, int(first), f"-{last}")
        kept = self.folder / name / f"part-{first}-{last}.parquet"
        with self._explained():
            for part in parts:  # whoever dies here leaves rows twice, which is allowed
                if part != kept:
                    part.unlink()

    # === Reading ===

    def parts(self, name: str) -> list[Path]:
        """Return the parts of a folder, the oldest first."""
        return sorted((self.folder / name).glob("part-*.parquet"))

    def table(self, name: str, columns: Any) -> Any:
        """Return all rows of a folder as an Arrow data set, superseded ones too."""
        import pyarrow.dataset as ds

        parts = [str(part) for part in self.parts(name)]
        for part in parts:
            _check_part(Path(part))
        if not parts:
            return columns.empty_table()
        return ds.dataset(parts, schema=columns, format="parquet")

    def connect(self, analyses: Iterable[Analysis], errors: bool = False) -> Any:
        """Open an in-memory DuckDB that sees the current rows of each analysis.

        Args:
            analyses: Each becomes a view named by its id.
            errors: Whether to give the view `errors` as well.

        Returns:
            The connection.
        """
        import duckdb

        connection = duckdb.connect(
            ":memory:", config={"python_enable_replacements": "false"}
        )
        for analysis in analyses:
            name = analysis.id
            table = self.table(name, schema.rows(analysis))
            connection.register(f"all:{name}", table)
            connection.execute(schema.current_rows(name))
        if errors:
            connection.register("all:errors", self.table(ERRORS, schema.errors()))
            connection.execute(schema.current_errors([a.id for a in self.analyses]))
        return connection

    def analysed(self, analysis: Analysis) -> dict[str, tuple[int, int, str]]:
        """Return size, time of change and hash of each track that has a row."""
        with self.connect([analysis]) as connection:
            files = connection.execute(
                f"SELECT path, size, mtime_ns, sha256 FROM {schema.quoted(analysis.id)}"
            )
            return {path: (size, time, sha) for path, size, time, sha in _rows(files)}

    def failed(self) -> dict[tuple[str, str], tuple[int | None, int | None]]:
        """Return size and time of change by path and analysis of what failed."""
        with self.connect(self.analyses, errors=True) as connection:
            failed = connection.execute(
                "SELECT path, analysis, size, mtime_ns FROM errors"
            )
            return {
                (path, key): (size, time) for path, key, size, time in _rows(failed)
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


def _rows(answer) -> Iterator[tuple]:
    while batch := answer.fetchmany(10000):
        yield from batch


def _row_count(part: Path) -> int:
    import pyarrow.parquet as pq

    _check_part(part)
    return pq.read_metadata(part).num_rows


def _read_part(part: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(part)


def _check_part(part: Path) -> None:
    """Refuse a file that is no whole Parquet file: parts are never half-written."""
    try:
        with open(part, "rb") as file:
            head = file.read(4)
            file.seek(-4, os.SEEK_END)
            whole = head == file.read(4) == b"PAR1"
    except OSError as error:
        whole, head = False, str(error).encode()
    if not whole:
        raise ConfigError(
            "A part of the library is damaged.",
            received=part,
            advice="Delete it, and build the library again: only its tracks are "
            "analysed anew.",
        )
