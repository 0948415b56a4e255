"""Memory of long tracks goes back to the system."""

import json
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from keras_musictag.tracks.slabs import SLAB_BYTES, Slabs


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


# In a process of its own: others hold memory of which nobody here knows.
LONG_TRACK = """
import json
from pathlib import Path
import numpy as np
from keras_musictag.tracks.inference import Chunk, join_tracks

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(x for x in lines if "VmRSS" in x).split()[1]) * 1024 // 10**6

def cut(track):
    for start in range(1_500):
        yield Chunk(start, values[0])
    return 1_500

def hear(chunk):
    pins.append(np.ones(200))  # lies between what would be freed
    return {"magnitudes": values * chunk.start}

values, pins = np.ones((1, 25_000), "float32"), []  # 0.1 MB
before, joined = resident(), join_tracks([0, 1], cut, hear, 4)
output = next(joined)
whole = resident() - before
del output
print(json.dumps([whole, resident() - before]))
joined.close()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it")
def test_what_a_long_track_took_is_given_back():
    answer = subprocess.check_output([sys.executable, "-c", LONG_TRACK], text=True)
    whole, left = json.loads(answer)
    assert 140 <= whole <= 190  # joined, without its parts
    assert left <= 40  # nor does the generator keep it
