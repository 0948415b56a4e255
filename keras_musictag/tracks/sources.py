"""What users hand over as music: paths, open files, arrays, lists of these."""

import io
import os
import warnings
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_axes, is_array
from keras_musictag.checks import check_choice
from keras_musictag.errors import AudioError, AudioWarning
from keras_musictag.tracks.inference import TRACK_ERRORS, Chunk

ON_ERROR = ("warn", "raise")


def is_file(x) -> bool:
    """Whether `x` is a path or an open file."""
    return isinstance(x, (str, os.PathLike)) or hasattr(x, "read")


def rereadable(track):
    """Return a track that can be decoded again; a file that cannot seek is read."""
    seekable = getattr(track, "seekable", lambda: True)
    try:
        return track if seekable() else io.BytesIO(track.read())
    except (OSError, TypeError, ValueError):
        return track  # who decodes it says what is wrong


def are_tracks(x) -> bool:
    """Whether `x` is music rather than a data set of ready batches."""
    return is_file(x) or is_array(x) or isinstance(x, (list, tuple))


def as_tracks(source) -> tuple[list, bool]:
    """Return `(list of tracks, whether it was a single one)`.

    Raises:
        AudioError: If `source` is neither music nor a list of it.
    """
    if is_file(source) or is_array(source):
        return [source], True
    if isinstance(source, (list, tuple)):
        _check_items(source)
        return list(source), False
    raise AudioError(
        "Music must be a path, an open file, an array or a list of these.",
        received=f"{type(source).__name__}",
        advice="Pass for example 'song.mp3', or samples with sample_rate=.",
    )


def batch(x) -> list:
    """Return the tracks of `x`, where a 2-D array holds one track per row.

    Raises:
        AudioError: If an array looks like `(samples, channels)` or a list holds
            something else than music.
    """
    if not is_array(x):
        return as_tracks(x)[0]
    if len(x.shape) != 2:
        return [x]
    if x.shape[0] == 0:
        raise AudioError(
            "There are no tracks in the array.",
            received=f"shape {tuple(x.shape)}",
            advice="Pass (samples,) or (batch, samples).",
        )
    check_axes(x.shape)
    return [x[i] for i in range(x.shape[0])]


class Counted:
    """Blocks that are counted while they pass.

    Args:
        blocks: float32 arrays `(n,)`, in order.

    Attributes:
        samples: How many samples have passed so far.
    """

    def __init__(self, blocks: Iterable[np.ndarray]):
        self.blocks, self.samples = blocks, 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self.blocks:
            self.samples += len(block)
            yield block


def cut(
    track, sample_rate: int, target_rate: int, plan: audio.ChunkPlan
) -> Generator[Chunk, None, int]:
    """Decode, resample and cut one track lazily.

    Args:
        track: A path, an open file or an array.
        sample_rate: Of an array, in Hz; files know theirs.
        target_rate: That the chunks shall have, in Hz.
        plan: How to cut.

    Yields:
        The `Chunk`s, float32 `(chunk_samples,)` each.

    Returns:
        The length of the track in samples.
    """
    length = None
    if plan.n_spaced is not None:
        length = audio.length(track, target_rate, sample_rate=sample_rate)
    blocks = Counted(audio.blocks(track, target_rate, sample_rate=sample_rate))
    for start, samples in plan.chunks(blocks, length):
        yield Chunk(start, samples)
    return blocks.samples


def cut_with_span(blocks: Counted, plan: audio.ChunkPlan) -> Iterator[Chunk]:
    """Cut blocks into chunks that say which of their samples are the track's.

    Args:
        blocks: The samples of the track.
        plan: How to cut.

    Yields:
        The `Chunk`s, each with its `span`.
    """
    for start, samples in plan.chunks(blocks):
        # A chunk comes early only if it lies within the track; what comes last
        # knows the length.
        first = start - plan.context
        span = np.clip([-first, blocks.samples - first], 0, len(samples))
        yield Chunk(start, samples, (int(span[0]), int(span[1])))


def mirrored(blocks: Iterable[np.ndarray], reach: int) -> Iterator[np.ndarray]:
    """Mirror a track at its ends, as `np.pad` does.

    Args:
        blocks: float32 arrays `(n,)`, in order.
        reach: By how many samples; none for 0.

    Yields:
        The blocks, cut anew, with what is mirrored before and after them.
    """
    if not reach:
        yield from blocks
        return
    held = np.zeros(0, "float32")
    begun = False
    for block in blocks:
        held = np.concatenate([held, block])
        if len(held) <= 2 * reach:
            continue
        if not begun:
            yield held[reach:0:-1]
            begun = True
        yield held[: -reach - 1]
        held = held[-reach - 1 :]
    if len(held):
        before = 0 if begun else reach
        yield np.pad(held, (before, reach), mode="reflect")


def whole(track, sample_rate: int, target_rate: int) -> np.ndarray:
    """Decode and resample one track, all of it.

    Args:
        track, sample_rate, target_rate: As in `cut`.

    Returns:
        float32 array `(samples,)`.
    """
    blocks = audio.blocks(track, target_rate, sample_rate=sample_rate)
    return np.concatenate([np.zeros(0, "float32"), *blocks])


def collect(
    outcomes: Iterable, tracks: list, single: bool, on_error: str = "warn"
) -> Any:
    """Gather the results of tracks, where one bad track never loses the others.

    Args:
        outcomes: For each track, in order, its result or its error.
        tracks: The tracks, for the warnings.
        single: Whether there is one track only, whose error is raised.
        on_error: `"warn"` or `"raise"`.

    Returns:
        The results, with `None` for each bad track; the one result if `single`.

    Raises:
        ConfigError: If `on_error` is unknown.
        AudioError: The error of a bad track, if it is to be raised.
    """
    check_choice(on_error, ON_ERROR, name="on_error")
    results: list = []
    for index, outcome in enumerate(outcomes):
        if not isinstance(outcome, TRACK_ERRORS):
            results.append(outcome)
            continue
        if single or on_error == "raise":
            raise outcome
        track = tracks[index]
        name = track if isinstance(track, str) or hasattr(track, "name") else "array"
        warnings.warn(f"item {index} ({name}): {outcome}", AudioWarning, stacklevel=3)
        results.append(None)
    return results[0] if single else results


def _check_items(items) -> None:
    for index, item in enumerate(items):
        if not (is_file(item) or is_array(item)):
            raise AudioError(
                f"Item {index} of the list is not music.",
                received=f"{type(item).__name__} {str(item)[:40]!r}",
                advice="A list holds paths or arrays; turn numbers into an array "
                "with np.asarray(samples, 'float32').",
            )
