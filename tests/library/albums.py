"""Folders of tiny files that change at random, and libraries built of them."""

import os

import numpy as np

from keras_musictag.library import Library, building
from keras_musictag.library.scanning import find_tracks
from keras_musictag.library.store import Store

# The last two are other files, though one may be taken for the other.
NAMES = [*(f"{number}.wav" for number in range(1, 7)), r"caf\xe9.wav"]
NAMES += [os.fsdecode(b"caf\xe9.wav")]


class Album:
    """A folder of files that change, with a clock of its own: each write has its time.

    Args:
        folder: Made anew.
        chance: A `random.Random`.
        sounds: Contents that are music, and such that are none.
        names: Those that its files may have.
    """

    def __init__(self, folder, chance, sounds, names=NAMES):
        self.folder, self.chance, self.sounds = folder, chance, sounds
        self.names = names
        self.time = 10**18
        self.earlier = []
        folder.mkdir()
        self.add()
        self.add()

    def paths(self):
        return sorted(self.folder / name for name in os.listdir(self.folder))

    def one(self):
        return self.chance.choice(self.paths())

    def free(self):
        names = [name for name in self.names if not (self.folder / name).exists()]
        return self.folder / self.chance.choice(names) if names else None

    def press(self, path, content, time=None):
        if path is None:
            return
        self.time += 10**9
        path.write_bytes(content)
        os.utime(path, ns=(self.time, self.time if time is None else time))
        self.earlier.append((path, content, path.stat().st_mtime_ns))

    def content(self):
        return self.chance.choice(self.sounds[self.chance.random() < 0.15])

    def add(self):
        self.press(self.free(), self.content())

    def change(self):
        self.press(self.one(), self.content())

    def touch(self):
        path = self.one()
        self.press(path, path.read_bytes())

    def copy(self):
        self.press(self.free(), self.one().read_bytes())

    def restore(self):
        self.press(*self.chance.choice(self.earlier))

    def rename(self):
        new = self.free()
        if new is not None:
            self.one().rename(new)

    def twice(self):
        """One file moved to two names."""
        old, new = self.one(), self.free()
        if new is not None:
            old.rename(new)
            self.press(self.free(), new.read_bytes())

    def swap(self):
        self.chain(self.chance.sample(self.paths(), min(2, len(self.paths()))))

    def chain(self, paths=None):
        """Each file takes the name of the next one; the first name may be new."""
        paths = self.paths() if paths is None else paths
        aside = self.folder.parent / "aside.wav"
        paths[-1].rename(aside)
        for old, new in zip(paths[-2::-1], paths[:0:-1], strict=True):
            old.rename(new)
        if self.chance.random() < 0.5:
            aside.rename(paths[0])
        else:
            aside.unlink()
            self.press(paths[0], self.content())

    def delete(self):
        if len(self.paths()) > 1:
            self.one().unlink()

    ACTIONS = (add, change, touch, copy, restore, rename, twice, swap, chain, delete)

    def step(self):
        self.chance.choice(self.ACTIONS)(self)


def built(folder, analyzer, album, seconds=60.0):
    library = Store(folder)
    with library.locked():
        tracks = find_tracks(album.folder)
        return building.run(library, analyzer, tracks, write_seconds=seconds)


def check_rows(folder, truth):
    """No row has the scores of another content, in whatever state a run ended."""
    rows = Library(folder).search(include_missing=True).to_pylist()
    labels = [f"{name} {number}" for name in ("one", "two") for number in range(3)]
    for row in rows:
        expected = truth[row["sha256"]]
        known = [i for i, label in enumerate(labels) if row.get(label) is not None]
        assert known
        scores = [row[labels[i]] for i in known]
        np.testing.assert_allclose(scores, expected[known], atol=1e-5)
