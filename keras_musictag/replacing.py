"""Files and folders written beside their place, which they take in one moment."""

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# What a killed run leaves behind ends so; it begins with a dot.
SUFFIX = ".part"
OLD = ".old"  # a folder that stepped aside, where no system call exchanges two


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
        path: Its place. Where a link leads to a folder, that folder is replaced.

    Raises:
        OSError: If the place cannot be taken; what was there is there still.
    """
    if not path.is_dir() or (path.is_symlink() and not part.is_dir()):
        os.replace(part, path)
        return
    path = Path(os.path.realpath(path))
    if exchange(part, path):
        shutil.rmtree(part, ignore_errors=True)
        return
    old = path.with_name(f".{path.name}.{secrets.token_hex(4)}{OLD}")
    os.replace(path, old)
    try:
        os.replace(part, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def exchange(one, other) -> bool:
    """Exchange two files or folders on one disk in one moment.

    Args:
        one: A file or a folder.
        other: Another one.

    Returns:
        Whether it was done; `False` where the system or the disk has no such call.

    Raises:
        OSError: If it cannot be done for another reason.
    """
    if os.name != "posix":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform.startswith("linux") and hasattr(libc, "renameat2"):
        here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        failed = libc.renameat2(here, names[0], here, names[1], flag)
    elif sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(*names, 2)  # RENAME_SWAP
    else:
        return False
    if failed:
        code = ctypes.get_errno()
        if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
            return False
        raise OSError(code, os.strerror(code), os.fspath(other))
    return True


@contextlib.contextmanager
def locked(path, *, timeout: float = 60.0) -> Iterator[None]:
    """Let one process, or thread, at a time change a file or what is in a folder.

    The lock is the system's own, on the file or folder itself: nothing lies beside it,
    and none outlives its process. Where the system or the disk has no locks, there is
    none. Programs that do not ask for it are not held back. Whoever puts another file
    in the place lets the next one in, unless the new file is locked as well.

    Args:
        path: The file, which may be replaced meanwhile, or the folder.
        timeout: Seconds to wait for the one who has it.

    Raises:
        OSError: If it does not exist, or somebody else still has it.
    """
    handle = _lock(path, time.monotonic() + timeout)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def clear_leftovers(path: Path) -> None:
    """Remove what killed runs left beside a file or folder.

    Args:
        path: The file or folder. Whoever calls this sees to it that nobody writes it
            now. A folder that had stepped aside comes back if its place is empty.
    """
    beside = [p for p in path.parent.glob("*") if p.name.startswith(f".{path.name}.")]
    for left in sorted(beside):
        if left.suffix == OLD and not path.exists():
            os.replace(left, path)
        elif left.suffix in (SUFFIX, OLD):
            _remove(left)


def _lock(path, until: float) -> int | None:
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    while True:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            if time.monotonic() > until:
                reason = "another process is writing it"
                raise OSError(errno.EBUSY, reason, os.fspath(path)) from None
            time.sleep(0.01)
            continue
        except OSError:
            return handle  # this disk has no locks
        try:
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            pass  # the next try says so, if it is still true
        os.close(handle)  # another one has taken the place of what is locked


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        part.unlink()
