"""From a file to the chunks of several models, decoded once; NumPy, no models."""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.decoders import open_sound
from keras_musictag.audio.files import native_blocks
from keras_musictag.chords.analysis import BEAT_SAMPLE_RATE, find_beats
from keras_musictag.errors import AudioError, MissingExtraError, MusicTagError
from keras_musictag.library.jobs import Spec
from keras_musictag.tracks import sources

# A network that sees all frames of a track at once gets so much of it at a time, and
# beats are looked for in so much, or memory would grow with the track.
SEGMENT_SECONDS = 900
TEMPO_SECONDS = 240


class Event(NamedTuple):
    """Something for analysis number `place`.

    Either a chunk, float32 `(n,)`, that begins at sample `start`; or, without a
    chunk, the end of a segment of `start` samples; or a finished `value`. The
    duration of the track in seconds is the value of place -1.
    """

    place: int
    start: int
    chunk: np.ndarray | None = None
    value: Any = None


def cut(path: str, specs: Sequence[Spec]) -> Iterator[Event]:
    """Decode a file once and cut it for several analyses.

    Memory does not depend on the length: streams of all sample rates advance
    together. Equally spaced chunks (`plan.n_spaced`) are read where they lie if no
    analysis needs the rest.

    Args:
        path: The file.
        specs: How each analysis wants it.

    Yields:
        `Event`s, those of one place in order.

    Raises:
        AudioError: If the file is not usable audio; whatever makes a decoder fail.
        MissingExtraError: If its decoder is not installed.
    """
    try:
        yield from _cut(path, specs)
    except (MusicTagError, MissingExtraError):
        raise
    except Exception as error:  # one strange file must not end the whole run
        raise AudioError(
            "The decoder failed in an unexpected way.",
            received=f"{path}: {type(error).__name__}: {error}",
            advice="Convert the file, or report it.",
        ) from error


def _cut(path: str, specs: Sequence[Spec]) -> Iterator[Event]:
    spaced = {i for i, s in enumerate(specs) if s.plan and s.plan.n_spaced}
    duration = _announced_seconds(path) if len(spaced) == len(specs) else None
    if duration is not None:
        for place, spec in enumerate(specs):
            yield from _spaced(path, place, spec)
        yield Event(-1, 0, value=duration)
        return
    for place in spaced:
        plan, rate = specs[place].plan, specs[place].sample_rate
        assert plan is not None
        for start, chunk in sources.cut(path, rate, rate, plan):
            yield Event(place, start, chunk)
    rate, blocks = native_blocks(path)
    samples = 0

    def counted():
        nonlocal samples
        for block in blocks:
            samples += len(block)
            yield block

    streamed = [i for i in range(len(specs)) if i not in spaced]
    if streamed:
        yield from _streamed(counted(), rate, streamed, specs)
    for _ in counted():  # what no plan asked for counts as well
        continue
    yield Event(-1, 0, value=samples / rate)


def _streamed(blocks, rate: int, places: list[int], specs: Sequence[Spec]):
    """Let the stream that is behind go on, so that few blocks wait for it."""
    waiting: list[tuple[float, int, Any]] = []
    for place, copy in zip(places, _shared(blocks, len(places)), strict=True):
        target = specs[place].sample_rate
        resampled = audio.resample_blocks(copy, rate, target)
        stream = STREAMS[specs[place].kind](place, specs[place], resampled)
        heapq.heappush(waiting, (0.0, place, stream))
    while waiting:
        _, place, stream = heapq.heappop(waiting)
        step = next(stream, None)
        if step is None:
            continue
        seconds, event = step
        if event is not None:
            yield event
        heapq.heappush(waiting, (seconds, place, stream))


def _shared(blocks: Iterator[np.ndarray], count: int) -> list[Iterator[np.ndarray]]:
    """Let several readers have the same blocks; what all have read is let go."""
    queues: list[deque] = [deque() for _ in range(count)]

    def reader(queue):
        while True:
            if not queue:
                block = next(blocks, None)
                if block is None:
                    return
                for other in queues:
                    other.append(block)
            yield queue.popleft()

    return [reader(queue) for queue in queues]


def _tag_chunks(place: int, spec: Spec, blocks) -> Iterator[tuple[float, Event | None]]:
    assert spec.plan is not None
    for start, chunk in spec.plan.chunks(blocks):
        end = start + spec.plan.core
        yield end / spec.sample_rate, Event(place, start, chunk)


def _chord_chunks(place: int, spec: Spec, blocks):
    size, begin = SEGMENT_SECONDS * spec.sample_rate, 0
    assert spec.plan is not None
    for segment in _segments(blocks, size):
        for start, chunk in sources.cut_with_span(segment, spec.plan):
            end = begin + start if chunk is None else begin + start + spec.plan.core
            yield end / spec.sample_rate, Event(place, start, chunk)
        begin += size


def _segments(blocks: Iterable[np.ndarray], size: int) -> Iterator[Iterator]:
    """Split a stream of blocks into streams of `size` samples each."""
    blocks = iter(blocks)
    held = next(blocks, None)

    def segment():
        nonlocal held
        missing = size
        while held is not None and missing:
            piece, rest = held[:missing], held[missing:]
            missing -= len(piece)
            held = rest if len(rest) else next(blocks, None)
            yield piece

    while held is not None:
        yield segment()


def _tempo(place: int, spec: Spec, blocks):
    kept, samples = [], 0
    for block in blocks:
        if samples < TEMPO_SECONDS * spec.sample_rate:
            kept.append(block)
        samples += len(block)
        yield samples / spec.sample_rate, None
    y = np.concatenate(kept)[: TEMPO_SECONDS * spec.sample_rate]
    _, times = find_beats(y, BEAT_SAMPLE_RATE)
    tempo = 60 / float(np.median(np.diff(times))) if len(times) > 1 else None
    yield samples / spec.sample_rate, Event(place, 0, value={"tempo": tempo})


STREAMS = {"tags": _tag_chunks, "chords": _chord_chunks, "tempo": _tempo}


def _announced_seconds(path: str) -> float | None:
    with open_sound(path) as sound:
        samples = sound.known_length()
        return samples / sound.sample_rate if samples else None


def _spaced(path: str, place: int, spec: Spec) -> Iterator[Event]:
    """Read equally spaced chunks, each where it lies."""
    plan, rate = spec.plan, spec.sample_rate
    assert plan is not None and plan.n_spaced is not None
    lengths: list[int] = []

    def begin_at(number: int):
        def begin(length: int) -> int:
            lengths.append(length)
            return max(0, int(plan.starts(length)[number]) - plan.context)

        return begin

    for number in range(plan.n_spaced):
        piece = audio.excerpt(path, rate, plan.chunk_samples, begin_at(number))
        length = lengths[-1]
        start = int(plan.starts(length)[number])
        if length < plan.chunk_samples or start + plan.chunk_samples > length:
            # Too short to gain anything: the plan itself knows how to fill it up.
            whole = sources.cut(path, rate, rate, plan)
            yield from (Event(place, at, chunk) for at, chunk in whole)
            return
        missing = max(0, plan.context - start)
        if missing:  # as the plan has it at the start of a track
            piece = piece[: len(piece) - missing]
            before = piece[1 : missing + 1][::-1]
            before = before if plan.edge == "reflect" else np.zeros_like(before)
            piece = np.concatenate([before, piece])
        yield Event(place, start, piece)
