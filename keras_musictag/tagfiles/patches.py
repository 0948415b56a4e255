"""What it takes to make the bytes of one file from another, as a short text."""

import base64
import contextlib
import hashlib
import json
import mmap
import zlib
from collections.abc import Iterator
from typing import Any

from keras_musictag.tagfiles.containers import set_relative

# Stands where the digest comes: as long, and no digest of any file.
NO_SEAL = "0" * 64
_SEED = 32  # bytes that must be alike for a piece to be taken
_FINE, _COARSE = _SEED, 4096  # distance of seeds near the ends of a file, and between
_ENDS = 1 << 20  # bytes; tags lie there
_STEP = 1 << 16  # bytes compared at once


@contextlib.contextmanager
def relative(path: str, write: bool = False) -> Iterator[Any]:
    """Give the bytes of a file as `set_relative` makes them.

    Args:
        path: The file.
        write: Whether what is changed in them goes into the file at the end.
    """
    access = mmap.ACCESS_WRITE if write else mmap.ACCESS_COPY
    with (
        open(path, "r+b" if write else "rb") as file,
        mmap.mmap(file.fileno(), 0, access=access) as data,
    ):
        set_relative(data)
        yield data
        if write:
            set_relative(data, restore=True)
            data.flush()


def make_patch(source: str, target: str) -> str:
    """Describe a file by the pieces that another one has too, and the rest.

    Args:
        source: The other file.
        target: The file.

    Returns:
        A text in base64, short if they differ in their tags only.
    """
    with relative(source) as old, relative(target) as new:
        pieces, rest = _pieces(old, new)
    head = json.dumps([len(rest), *pieces], separators=(",", ":"))
    return base64.b64encode(zlib.compress(head.encode() + b"\n" + rest, 9)).decode()


def apply_patch(source: str, patch: str, target: str) -> None:
    """Make the file that a patch describes.

    Args:
        source: The other file of `make_patch`.
        patch: The text.
        target: Where to write.

    Raises:
        ValueError: If the patch is damaged.
    """
    with relative(source) as old, open(target, "wb") as file:
        file.writelines(_blocks(old, patch))
    make_absolute(target)


def fits(source: str, patch: str, target: str) -> bool:
    """Whether `apply_patch` would make a file with the bytes of the target."""
    with relative(source) as old, relative(target) as new:
        position = 0
        for block in _blocks(old, patch):
            if new[position : position + len(block)] != block:
                return False
            position += len(block)
        return position == len(new)


def make_absolute(path: str) -> None:
    """Undo `set_relative` in a file that holds what it gives."""
    with (
        open(path, "r+b") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE) as data,
    ):
        set_relative(data, restore=True)
        data.flush()


# === Seals ===


def seal(path: str) -> bool:
    """Write the digest of a file into the file itself, where `NO_SEAL` stands.

    Args:
        path: The file.

    Returns:
        Whether `NO_SEAL` stands there once and in one piece; if not, nothing is done.
    """
    with relative(path, write=True) as data:
        positions = _positions(data, NO_SEAL)
        if len(positions) == 1:
            _put(data, positions[0], hashlib.sha256(data).hexdigest())
        return len(positions) == 1


def is_sealed(path: str, digest: str) -> bool:
    """Whether not one byte of a file has changed since `seal` wrote this digest."""
    with relative(path) as data:
        positions = _positions(data, digest)
        if len(positions) != 1:
            return False
        _put(data, positions[0], NO_SEAL)
        return hashlib.sha256(data).hexdigest() == digest


def _positions(data, text: str) -> list[tuple[int, str]]:
    """Where a text stands, and how it is encoded there."""
    positions = []
    for encoding in ("ascii", "utf-16-le"):  # WMA has the latter
        start = -1
        while (start := data.find(text.encode(encoding), start + 1)) >= 0:
            positions.append((start, encoding))
    return positions


def _put(data, position: tuple[int, str], text: str) -> None:
    start, encoding = position
    code = text.encode(encoding)
    data[start : start + len(code)] = code


# === Pieces ===


def _blocks(old, patch: str) -> Iterator[bytes]:
    """What a patch makes of the bytes of the other file, block by block."""
    try:
        plain = zlib.decompress(base64.b64decode(patch, validate=True))
        head, _, rest = plain.partition(b"\n")
        size, *pieces = json.loads(head)
        taken = 0
        for own, start, length in pieces:
            yield rest[taken : taken + own]
            taken += own
            for position in range(start, start + length, _STEP):
                yield old[position : min(start + length, position + _STEP)]
    except (zlib.error, TypeError, LookupError) as error:
        raise ValueError(f"the patch is damaged ({error})") from error
    if len(rest) != size:
        raise ValueError("the patch is damaged")
    yield rest[taken:]


def _pieces(old, new) -> tuple[list[list[int]], bytes]:
    """What of `new` is in `old`: bytes of its own before, start there, length."""
    pieces: list[list[int]] = []
    rest = bytearray()
    seeds: dict[bytes, int] | None = None
    shifts = [0, len(old) - len(new)]  # alike up to the tags, and behind them
    done = position = 0
    while position < len(new):
        start, length = -1, 0
        for shift in dict.fromkeys(reversed(shifts)):
            here = _alike(old, position + shift, new, position)
            if here > length:
                start, length = position + shift, here
        if length < _SEED:
            seeds = _seeds(old) if seeds is None else seeds
            there = seeds.get(new[position : position + _SEED])
            if there is None:
                position += 1
                continue
            back = 0
            while (
                position - back > done
                and there > back
                and old[there - back - 1] == new[position - back - 1]
            ):
                back += 1
            position, start = position - back, there - back
            length = _alike(old, start, new, position)
            shifts = [*shifts[-6:], start - position]
        rest += new[done:position]
        pieces.append([position - done, start, length])
        done = position = position + length
    rest += new[done:]
    return pieces, bytes(rest)


def _alike(old, start: int, new, position: int) -> int:
    """How many bytes are alike from two positions on."""
    if start < 0:
        return 0
    count, most = 0, min(len(old) - start, len(new) - position)
    step = _SEED  # most places are not alike at all
    while count < most:
        size = min(step, most - count)
        ours = new[position + count : position + count + size]
        theirs = old[start + count : start + count + size]
        if ours != theirs:
            return count + next(n for n in range(size) if ours[n] != theirs[n])
        count, step = count + size, _STEP
    return max(count, 0)


def _seeds(old) -> dict[bytes, int]:
    """Where short pieces lie, close to each other where tags may be."""
    size = len(old)
    first, last = min(_ENDS, size), max(_ENDS, size - _ENDS)
    places = (
        *range(0, first, _FINE),
        *range(first, last, _COARSE),
        *range(last, size, _FINE),
    )
    return {old[place : place + _SEED]: place for place in reversed(places)}
