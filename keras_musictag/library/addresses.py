"""Where tracks lie: in files, or at addresses that fsspec knows."""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard
from urllib.parse import unquote_to_bytes

from keras_musictag.audio.decoders import AV_SUFFIXES, SOUNDFILE_SUFFIXES
from keras_musictag.errors import (
    AudioError,
    ConfigError,
    MissingExtraError,
    MusicTagError,
    import_extra,
)

LIMIT_NS = 2**63 - 1  # in 2262: what fits into a column
YEAR_NS = 365 * 86400 * 10**9
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
FILE_SCHEME = "file://"
CHAIN = "::"  # fsspec's own: zip://song.mp3::s3://bucket/songs.zip


def is_address(source: Any) -> TypeGuard[str]:
    """Whether a source is an address such as `"s3://bucket/song.mp3"`, not a path."""
    return isinstance(source, str) and ADDRESS.match(source) is not None


def expand(address: str) -> list[str]:
    """Return the addresses of the audio files that an address stands for.

    Args:
        address: Of a file, a folder, or a pattern such as `"s3://bucket/**/*.mp3"`.

    Returns:
        The addresses, sorted; of `file://` the paths.

    Raises:
        AudioError: If a folder has no audio files or a pattern matches none.
        ConfigError: If the address cannot be read.
        MissingExtraError: If fsspec needs a package for it that is not installed.
    """
    try:
        system, path = _opened(address)
        if any(c in path for c in "*?[") and not system.exists(path):
            inside = system.glob(path)
        elif system.isdir(path):
            inside = system.find(path)
        else:
            return [_named(address, system, path)]
    except ImportError as error:  # it names the package, such as s3fs
        raise MissingExtraError(
            f"The address needs a package. Received: {address}: {error}"
        ) from error
    except Exception as error:  # each kind of store has its own kinds of errors
        raise ConfigError(
            "The address cannot be read.",
            received=f"{address}: {type(error).__name__}: {error}",
            advice="Check it, and the credentials that fsspec needs for it.",
        ) from error
    suffixes = SOUNDFILE_SUFFIXES | AV_SUFFIXES
    files = [file for file in inside if PurePosixPath(file).suffix.lower() in suffixes]
    if not files:
        raise AudioError(
            "There are no audio files at the address.",
            received=address,
            advice="Check it; known are .wav, .flac, .ogg, .mp3, .m4a and more.",
        )
    return [_named(address, system, file) for file in sorted(files)]


def covered(address: str) -> tuple[str, str]:
    """Return how the addresses begin and end that an address stands for."""
    chain = CHAIN + address.split(CHAIN, 1)[1] if CHAIN in address else ""
    system, path = _opened(re.split(r"[*?\[]", address)[0] if not chain else address)
    return _named(address, system, path).removesuffix(chain), chain


def state(path: str) -> tuple[int | None, int | None]:
    """Return size and time of change in ns of a file, each `None` if unknown."""
    if not is_address(path):
        try:
            file = os.stat(path)
        except (OSError, ValueError):  # missing: decoding will say so
            return None, None
        return file.st_size, _bounded(file.st_mtime_ns)
    try:
        system, inner = _opened(path)
        size = system.info(inner)["size"]
    except Exception:  # fetching it will say so
        return None, None
    try:
        return size, _bounded(int(system.modified(inner).timestamp() * 1e9))
    except Exception:  # a web server, for example, does not tell: the size decides
        return size, None


def _bounded(time_ns: int) -> int:
    """Bring a time before 1677 or beyond 2262 into the year that is nearest.

    Other times stay other ones: of whatever changes, the time has to.
    """
    if abs(time_ns) <= LIMIT_NS:
        return time_ns
    bounded = LIMIT_NS - abs(time_ns) % YEAR_NS
    return bounded if time_ns > 0 else -bounded


def is_gone(path: str) -> bool:
    """Whether there is no such file; not if that cannot be told."""
    try:
        if is_address(path):
            system, inner = _opened(path)
            system.info(inner)
        else:
            os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except Exception:  # each kind of store has its own; it may be back tomorrow
        return False
    return False


def as_text(path: str) -> str:
    """Return a path as text that any file can hold, and that no other path has.

    A name that is no UTF-8 becomes a `file://` URL with its bytes as `%E9`.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        if is_address(path):
            return printable(path)
        return Path(path).as_uri()
    return path


def printable(text: str) -> str:
    """Return a text that any file can hold, whatever bytes of names are in it."""
    return text.encode("utf-8", "backslashreplace").decode()


def from_text(text: str) -> str:
    """Return the path of which `as_text` made a text."""
    if not text.startswith(FILE_SCHEME):
        return text
    return os.fsdecode(unquote_to_bytes(text.removeprefix(FILE_SCHEME)))


def content_hash(path: str) -> str | None:
    """Return the SHA-256 of a file's bytes; `None` if it cannot be read."""
    try:
        with _reading(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except Exception:  # decoding will say so
        return None


@contextlib.contextmanager
def fetched(path: str) -> Iterator[str]:
    """Bring a track to this machine: a context that gives the path of a file.

    Args:
        path: A path, which is given back, or an address, whose file is copied to a
            temporary one.

    Raises:
        AudioError: If it cannot be fetched. Errors of the `with` block name the
            address in place of the temporary file.
    """
    if not is_address(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="keras-musictag-") as folder:
        try:
            system, inner = _opened(path)
            name = PurePosixPath(re.split("[?#]", inner)[0]).name
            file = str(Path(folder, name or "track"))
            system.get_file(inner, file)
        except Exception as error:  # each kind of store has its own kinds of errors
            raise AudioError(
                "The audio file cannot be fetched.",
                received=f"{path}: {type(error).__name__}: {error}",
                advice="Check the address, and the credentials that it needs.",
            ) from error
        try:
            yield file
        except MusicTagError as error:
            raise type(error)(
                error.problem,
                received=str(error.received).replace(file, path),
                advice=error.advice,
            ) from error


def _opened(address: str) -> tuple[Any, str]:
    fsspec = import_extra("fsspec", "library", "Reading addresses")
    return fsspec.core.url_to_fs(address)


@contextlib.contextmanager
def _reading(path: str) -> Iterator[Any]:
    if not is_address(path):
        with open(path, "rb") as file:
            yield file
        return
    system, inner = _opened(path)
    with system.open(inner, "rb") as file:
        yield file


def _named(address: str, system: Any, path: str) -> str:
    """The address of a path that lies at another one; of a local file its path."""
    chain = CHAIN + address.split(CHAIN, 1)[1] if CHAIN in address else ""
    name = system.unstrip_protocol(path)
    if not chain and name.startswith("file://"):
        return path
    return name + chain
