"""Which files a run is about, and what of them is still to be done."""

import dataclasses
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from keras_musictag import audio
from keras_musictag.data.tables import read_rows
from keras_musictag.errors import ConfigError
from keras_musictag.library.jobs import Analysis, Job
from keras_musictag.library.store import Store

TABLES, LISTS = {".csv", ".tsv"}, {".txt", ".m3u", ".m3u8"}


def find_tracks(sources: str | Path | Iterable[str | Path]) -> list[str]:
    """Return the absolute paths that sources stand for, each one once.

    Args:
        sources: Folders, globs, audio files; tables with a column `path` (.csv,
            .tsv); lists with a path in each line (.txt, .m3u, .m3u8), relative to
            the list.

    Raises:
        AudioError: If a folder or a glob has no audio.
        ConfigError: If a list cannot be read or there is no track at all.
        LabelError: If a table cannot be read.
    """
    listed = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    paths: dict[str, None] = {}
    for source in map(Path, listed):
        suffix = source.suffix.lower()
        found: Iterable[str | Path]
        if suffix in TABLES and not source.is_dir():
            found = _table(source)
        elif suffix in LISTS and not source.is_dir():
            found = _list(source.expanduser())
        else:
            found = audio.find_files(source)
        paths.update(dict.fromkeys(os.path.abspath(path) for path in found))
    if not paths:
        raise ConfigError(
            "There are no tracks.",
            received=f"sources={[str(source) for source in listed]}",
            advice="Name folders, files, or a list of files.",
        )
    return list(paths)


def _table(path: Path) -> Iterator[Path]:
    header, rows, name, folder = read_rows(path)
    if "path" not in header:
        raise ConfigError(
            f"The table {name} has no column 'path'.",
            received=f"columns {header}",
            advice="Give one, with a file in each row.",
        )
    for _, row in rows:
        if row["path"]:
            yield folder / Path(row["path"]).expanduser()


def _list(path: Path) -> Iterator[Path]:
    try:
        text = path.read_text("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ConfigError(
            "The list of tracks cannot be read.",
            received=f"{path}: {error.strerror}",
            advice="Give a text file with a path in each line.",
        ) from error
    playlist = path.suffix.lower() != ".txt"
    for line in text.splitlines():
        if line.strip() and not (playlist and line.startswith("#")):
            yield path.parent / Path(line.strip()).expanduser()


def in_shard(paths: list[str], shard: str | None) -> list[str]:
    """Return the part of the paths that belongs to a shard.

    Args:
        paths: All of them.
        shard: Such as `"2/8"`: the second of eight; `None` for all. A path is always
            in the same one.

    Raises:
        ConfigError: If there is no such shard.
    """
    if shard is None:
        return paths
    match = re.fullmatch(r"(\d+)/(\d+)", str(shard))
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
        raise ConfigError(
            "There is no such shard.",
            received=f"shard={shard!r}",
            advice="Write '1/4' to '4/4' for four shards.",
        )

    def place(path: str) -> int:
        digest = hashlib.sha256(os.fsencode(path)).digest()
        return int.from_bytes(digest[:8], "big") % count

    return [path for path in paths if place(path) == number - 1]


def as_text(path: str) -> str:
    """Return a path as text that any file can hold, whatever its bytes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclasses.dataclass
class Plan:
    """What is to be done, found without opening a file.

    Attributes:
        pending: Path, size and time of change of each file that may need work.
        found: How many files there are.
    """

    pending: list[tuple[str, int | None, int | None]]
    found: int


class Scanner:
    """Compares files with what a library knows of them.

    Args:
        store: The library.
        analyses: What is wanted of each track.
        retry_failed: Whether what failed is tried again.

    Attributes:
        copies: By analysis: rows that are known under another path or time, to be
            written again; the caller takes them out.
        moved: How many tracks were found under a new path or time.
    """

    def __init__(self, store: Store, analyses: list[Analysis], retry_failed: bool):
        self.known = {a.id: store.known(a) for a in analyses}
        self.failed = {} if retry_failed else store.known_errors()
        self.copies: dict[str, list[dict]] = {a.id: [] for a in analyses}
        self.moved = 0
        self.by_hash = {
            key: {sha: path for path, (_, _, sha) in tracks.items() if sha}
            for key, tracks in self.known.items()
        }

    def plan(self, paths: Iterable[str]) -> Plan:
        """Leave out the files that have not changed since they were analysed."""
        pending, found = [], 0
        for path in paths:
            found += 1
            size, time = _stat(path)
            if self._missing(as_text(path), size, time):
                pending.append((path, size, time))
        return Plan(pending, found)

    def jobs(self, pending: list) -> Iterator[Job]:
        """Read the hashes of pending files, as `plan` gives them; yield what is new."""
        for path, size, time in pending:
            text = as_text(path)
            sha256 = None if size is None else _hash(path)
            wanted, replaces = [], None
            for key in self._missing(text, size, time):
                source = self._same(key, text, sha256)
                if source is None:
                    wanted.append(key)
                    continue
                gone = source != text and not os.path.exists(source)
                replaces = source if gone else None
                copy = {"source": source, "path": text, "replaces": replaces}
                self.copies[key].append({**copy, "size": size, "mtime_ns": time})
            if wanted:
                yield Job(path, size, time, sha256, tuple(wanted), replaces)
            else:
                self.moved += 1

    def _missing(self, text: str, size, time) -> list[str]:
        missing = []
        for key, tracks in self.known.items():
            known = tracks.get(text)
            failed = self.failed.get((text, key), ())
            if (known is None or known[:2] != (size, time)) and failed != (size, time):
                missing.append(key)
        return missing

    def _same(self, key: str, text: str, sha256: str | None) -> str | None:
        """The path of a row that holds the same bytes; the file's own if it can."""
        if sha256 is None:
            return None
        known = self.known[key].get(text)
        if known is not None and known[2] == sha256:
            return text
        return self.by_hash[key].get(sha256)


def _stat(path: str) -> tuple[int | None, int | None]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # missing: decoding will say so
        return None, None
    return found.st_size, found.st_mtime_ns


def _hash(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # decoding will say so
        return None
