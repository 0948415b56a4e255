"""Where tracks lie: in files, or at addresses that fsspec knows."""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

from keras_musictag.audio.decoders import AV_SUFFIXES, SOUNDFILE_SUFFIXES
from keras_musictag.errors import (
    AudioError,
    ConfigError,
    MissingExtraError,
    MusicTagError,
    import_extra,
)

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
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


def state(path: str) -> tuple[int | None, int | None]:
    """Return size and time of change in ns of a file, each `None` if unknown."""
    if not is_address(path):
        try:
            file = os.stat(path)
        except (OSError, ValueError):  # missing: decoding will say so
            return None, None
        return file.st_size, file.st_mtime_ns
    try:
        system, inner = _opened(path)
        size = system.info(inner)["size"]
    except Exception:  # fetching it will say so
        return None, None
    try:
        return size, int(system.modified(inner).timestamp() * 1e9)
    except Exception:  # a web server, for example, does not tell: the size decides
        return size, None


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
