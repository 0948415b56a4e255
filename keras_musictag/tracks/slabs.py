"""Memory of long tracks that goes back to the system when it is no longer needed."""

import math

import numpy as np

# Of a slab. The C library gives back at once what is larger than 32 MiB; smaller blocks
# that are freed stay with the process. Only what is written to takes real memory.
SLAB_BYTES = 48 * 2**20
ALIGNMENT = 64  # bytes; as fast arithmetic likes it


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
