"""The ISMIR 2019 chord network over whole tracks, block by block.

Every norm needs the mean and variance of its convolution over the whole track. So the
track is swept once for each convolution: layers since the last stored one are computed
again, the sums of the newest are added up, and its output is stored where it is small.
Pooling comes before norm and activation, which rise and so give the same.
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from keras_musictag.chords.chordogram import CHORD
from keras_musictag.chords.composing import compose
from keras_musictag.chords.structure import CHOICES
from keras_musictag.chords.vocabulary import Vocabulary
from keras_musictag.engines.recurrence import lstms
from keras_musictag.engines.sessions import runtime_installed
from keras_musictag.engines.structure_convolutions import Convolve, Step, by_onnx
from keras_musictag.environment import cores
from keras_musictag.tracks.slabs import Slabs

# Name, filters, zeros beyond the lowest and highest bin, and bins of the pooling.
CONVOLUTIONS = (
    ("conv1a", 16, 1, 1),
    ("conv1b", 16, 1, 1),
    ("conv1c", 16, 1, 3),
    ("conv2a", 32, 1, 1),
    ("conv2b", 32, 1, 1),
    ("conv2c", 32, 1, 3),
    ("conv3a", 64, 1, 1),
    ("conv3b", 64, 1, 4),
    ("conv4a", 80, 0, 1),
    ("conv4b", 80, 0, 1),
)
EPSILON = 1e-5
# Where each choice begins in the last layer.
STARTS = dict(
    zip(CHOICES, np.cumsum([0, *CHOICES.values()])[:-1].tolist(), strict=True)
)
# So much of a block of the first convolutions stays in the cache of a core.
BLOCK_FRAMES = 128
# An output up to this size is stored rather than computed again.
STORED_BYTES = 220e6
# A larger one that must be stored, because it is pooled, is so in half precision.
SINGLE_BYTES = 120e6
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
# Frames up to which the LSTMs of all networks run side by side in NumPy.
MOST_TOGETHER = 60_000
# Frames up to which two networks run at a time, five minutes: both need memory.
MOST_ABREAST = 13_000


def array_names(net: str) -> list[str]:
    """Return the names of a network's arrays in files, in the order of `Net`.

    Args:
        net: What they begin with, such as `"net0"`.
    """
    cells = [f"lstm/{way}_lstm/lstm_cell" for way in ("forward", "backward")]
    recurrent = ("kernel", "recurrent_kernel", "bias")
    return [
        *(f"{net}_{layer}/kernel" for layer, *_ in CONVOLUTIONS),
        *(f"{net}_{cell}/{name}" for cell in cells for name in recurrent),
        *(f"{net}_dense/{name}" for name in ("kernel", "bias")),
    ]


class Net:
    """The weights of one network as NumPy arrays, and what runs them.

    Args:
        weights: Kernels of the convolutions, `(3, 3, in, out)`, without offsets, which
            the norms would take off; kernel, recurrent kernel and offset of the LSTM,
            forwards and backwards; kernel and offset of the last layer.
        make: Makes what runs convolutions, as `by_onnx` does.
    """

    def __init__(self, weights: list[np.ndarray], make=by_onnx):
        self.weights, self.make = weights, make
        *self.kernels, a, b, c, d, e, f, kernel, bias = weights
        self.recurrent = [(a, b, c), (d, e, f)]
        self.dense = kernel, bias
        self.convolutions = functools.cache(self._convolutions)

    def has(self, weights: list[np.ndarray]) -> bool:
        """Return whether these are its weights."""
        return all(map(np.array_equal, self.weights, weights))

    def _convolutions(self, first: int, last: int, keep: bool) -> Convolve:
        """Return what runs some convolutions, and whether the output is wanted."""
        steps = [
            Step(kernel, padding)
            for kernel, (_, _, padding, _) in zip(
                self.kernels, CONVOLUTIONS, strict=True
            )
        ]
        pool = CONVOLUTIONS[last][3] if keep else 0
        return self.make(steps[first : last + 1], first > 0, pool)


class Norm(NamedTuple):
    """What a norm does to each channel: `x * scale + shift`, float32 `(channels,)`."""

    scale: np.ndarray
    shift: np.ndarray


def answers(
    magnitudes: np.ndarray, nets: list[Net], vocabulary: Vocabulary
) -> dict[str, np.ndarray]:
    """Compute what networks say about a whole track, and its chords.

    Args:
        magnitudes: float32 `(frames, bins)`.
        nets: The networks.
        vocabulary: The chords to compose.

    Returns:
        float32 arrays `(frames, classes)` by the name of the output.
    """
    mean = choices(np.ascontiguousarray(magnitudes, "float32"), nets)
    outputs = {
        name: mean[:, start : start + CHOICES[name]] for name, start in STARTS.items()
    }
    return {CHORD: compose(outputs, vocabulary), **outputs}


def choices(track: np.ndarray, nets: list[Net]) -> np.ndarray:
    """Compute what networks say about a whole track, on average.

    Args:
        track: float32 `(frames, bins)`, magnitudes.
        nets: The networks.

    Returns:
        float32 `(frames, 100)`: the probabilities of the six choices, side by side.
    """
    frames, bins = track.shape
    mean = np.zeros((frames, sum(CHOICES.values())), "float32")
    together = not runtime_installed() and frames <= MOST_TOGETHER
    group = len(nets) if together else 1
    groups = [nets[first : first + group] for first in range(0, len(nets), group)]
    rows = Rows(1, frames, bins, values=track[None])
    products = neighbour_products(rows)
    # While one network has nothing to do for a core, the next one has.
    abreast = 2 if frames <= MOST_ABREAST else 1
    with (
        ThreadPoolExecutor(cores()) as workers,
        ThreadPoolExecutor(abreast) as drivers,
    ):
        run = functools.partial(_said, rows, products, workers)
        for said in drivers.map(run, groups):
            while said:  # what was added is gone while the next one runs
                mean += said.pop(0) / np.float32(len(nets))
    return mean


def _said(
    rows: "Rows", products: "Products", workers: ThreadPoolExecutor, nets: list[Net]
) -> list[np.ndarray]:
    """Run networks; the probabilities of each, float32 `(frames, 100)`."""
    said = []
    hidden = _hidden(rows, products, workers, nets)
    for values, net in zip(hidden, nets, strict=True):
        logits = values @ net.dense[0] + net.dense[1]
        for name, start in STARTS.items():
            part = logits[:, start : start + CHOICES[name]]
            part -= part.max(axis=1, keepdims=True)
            np.exp(part, out=part)
            part /= part.sum(axis=1, keepdims=True)
        said.append(logits)
    return said


def _hidden(
    rows: "Rows", products: "Products", workers: ThreadPoolExecutor, nets: list[Net]
) -> np.ndarray:
    """Run everything up to the last layer; float32 `(nets, frames, 2 * units)`."""
    ways, weights = [], []
    for net in nets:
        x = convolve(rows, products, net, workers)
        ways += [x, x[::-1]]
        weights += net.recurrent
    hidden, _ = lstms(ways, weights)
    return np.concatenate([hidden[::2], hidden[1::2, ::-1]], axis=2)


# === Convolutions ===


class Rows:
    """A value for each channel, frame and bin of a track, in blocks of frames.

    Args:
        channels, frames, bins: Of the values.
        half: Whether they are kept in half precision.
        values: `(channels, frames, bins)` if they are there already.

    Attributes:
        spans: The first frame and the end of each block.
        blocks: Arrays `(channels, frames of the block, bins)`; `None` where dropped.
    """

    def __init__(self, channels, frames, bins, half=False, values=None):
        self.channels, self.frames, self.bins = channels, frames, bins
        starts = range(0, frames, BLOCK_FRAMES)
        self.spans = [(start, min(start + BLOCK_FRAMES, frames)) for start in starts]
        self.given = values is not None
        if values is not None:
            self.blocks = [values[:, start:stop] for start, stop in self.spans]
            return
        slabs, kind = Slabs(), "float16" if half else "float32"
        self.blocks = [
            slabs.empty((channels, stop - start, bins), kind)
            for start, stop in self.spans
        ]
        self.read = [False] * len(self.blocks)

    def release(self, number: int) -> None:
        """Say that the cut around a block was the last one; values given stay.

        A cut reaches into the neighbours, so a block goes when these have been as well.
        """
        if self.given:
            return
        self.read[number] = True
        for middle in range(max(0, number - 1), min(number + 2, len(self.blocks))):
            if all(self.read[max(0, middle - 1) : middle + 2]):
                self.blocks[middle] = None

    def cut(self, start: int, stop: int) -> np.ndarray:
        """Return float32 values from one frame to another, zeros beyond the track."""
        cut = np.zeros((self.channels, stop - start, self.bins), "float32")
        first = max(0, start) // BLOCK_FRAMES
        for span, block in zip(self.spans[first:], self.blocks[first:], strict=True):
            low, high = max(span[0], start), min(span[1], stop)
            if low >= high:
                break
            cut[:, low - start : high - start] = block[
                :, low - span[0] : high - span[0]
            ]
        return cut


class Products(NamedTuple):
    """What the norm of a convolution needs to know of the track that it sees.

    Args:
        total: Sums of the nine neighbours of all magnitudes, float64 `(9,)`.
        pairs: Sums of their products, float64 `(9, 9)`.
        size: How many magnitudes.
    """

    total: np.ndarray
    pairs: np.ndarray
    size: int


def neighbour_products(rows: Rows) -> Products:
    """Add up what neighbouring magnitudes are, and their products."""
    total, pairs = np.zeros(9), np.zeros((9, 9))
    for start, stop in rows.spans:
        block = np.pad(rows.cut(start - 1, stop + 1)[0], ((0, 0), (1, 1)))
        neighbours = np.stack(
            [
                block[i : i + stop - start, j : j + rows.bins].ravel()
                for i in range(3)
                for j in range(3)
            ]
        )
        total += neighbours.sum(axis=1, dtype="float64")
        pairs += neighbours @ neighbours.T
    return Products(total, pairs, rows.frames * rows.bins)


def convolve(
    rows: Rows, products: Products, net: Net, workers: ThreadPoolExecutor
) -> np.ndarray:
    """Run the convolutions over a whole track.

    Args:
        rows: The magnitudes, of one channel.
        products: Of the track.
        net: The network.
        workers: Run its blocks.

    Returns:
        float32 `(frames, units)`, normalised and activated.
    """
    # The first convolution is linear: its norm is known without a sweep.
    kernel = net.kernels[0].reshape(9, -1).astype("float64")
    square = np.einsum("if,ij,jf->f", kernel, products.pairs, kernel)
    norms = [_norm(products.total @ kernel, square, products.size)]
    first, bins = 0, rows.bins
    for last in range(1, len(CONVOLUTIONS)):
        _, filters, padding, pool = CONVOLUTIONS[last]
        bins -= 2 * (1 - padding)
        keep = pool > 1 or last == len(CONVOLUTIONS) - 1
        size = 4.0 * rows.frames * bins * filters
        kept = None
        if keep or size <= STORED_BYTES:
            half = pool > 1 and size / pool > SINGLE_BYTES
            kept = Rows(filters, rows.frames, bins // pool, half)
        run = net.convolutions(first, last, kept is not None)
        some = norms[max(0, first - 1) :]
        norms.append(sweep(rows, some, run, bins, kept, workers))
        if kept is not None:
            rows, first, bins = kept, last + 1, kept.bins
    flat = np.empty((rows.frames, rows.bins * filters), "float32")
    scale, shift = (values[:, None, None] for values in norms[-1])
    for number, (start, stop) in enumerate(rows.spans):
        block = selu(rows.blocks[number] * scale + shift)
        flat[start:stop] = block.transpose(1, 2, 0).reshape(stop - start, -1)
        rows.release(number)
    return flat


def sweep(
    rows: Rows,
    norms: list[Norm],
    run: Convolve,
    bins: int,
    kept: Rows | None,
    workers: ThreadPoolExecutor,
) -> Norm:
    """Go over a track once, to find the norm of the last of some convolutions.

    Args:
        rows: What the first convolution sees before its norm and activation.
        norms: Of each activation before a convolution.
        run: Runs the convolutions over a block.
        bins: Of the output before it is pooled.
        kept: Takes the output before the norm; `None` if it is not wanted.
        workers: Run the blocks.

    Returns:
        The norm.
    """

    def convolved(number: int) -> np.ndarray:
        start, stop = rows.spans[number]
        inputs = []
        for i, norm in enumerate(norms):
            reach = len(norms) - i
            frames = np.arange(start - reach, stop + reach)
            # Each convolution sees zeros beyond the ends of the track.
            valid = ((frames >= 0) & (frames < rows.frames)).astype("float32")
            inputs.append((norm.scale[:, None] * valid, norm.shift[:, None] * valid))
        reach = len(norms) + (rows.channels == 1)
        block = rows.cut(start - reach, stop + reach)
        if kept is None:
            return run(block, inputs, None)
        rows.release(number)  # the next sweep reads what is kept
        return run(block, inputs, kept.blocks[number])

    moments = list(workers.map(convolved, range(len(rows.spans))))
    sums, squares = np.sum(moments, axis=0)
    return _norm(sums, squares, rows.frames * bins)


def _norm(total: np.ndarray, square: np.ndarray, count: int) -> Norm:
    mean = total / count
    variance = np.maximum(square / count - mean**2, 0.0)
    scale = 1 / np.sqrt(variance + EPSILON)
    return Norm(scale.astype("float32"), (-mean * scale).astype("float32"))


def selu(x: np.ndarray) -> np.ndarray:
    """Scaled exponential linear units (Klambauer et al. 2017) of an array."""
    below = SELU_ALPHA * np.expm1(np.minimum(x, 0))
    return SELU_SCALE * np.where(x > 0, x, below)
