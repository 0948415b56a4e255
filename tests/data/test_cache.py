"""The audio cache: right samples, within its limit, whatever happens to its files."""

import os
import pickle
import subprocess
import sys
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from keras_musictag.data.cache import AudioCache
from keras_musictag.data.track import Track
from keras_musictag.errors import AudioError, AudioWarning, ConfigError

RATE = 8000
N_FILES = 8
SAMPLES = 1000
NBYTES = 4 * SAMPLES
ON_DISK = NBYTES + 128  # the head of an .npy file


def write(path, seed):
    y = np.random.default_rng(seed).normal(0, 0.1, SAMPLES).astype("float32")
    soundfile.write(path, y, RATE, subtype="FLOAT")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "music").mkdir()
    paths = [tmp_path / "music" / f"{i}.wav" for i in range(N_FILES)]
    for i, path in enumerate(paths):
        write(path, i)
    return paths


def read(path):
    return soundfile.read(path, dtype="float32")[0]


class Counter:
    """Decodes by soundfile and notes which files."""

    def __init__(self):
        self.decoded = []

    def __call__(self, track, rate):
        self.decoded.append(os.fspath(track.path))
        return read(track.path)


@pytest.fixture(params=["memory", "disk"])
def make(request, tmp_path):
    def make(**options):
        folder = tmp_path / "cache" if request.param == "disk" else None
        return AudioCache(folder, **options)

    return make


def test_tracks_are_decoded_once(make, files):
    cache, decode = make(), Counter()
    for _ in range(3):
        for path in files:
            y = cache.load(path, RATE, decode=decode)
            np.testing.assert_array_equal(y, read(path))
            assert y.dtype == np.float32
            with pytest.raises(ValueError, match="read-only"):
                y[0] = 0
    assert decode.decoded == [str(path) for path in files]
    assert cache.nbytes in (N_FILES * NBYTES, N_FILES * ON_DISK)
    cache.clear()
    assert cache.nbytes == 0
    cache.load(files[0], RATE, decode=decode)
    assert len(decode.decoded) == N_FILES + 1


def test_audio_of_our_own_decoder(make, files):
    cache = make()
    for _ in range(2):
        np.testing.assert_array_equal(cache.load(files[0], RATE), read(files[0]))
        assert cache.load(Track("a", files[0]), 2 * RATE).shape == (2 * SAMPLES,)
    with pytest.raises(AudioError, match=r"missing\.wav"):
        cache.load(files[0].with_name("missing.wav"), RATE)


def test_what_was_not_used_for_longest_goes_first(make, files):
    room = 3
    cache, decode = make(max_bytes=room * ON_DISK + 1), Counter()
    held: OrderedDict = OrderedDict()
    expected = []
    for i in np.random.default_rng(0).integers(0, N_FILES, 60):
        path = str(files[i])
        if path not in held:
            expected.append(path)
        held[path] = True
        held.move_to_end(path)
        while len(held) > room:
            held.popitem(last=False)
        np.testing.assert_array_equal(
            cache.load(files[i], RATE, decode=decode), read(files[i])
        )
        assert cache.nbytes <= cache.max_bytes
        time.sleep(0.01)  # times of files on disk are not finer everywhere
    assert decode.decoded == expected


def test_what_does_not_fit_is_not_kept(make, files):
    cache = make(max_bytes=NBYTES - 1)
    np.testing.assert_array_equal(cache.load(files[0], RATE), read(files[0]))
    assert cache.nbytes == 0
    with pytest.raises(ConfigError, match="max_bytes"):
        make(max_bytes=0)


def test_a_file_that_changes_is_decoded_anew(make, files):
    cache = make()
    before = np.array(cache.load(files[0], RATE))
    write(files[0], 99)
    os.utime(files[0], ns=(1, 1))
    after = cache.load(files[0], RATE)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, read(files[0]))


def test_members_of_one_file_are_told_apart(make, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "set.hdf5"
    with h5py.File(path, "w") as file:
        for i in range(2):
            file[f"m{i}"] = np.full(10, i, "float32")
            file[f"m{i}"].attrs["sr_hz"] = RATE
    cache = make()
    for _ in range(2):
        for i in range(2):
            y = cache.load(Track(f"m{i}", path, member=f"m{i}"), RATE)
            np.testing.assert_array_equal(y, np.full(10, i))


def test_threads_may_share_a_cache(make, files):
    cache = make(max_bytes=3 * ON_DISK)
    expected = [read(path) for path in files]

    def work(seed):
        for i in np.random.default_rng(seed).integers(0, N_FILES, 40):
            np.testing.assert_array_equal(cache.load(files[i], RATE), expected[i])
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
    assert 0 < cache.nbytes <= cache.max_bytes


def test_other_processes_get_no_audio_from_memory(make, files):
    cache = make()
    cache.load(files[0], RATE)
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.max_bytes == cache.max_bytes
    assert copy.nbytes == (0 if cache.folder is None else ON_DISK)
    np.testing.assert_array_equal(copy.load(files[0], RATE), read(files[0]))


# === On disk ===


def damage(data, way):
    wrong = {
        "empty": b"",
        "cut in the head": data[:50],
        "cut in the samples": data[:-1],
        "no NumPy file": b"RIFF" + data[4:],
        "another type": data.replace(b"<f4", b"<i4"),
        "another shape": data.replace(b"(1000,), }  ", b"(10, 100), }"),
        "an open bracket": data.replace(b"(1000,), }", b"(1000,, (  "),
    }
    return wrong[way]


@pytest.mark.parametrize(
    "way",
    [
        "empty",
        "cut in the head",
        "cut in the samples",
        "no NumPy file",
        "another type",
        "another shape",
        "an open bracket",
    ],
)
def test_damaged_files_are_made_anew(tmp_path, files, way):
    folder = tmp_path / "cache"
    AudioCache(folder).load(files[0], RATE)
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    assert damage(whole, way) != whole
    kept.write_bytes(damage(whole, way))
    np.testing.assert_array_equal(
        AudioCache(folder).load(files[0], RATE), read(files[0])
    )
    assert kept.read_bytes() == whole


def test_random_damage_of_the_head_never_raises(tmp_path, files):
    folder = tmp_path / "cache"
    cache = AudioCache(folder)
    cache.load(files[0], RATE)
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(whole)
        data[generator.integers(128)] = generator.integers(256)
        kept.write_bytes(data)
        np.testing.assert_array_equal(cache.load(files[0], RATE), read(files[0]))


def test_a_folder_that_cannot_be_written_only_warns(tmp_path, files):
    cache = AudioCache(tmp_path / "cache")
    (tmp_path / "cache").rmdir()
    with pytest.warns(AudioWarning, match=r"cannot be written.*cache"):
        y = cache.load(files[0], RATE)
    np.testing.assert_array_equal(y, read(files[0]))


def test_leftovers_of_killed_processes_go(tmp_path, files):
    cache = AudioCache(tmp_path / "cache")
    old, new = cache.folder / "old.part", cache.folder / "new.part"
    foreign = cache.folder / "notes.txt"
    for path in (old, new, foreign):
        path.write_bytes(b"x" * 10)
    for path in (old, foreign):
        os.utime(path, (1, 1))
    cache.load(files[0], RATE)
    assert not old.exists()
    assert new.exists() and foreign.exists()


PROCESS = """
import sys
import numpy as np, soundfile
from keras_musictag.data.cache import AudioCache

folder, limit, seed, *files = sys.argv[1:]
cache = AudioCache(folder, max_bytes=int(limit))
for i in np.random.default_rng(int(seed)).integers(0, len(files), 150):
    expected = soundfile.read(files[i], dtype="float32")[0]
    assert np.array_equal(cache.load(files[i], 8000), expected), files[i]
assert "keras" not in sys.modules
"""


def test_two_processes_share_a_folder(tmp_path, files):
    folder, limit = tmp_path / "cache", 3 * ON_DISK
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, folder, str(limit), str(seed), *files],
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(2)
    ]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert not errors
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert 1 <= len(sizes) <= 3 and set(sizes) == {ON_DISK}
