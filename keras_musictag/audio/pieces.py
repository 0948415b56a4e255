"""Parts of a file, and bytes of our own, read as if they were one file."""

import bisect
import contextlib
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

Piece = bytes | tuple[int, int]


def read_at(file: Any, offset: int, size: int) -> bytes:
    """Read bytes of a file; a negative offset is from the end."""
    end = file.seek(0, 2)
    file.seek(max(0, end + offset) if offset < 0 else offset)
    data = file.read(size)
    file.seek(0)
    return data


@contextlib.contextmanager
def rewound(file: Any) -> Iterator[Any]:
    """Give a file, and leave it at its start."""
    try:
        yield file
    finally:
        file.seek(0)


class Pieces(io.RawIOBase):
    """A file made of pieces of another one.

    Args:
        file: Binary file object that can seek; others may move it meanwhile.
        pieces: Bytes, or `(offset, size)` of a range in the file.
        zeros: Zero bytes that follow. A decoder that estimates the length of the
            sound by the size of the file then does not stop too early.
    """

    def __init__(self, file: Any, pieces: Sequence[Piece], zeros: int = 0):
        super().__init__()
        self._file = file
        self._pieces = list(pieces)
        sizes = (len(p) if isinstance(p, bytes) else p[1] for p in self._pieces)
        self._starts = list(itertools.accumulate(sizes, initial=0))
        self._size = self._starts[-1] + zeros
        self._position = self._index = 0
        self._low = self._high = 0  # where the piece of that index begins and ends

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, self._size)[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer) -> int:
        view, count = memoryview(buffer).cast("B"), 0
        while count < len(view) and self._position < self._size:
            read = self._read_piece(view[count:])
            if not read:  # the file shrank
                break
            count, self._position = count + read, self._position + read
        return count

    def _read_piece(self, view: memoryview) -> int:
        """Fill a buffer as far as the piece goes that the position lies in."""
        position = self._position
        if position >= self._starts[-1]:
            most = min(len(view), self._size - position)
            view[:most] = bytes(most)
            return most
        if not self._low <= position < self._high:
            self._index = bisect.bisect_right(self._starts, position) - 1
            self._low, self._high = self._starts[self._index : self._index + 2]
        piece, begin = self._pieces[self._index], position - self._low
        most = min(len(view), self._high - position)
        if isinstance(piece, bytes):
            view[:most] = piece[begin : begin + most]
            return most
        offset = piece[0] + begin
        if self._file.tell() != offset:
            self._file.seek(offset)
        data = self._file.read(most)
        view[: len(data)] = data
        return len(data)
