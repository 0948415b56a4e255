"""Sound in segments: one stream after the other, each with a decoder of its own."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np


class Loss(NamedTuple):
    """Sound that is not there: where it should begin, and how long it is."""

    second: float
    seconds: float


@dataclasses.dataclass
class Segment:
    """Sound of one rate that one decoder reads from its start.

    Attributes:
        file: Binary file object.
        lead: Samples at its start that are no part of the sound.
        count: Samples of sound behind them; `None`: all there are.
        gap: Samples of silence before it, in place of sound that is lost.
        resume: Takes the number of samples decoded before damage and of bytes read
            by then, and gives the segment behind it, or `None`.
        holes: Gives the sample before each hole, and a weight: how much lacks.
    """

    file: Any
    lead: int = 0
    count: int | None = None
    gap: int = 0
    resume: Callable[[int, int], "Segment | None"] | None = None
    holes: Callable[[], list[tuple[int, int]]] | None = None


@dataclasses.dataclass
class Layout:
    """How to read a file, and what its structure tells.

    Attributes:
        segments: In order; at least one.
        losses: What is known to be missing before anything is decoded.
        announced: Samples per channel that a header counts.
        share: The announced length of the samples over those that are there.
        open_ended: Whether the end of the file is missing.
        damaged: Whether something is missing or comes again.
        survey: The frames of an MPEG file.
        direct: The file itself in place of the only segment, if the decoder finds as
            many samples in it: that is faster.
        lead: Samples in the frames of an MPEG file before the sound.
    """

    segments: list[Segment]
    losses: list[Loss] = dataclasses.field(default_factory=list)
    announced: int | None = None
    share: float = 1.0
    open_ended: bool = False
    damaged: bool = False
    survey: Any = None
    direct: Segment | None = None
    lead: int = 0


def conformed(
    blocks: Iterator[np.ndarray], sample_rate: int, target_rate: int, channels: int
) -> Iterator[np.ndarray]:
    """Give blocks `(n, any)` another rate and number of channels.

    One channel is repeated; more become their mean in each channel.
    """
    import soxr

    stream = None
    if sample_rate != target_rate:
        stream = soxr.ResampleStream(sample_rate, target_rate, channels, "float32")
    for block in blocks:
        if block.shape[1] != channels:
            mean = block.mean(axis=1, keepdims=True, dtype=np.float32)
            block = np.repeat(mean, channels, axis=1)
        if stream is not None:
            block = stream.resample_chunk(np.ascontiguousarray(block))
        if len(block):
            yield block.reshape(-1, channels)
    if stream is not None:
        rest = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)
        if len(rest):
            yield rest.reshape(-1, channels)
