"""From a file to the chunks of several models, decoded once; NumPy, no models."""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.decoders import open_sound
from keras_musictag.audio.files import native_blocks
from keras_musictag.chords.analysis import BEAT_SAMPLE_RATE, find_beats
from keras_musictag.errors import AudioError, MissingExtraError, MusicTagError
from keras_musictag.library.jobs import Spec
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import Chunk

# A network that sees all frames of a track at once gets so much of it at a time, and
# beats are looked for in so much, or memory would grow with the track.
SEGMENT_SECONDS = 900
TEMPO_SECONDS = 240


class AnalysisChunk(NamedTuple):
    """A chunk for one analysis; in a segment, its start counts from there."""

    analysis: str
    chunk: Chunk


class SegmentEnd(NamedTuple):
    """The end of a segment of so many samples, for one analysis."""

    analysis: str
    samples: int


class FinishedRow(NamedTuple):
    """What the decoding thread itself has found out: the row of one analysis."""

    analysis: str
    row: dict[str, Any]


class Duration(NamedTuple):
    """The length of the track; comes once, and last."""

    seconds: float


AnalysisEvent = AnalysisChunk | SegmentEnd | FinishedRow
# How far into the track a stream is, in seconds, and what it has for its analysis.
Step = tuple[float, AnalysisEvent | None]


def cut_for_analyses(
    path: str, specs: Mapping[str, Spec]
) -> Iterator[AnalysisEvent | Duration]:
    """Decode a file once and cut it for several analyses.

    Memory does not depend on the length: streams of all sample rates advance
    together. Equally spaced chunks (`plan.n_spaced`) are read where they lie if no
    analysis needs the rest.

    Args:
        path: The file.
        specs: How each analysis, by its id, wants it.

    Yields:
        Events, those of one analysis in order; the `Duration` at the end.

    Raises:
        AudioError: If the file is not usable audio; whatever makes a decoder fail.
        MissingExtraError: If its decoder is not installed.
    """
    try:
        yield from _events(path, specs)
    except (MusicTagError, MissingExtraError):
        raise
    except Exception as error:  # one strange file must not end the whole run
        raise AudioError(
            "The decoder failed in an unexpected way.",
            received=f"{path}: {type(error).__name__}: {error}",
            advice="Convert the file, or report it.",
        ) from error


def _events(path: str, specs: Mapping[str, Spec]) -> Iterator[AnalysisEvent | Duration]:
    spaced = {key: s for key, s in specs.items() if s.plan and s.plan.n_spaced}
    streamed = {key: s for key, s in specs.items() if key not in spaced}
    seconds = None if streamed else _announced_seconds(path)
    if seconds is not None:
        for analysis, spec in spaced.items():
            yield from _spaced_chunks(path, analysis, spec)
        yield Duration(seconds)
        return
    for analysis, spec in spaced.items():
        yield from _all_chunks(path, analysis, spec)
    rate, native = native_blocks(path)
    blocks = sources.Counted(native)
    passing = iter(blocks)
    if streamed:
        yield from _streamed(passing, rate, streamed)
    for _ in passing:  # what no plan asked for counts as well
        continue
    yield Duration(blocks.samples / rate)


def _all_chunks(path: str, analysis: str, spec: Spec) -> Iterator[AnalysisChunk]:
    assert spec.plan is not None
    for chunk in sources.cut(path, spec.sample_rate, spec.sample_rate, spec.plan):
        yield AnalysisChunk(analysis, chunk)


# === Several analyses hear the same blocks ===


def _streamed(
    blocks: Iterator[np.ndarray], rate: int, specs: Mapping[str, Spec]
) -> Iterator[AnalysisEvent]:
    """Let the stream that is behind go on, so that few blocks wait for it."""
    waiting: list[tuple[float, int, Iterator[Step]]] = []
    readers = _shared(blocks, len(specs))
    for number, (analysis, spec) in enumerate(specs.items()):
        resampled = audio.resample_blocks(readers[number], rate, spec.sample_rate)
        stream = STREAMS[spec.kind](analysis, spec, resampled)
        heapq.heappush(waiting, (0.0, number, stream))
    while waiting:
        _, number, stream = heapq.heappop(waiting)
        step = next(stream, None)
        if step is None:
            continue
        seconds, event = step
        if event is not None:
            yield event
        heapq.heappush(waiting, (seconds, number, stream))


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


def _tag_chunks(
    analysis: str, spec: Spec, blocks: Iterable[np.ndarray]
) -> Iterator[Step]:
    assert spec.plan is not None
    for start, samples in spec.plan.chunks(blocks):
        end = start + spec.plan.core
        yield (
            end / spec.sample_rate,
            AnalysisChunk(analysis, Chunk(start, samples)),
        )


def _chord_chunks(
    analysis: str, spec: Spec, blocks: Iterable[np.ndarray]
) -> Iterator[Step]:
    size, begin = SEGMENT_SECONDS * spec.sample_rate, 0
    assert spec.plan is not None
    for segment in _segments(blocks, size):
        counted = sources.Counted(segment)
        for chunk in sources.cut_with_span(counted, spec.plan):
            end = begin + chunk.start + spec.plan.core
            yield end / spec.sample_rate, AnalysisChunk(analysis, chunk)
        end = begin + counted.samples
        yield end / spec.sample_rate, SegmentEnd(analysis, counted.samples)
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


def _tempo(analysis: str, spec: Spec, blocks: Iterable[np.ndarray]) -> Iterator[Step]:
    kept, samples = [], 0
    for block in blocks:
        if samples < TEMPO_SECONDS * spec.sample_rate:
            kept.append(block)
        samples += len(block)
        yield samples / spec.sample_rate, None
    y = np.concatenate(kept)[: TEMPO_SECONDS * spec.sample_rate]
    tempo, times = find_beats(y, BEAT_SAMPLE_RATE)
    row = {"tempo": tempo if len(times) > 1 else None}
    yield samples / spec.sample_rate, FinishedRow(analysis, row)


def _whole_track(
    analysis: str, spec: Spec, blocks: Iterable[np.ndarray]
) -> Iterator[Step]:
    """Chunks of a track whose result depends on all of it; then its length."""
    assert spec.plan is not None
    counted = sources.Counted(blocks)
    around = sources.Counted(sources.mirrored(counted, spec.mirrored))
    for chunk in sources.cut_with_span(around, spec.plan):
        end = chunk.start + spec.plan.core
        yield end / spec.sample_rate, AnalysisChunk(analysis, chunk)
    yield counted.samples / spec.sample_rate, SegmentEnd(analysis, counted.samples)


STREAMS = {
    "tags": _tag_chunks,
    "chords": _chord_chunks,
    "tempo": _tempo,
    "beats": _whole_track,
    "key": _whole_track,
}


# === Equally spaced chunks, read where they lie ===


def _announced_seconds(path: str) -> float | None:
    with open_sound(path) as sound:
        samples = sound.known_length()
        return samples / sound.sample_rate if samples else None


def _spaced_chunks(path: str, analysis: str, spec: Spec) -> Iterator[AnalysisChunk]:
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
        starts = plan.starts(lengths[-1])
        if starts[-1] + plan.chunk_samples > lengths[-1]:
            # Too short to gain anything: the plan itself knows how to fill it up.
            yield from _all_chunks(path, analysis, spec)
            return
        start = int(starts[number])
        missing = max(0, plan.context - start)
        if missing:  # as the plan has it at the start of a track
            piece = piece[: len(piece) - missing]
            before = piece[1 : missing + 1][::-1]
            before = before if plan.edge == "reflect" else np.zeros_like(before)
            piece = np.concatenate([before, piece])
        yield AnalysisChunk(analysis, Chunk(start, piece))
