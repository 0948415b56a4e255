"""Four front-ends on one body with a learned pool (Peeters et al. 2024)."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag import audio
from keras_musictag.checks import check_choice, check_filters, check_positive_int
from keras_musictag.errors import ConfigError
from keras_musictag.layers import (
    AutoPool,
    AutoPoolWeightSplit,
    LogMelSpectrogram,
    SincConv,
    SoftmaxWeightPool,
    TCNBlock,
)
from keras_musictag.layers.residual import NORM
from keras_musictag.models.tagger import MusicTagger

FRONTENDS = ("mel", "conv1d", "tcn", "sinc")
BODIES = ("conv1d", "lstm", "dense")
POOLS = {
    "auto_split": AutoPoolWeightSplit,
    "auto": AutoPool,
    "softmax": SoftmaxWeightPool,
    "mean": layers.GlobalAveragePooling1D,
    "max": layers.GlobalMaxPooling1D,
}
TCN_FILTERS = (4, 8, 16, 32)
FRONTEND_FILTERS, MEL_KERNEL, WAVE_KERNEL, WAVE_STRIDE = 80, 5, 251, 15
KERNEL, POOL = 5, 3


class AutoPoolTagger(MusicTagger):
    """The auto-tagging networks of the ISMIR 2024 tutorial: one body, four ears.

    What is heard in a short patch goes through a front-end, two convolution blocks
    and three dense layers; a learned weighted mean over time leads to the scores.
    The defaults are the tutorial's four networks exactly.

    | `frontend` | patch | what it does |
    |---|---|---|
    | `"mel"` | 64 frames, 2.97 s | log-mel, convolution over all bands and 5 frames |
    | `"conv1d"` | 3200 samples, 0.145 s | convolution of 251 taps, every 15 samples |
    | `"tcn"` | 3200 samples | four causal blocks (`TCNBlock`), 4 to 32 channels |
    | `"sinc"` | 3200 samples | learned band-pass filters (`SincConv`), absolute value |

    Every layer normalisation spans time and channels together with a gain for each
    element, so the weights fit one length of patch only.

    A chunk of `"mel"` holds 66,560 samples: 65,536 and, on both sides, the 1,024
    samples that the windows of its first and last frame reach out. So the frames of
    all chunks are the frames of one spectrogram of the whole track, as the tutorial
    has it, with zeros beyond its ends.

    **Labels that change over time.** With `pooling=None` there is one row of scores
    for each moment that is left after the pools: `call` gives
    `(batch, frames, n_labels)`. `taggram` then has one row per moment, with the time
    at which it begins, and chunks overlap so that moments are equally
    spaced; `predict` and `tag` take the mean over all of a track. `fit` takes one
    chunk per item and targets `(items, frames, n_labels)`, or integers
    `(items, frames)` for single-label models. `frame_offsets` says where moments
    lie in a chunk.

    The tutorial is multi-class (`problem_type="single_label_classification"`) for
    GTZAN, multi-label for MTT, and drops an incomplete last chunk (`tail="drop"`); the
    default here is `"overlap"`.

    Args:
        labels: Label names in output order, or `Labels`.
        frontend: `"mel"`, `"conv1d"`, `"tcn"` or `"sinc"`.
        pooling: Over time: `"auto_split"` (`AutoPoolWeightSplit`, the tutorial's),
            `"auto"` (`AutoPool`), `"softmax"` (`SoftmaxWeightPool`), `"mean"`,
            `"max"`, or `None` for scores per moment.
        body: Before the dense layers: `"conv1d"`, blocks of convolution, maximum
            pooling and normalisation; `"lstm"`, these and a recurrent network in
            both directions; `"dense"`, nothing.
        sample_rate: Of the waveform, in Hz.
        n_fft: Window of the spectrogram, in samples.
        hop_length: Between its frames, in samples.
        n_mels: Mel bands.
        n_frames: Length of the patch of `"mel"`, in frames.
        chunk_samples: Length of the patch of the other front-ends, in samples.
        filters: Channels of the convolution blocks of the body.
        dense_units: Units of the dense layers; the last must be even for
            `"auto_split"` and `"softmax"`, which halve them.
        **options: `problem_type`, `dropout`, `tail`, `dtype` and `name`: see
            `MusicTagger`.

    Call:
        float32 `(batch, chunk_samples)`, 66,560 samples for `"mel"` and 3,200 for the
        others by default, to `(batch, n_labels)`; with `pooling=None` to
        `(batch, frames, n_labels)`.

    Raises:
        ConfigError: If `frontend`, `pooling` or `body` is unknown, the last of
            `dense_units` is odd where it is halved, or a patch is too short.

    References:
        - Peeters et al., "Deep learning 101 for audio-based MIR", ISMIR 2024
          tutorial, doi 10.5281/zenodo.14049461.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    model = kmt.AutoPoolTagger(["calm", "wild"], frontend="sinc")
    x = np.random.uniform(-0.1, 0.1, 3 * 22050).astype("float32")
    model.predict(x).shape  # (1, 2)

    model = kmt.AutoPoolTagger(["piano", "drums"], pooling=None)
    model.taggram(x).times  # seconds, one for each row of scores
    ```
    """

    def __init__(
        self,
        labels,
        *,
        frontend: str = "mel",
        pooling: str | None = "auto_split",
        body: str = "conv1d",
        n_fft: int = 2048,
        hop_length: int = 1024,
        n_mels: int = 128,
        n_frames: int = 64,
        chunk_samples: int = 3200,
        filters=(60, 60),
        dense_units=(128, 128, 128),
        sample_rate: int = 22050,
        **options,
    ):
        check_choice(frontend, FRONTENDS, name="frontend")
        check_choice(pooling, (*POOLS, None), name="pooling")
        check_choice(body, BODIES, name="body")
        spectrogram = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        settings = {
            "frontend": frontend,
            "pooling": pooling,
            "body": body,
            **spectrogram,
            "n_frames": check_positive_int(n_frames, name="n_frames"),
            "chunk_samples": check_positive_int(chunk_samples, name="chunk_samples"),
            "filters": check_filters(filters),
            "dense_units": check_filters(dense_units),
        }
        plan = audio.ChunkPlan(chunk_samples, chunk_samples, tail="overlap")
        if frontend == "mel":
            plan = audio.ChunkPlan.for_frames(
                n_frames, n_fft, hop_length, edge="zeros", tail="overlap"
            )
        grid = _Grid()
        super().__init__(
            labels,
            frontend=lambda rate: _frontend(frontend, rate, **spectrogram),
            backbone=lambda shape: _backbone(shape, settings, sample_rate, grid),
            chunking=plan,
            settings=settings,
            sample_rate=sample_rate,
            **options,
        )
        if pooling is None:
            unit = hop_length if frontend == "mel" else 1
            moments = self.backbone.output.shape[1]
            # Chunks follow each other so that their moments are equally spaced.
            step = grid.step * unit
            self.chunking = self.chunking.replace(hop_samples=moments * step)
            self.frame_offsets = grid.starts(moments) * unit


class _Grid:
    """Where in the input the moments of a layer lie, in steps of the input."""

    def __init__(self):
        self.first, self.length, self.step = 0, 1, 1

    def add(self, kernel: int, stride: int = 1, causal: bool = False) -> None:
        reach = (kernel - 1) * self.step
        self.first -= reach if causal else 0
        self.length += reach
        self.step *= stride

    def starts(self, count: int) -> np.ndarray:
        """Begin of each moment: one step long, in the middle of what it hears."""
        middle = self.first + (self.length - 1) / 2
        return middle + (np.arange(count) - 0.5) * self.step


def _frontend(frontend: str, sample_rate: int, **spectrogram):
    if frontend != "mel":
        return layers.Identity(dtype="float32", name="frontend")
    return LogMelSpectrogram(
        sample_rate,
        **spectrogram,
        center=False,  # the chunk brings the samples around its frames
        compression="log1p",
        gain=10000.0,
        name="frontend",
    )


def _backbone(shape, settings: dict, sample_rate: int, grid: _Grid):
    inputs = x = keras.Input(shape, name="features")
    if len(shape) == 1:
        x = layers.Reshape((*shape, 1), name="add_channel")(x)
    x = _norm(x, "input_norm")
    x = _listen(x, settings["frontend"], sample_rate, grid)
    endpoints = {"frontend": x}
    if settings["body"] != "dense":
        for i, channels in enumerate(settings["filters"], 1):
            x = _conv(x, channels, KERNEL, 1, f"block_{i}_conv", grid)
            x = _max_pool(x, f"block_{i}_pool", grid)
            x = _leaky(_norm(x, f"block_{i}_norm"), f"block_{i}_relu")
            endpoints[f"block{i}"] = x
    if settings["body"] == "lstm":
        half = layers.LSTM(max(1, x.shape[-1] // 2), return_sequences=True, name="lstm")
        x = layers.Bidirectional(half, name="recurrent")(x)
        endpoints["lstm"] = x
    x = _norm(x, "body_norm")
    for i, units in enumerate(settings["dense_units"], 1):
        x = layers.Dense(units, kernel_initializer=_uniform(), name=f"dense_{i}")(x)
        x = layers.BatchNormalization(name=f"dense_{i}_norm", **NORM)(x)
        x = _leaky(x, f"dense_{i}_relu")
        endpoints[f"dense{i}"] = x
    if settings["pooling"] is not None:
        x = POOLS[settings["pooling"]](name="pool")(x)
    return keras.Model(inputs, x, name="backbone"), endpoints


def _listen(x, frontend: str, sample_rate: int, grid: _Grid):
    """Apply the front-end to normalised `(batch, time, channels)`."""
    if frontend == "mel":
        # The same as a two-dimensional convolution as high as the spectrogram.
        x = _conv(x, FRONTEND_FILTERS, MEL_KERNEL, 1, "listen", grid)
    elif frontend == "conv1d":
        x = _conv(x, FRONTEND_FILTERS, WAVE_KERNEL, WAVE_STRIDE, "listen", grid)
        x = _max_pool(x, "listen_pool", grid)
    elif frontend == "tcn":
        for i, filters in enumerate(TCN_FILTERS):
            block = TCNBlock(filters, dilation_rate=2**i, name=f"listen_{i + 1}")
            grid.add(block.receptive_field, causal=True)
            x = block(x)
        x = _max_pool(x, "listen_pool", grid)
    else:
        sinc = SincConv(FRONTEND_FILTERS, WAVE_KERNEL, sample_rate, name="listen")
        grid.add(WAVE_KERNEL)
        x = _max_pool(ops.abs(sinc(x)), "listen_pool", grid)
    return _leaky(_norm(x, "listen_norm"), "listen_relu")


def _conv(x, filters: int, kernel: int, stride: int, name: str, grid: _Grid):
    _check_length(x.shape[1], kernel, name)
    grid.add(kernel, stride)
    return layers.Conv1D(
        filters, kernel, stride, kernel_initializer=_uniform(), name=name
    )(x)


def _max_pool(x, name: str, grid: _Grid):
    _check_length(x.shape[1], POOL, name)
    grid.add(POOL, POOL)
    return layers.MaxPooling1D(POOL, name=name)(x)


def _check_length(steps: int, kernel: int, name: str) -> None:
    if steps < kernel:
        raise ConfigError(
            f"The patch is too short: `{name}` is longer than what is left of it.",
            received=f"{steps} steps of time, {kernel} needed",
            advice="Use a larger `n_frames` (mel) or `chunk_samples` (waveform), or "
            "fewer `filters`.",
        )


def _norm(x, name: str):
    return layers.LayerNormalization(axis=(1, 2), epsilon=1e-5, name=name)(x)


def _leaky(x, name: str):
    return layers.LeakyReLU(negative_slope=0.01, name=name)(x)


def _uniform():
    """PyTorch's start: uniform up to 1 / sqrt(fan_in). New, as each has its seed."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
