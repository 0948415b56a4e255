"""Parts of a file, and bytes of our own, read as if they were one file."""

import bisect
import contextlib
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

Piece = bytes | tuple[int, int]


def read_at(file: Any, offset: int, size: int) -> bytes:
    """Read bytes of a path or a file object; a negative offset is from the end."""
    if isinstance(file, str):
        with open(file, "rb") as opened:
            return read_at(opened, offset, size)
    end = file.seek(0, 2)
    file.seek(max(0, end + offset) if offset < 0 else offset)
    data = file.read(size)
    file.seek(0)
    return data


@contextlib.contextmanager
def opened(file: Any) -> Iterator[Any]:
    """Open a path; leave a file object open, at its start."""
    if isinstance(file, str):
        with open(file, "rb") as source:
            yield source
        return
    try:
        yield file
    finally:
        file.seek(0)


class Pieces(io.RawIOBase):
    """A file made of pieces of another one.

    Args:
        file: Path, or binary file object that can seek.
        pieces: Bytes, or `(offset, size)` of a range in the file.
        zeros: Zero bytes that follow. A decoder that estimates the length of the
            sound by the size of the file then does not stop too early.
    """

    def __init__(self, file: Any, pieces: Sequence[Piece], zeros: int = 0):
        super().__init__()
        self._owned = isinstance(file, str)
        self._file = open(file, "rb") if isinstance(file, str) else file  # noqa: SIM115
        self._pieces = list(pieces)
        sizes = (len(p) if isinstance(p, bytes) else p[1] for p in self._pieces)
        self._starts = list(itertools.accumulate(sizes, initial=0))
        self._size = self._starts[-1] + zeros
        self._position = 0

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
        view = memoryview(buffer).cast("B")
        count = 0
        while count < len(view) and self._position < self._size:
            if self._position >= self._starts[-1]:
                most = min(len(view) - count, self._size - self._position)
                view[count : count + most] = bytes(most)
                count, self._position = count + most, self._position + most
                break
            index = bisect.bisect_right(self._starts, self._position) - 1
            piece, begin = self._pieces[index], self._position - self._starts[index]
            most = min(len(view) - count, self._starts[index + 1] - self._position)
            if isinstance(piece, bytes):
                data = piece[begin : begin + most]
            else:
                self._file.seek(piece[0] + begin)
                data = self._file.read(most)
            if not data:  # the file shrank
                break
            view[count : count + len(data)] = data
            count += len(data)
            self._position += len(data)
        return count

    def close(self) -> None:
        if self._owned and not self.closed:
            self._file.close()
        super().close()
