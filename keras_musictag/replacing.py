"""Files and folders written beside their place, which they take in one moment."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

# What a killed run leaves behind ends so; it begins with a dot.
SUFFIX = ".part"


@contextlib.contextmanager
def replacing(path, *, durable: bool = False) -> Iterator[Path]:
    """Give a free name beside `path`; what is written there takes its place.

    Whoever reads, and whoever is killed, sees what was there before or all of the new.
    After an error `path` is as it was and nothing is left beside it.

    Args:
        path: The file, or the folder, to be written.
        durable: Whether it must be on the disk before it takes the place, so that not
            even a power failure leaves a part of it.

    Yields:
        The path to write to, in the same folder. The block makes a file or a folder
        of this name.

    Raises:
        OSError: If the place cannot be taken.

    Example:

    ```python
    with replacing("scores.json") as part:
        part.write_text("{}", "utf-8")
    ```
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{SUFFIX}")
    try:
        yield part
        if durable:
            sync(part)
        take_place(part, path)
        if durable:
            sync(path.parent)
    finally:
        _remove(part)


def sync(path) -> None:
    """Have a file or a folder's list of names written to the disk.

    Args:
        path: The file or the folder.

    Raises:
        OSError: If that fails.
    """
    folder = os.path.isdir(path)
    if folder and os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def take_place(part: Path, path: Path) -> None:
    """Move what is finished to its place; what was there goes in the same moment.

    Args:
        part: The new file or folder, on the same disk.
        path: Its place.

    Raises:
        OSError: If the place cannot be taken; what was there is there still.
    """
    if not path.is_dir() or path.is_symlink():
        os.replace(part, path)
        return
    # No system call exchanges two folders everywhere: the old one steps aside.
    old = part.with_suffix(".old")
    os.replace(path, old)
    try:
        os.replace(part, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        part.unlink()
