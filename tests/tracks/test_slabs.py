"""Memory of long tracks goes back to the system."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from keras_musictag.tracks.inference import Chunk, join_tracks
from keras_musictag.tracks.slabs import SLAB_BYTES, Slabs

STATUS = Path("/proc/self/status")


def resident() -> int:
    """Resident memory in MB."""
    line = next(x for x in STATUS.read_text().splitlines() if "VmRSS" in x)
    return int(line.split()[1]) * 1024 // 10**6


def test_arrays_are_apart_and_keep_their_values():
    slabs, random = Slabs(), np.random.default_rng(0)
    sizes, kinds = random.integers(0, 50, (40, 2)), ("float32", "float16", "int64")
    arrays = [random.normal(size=s).astype(kinds[i % 3]) for i, s in enumerate(sizes)]
    kept = [slabs.copy(array) for array in arrays]
    large = slabs.copy(np.ones(SLAB_BYTES // 8 + 1))
    for array, copy in zip(arrays, kept, strict=True):
        assert copy.dtype == array.dtype
        np.testing.assert_array_equal(copy, array)
    assert large.all()


def test_a_slab_goes_with_its_last_array():
    slabs = Slabs()
    blocks = [slabs.empty((2**18,), "float32") for _ in range(100)]  # 1 MiB each
    owners = [weakref.ref(block.base) for block in blocks]
    del blocks[:47]
    assert owners[0]() is not None  # one of the first slab is left
    del blocks[0]
    assert owners[0]() is None and owners[-1]() is not None


@pytest.mark.skipif(not STATUS.exists(), reason="memory is read there")
def test_what_a_long_track_took_is_given_back():
    values = np.ones((1, 25_000), "float32")  # 0.1 MB

    def cut(track):
        for start in range(1_500):
            yield Chunk(start, values[0])
        return 1_500

    pins = []

    def hear(chunk):
        pins.append(np.ones(200))  # lies between what would be freed
        return {"magnitudes": values * chunk.start}

    gc.collect()
    before, joined = resident(), join_tracks([0, 1], cut, hear, 4)
    output = next(joined)
    assert output.outputs["magnitudes"][7, 7] == 7
    assert 140 <= resident() - before <= 190  # joined, without its parts
    del output
    assert resident() - before <= 40  # nor does the generator keep it
    joined.close()
