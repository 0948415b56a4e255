"""Memory of long tracks that goes back to the system when it is no longer needed."""

import math
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Self

import numpy as np

# Of a slab. The C library gives back at once what is larger than 32 MiB; smaller blocks
# that are freed stay with the process. Only what is written to takes real memory.
SLAB_BYTES = 48 * 2**20
ALIGNMENT = 64  # bytes; as fast arithmetic likes it
# What a `Spool` keeps in memory.
SPOOL_BYTES = 64 * 2**20


class Slabs:
    """Arrays that lie one after the other in large slabs.

    A slab is freed with the last of its arrays. So what comes and goes in order, such
    as the blocks of a track, takes the memory of what is left.

    Example:

    ```python
    import numpy as np
    from keras_musictag.tracks.slabs import Slabs

    slabs = Slabs()
    kept = [slabs.copy(np.ones(1000, "float32")) for _ in range(3)]
    print(sum(len(block) for block in kept))  # 3000
    ```
    """

    def __init__(self):
        self.slab, self.used = np.empty(0, "uint8"), 0

    def empty(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        """Return an array without values.

        Args:
            shape, dtype: Its own.
        """
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if self.used + size > len(self.slab):
            self.slab, self.used = np.empty(max(size, SLAB_BYTES), "uint8"), 0
        part = self.slab[self.used : self.used + size]
        self.used += -(-size // ALIGNMENT) * ALIGNMENT
        return part.view(kind).reshape(shape)

    def copy(self, values: np.ndarray) -> np.ndarray:
        """Return a copy of an array."""
        kept = self.empty(values.shape, values.dtype)
        kept[...] = values
        return kept


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Return arrays as one along their first axis; each leaves the list on the way."""
    length = sum(map(len, parts))
    whole = np.empty((length, *parts[0].shape[1:]), parts[0].dtype)
    start = 0
    parts.reverse()
    while parts:
        part = parts.pop()
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


class Spool:
    """Blocks of a track that are read once more: those of a long one from a file.

    A context that ends with the file. Where there is no room for one, all of them stay
    in memory.

    Args:
        memory: Bytes that stay in memory.

    Example:

    ```python
    import numpy as np
    from keras_musictag.tracks.slabs import Spool

    blocks = (np.ones(1000, "float32") for _ in range(3))
    with Spool() as spool:
        samples = sum(len(block) for block in spool.keep(blocks))
        print(samples == sum(len(block) for block in spool.drain()))  # True
    ```
    """

    def __init__(self, memory: int = SPOOL_BYTES):
        self.left, self.slabs, self.kept = memory, Slabs(), list[np.ndarray | int]()
        self.file: IO[bytes] | None = None
        self.has_room = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        if self.file is not None:
            self.file.close()

    def keep(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield float32 blocks `(n,)`, and keep them."""
        for block in blocks:
            self.left -= block.nbytes
            if self.left >= 0 or not self._written(block):
                self.kept.append(self.slabs.copy(block))
            else:
                self.kept.append(len(block))
            yield block

    def drain(self) -> Iterator[np.ndarray]:
        """Yield the blocks again, once; those in memory leave it on the way."""
        self.slabs = Slabs()  # the old one holds the last block
        if self.file is not None:
            self.file.seek(0)
        for place, block in enumerate(self.kept):
            self.kept[place] = 0
            if isinstance(block, int):
                assert self.file is not None
                yield np.frombuffer(self.file.read(4 * block), "float32")
            else:
                yield block

    def _written(self, block: np.ndarray) -> bool:
        """Write a block to the file, if there is room."""
        if not self.has_room:
            return False
        try:
            if self.file is None:
                # Closed when the spool ends.
                self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            whole = self.file.write(block.tobytes()) == block.nbytes
        except OSError:
            whole = False
        self.has_room = whole
        return whole
