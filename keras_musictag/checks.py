"""Checks of arguments that many places share; each answers with one clear error."""

import difflib
import errno
import math
import numbers
import os
import stat
from typing import BinaryIO

from keras_musictag.errors import ConfigError

# Opening must not wait for somebody who writes into a pipe.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_file(path) -> BinaryIO:
    """Open a file to read it, if it is one: pipes and devices may never end.

    Args:
        path: The file, or a link to it.

    Returns:
        The open file, in binary mode.

    Raises:
        OSError: If it cannot be opened, or is no regular file.
    """
    handle = os.open(path, os.O_RDONLY | _AT_ONCE)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            problem = "it is a pipe or a device, no file"
            raise OSError(errno.EINVAL, problem, str(path))
    except OSError:
        os.close(handle)
        raise
    return open(handle, "rb")


def read_file(path) -> bytes:
    """Read a file at once, as `open_file` opens it.

    Args:
        path: The file, or a link to it.

    Returns:
        Its contents.

    Raises:
        OSError: As `open_file`.
    """
    with open_file(path) as file:
        return file.read()


def check_positive_int(value, *, name):
    """Return `value` as an int, or refuse it.

    Args:
        value: What the caller gave.
        name: The argument's name, for the message.

    Returns:
        An int of at least 1.

    Raises:
        ConfigError: If it is not a whole number of at least 1.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ConfigError(
            f"`{name}` must be a whole number of at least 1.",
            received=f"{name}={value!r}",
            advice="Give it as an int.",
        )
    return int(value)


def check_positive(value, *, name):
    """Return `value` as a float, or refuse it.

    Args:
        value: What the caller gave.
        name: The argument's name, for the message.

    Returns:
        A float above 0.

    Raises:
        ConfigError: If it is not a finite number above 0.
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ConfigError(
            f"`{name}` must be a number above 0.",
            received=f"{name}={value!r}",
            advice="Give a finite number above 0.",
        )
    return float(value)


def check_choice(value, choices, *, name):
    """Return `value` if it is one of `choices`, or refuse it.

    Args:
        value: What the caller gave.
        choices: The values allowed.
        name: The argument's name, for the message.

    Returns:
        `value`.

    Raises:
        ConfigError: If it is not one of them.
    """
    if value not in choices:
        raise ConfigError(
            f"Unknown `{name}`.",
            received=f"{name}={value!r}",
            advice="Use one of " + ", ".join(repr(choice) for choice in choices) + ".",
        )
    return value


def did_you_mean(name, names) -> str:
    """Return the advice for a name that does not exist.

    Args:
        name: What the caller gave.
        names: The names that there are.

    Returns:
        A sentence with the nearest names, or with all of them if none is near.
    """
    near = difflib.get_close_matches(str(name).lower(), names, n=3, cutoff=0.4)
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return f"Choose from {', '.join(map(repr, names))}."


def check_filters(filters, *, blocks: int | None = None, least: int = 1) -> list[int]:
    """Return the channels of each block as a list, or refuse them.

    Args:
        filters: What the caller gave.
        blocks: How many there must be; `None` for any number from `least` on.
        least: The fewest blocks if `blocks` is `None`.

    Returns:
        A list of ints of at least 1.

    Raises:
        ConfigError: If they are no whole numbers above 0, or too many or too few.
    """
    listed = list(filters) if isinstance(filters, (list, tuple)) else []
    whole = all(isinstance(n, int) and n > 0 for n in listed)
    if not whole or (len(listed) != blocks if blocks else len(listed) < least):
        many = str(blocks) if blocks else f"at least {least}"
        raise ConfigError(
            f"`filters` must list the channels of {many} blocks.",
            received=f"filters={filters!r}",
            advice=f"Give whole numbers above 0: {[128] * (blocks or least)!r}.",
        )
    return listed
