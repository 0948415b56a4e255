"""Batches of chunks as a function of seed, epoch and number, read from files.

NumPy only, so that worker processes need not start a backend.
"""

import warnings
from collections.abc import Callable

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.chunks import ChunkPlan
from keras_musictag.data.cache import AudioCache
from keras_musictag.data.track import Track, listed
from keras_musictag.errors import AudioError, AudioWarning, ConfigError


def epoch_rng(seed: int, epoch: int, *step: int) -> np.random.Generator:
    """Return the generator of a step of an epoch: the same whatever thread asks.

    Args:
        seed: Of the whole run.
        epoch: Number of the epoch.
        *step: 0 for the order of the items, `index + 1` for the batch `index`; a
            second number for something within that batch.

    Returns:
        A NumPy generator.
    """
    return np.random.default_rng((seed, epoch, *step))


def load_track(track: Track, rate: int) -> np.ndarray:
    """Return the audio of a track at a rate, decoded as `audio.load` does."""
    return track.load(rate)[0]


def fill_rows(count: int, multiple: int) -> np.ndarray:
    """Return which rows make a batch whose size is a multiple.

    Args:
        count: Rows that there are, at least 1.
        multiple: What the size must be a multiple of.

    Returns:
        Integers: all rows, and then from the first one on as many as are missing.
    """
    return np.arange(-(-count // multiple) * multiple) % count


class ChunkReader:
    """Reads one chunk for each item of a batch.

    Items are chunks of tracks: item `i` is chunk `i % chunks_per_track` of track
    `i // chunks_per_track`.

    Args:
        tracks: Tuple of `Track`s.
        targets: Array with one row for each track.
        sample_rate, chunk_samples, batch_size, chunks, chunks_per_track, shuffle,
            seed, cache, on_error, augment: As in `TrackBatches`.
        decode: Takes a `Track` and a rate, gives the whole track; `None` decodes
            no more than a chunk needs.

    Attributes:
        bad: Reason by position of each track found unreadable.
    """

    def __init__(
        self,
        tracks: tuple[Track, ...],
        targets: np.ndarray,
        *,
        sample_rate: int,
        chunk_samples: int,
        batch_size: int,
        chunks: str,
        chunks_per_track: int,
        shuffle: bool,
        seed: int,
        cache: AudioCache | None = None,
        on_error: str = "warn",
        augment: Callable | None = None,
        decode: Callable | None = None,
    ):
        self.tracks, self.targets = tracks, targets
        self.sample_rate, self.chunk_samples = sample_rate, chunk_samples
        self.batch_size, self.chunks = batch_size, chunks
        self.chunks_per_track, self.shuffle, self.seed = chunks_per_track, shuffle, seed
        self.cache, self.on_error, self.augment = cache, on_error, augment
        self.decode = decode
        self.bad: dict[int, str] = {}
        plan = ChunkPlan(chunk_samples, chunk_samples)
        self._spaced = plan.spaced(chunks_per_track)
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return -(-len(self.tracks) * self.chunks_per_track // self.batch_size)

    def batch(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a batch.

        Args:
            epoch: Number of the epoch.
            index: Number of the batch.

        Returns:
            `(waveforms, targets)`: float32 `(batch, chunk_samples)`, and one row of
            the targets for each.

        Raises:
            AudioError: If a track is unreadable and `on_error` is `"raise"`, or all
                are.
            ConfigError: If `augment` gives something else than a batch.
        """
        low = index * self.batch_size
        items = self._items(epoch)[low : low + self.batch_size]
        rng = epoch_rng(self.seed, epoch, index + 1)
        places = rng.random(len(items))
        waveforms = np.empty((len(items), self.chunk_samples), "float32")
        rows = np.empty(len(items), int)
        for i, (item, place) in enumerate(zip(items, places, strict=True)):
            first, chunk = divmod(int(item), self.chunks_per_track)
            candidates = self._candidates(first, (epoch, index + 1, i + 1))
            rows[i], waveforms[i] = self._first_readable(candidates, chunk, place)
        return self._augmented(waveforms, self.targets[rows], rng)

    def _items(self, epoch: int) -> np.ndarray:
        held = self._order
        if held is None or held[0] != epoch:
            order = np.arange(len(self.tracks) * self.chunks_per_track)
            if self.shuffle:
                order = epoch_rng(self.seed, epoch, 0).permutation(order)
            held = self._order = (epoch, order)
        return held[1]

    def _candidates(self, first: int, step):
        """Yield a track, and then others that may stand in for it."""
        yield first
        others = epoch_rng(self.seed, *step).permutation(len(self.tracks))
        yield from (int(other) for other in others if other != first)

    def _first_readable(self, candidates, chunk: int, place: float):
        for row in candidates:
            if row in self.bad:
                continue
            try:
                return row, self._read(self.tracks[row], chunk, place)
            except AudioError as error:
                if self.on_error == "raise":
                    raise AudioError(
                        f"The track {self.tracks[row].id!r} cannot be read.",
                        received=str(error).rstrip("."),
                        advice='Mend or remove it, or pass on_error="warn" to use '
                        "other tracks in its place.",
                    ) from error
                self.bad[row] = str(error)
        reasons = (f"{self.tracks[i].id}: {p.rstrip('.')}" for i, p in self.bad.items())
        raise AudioError(
            f"None of the {len(self.tracks)} tracks can be read.",
            received=listed(reasons, 3),
            advice="Check the folder of the audio, and what is said of these files.",
        )

    def _read(self, track: Track, chunk: int, place: float) -> np.ndarray:
        def start(length: int) -> int:
            if self.chunks == "spaced":
                return int(self._spaced.starts(length)[chunk])
            room = max(0, length - self.chunk_samples)
            return room // 2 if self.chunks == "middle" else int(place * (room + 1))

        seek = self.cache is None and self.decode is None and track.member is None
        if seek:
            path = track.path
            return audio.excerpt(path, self.sample_rate, self.chunk_samples, start)
        decode = self.decode or load_track
        if self.cache is None:
            y = decode(track, self.sample_rate)
        else:
            y = self.cache.load(track, self.sample_rate, decode=decode)
        begin = start(len(y))
        y = y[begin : begin + self.chunk_samples]
        return np.pad(y, (0, self.chunk_samples - len(y)))

    def _augmented(self, waveforms, targets, rng):
        if self.augment is None:
            return waveforms, targets
        changed = self.augment(waveforms, targets, rng)
        fits = isinstance(changed, tuple) and len(changed) == 2
        fits = fits and np.shape(changed[0]) == waveforms.shape
        if not fits or len(changed[1]) != len(targets):
            raise ConfigError(
                "`augment` must give waveforms and targets of the shape it took.",
                received=f"{type(changed).__name__} for {waveforms.shape}",
                advice="Write it as `def augment(waveforms, targets, rng): ...`, with "
                "`return waveforms, targets`.",
            )
        return np.asarray(changed[0], "float32"), np.asarray(changed[1])


# A worker process has one reader, sent once.
_reader: ChunkReader | None = None


def start_process(reader: ChunkReader) -> None:
    """Keep the reader of this worker process."""
    global _reader
    _reader = reader


def read_in_process(epoch: int, index: int):
    """Read a batch in a worker process.

    Returns:
        `(batch, bad, texts)`: the batch, the tracks found unreadable so far, and
        the texts of warnings about others, which the main process is to give.
    """
    assert _reader is not None  # the pool's initializer has run
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        batch = _reader.batch(epoch, index)
    texts = [str(w.message) for w in caught if issubclass(w.category, AudioWarning)]
    return batch, dict(_reader.bad), texts
