"""Integers of eight bits in an OpenVINO network, where most of its work is done.

What goes into a layer gets 256 levels, zero among them, over a range found on music.
Its weights are rounded one input after the other, each error carried over to the
weights that follow: Frantar et al., "GPTQ" (2023), arXiv:2210.17323. Sounds of a
spectrogram resemble their neighbours, so that most of an error is made good.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from keras_musictag.errors import ConfigError
from keras_musictag.export.metadata import OUTPUTS
from keras_musictag.export.runtimes import precision_hint

# Layers with less of the operations stay in float: they cost accuracy, but no time.
LEAST_SHARE = 0.02
WIDEST = 8192  # inputs of one output; their covariances are a matrix
LEVELS = 255
BATCH = 8
SCORES = OUTPUTS["tags"]
SAMPLES = 20_000  # receptive fields of each layer
DAMPING = 0.01
BLOCK = 64
VALUES = 400_000  # to choose a range with
# What must be left on music that was not heard before.
LABELS_KEPT = 0.99
MEAN_DIFFERENCE = 0.003


class Outcome(NamedTuple):
    """A network in integers: `model`, and what to say about it."""

    model: Any
    report: dict


def quantize(
    network, examples: np.ndarray, held_out: np.ndarray, owners: np.ndarray
) -> Outcome:
    """Put the layers that do the most work into integers, as long as labels stay.

    While fewer than 99 % of the tracks keep their first label, or scores differ by
    more than 0.003 in the mean, the layer that does the most harm alone goes back to
    float. The spectrogram and the last layer are float from the beginning.

    Args:
        network: The `openvino.Model` in float32; it is left as it is.
        examples: Music to find ranges and weights with, float32 `(n, samples)`.
        held_out: Other music, to judge by, float32 `(m, samples)`.
        owners: Which track each row of `held_out` is of, integers `(m,)`.

    Returns:
        The model and a dict with `layers`, `labels_kept` and `mean_difference`.

    Raises:
        ConfigError: If no layer can be put into integers.
    """
    layers = _heavy_layers(network)
    rounded = _Rounded(network, layers, examples)
    reference = _scores(network, held_out)
    tracks = np.unique(owners)

    def first_labels(scores):
        return np.stack([scores[owners == n].mean(0).argmax(-1) for n in tracks])

    def judged(names) -> Outcome:
        model = rounded.model(names)
        scores = _scores(model, held_out, "int8")
        kept = (first_labels(scores) == first_labels(reference)).mean()
        difference = np.abs(scores - reference).mean()
        figures = {"labels_kept": float(kept), "mean_difference": float(difference)}
        return Outcome(model, {"layers": list(names), **figures})

    outcome, alone = judged(layers), None
    while layers and not _is_good(outcome.report, len(tracks)):
        if alone is None:
            alone = {n: judged([n]).report["mean_difference"] for n in layers}
        layers.remove(max(layers, key=alone.__getitem__))
        outcome = judged(layers)
    if not layers:
        raise ConfigError(
            "No layer of this network can be put into integers.",
            received=f"{len(examples)} chunks to calibrate with",
            advice='Use precision="bfloat16", or calibrate with more music.',
        )
    return outcome


def _is_good(report: dict, tracks: int) -> bool:
    # One track may be near a tie, however few there are.
    lost = round((1 - report["labels_kept"]) * tracks)
    enough = lost <= max(1, (1 - LABELS_KEPT) * tracks)
    return enough and report["mean_difference"] <= MEAN_DIFFERENCE


def _scores(model, chunks: np.ndarray, precision: str = "float32") -> np.ndarray:
    """Return `(n, ...)` scores, as the runtime will compute them."""
    places = [i for i, output in enumerate(model.outputs) if SCORES in output.names]
    place = places[0] if places else 0
    return np.concatenate(
        [outputs[place] for outputs in _runs(model, chunks, precision)]
    )


def _runs(
    model, chunks: np.ndarray, precision: str = "float32"
) -> Iterator[list[np.ndarray]]:
    import openvino

    core = openvino.Core()
    abilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    options = {"INFERENCE_PRECISION_HINT": precision_hint(precision, abilities)}
    compiled = core.compile_model(model, "CPU", options)
    for start in range(0, len(chunks), BATCH):
        outputs = compiled(chunks[start : start + BATCH])
        yield [outputs[index] for index in range(len(model.outputs))]


# === Layers ===


def _heavy_layers(model) -> list[str]:
    """Name the layers with weights that do most of the work, but the last, in order."""
    work = {}
    for node in model.get_ordered_ops():
        name = node.get_friendly_name()
        if node.get_type_name() not in ("Convolution", "MatMul") or _is_early(name):
            continue
        if node.input_value(1).get_node().get_type_name() == "Constant":
            sizes = node.output(0).get_partial_shape()
            outputs = [size.get_length() for size in sizes if size.is_static]
            work[name] = np.prod(outputs) * _matrix(node).shape[1]
    total, widest = sum(work.values()), {n: _matrix(_nodes(model)[n]) for n in work}
    return [
        name
        for name in list(work)[:-1]
        if work[name] > LEAST_SHARE * total and widest[name].shape[1] <= WIDEST
    ]


def _is_early(name: str) -> bool:
    """Whether an operation belongs to the spectrogram: our layer is called so."""
    return "/frontend" in name


def _nodes(model) -> dict:
    return {node.get_friendly_name(): node for node in model.get_ordered_ops()}


def _source(node) -> tuple[str, int]:
    """Say what a layer takes, as a name for it."""
    output = node.input_value(0)
    return output.get_node().get_friendly_name(), output.get_index()


def _matrix(node) -> np.ndarray:
    """Return weights as `(outputs, inputs)`."""
    weights = node.input_value(1).get_node().data
    if node.get_type_name() == "MatMul":
        return weights if node.get_attributes()["transpose_b"] else weights.T
    return weights.reshape(len(weights), -1)


def _fields(node, values: np.ndarray, count: int, rng) -> np.ndarray:
    """Return what random outputs of a layer are computed from, `(count, inputs)`."""
    if node.get_type_name() == "MatMul":
        rows = values.reshape(-1, values.shape[-1])
        return rows[rng.integers(0, len(rows), count)]
    about = node.get_attributes()
    pads = zip(about["pads_begin"], about["pads_end"], strict=True)
    values = np.pad(values, [(0, 0), (0, 0), *pads])
    kernel = np.array(node.input(1).get_shape()[2:])
    reach = (kernel - 1) * about["dilations"] + 1
    axes = tuple(range(2, values.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(values, reach, axes)
    steps = [slice(None, None, step) for step in about["strides"]]
    windows = windows[(slice(None), slice(None), *steps)]
    apart = [slice(None, None, step) for step in about["dilations"]]
    places = [rng.integers(0, windows.shape[axis], count) for axis in (0, *axes)]
    fields: Any = windows[(places[0], slice(None), *places[1:])]
    return fields[(..., *apart)].reshape(count, -1)


def _channels(node) -> int:
    """Return the axis of what a layer sums up."""
    return 1 if node.get_type_name() == "Convolution" else -1


# === Integers ===


class _Rounded:
    """What layers become: ranges of their inputs, weights in integers, scales."""

    def __init__(self, network, names: list[str], examples: np.ndarray):
        self.network = network
        model = network.clone()
        nodes = {name: _nodes(model)[name] for name in names}
        sources = {_source(node): node.input_value(0) for node in nodes.values()}
        already = len(model.outputs)
        model.add_outputs(list(sources.values()))
        rng = np.random.default_rng(0)
        batches = -(-len(examples) // BATCH)
        heard: dict = {key: _Values() for key in sources}
        covariance: dict[str, Any] = dict.fromkeys(names, 0.0)
        for outputs in _runs(model, examples):
            arrays = dict(zip(sources, outputs[already:], strict=True))
            for name, node in nodes.items():
                array = arrays[_source(node)]
                fields = _fields(node, array, -(-SAMPLES // batches), rng)
                covariance[name] += fields.T @ fields
            for node in {_source(node): node for node in nodes.values()}.values():
                array = np.moveaxis(arrays[_source(node)], _channels(node), -1)
                heard[_source(node)].add(array, -(-VALUES // batches), rng)
        self.scales = {key: values.scales() for key, values in heard.items()}
        self.ranges = {
            key: _range(values.scaled(self.scales[key]))
            for key, values in heard.items()
        }
        self.weights = {}
        for name, node in nodes.items():
            weights, scales = _matrix(node), self.scales[_source(node)]
            if node.get_type_name() == "Convolution":
                scales = np.repeat(scales, weights.shape[1] // len(scales))
            spread = covariance[name] / np.outer(scales, scales)
            self.weights[name] = _rounded_weights(weights * scales, spread)

    def model(self, names):
        """Return a fresh model with these layers in integers."""
        from openvino import opset13 as ops

        model = self.network.clone()
        nodes, levels = _nodes(model), {}
        for name in names:
            node, (integers, scales) = nodes[name], self.weights[name]
            shape = node.input(1).get_shape()
            ends = [len(scales)] + [1] * (len(shape) - 1)
            if node.get_attributes().get("transpose_b") is False:
                integers, ends = integers.T, ends[::-1]
            weights = ops.multiply(
                ops.convert(ops.constant(integers.reshape(shape)), "f32"),
                ops.constant(scales.reshape(ends)),
            )
            key = _source(node)
            if key not in levels:
                low, high = self.ranges[key]
                scales, ends = self.scales[key], [1] * (len(shape) - 1)
                if node.get_type_name() == "Convolution":
                    scales = scales.reshape(-1, *ends[1:])
                levels[key] = ops.fake_quantize(
                    node.input_value(0),
                    *(low * scales, high * scales, low, high, LEVELS + 1),
                )
            node.input(0).replace_source_output(levels[key].output(0))
            node.input(1).replace_source_output(weights.output(0))
        model.validate_nodes_and_infer_types()
        return model


class _Values:
    """Some of the numbers that a layer takes, with their channels."""

    def __init__(self):
        self.some: list[np.ndarray] = []
        self.channels: list[np.ndarray] = []
        self.largest: Any = 0.0

    def add(self, array: np.ndarray, count: int, rng) -> None:
        """Take random ones of `(..., channels)`, and the ends of each channel."""
        rows = array.reshape(-1, array.shape[-1])
        self.largest = np.maximum(self.largest, np.abs(rows).max(0))
        channels = rng.integers(0, rows.shape[1], count)
        some = rows[rng.integers(0, len(rows), count), channels]
        every = np.arange(rows.shape[1])
        self.some += [some, rows.min(0), rows.max(0)]
        self.channels += [channels, every, every]

    def scales(self) -> np.ndarray:
        """Return what loud channels are divided by: half of what would level them.

        The weights take the other half (Xiao et al., "SmoothQuant", 2023).
        """
        return np.sqrt(np.maximum(self.largest, 1e-3 * max(self.largest.max(), 1e-6)))

    def scaled(self, scales: np.ndarray) -> np.ndarray:
        return np.concatenate(self.some) / scales[np.concatenate(self.channels)]


def _range(values: np.ndarray) -> tuple[np.float32, np.float32]:
    """Return the lowest and the highest level that values come nearest to."""
    ends = values.min(), values.max()
    best, least = (0.0, 0.0), np.inf
    for part in np.linspace(0.4, 1, 25):
        low, high = _with_zero(part * ends[0], part * ends[1])
        step = (high - low) / LEVELS
        nearest = np.clip(np.round((values - low) / step), 0, LEVELS) * step + low
        error = np.square(nearest - values).mean()
        if error < least:
            best, least = (low, high), error
    return np.float32(best[0]), np.float32(best[1])


def _with_zero(low: float, high: float) -> tuple[float, float]:
    """Widen a range until zero is one of its levels: borders are filled with it."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = max(high - low, 1e-6) / LEVELS
    below = round(-low / step)
    if below:
        step = max(step, -low / below)
    if below < LEVELS:
        step = max(step, high / (LEVELS - below))
    return -below * step, (LEVELS - below) * step


def _rounded_weights(weights: np.ndarray, covariance: np.ndarray):
    """Return weights `(outputs, inputs)` as int8, and float32 scales of the outputs."""
    covariance = covariance.astype("float64")
    damping = DAMPING * max(np.trace(covariance) / len(covariance), 1e-12)
    inverse = np.linalg.inv(covariance + damping * np.eye(len(covariance)))
    shares = np.linalg.cholesky(inverse).T
    scales = np.maximum(np.abs(weights).max(1) / 127, 1e-12)
    left, integers = weights.astype("float64"), np.empty(weights.shape, "int8")
    for start in range(0, left.shape[1], BLOCK):
        stop = min(start + BLOCK, left.shape[1])
        errors = np.empty((len(left), stop - start))
        for column in range(start, stop):
            nearest = np.clip(np.round(left[:, column] / scales), -127, 127)
            integers[:, column] = nearest
            error = (left[:, column] - nearest * scales) / shares[column, column]
            left[:, column:stop] -= error[:, None] * shares[column, column:stop]
            errors[:, column - start] = error
        left[:, stop:] -= errors @ shares[start:stop, stop:]
    return integers, scales.astype("float32")
