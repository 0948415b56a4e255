"""Decoded audio kept in memory or on disk, within a limit."""

import hashlib
import os
import threading
import time
import warnings
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from tokenize import TokenError

import numpy as np

from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.checks import check_positive_int
from keras_musictag.data.track import Track
from keras_musictag.errors import AudioWarning
from keras_musictag.replacing import SUFFIX, replacing

_STALE = 3600.0  # seconds after which a half-written file is given up


class AudioCache:
    """Decoded tracks, kept so that they need not be decoded again.

    A track is known by its path, size, time of change, place inside an HDF5 file
    and sample rate: a file that changes is decoded anew. What was not used for
    longest goes first when the cache is full. Threads may share a cache; processes
    share one on disk, while each has its own in memory.

    Args:
        folder: Where to keep the audio, as `.npy` files; `None` keeps it in memory.
        max_bytes: The most that it may take. A minute at 16 kHz takes 3.8 MB.

    Example:

    ```python
    import keras_musictag as kmt

    cache = kmt.data.AudioCache(max_bytes=10**9)
    y = cache.load(kmt.audio.demo_path(), 16000)
    ```
    """

    def __init__(self, folder: str | Path | None = None, *, max_bytes: int = 4 * 2**30):
        self.folder = None if folder is None else Path(folder).expanduser().absolute()
        self.max_bytes = check_positive_int(max_bytes, name="max_bytes")
        self._clear_memory()
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    def _clear_memory(self):
        self._held: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self):
        return {"folder": self.folder, "max_bytes": self.max_bytes}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._clear_memory()

    @property
    def nbytes(self) -> int:
        """How much the kept audio takes."""
        if self.folder is None:
            with self._lock:
                return sum(y.nbytes for y in self._held.values())
        return sum(size for _, size, _ in self._files())

    def load(
        self, track: Track | str | Path, sample_rate: int, *, decode=None
    ) -> np.ndarray:
        """Return the audio of a track, decoded only if it is not there yet.

        Args:
            track: A `Track`, or the path of an audio file.
            sample_rate: Wanted rate in Hz.
            decode: Takes the track and the rate, gives the audio; `Track.load` if
                `None`.

        Returns:
            float32 array `(samples,)`, read-only: the mean of the channels.

        Raises:
            AudioError: If the audio is missing or unreadable.
        """
        if not isinstance(track, Track):
            track = Track(os.fspath(track), track)
        rate = check_sample_rate(sample_rate)
        key = _key(track, rate)
        y = None if key is None else self._get(key)
        if y is None:
            y = track.load(rate)[0] if decode is None else decode(track, rate)
            if key is not None and y.nbytes + 128 <= self.max_bytes:
                self._put(key, y)
            y = y.view()
            y.flags.writeable = False
        return y

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
        for _, _, file in self._files() if self.folder is not None else ():
            with suppress(OSError):  # another process may have been faster
                file.unlink()

    def _get(self, key: str) -> np.ndarray | None:
        if self.folder is None:
            with self._lock:
                if key in self._held:
                    self._held.move_to_end(key)
                return self._held.get(key)
        file = self.folder / f"{key}.npy"
        try:
            y = np.load(file, mmap_mode="r")
            size = file.stat().st_size
        except (OSError, EOFError, ValueError, TokenError):  # not there, or damaged
            return None
        if y.dtype != np.float32 or y.ndim != 1 or y.offset + y.nbytes != size:
            return None
        with suppress(OSError):  # the folder may be read-only
            os.utime(file)  # used now: the last to go
        return y

    def _put(self, key: str, y: np.ndarray) -> None:
        if self.folder is not None:
            self._write(self.folder / f"{key}.npy", y)
            return
        kept = y.copy()  # the caller's array may be part of a larger one
        kept.flags.writeable = False
        with self._lock:
            self._held[key] = kept
            total = sum(each.nbytes for each in self._held.values())
            while total > self.max_bytes:
                _, dropped = self._held.popitem(last=False)
                total -= dropped.nbytes

    def _write(self, file: Path, y: np.ndarray) -> None:
        try:
            with replacing(file) as part, open(part, "wb") as opened:
                np.save(opened, y)
            self._make_room()
        except OSError as error:
            warnings.warn(
                f"The audio cache cannot be written ({error.strerror}). Received: "
                f"{file.parent}. Tracks are decoded anew each time; free some space, "
                "or choose another folder.",
                AudioWarning,
                stacklevel=4,
            )

    def _make_room(self) -> None:
        files = sorted(self._files())
        total = sum(each for _, each, _ in files)
        now = time.time()
        for used, each, file in files:
            # Of the half-written files only those of killed processes go.
            partial = file.suffix == SUFFIX
            if now - used > _STALE if partial else total > self.max_bytes:
                with suppress(OSError):  # another process may have been faster
                    file.unlink()
                total -= each

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return `(last used, bytes, file)` of each file of ours on disk."""
        listed = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith((".npy", SUFFIX)):
                    with suppress(OSError):
                        state = entry.stat()
                        listed.append((state.st_mtime, state.st_size, Path(entry.path)))
        return listed


def _key(track: Track, rate: int) -> str | None:
    """Name the audio of a track; `None` if the file is missing."""
    path = os.path.abspath(os.path.expanduser(os.fspath(track.path)))
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    parts = (path, state.st_size, state.st_mtime_ns, track.member, rate)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]
