"""Which files a run is about, and what of them is still to be done."""

import codecs
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.request import url2pathname

from keras_musictag import audio
from keras_musictag.data.tables import read_rows
from keras_musictag.errors import ConfigError
from keras_musictag.library.addresses import (
    as_text,
    content_hash,
    expand,
    from_text,
    is_address,
    is_gone,
    state,
)
from keras_musictag.library.jobs import Analysis, Copy, Job
from keras_musictag.library.store import Store

FILE_URL = re.compile("file://(localhost)?(?=/)", re.IGNORECASE)
TABLES, LISTS = {".csv", ".tsv"}, {".txt", ".m3u", ".m3u8"}


def find_tracks(sources: str | Path | Iterable[str | Path]) -> list[str]:
    """Return the absolute paths that sources stand for, each one once.

    Args:
        sources: Folders, globs, audio files, also as addresses (`"s3://..."`); tables
            with a column `path` (.csv, .tsv); lists with a path in each line (.txt,
            .m3u, .m3u8), relative to the list, or a `file://` URL. A line of a .m3u
            that is no UTF-8 is in Windows' encoding (cp1252), and a backslash separates
            folders, unless a file of the name as it is written exists.

    Raises:
        AudioError: If a folder or a glob has no audio.
        ConfigError: If a list or an address cannot be read or there is no track.
        LabelError: If a table cannot be read.
    """
    listed = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    paths: dict[str, None] = {}
    for source in listed:
        files = expand(source) if is_address(source) else _files(Path(source))
        paths.update(dict.fromkeys(map(absolute, files)))
    if not paths:
        raise ConfigError(
            "There are no tracks.",
            received=f"sources={[str(source) for source in listed]}",
            advice="Name folders, files, or a list of files.",
        )
    return list(paths)


def absolute(path: str | Path) -> str:
    """Return a path as the library knows it: absolute; an address as it is."""
    return str(path) if is_address(path) else os.path.abspath(path)


def _files(source: Path) -> Iterable[str | Path]:
    suffix = source.suffix.lower()
    if suffix in TABLES and not source.is_dir():
        return _table(source)
    if suffix in LISTS and not source.is_dir():
        return _list(source.expanduser())
    return audio.find_files(source)


def _within(folder: Path, path: str) -> str | Path:
    return path if is_address(path) else folder / Path(path).expanduser()


def _table(path: Path) -> Iterator[str | Path]:
    header, rows, name, folder = read_rows(path)
    if "path" not in header:
        raise ConfigError(
            f"The table {name} has no column 'path'.",
            received=f"columns {header}",
            advice="Give one, with a file in each row.",
        )
    for _, row in rows:
        if row["path"]:
            yield _within(folder, row["path"])


def _list(path: Path) -> Iterator[str | Path]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            "The list of tracks cannot be read.",
            received=f"{path}: {error.strerror}",
            advice="Give a text file with a path in each line.",
        ) from error
    playlist = path.suffix.lower() != ".txt"
    for line in map(bytes.strip, content.removeprefix(codecs.BOM_UTF8).splitlines()):
        if line and not (playlist and line.startswith(b"#")):
            yield _listed(path, line)


def _listed(path: Path, line: bytes) -> str | Path:
    """Read a line as that of its readings which exists; as the first if none does."""
    text = line.decode("utf-8", "surrogateescape")
    url = FILE_URL.match(text)
    if url:
        texts = [url2pathname(text[url.end() :]), text[url.end() :]]
    elif is_address(text):
        return text
    else:
        texts = [text]
        # Winamp and its kin write Windows' own encoding; bytes may be names as well.
        if path.suffix.lower() == ".m3u" and text != line.decode("utf-8", "replace"):
            texts.insert(0, line.decode("cp1252", "surrogateescape"))
        texts += [text.replace("\\", "/") for text in texts]
    paths = [path.parent / Path(text).expanduser() for text in texts]
    return next((path for path in paths if os.path.lexists(path)), paths[0])


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

    def shard_of(path: str) -> int:
        digest = hashlib.sha256(os.fsencode(path)).digest()
        return int.from_bytes(digest[:8], "big") % count

    return [path for path in paths if shard_of(path) == number - 1]


class FileState(NamedTuple):
    """A file with its size and time of change in ns, each `None` if unknown."""

    path: str
    size: int | None
    mtime_ns: int | None


class Scanner:
    """Compares files with what a library knows of them.

    Args:
        store: The library.
        analyses: What is wanted of each track.
        retry_failed: Whether what failed is tried again.
    """

    def __init__(self, store: Store, analyses: list[Analysis], retry_failed: bool):
        self.analysed = {a.id: store.analysed(a) for a in analyses}
        self.failed = store.failed()
        self.retry_failed = retry_failed
        self.by_hash = {
            key: {sha: path for path, (_, _, sha) in tracks.items() if sha}
            for key, tracks in self.analysed.items()
        }
        self.sizes = {
            size for tracks in self.analysed.values() for size, _, _ in tracks.values()
        }

    def known(self) -> Iterator[str]:
        """Yield each path that has a row or an error; some more than once."""
        for tracks in self.analysed.values():
            yield from tracks
        yield from (path for path, _ in self.failed)

    def pending(self, paths: Iterable[str]) -> list[FileState]:
        """Return the files that are new or have changed, without opening one."""
        files = (FileState(path, *state(path)) for path in paths)
        return [file for file in files if self._missing(file)]

    def jobs(self, pending: Iterable[FileState]) -> Iterator[Job]:
        """Yield what is to be done about pending files.

        A file whose size is that of a known one is read, to compare their hashes: what
        is known of the same bytes is copied. Of the others whoever analyses them finds
        the hash.
        """
        for file in pending:
            text, sha256 = as_text(file.path), None
            missing = self._missing(file)
            if file.size in self.sizes:
                file, sha256 = identified(file)
            wanted, copies, replaces = [], [], None
            for key in missing:
                source = self._same(key, text, sha256)
                if source is None:
                    wanted.append(key)
                    continue
                copies.append(Copy(key, source))
                if source != text and is_gone(from_text(source)):
                    replaces = source  # the file was moved
            yield Job(*file, sha256, tuple(wanted), tuple(copies), replaces)

    def _missing(self, file: FileState) -> list[str]:
        """The ids of analyses that have neither a row nor an error of this state.

        A row does not count if the file has failed since, though it is back as it was.
        """
        text, now = as_text(file.path), (file.size, file.mtime_ns)
        missing = []
        for key, tracks in self.analysed.items():
            failed = self.failed.get((text, key))
            if failed is not None:
                done = failed == now and not self.retry_failed
            else:
                done = text in tracks and tracks[text][:2] == now
            if not done:
                missing.append(key)
        return missing

    def _same(self, key: str, text: str, sha256: str | None) -> str | None:
        """The path of a row that holds the same bytes; the file's own if it can."""
        if sha256 is None:
            return None
        own = self.analysed[key].get(text)
        if own is not None and own[2] == sha256:
            return text
        return self.by_hash[key].get(sha256)


def identified(file: FileState) -> tuple[FileState, str | None]:
    """Hash a file; returns its state while that was done, and the hash.

    The hash is `None` if the file cannot be read, or is being written.
    """
    if is_address(file.path):
        return file, content_hash(file.path)
    now = FileState(file.path, *state(file.path))
    sha256 = content_hash(file.path)
    return now, sha256 if state(file.path) == now[1:] else None
