"""From tracks to chunk scores: decode ahead, fill batches across tracks."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from keras_musictag.errors import MissingExtraError, MusicTagError

# What may be wrong with one track without being wrong with the others.
TRACK_ERRORS = (MusicTagError, MissingExtraError)
TrackError = MusicTagError | MissingExtraError


class TrackOutput(NamedTuple):
    """What the model gave for the chunks of one track.

    `position` counts the tracks from 0. `starts` has shape `(chunks,)` in samples;
    `outputs` maps each output's name to an array whose first axis is `chunks`. A
    bad track has an `error` instead.
    """

    position: int
    starts: np.ndarray
    outputs: dict[str, np.ndarray]
    error: TrackError | None = None


def score_tracks(
    tracks: Iterable[Any],
    cut: Callable[[Any], Iterator[tuple[int, np.ndarray]]],
    forward: Callable[[np.ndarray], dict[str, np.ndarray]],
    batch_size: int,
    fixed_shape: bool,
) -> Iterator[TrackOutput]:
    """Run a model over the chunks of many tracks, in order.

    A thread decodes and cuts the next tracks while the model works; a bounded
    queue keeps memory flat. Batches are filled across tracks.

    Args:
        tracks: The tracks, in any form that `cut` understands.
        cut: Gives `(start, chunk)` pairs of a track; its errors are reported
            for that track alone.
        forward: Maps a batch `(n, chunk_samples)` to named outputs `(n, ...)`.
        batch_size: How many chunks go through the model at once.
        fixed_shape: Whether the last batch is filled up with zeros, so that a
            compiler sees few shapes.

    Yields:
        One `TrackOutput` per track, as soon as its last chunk is scored.
    """
    batcher = Batcher(forward, batch_size, fixed_shape)
    with Producer(tracks, cut, depth=4 * batch_size) as events:
        for index, start, chunk, error in events:
            if start is not None:
                batcher.add(index, start, chunk)
            else:
                batcher.close(index, error)
            yield from batcher.finished()
    batcher.flush()
    yield from batcher.finished()


class Batcher:
    """Collects chunks into batches and hands outputs back to their tracks.

    Args:
        forward, batch_size, fixed_shape: As in `score_tracks`.
    """

    def __init__(self, forward, batch_size: int, fixed_shape: bool):
        self.forward, self.batch_size = forward, batch_size
        self.fixed_shape, self.ran = fixed_shape, False
        self.waiting: list[tuple[int, np.ndarray]] = []
        self.open: dict[int, dict] = {}

    def add(self, index: int, start: int, chunk: np.ndarray) -> None:
        """Take a chunk of a track; a full batch goes through the model."""
        track = self._track(index)
        track["starts"].append(start)
        self.waiting.append((index, chunk))
        if len(self.waiting) == self.batch_size:
            self.flush()

    def close(self, index: int, error: TrackError | None) -> None:
        """Say that a track has no more chunks, or what is wrong with it."""
        track = self._track(index)
        track.update(closed=True, error=error)
        if error is not None:  # its chunks are of no use to anybody
            self.waiting = [item for item in self.waiting if item[0] != index]
            track.update(self._track_of_none())

    def flush(self) -> None:
        """Send what waits through the model."""
        if not self.waiting:
            return
        batch = np.stack([chunk for _, chunk in self.waiting])
        outputs = self.forward(self._filled(batch))
        for row, (index, _) in enumerate(self.waiting):
            track = self.open[index]
            track["scored"] += 1
            self.keep(track, {k: v[row] for k, v in outputs.items()})
        self.waiting, self.ran = [], True

    def finished(self) -> Iterator[TrackOutput]:
        """Yield the tracks that are complete, in the order they were opened."""
        while self.open:
            index, track = next(iter(self.open.items()))
            if not track["closed"] or track["scored"] < len(track["starts"]):
                return
            del self.open[index]
            starts = np.asarray(track["starts"], dtype="int64")
            yield TrackOutput(index, starts, self.outputs(track), track["error"])

    def keep(self, track: dict, row: dict[str, np.ndarray]) -> None:
        """Keep what the model gave for a chunk."""
        track["rows"].append(row)

    def outputs(self, track: dict) -> dict[str, np.ndarray]:
        """Bring together what was kept of a track."""
        rows = track["rows"]
        return {k: np.stack([r[k] for r in rows]) for k in rows[0]} if rows else {}

    def _track(self, index: int) -> dict:
        if index not in self.open:
            self.open[index] = {**self._track_of_none(), "closed": False, "error": None}
        return self.open[index]

    @staticmethod
    def _track_of_none() -> dict:
        return {"starts": [], "rows": [], "scored": 0}

    def _filled(self, batch: np.ndarray) -> np.ndarray:
        """Fill a short batch with zeros: to full size, or a single one to 2^n."""
        if not self.fixed_shape or len(batch) == self.batch_size:
            return batch
        size = self.batch_size
        if not self.ran:
            size = min(size, 1 << (len(batch) - 1).bit_length())
        missing = ((0, size - len(batch)), (0, 0))
        return np.pad(batch, missing)


class MeanBatcher(Batcher):
    """A `Batcher` that keeps means alone: memory does not grow with a track.

    Its outputs are those of `over_chunks(values, "mean")`.
    """

    def keep(self, track: dict, row: dict[str, np.ndarray]) -> None:
        """Add a chunk to the sums."""
        sums = track["rows"][0] if track["rows"] else {}
        for name, value in row.items():
            flat = value.reshape(-1, value.shape[-1])
            total, count = sums.get(name, (0.0, 0))
            sums[name] = total + flat.sum(axis=0, dtype="float64"), count + len(flat)
        track["rows"] = [sums]

    def outputs(self, track: dict) -> dict[str, np.ndarray]:
        """Return the means, `(units,)` each."""
        sums = track["rows"][0] if track["rows"] else {}
        return {k: (s / n).astype("float32") for k, (s, n) in sums.items()}


class Producer:
    """Runs `cut` over the tracks in a thread; a context that gives the events.

    Events are `(index, start, chunk, None)` for a chunk and
    `(index, None, None, error or None)` at the end of a track.
    """

    def __init__(self, tracks, cut, depth: int):
        self.tracks, self.cut = tracks, cut
        self.queue: queue.Queue = queue.Queue(maxsize=depth)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return iter(self.queue.get, None)

    def __exit__(self, *exception):
        self.stopped.set()
        while self.thread.is_alive():  # it may wait for room in the queue
            try:
                self.queue.get(timeout=0.05)
            except queue.Empty:
                continue
        failure = getattr(self, "failure", None)
        if failure is not None and exception[0] is None:
            raise failure

    def _run(self) -> None:
        try:
            for index, track in enumerate(self.tracks):
                error = None
                try:
                    for start, chunk in self.cut(track):
                        self._put((index, start, chunk, None))
                except TRACK_ERRORS as caught:
                    error = caught
                self._put((index, None, None, error))
        except _Stopped:
            return
        except BaseException as caught:  # handed to the consumer's thread
            self.failure = caught
        with contextlib.suppress(_Stopped):
            self._put(None)

    def _put(self, event) -> None:
        while not self.stopped.is_set():
            try:
                return self.queue.put(event, timeout=0.1)
            except queue.Full:
                continue
        raise _Stopped


class _Stopped(Exception):
    """The consumer has left; the thread unwinds."""
