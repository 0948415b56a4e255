"""Which parts of a track made a tag fire: gradients over time and frequency."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.checks import check_choice, check_positive, check_positive_int
from keras_musictag.errors import LabelError
from keras_musictag.layers import CQT, HCQT, STFT, LogMelSpectrogram
from keras_musictag.layers.filterbank import hz_to_mel, mel_to_hz
from keras_musictag.tracks import sources

METHODS = ("gradient", "smoothgrad", "integrated")
BATCH_SIZE = 8
# Of the transform that spreads a waveform's importance over frequencies.
WINDOW_SECONDS = 0.032


@dataclasses.dataclass(frozen=True, eq=False)
class Saliency:
    """How much each moment and frequency of a track did for the score of a tag.

    Args:
        label: The tag.
        score: Its score, the mean over the chunks.
        times: Centre of each frame in seconds, shape `(frames,)`.
        frequencies: Centre of each bin in Hz, shape `(bins,)`.
        values: Estimate of what the score owes to each place, shape
            `(frames, bins)`: above 0 where its sound speaks for the tag, below 0
            where it speaks against it.
        levels: The spectrogram of the track, of the same shape.
        duration: Of the track, in seconds.
    """

    label: str
    score: float
    times: np.ndarray
    frequencies: np.ndarray
    values: np.ndarray
    levels: np.ndarray
    duration: float

    def seconds(self) -> np.ndarray:
        """Return what each second did for the score: float64 `(seconds,)`.

        The last one may be shorter. Adds up to the sum of `values`.
        """
        count = max(1, math.ceil(self.duration))
        index = np.clip(self.times.astype(int), 0, count - 1)
        return np.bincount(index, self.values.sum(axis=1), count)

    def plot(self, *, axes=None) -> Any:
        """Draw it over the spectrogram: `plotting.plot_saliency`.

        Args:
            axes: Two matplotlib axes to draw into; a new figure if `None`.

        Returns:
            The two axes.
        """
        from keras_musictag.plotting import plot_saliency

        axes = plot_saliency(
            self.levels, self.values, self.times, self.frequencies, axes=axes
        )
        title = f"What speaks for “{self.label}” (score {self.score:.2f})"
        axes[0].set_title(title)
        return axes


def saliency(
    tagger,
    source,
    label: str,
    sample_rate: int | None = None,
    method: str = "gradient",
    *,
    n_samples: int = 16,
    noise: float = 0.1,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
) -> Saliency:
    """Find the parts of a track that made a tag fire.

    The gradient of the score is taken with respect to the spectrogram that the
    front-end makes, and multiplied with how far this is from that of silence: a
    first estimate of what would be lost without each place. Where the front-end
    is learned, or has no bins with one frequency each, the gradient is that of the
    waveform; its product with the waveform is spread over time and frequency by a
    short-time Fourier transform of both, which keeps the sum.

    Chunk after chunk is treated like this and put together to the whole track, each
    with its share in the mean score.

    Args:
        tagger: A `MusicTagger`.
        source: A path, an open file or one track as an array `(samples,)` or
            `(channels, samples)`.
        label: The tag, one of `tagger.labels`.
        sample_rate: Of an array, in Hz; `None` means the model's own.
        method: `"gradient"`; or the mean of several gradients, less rough and
            `n_samples` times slower: `"smoothgrad"` at noisy copies, `"integrated"`
            on the way from silence to the track, whose values add up to the score
            above that of silence.
        n_samples: Gradients of `"smoothgrad"` and `"integrated"`.
        noise: Deviation of the noise of `"smoothgrad"`, as a share of the range of
            each chunk.
        seed: Of that noise.
        batch_size: Chunks at once.

    Returns:
        A `Saliency`.

    Raises:
        AudioError: If `source` is not usable audio.
        LabelError: If the tagger has no such label.
        ConfigError: If another argument cannot work.

    References:
        - Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks:
          visualising image classification models and saliency maps", ICLR workshop
          2014.
        - Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.
        - Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML
          2017.

    Example:

    ```python
    import keras_musictag as kmt
    from keras_musictag.insight.saliency import saliency

    tagger = kmt.MusicnnTagger.from_pretrained()
    found = saliency(tagger, kmt.audio.demo_path(), "rock")
    found.seconds()
    top, below = found.plot()
    top.figure.savefig("rock.png")
    ```
    """
    check_choice(method, METHODS, name="method")
    if label not in tagger.labels.names:
        raise LabelError(
            "The tagger has no such label.",
            received=f"label={label!r}",
            advice=f"Choose one of tagger.labels: {list(tagger.labels)[:5]} ...",
        )
    around = _places(method, n_samples, noise, seed)
    size = check_positive_int(batch_size, name="batch_size")
    rate = tagger.sample_rate if sample_rate is None else sample_rate
    rate = check_sample_rate(rate)
    column = tagger.labels.names.index(label)
    view = _Spectrogram(tagger) if _has_bins(tagger.frontend) else _Waveform(tagger)
    cut = list(sources.cut(source, rate, tagger.sample_rate, tagger.chunking))
    samples = audio.length(source, tagger.sample_rate, sample_rate=rate)
    track = _Stitched(view, samples)
    scores: list[float] = []

    def score(x):
        values = ops.cast(view.outputs(x)[..., column], "float32")
        # Models that score moments of a chunk have an axis of these.
        return ops.mean(ops.reshape(values, (x.shape[0], -1)), axis=1)

    slope = gradient(score)
    size = min(size, len(cut))
    for first in range(0, len(cut), size):
        part = cut[first : first + size]
        # A short batch is filled up: one shape is compiled once.
        filled = [chunk.samples for chunk in part]
        filled += [part[0].samples] * (size - len(part))
        inputs = view.inputs(np.stack(filled))
        batch_scores = ops.convert_to_numpy(score(ops.convert_to_tensor(inputs)))
        scores.extend(batch_scores[: len(part)])
        slopes = np.mean([slope(x) for x in around(inputs, view.silence)], axis=0)
        values, levels = view.over_frequency(slopes, inputs)
        track.add([chunk.start for chunk in part], values, levels)
    return track.saliency(label, float(np.mean(scores)))


def gradient(function):
    """Differentiate a function of a batch, on whatever backend Keras runs.

    Args:
        function: From a tensor `(batch, ...)` to one value for each item,
            `(batch,)`.

    Returns:
        A function from a float32 array `(batch, ...)` to an array of the same shape:
        the gradient of each item's value. Compiled once for each shape.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        slope = jax.jit(jax.grad(lambda x: ops.sum(function(x))))
        return lambda x: np.asarray(slope(x))
    if backend == "torch":
        import torch

        def differentiate(x):
            x = ops.convert_to_tensor(x).detach().clone().requires_grad_(True)
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(function(x).sum(), x)
            return gradient.cpu().numpy()

        return differentiate
    import tensorflow as tf

    @tf.function  # op by op it takes twenty times as long
    def traced(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = function(x)
        return tape.gradient(values, x)

    return lambda x: traced(tf.convert_to_tensor(x)).numpy()


def _places(method, n_samples, noise, seed):
    """Return a function that gives the inputs at which gradients are averaged."""
    count = check_positive_int(n_samples, name="n_samples")
    noise = check_positive(noise, name="noise")
    generator = np.random.default_rng(seed)

    def around(inputs, silence):
        if method == "gradient":
            yield inputs
        elif method == "smoothgrad":
            axes = tuple(range(1, inputs.ndim))
            deviation = noise * np.ptp(inputs, axis=axes, keepdims=True)
            for _ in range(count):
                drawn = generator.standard_normal(inputs.shape, "float32")
                yield inputs + deviation * drawn
        else:
            for step in range(count):
                share = np.float32((step + 0.5) / count)
                yield silence + share * (inputs - silence)

    return around


class _Spectrogram:
    """A tagger whose front-end gives bins that have a frequency each."""

    def __init__(self, tagger):
        self.tagger, frontend = tagger, tagger.frontend
        stft = getattr(frontend, "stft", frontend)
        self.hop, self.rate = stft.hop_length, tagger.sample_rate
        centred = isinstance(frontend, CQT) or stft.center
        self.first = -tagger.chunking.context + (0 if centred else stft.n_fft // 2)
        self.frequencies = _bin_frequencies(frontend, tagger.sample_rate)
        self.silence = self.inputs(
            np.zeros((1, tagger.chunking.chunk_samples), "float32")
        )

    def frames(self, samples):
        return samples // self.hop + 1  # the last one may be centred on the end

    def inputs(self, chunks):
        return ops.convert_to_numpy(self.tagger.frontend(chunks)).astype("float32")

    def outputs(self, features):
        return self.tagger.head(self.tagger.backbone(features))

    def over_frequency(self, slopes, inputs):
        """Return values and levels, `(chunks, frames, bins)`."""
        return slopes * (inputs - self.silence), inputs


class _Waveform:
    """Any other tagger: its waveform is spread over frequencies afterwards."""

    def __init__(self, tagger):
        self.tagger, self.rate = tagger, tagger.sample_rate
        self.hop = max(1, round(WINDOW_SECONDS * self.rate / 2))
        self.length = 2 * self.hop
        self.first, self.silence = -tagger.chunking.context, np.float32(0)
        self.frequencies = np.fft.rfftfreq(self.length, 1 / self.rate)

    def frames(self, samples):
        return -(-samples // self.hop) + 1  # the last one may be centred beyond

    def inputs(self, chunks):
        return chunks

    def outputs(self, chunks):
        return self.tagger(chunks, training=False)

    def over_frequency(self, slopes, inputs):
        """Return values and levels in dB, `(chunks, frames, bins)`."""
        left, right = self._transform(slopes), self._transform(inputs)
        # Parseval: each bin but the outer ones stands for two.
        twice = np.full(len(self.frequencies), 2.0)
        twice[[0, -1]] = 1.0
        values = (left.conj() * right).real * twice / self.length
        power = np.abs(right) ** 2
        return values, 10 * np.log10(np.maximum(power, 1e-6))

    def _transform(self, x):
        # The squares of these windows add up to 1.
        window = np.sin(np.pi * (np.arange(self.length) + 0.5) / self.length)
        missing = -x.shape[1] % self.hop
        x = np.pad(x, ((0, 0), (self.hop, self.hop + missing)))
        frames = np.lib.stride_tricks.sliding_window_view(x, self.length, axis=1)
        return np.fft.rfft(frames[:, :: self.hop] * window, axis=-1)


class _Stitched:
    """Puts the frames of chunks together to those of a track."""

    def __init__(self, view, samples: int):
        self.view, self.samples, self.chunks = view, samples, 0
        shape = (view.frames(samples), len(view.frequencies))
        self.values, self.levels = np.zeros(shape), np.zeros(shape)
        self.counts = np.zeros((shape[0], 1))

    def add(self, starts, values, levels):
        # Rows beyond the starts are those of a batch that was filled up.
        for start, value, level in zip(starts, values, levels, strict=False):
            first = round((start + self.view.first) / self.view.hop)
            places = first + np.arange(len(value))
            # Frames of padding are nobody's.
            inside = (places >= 0) & (places < len(self.values))
            self.values[places[inside]] += value[inside]
            self.levels[places[inside]] += level[inside]
            self.counts[places[inside]] += 1
            self.chunks += 1

    def saliency(self, label, score):
        # What no chunk has heard, such as an end that is dropped, is left out.
        heard = self.counts[:, 0] > 0
        times = np.arange(len(self.values)) * self.view.hop / self.view.rate
        return Saliency(
            label=label,
            score=score,
            times=times[heard],
            frequencies=self.view.frequencies,
            values=self.values[heard] / self.chunks,
            levels=self.levels[heard] / self.counts[heard],
            duration=self.samples / self.view.rate,
        )


def _has_bins(frontend) -> bool:
    if isinstance(frontend, STFT):
        return frontend.power is not None
    return isinstance(frontend, (LogMelSpectrogram, CQT)) and not isinstance(
        frontend, HCQT
    )


def _bin_frequencies(frontend, sample_rate):
    if isinstance(frontend, CQT):
        return np.asarray(frontend.frequencies)
    if isinstance(frontend, STFT):
        return np.fft.rfftfreq(frontend.n_fft, 1 / sample_rate)
    top = sample_rate / 2 if frontend.fmax is None else frontend.fmax
    scale = frontend.mel_scale
    low, high = hz_to_mel(np.array([frontend.fmin, top]), scale).tolist()
    return mel_to_hz(np.linspace(low, high, frontend.n_mels + 2), scale)[1:-1]
