"""From tracks to chunk scores: decode ahead, fill batches across tracks."""

import collections
import contextlib
import dataclasses
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from keras_musictag.errors import MissingExtraError, MusicTagError
from keras_musictag.tracks.slabs import Slabs, joined

# What may be wrong with one track without being wrong with the others.
TRACK_ERRORS = (MusicTagError, MissingExtraError)
TrackError = MusicTagError | MissingExtraError
OVER_TIME = "scores over time"


class Chunk(NamedTuple):
    """A piece of a track.

    `start` is its first core sample, counted in the track; `samples` has shape
    `(chunk_samples,)`. `span` says which of the samples lie within the track, first
    and end, where a network wants to know; else `None`. `tuning` is that of the track,
    in semitones above A4 = 440 Hz, where a network follows it.
    """

    start: int
    samples: np.ndarray
    span: tuple[int, int] | None = None
    tuning: float = 0.0


class Item(NamedTuple):
    """Something that `cut` gave for the track at `position`."""

    position: int
    value: Any


class End(NamedTuple):
    """The end of the track at `position`.

    `length` is what `cut` returned, the samples of the track; `None` if it has none or
    an `error` ended the track.
    """

    position: int
    track: Any
    length: int | None
    error: TrackError | None


class TrackOutput(NamedTuple):
    """What the model gave for one track.

    `position` counts the tracks from 0, `track` is the track itself and `length` its
    samples, 0 for a bad track. `starts` has shape `(chunks,)` in samples; `outputs`
    maps each output's name to an array whose first axis is `chunks`, or frames for
    networks that hear tracks as a whole. A bad track has an `error` instead. `peak` is
    the largest absolute sample of the chunks, `None` where nobody measured it.
    """

    position: int
    track: Any
    length: int
    starts: np.ndarray
    outputs: dict[str, np.ndarray]
    error: TrackError | None = None
    peak: float | None = None


Cut = Callable[[Any], Generator[Any, None, int | None]]


def score_tracks(
    tracks: Iterable[Any],
    cut: Cut,
    forward: Callable[[np.ndarray], dict[str, np.ndarray]],
    batch_size: int,
    fixed_shape: bool,
) -> Iterator[TrackOutput]:
    """Run a model over the chunks of many tracks, in order.

    A thread decodes and cuts the next tracks while the model works; a bounded
    queue keeps memory flat. Batches are filled across tracks.

    Args:
        tracks: The tracks, in any form that `cut` understands.
        cut: Yields the `Chunk`s of a track and returns its length; its errors are
            reported for that track alone.
        forward: Maps a batch `(n, chunk_samples)` to named outputs `(n, ...)`.
        batch_size: How many chunks go through the model at once.
        fixed_shape: Whether the last batch is filled up with zeros, so that a
            compiler sees few shapes.

    Yields:
        One `TrackOutput` per track, as soon as its last chunk is scored.
    """
    batcher = Batcher(forward, batch_size, fixed_shape)
    with Producer(tracks, cut, depth=4 * batch_size) as events:
        for event in events:
            if isinstance(event, End):
                batcher.close(event)
            else:
                batcher.add(event.position, event.value)
            yield from batcher.finished()
    batcher.flush()
    yield from batcher.finished()


def join_tracks(
    tracks: Iterable[Any],
    cut: Cut,
    forward: Callable[[Chunk], dict[str, np.ndarray]],
    depth: int,
    warm_up: Callable[[], object] = lambda: None,
    abreast: int = 1,
) -> Iterator[TrackOutput]:
    """Compute something for each chunk, and join it to one array per track.

    Args:
        tracks, cut: As in `score_tracks`.
        forward: Maps a chunk to named arrays `(frames, ...)`.
        depth: How many chunks are decoded ahead.
        warm_up: Called once, while the first track is decoded.
        abreast: How many chunks of a track may be computed at a time; above 1,
            `forward` is called by threads.

    Yields:
        One `TrackOutput` per track, its arrays joined along the frames.
    """
    parts = _Parts()
    with Producer(tracks, cut, depth) as events, _Abreast(forward, abreast) as chunks:
        warm_up()
        for event in events:
            if isinstance(event, Item):
                for start, values in chunks.put(event.value):
                    parts.add(start, values)
                continue
            for start, values in chunks.rest():
                parts.add(start, values)
            # Nobody here keeps what is yielded: of a long track it is much memory.
            yield parts.taken(event)


class _Abreast:
    """Computes chunks by so many threads, and gives them back in order."""

    def __init__(self, forward: Callable[[Chunk], dict[str, np.ndarray]], count: int):
        self.forward, self.count = forward, count
        self.pool = ThreadPoolExecutor(count) if count > 1 else None
        self.waiting: collections.deque[tuple[int, Future]] = collections.deque()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def put(self, chunk: Chunk) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Take a chunk; yield the starts and values of those that had to be ready."""
        if self.pool is None:
            yield chunk.start, self.forward(chunk)
            return
        self.waiting.append((chunk.start, self.pool.submit(self.forward, chunk)))
        if len(self.waiting) > self.count:
            yield self._first()

    def rest(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Yield those of all chunks that are left."""
        while self.waiting:
            yield self._first()

    def _first(self) -> tuple[int, dict[str, np.ndarray]]:
        start, future = self.waiting.popleft()
        return start, future.result()


class _Parts:
    """What the chunks of one track gave so far."""

    slabs: Slabs
    starts: list[int]
    parts: dict[str, list[np.ndarray]]

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        """Begin a track."""
        self.slabs, self.starts, self.parts = Slabs(), [], {}

    def add(self, start: int, values: dict[str, np.ndarray]) -> None:
        """Keep what a chunk gave."""
        self.starts.append(start)
        for name, value in values.items():
            self.parts.setdefault(name, []).append(self.slabs.copy(value))

    def taken(self, end: End) -> TrackOutput:
        """Join the parts, none of a bad track, and clear them."""
        if end.error is not None:
            self.clear()
        starts = np.asarray(self.starts, dtype="int64")
        del self.slabs  # it holds the last part
        values = {name: joined(parts) for name, parts in self.parts.items()}
        self.clear()
        position, track, length, error = end
        return TrackOutput(position, track, length or 0, starts, values, error)


@dataclasses.dataclass
class _OpenTrack:
    """A track that is not finished: what was kept of its chunks so far."""

    starts: list[int] = dataclasses.field(default_factory=list)
    rows: list = dataclasses.field(default_factory=list)
    scored: int = 0
    peak: float | None = None
    end: End | None = None

    @property
    def complete(self) -> bool:
        return self.end is not None and self.scored == len(self.starts)


class Batcher:
    """Collects chunks into batches and hands outputs back to their tracks.

    Args:
        forward, batch_size, fixed_shape: As in `score_tracks`.
    """

    def __init__(self, forward, batch_size: int, fixed_shape: bool):
        self.forward, self.batch_size = forward, batch_size
        self.fixed_shape, self.ran = fixed_shape, False
        self.waiting: list[tuple[int, np.ndarray]] = []
        self.open: dict[int, _OpenTrack] = {}

    def add(self, position: int, chunk: Chunk) -> None:
        """Take a chunk of a track; a full batch goes through the model."""
        track = self.open.setdefault(position, _OpenTrack())
        track.starts.append(chunk.start)
        track.peak = max(track.peak or 0.0, float(np.abs(chunk.samples).max()))
        self.waiting.append((position, chunk.samples))
        if len(self.waiting) == self.batch_size:
            self.flush()

    def close(self, end: End) -> None:
        """Say that a track has no more chunks, or what is wrong with it."""
        track = self.open.setdefault(end.position, _OpenTrack())
        if end.error is not None:  # its chunks are of no use to anybody
            self.waiting = [item for item in self.waiting if item[0] != end.position]
            # In its place, so that the order stays.
            track = self.open[end.position] = _OpenTrack()
        track.end = end

    def flush(self) -> None:
        """Send what waits through the model."""
        if not self.waiting:
            return
        batch = np.stack([samples for _, samples in self.waiting])
        outputs = self.forward(self._filled(batch))
        for row, (position, _) in enumerate(self.waiting):
            track = self.open[position]
            track.scored += 1
            self.keep(track.rows, {k: v[row] for k, v in outputs.items()})
        self.waiting, self.ran = [], True

    def finished(self) -> Iterator[TrackOutput]:
        """Yield the tracks that are complete, in the order they were opened."""
        while self.open:
            position, track = next(iter(self.open.items()))
            if not track.complete:
                return
            del self.open[position]
            assert track.end is not None
            _, source, length, error = track.end
            starts = np.asarray(track.starts, dtype="int64")
            outputs = self.outputs(track.rows)
            yield TrackOutput(
                position, source, length or 0, starts, outputs, error, track.peak
            )

    def keep(self, rows: list, row: dict[str, np.ndarray]) -> None:
        """Keep what the model gave for a chunk."""
        rows.append(row)

    def outputs(self, rows: list) -> dict[str, np.ndarray]:
        """Bring together what was kept of a track."""
        return {k: np.stack([r[k] for r in rows]) for k in rows[0]} if rows else {}

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
    """A `Batcher` that keeps means: memory does not grow with a track.

    Its outputs are those of `over_chunks(values, "mean")`.

    Args:
        forward, batch_size, fixed_shape: As in `score_tracks`.
        columns: Of the scores, those that are kept over time as well, under the name
            `OVER_TIME`, `(chunks, columns)`.
    """

    def __init__(
        self, forward, batch_size: int, fixed_shape: bool, columns: Iterable[int] = ()
    ):
        super().__init__(forward, batch_size, fixed_shape)
        self.columns = list(columns)

    def keep(self, rows: list, row: dict[str, np.ndarray]) -> None:
        """Add a chunk to the sums."""
        sums = rows[0] if rows else {}
        for name, value in row.items():
            flat = value.reshape(-1, value.shape[-1])
            total, count = sums.get(name, (0.0, 0))
            sums[name] = total + flat.sum(axis=0, dtype="float64"), count + len(flat)
        rows[:1] = [sums]
        if self.columns:
            rows.append(row["scores"][..., self.columns])

    def outputs(self, rows: list) -> dict[str, np.ndarray]:
        """Return the means, `(units,)` each, and what is kept over time."""
        if not rows:
            return {}
        sums, *over_time = rows
        means = {k: (s / n).astype("float32") for k, (s, n) in sums.items()}
        return means | ({OVER_TIME: np.stack(over_time)} if over_time else {})


class Producer:
    """Runs `cut` over the tracks in a thread; a context that gives the events.

    Args:
        tracks: The tracks; may be a generator, which then runs in that thread.
        cut: Generator function of a track, as in `score_tracks`; what it yields need
            not be chunks.
        depth: How many events may wait for the consumer.

    Events are an `Item` for whatever `cut` yields and one `End` for each track.
    """

    def __init__(self, tracks: Iterable[Any], cut: Cut, depth: int):
        self.tracks, self.cut = tracks, cut
        self.queue: queue.Queue = queue.Queue(maxsize=depth)
        self.stopped = threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Iterator[Item | End]:
        self.thread.start()
        return iter(self.queue.get, None)

    def __exit__(self, *exception):
        self.stopped.set()
        while self.thread.is_alive():  # it may wait for room in the queue
            try:
                self.queue.get(timeout=0.05)
            except queue.Empty:
                continue
        if self.failure is not None and exception[0] is None:
            raise self.failure

    def _run(self) -> None:
        try:
            for position, track in enumerate(self.tracks):
                length, error = None, None
                try:
                    length = self._put_items(position, self.cut(track))
                except TRACK_ERRORS as caught:
                    error = caught
                self._put(End(position, track, length, error))
        except _Stopped:
            return
        except BaseException as caught:  # handed to the consumer's thread
            self.failure = caught
        with contextlib.suppress(_Stopped):
            self._put(None)

    def _put_items(
        self, position: int, values: Generator[Any, None, int | None]
    ) -> int | None:
        """Put all that a generator yields; return what it returns."""
        while True:
            try:
                value = next(values)
            except StopIteration as end:
                return end.value
            self._put(Item(position, value))

    def _put(self, event: Item | End | None) -> None:
        while not self.stopped.is_set():
            try:
                return self.queue.put(event, timeout=0.1)
            except queue.Full:
                continue
        raise _Stopped


class _Stopped(Exception):
    """The consumer has left; the thread unwinds."""
