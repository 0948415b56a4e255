"""Memory of long tracks goes back to the system."""

import json
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

import numpy as np
import pytest

from keras_musictag.tracks.slabs import SLAB_BYTES, Slabs, Spool, joined


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


def test_parts_become_one_and_are_gone():
    parts = [np.full((n, 2), n, "int16") for n in (3, 0, 2)]
    whole = joined(parts)
    assert whole.dtype == np.int16 and parts == []
    np.testing.assert_array_equal(whole[:, 0], [3, 3, 3, 2, 2])


@pytest.mark.parametrize("memory", [0, 4_000, 10**9])
def test_a_spool_gives_the_blocks_again(memory):
    random = np.random.default_rng(0)
    sizes = (700, 0, 500, 1000, 3)
    blocks = [random.normal(size=n).astype("float32") for n in sizes]
    with Spool(memory) as spool:
        for block, kept in zip(blocks, spool.keep(blocks), strict=True):
            np.testing.assert_array_equal(kept, block)
        again = list(spool.drain())
        assert (spool.file is None) == (memory == 10**9)
    for block, copy in zip(blocks, again, strict=True):
        np.testing.assert_array_equal(copy, block)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full disk")
@pytest.mark.parametrize("room", ["none", "no folder"])
def test_without_room_on_the_disk_a_spool_keeps_all_in_memory(room, monkeypatch):
    def full(**options):
        if room == "no folder":
            raise FileNotFoundError("No usable temporary directory")
        return open("/dev/full", "wb", buffering=0)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    blocks = [np.full(1000, n, "float32") for n in range(5)]
    with Spool(6_000) as spool:
        assert sum(map(len, spool.keep(blocks))) == 5_000
        assert [int(block[0]) for block in spool.drain()] == [0, 1, 2, 3, 4]


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
