"""BeatNet: beats and downbeats by a causal recurrent network (Heydari et al. 2021)."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.audio.arrays import check_sample_rate, mono_steps
from keras_musictag.beats import Beatgram
from keras_musictag.beats.sequence import Beat
from keras_musictag.checks import check_positive_int
from keras_musictag.engines.beat_networks import RecurrentWeights, cut, heard
from keras_musictag.errors import ConfigError
from keras_musictag.layers.stft import STFT
from keras_musictag.models.tracker import BeatTracker

FRAME_LENGTH = 1411
BANDS_PER_OCTAVE, LOWEST, HIGHEST = 24, 30.0, 17000.0
BANDS = 136
KERNEL, CHANNELS = 10, 2
CLASSES = 3
# Frames of a stream that go through the network at once.
STREAM_FRAMES = 25
# A stream says nothing about so many seconds, and no beat nearer to the one before than
# this share of the time between two.
FIRST_SECONDS, LEAST_SHARE = 4.0, 0.5


@keras.saving.register_keras_serializable(package="keras_musictag")
class LogFilteredSpectrogram(layers.Layer):
    """The spectrogram of madmom's beat trackers: semitones halved, logarithmic.

    Frame `t` is centred on sample `t * hop_length`, zeros lie outside the signal.

    Args:
        sample_rate: In Hz.
        hop_length: Samples from one frame to the next.
        method: `"fft"`, or `"dft"` for deployment formats, see `STFT`.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input: float32 waveforms `(batch, samples)`.

    Output: float32 `(batch, ceil(samples / hop_length), 136)`: the logarithm to base
        10 of 1 and the mean magnitude in a band.

    References:
        - Böck et al., "madmom: a new Python audio and music signal processing
          library", ACM Multimedia 2016.
    """

    def __init__(self, sample_rate: int, hop_length: int, method="fft", **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.sample_rate, self.hop_length = sample_rate, hop_length
        self._stft = STFT(
            FRAME_LENGTH,
            hop_length,
            window="symmetric_hann",
            center=False,
            method=method,
        )
        self._filters = filterbank(sample_rate)

    def build(self, input_shape):
        self._stft.build(input_shape)
        self.built = True

    def call(self, inputs):
        before = FRAME_LENGTH // 2
        # So that each hop that begins within the signal has a frame, and no other.
        after = FRAME_LENGTH - before - 1
        padded = ops.pad(inputs, [[0, 0], [before, after]])
        magnitudes = self._stft(padded)[..., : len(self._filters)]
        bands = ops.matmul(magnitudes, ops.convert_to_tensor(self._filters))
        return ops.log10(1.0 + bands)

    def compute_output_shape(self, input_shape):
        batch, samples = input_shape
        frames = None if samples is None else -(-samples // self.hop_length)
        return (batch, frames, BANDS)

    def get_config(self):
        return {
            **super().get_config(),
            "sample_rate": self.sample_rate,
            "hop_length": self.hop_length,
            "method": self._stft.method,
        }


@keras.saving.register_keras_serializable(package="keras_musictag")
class WithRise(layers.Layer):
    """Put beside a spectrogram by how much each band rises since the frame before.

    Input: float tensor of shape (batch, frames, bands).

    Output: shape (batch, frames, 2 * bands); the first frame has no rise.
    """

    def call(self, inputs):
        rise = ops.relu(inputs[:, 1:] - inputs[:, :-1])
        rise = ops.pad(rise, [[0, 0], [1, 0], [0, 0]])
        return ops.concatenate([inputs, rise], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])


class BeatNetTracker(BeatTracker):
    """BeatNet: a causal network of one convolution and two LSTMs, three trainings.

    The three networks were trained with other data sets held out; the mean of their
    probabilities finds beats much better than any of them. Decoded by the bar pointer
    (`beats.decode`) over the whole track; the original's online particle filter is
    weaker.

    Args:
        nets: How many networks; their probabilities are averaged.
        units: Of each recurrent layer, and of the dense layer before them.
        sample_rate: Of the waveform, in Hz.
        hop_length: Samples from one frame to the next.
        **options: `dtype` and `name`: see `BeatTracker`.

    Call:
        float32 `(batch, samples)` to float32 `(batch, frames, 3)`: the probabilities
        of a beat that is no downbeat, of a downbeat, and of none, with
        `ceil(samples / hop_length)` frames.

    References:
        - Heydari, Cwitkowitz, Duan, "BeatNet: CRNN and particle filtering for online
          joint beat, downbeat and meter tracking", ISMIR 2021.

    Example:

    ```python
    import keras_musictag as kmt

    tracker = kmt.BeatNetTracker.from_pretrained()
    beats = tracker.track(kmt.audio.demo_path())
    print(round(beats.tempo), beats.meter)
    ```
    """

    def __init__(
        self,
        *,
        nets: int = 3,
        units: int = 150,
        sample_rate: int = 22050,
        hop_length: int = 441,
        **options,
    ):
        settings = {
            "nets": check_positive_int(nets, name="nets"),
            "units": check_positive_int(units, name="units"),
        }
        super().__init__(
            frontend=lambda rate: LogFilteredSpectrogram(
                rate, hop_length, name="frontend"
            ),
            backbone=lambda: _backbone(**settings),
            sample_rate=sample_rate,
            hop_length=hop_length,
            context_frames=-(-FRAME_LENGTH // (2 * hop_length)),
            settings=settings,
            **options,
        )

    def stream(
        self,
        blocks: Iterable,
        sample_rate: int | None = None,
        *,
        latency: float = 0.5,
        window: float = 12.0,
        **decoding,
    ) -> Iterator[Beat]:
        """Find beats while audio arrives, in bounded memory.

        The network hears the past only; twice a second the likeliest path through the
        last `window` seconds is sought, and its beats are told that lie further back
        than `latency`. The first ones come after four seconds.

        Args:
            blocks: Iterable of blocks `(samples,)` or `(channels, samples)` of any
                lengths, floats or integer PCM.
            sample_rate: Of the blocks, in Hz; `None` means the model's own.
            latency: What is heard after a beat before it is told, in seconds.
            window: How much of the past the path goes through, in seconds.
            **decoding: As in `Beatgram.decode`.

        Yields:
            A `beats.Beat` after the other: time in seconds from the start, position in
            the bar, confidence.

        Raises:
            AudioError: If a block is not usable audio.
            ConfigError: If an option is out of range, or `window` is not longer than
                four seconds and `latency`.

        Example:

        ```python
        import keras_musictag as kmt

        tracker = kmt.BeatNetTracker.from_pretrained()
        samples, rate = kmt.audio.load(kmt.audio.demo_path())
        blocks = (samples[i : i + 1024] for i in range(0, len(samples), 1024))
        for beat in tracker.stream(blocks, rate):
            print(f"{beat.time:.2f} {beat.position}")
        ```
        """
        if not 0 <= latency < window - FIRST_SECONDS < np.inf:
            raise ConfigError(
                "`latency` must be 0 or more, and `window` longer than it by more than "
                f"{FIRST_SECONDS:g} seconds.",
                received=f"window={window!r}, latency={latency!r}",
                advice="A path through 12 seconds knows tempo and meter.",
            )
        given = check_sample_rate(
            self.sample_rate if sample_rate is None else sample_rate
        )
        size = STREAM_FRAMES * self.hop_length
        steps = mono_steps(blocks, given, self.sample_rate, size)
        heard, frames, told = np.zeros((0, CLASSES), "float32"), 0, -np.inf

        def tell(until: float) -> Iterator[Beat]:
            first = (frames - len(heard)) / self.frame_rate
            seconds = len(heard) / self.frame_rate
            gram = Beatgram(heard[:, 0], heard[:, 1], self.frame_rate, seconds)
            beats = gram.decode(**decoding)
            least = told + (LEAST_SHARE * 60 / beats.tempo if beats.tempo else 0.0)
            for beat in beats:
                time = first + beat.time
                if least < time <= until:
                    yield beat._replace(time=time)

        for values in self._heard(self._stream_spectra(steps)):
            frames += len(values)
            heard = np.concatenate([heard, values])[-round(window * self.frame_rate) :]
            if frames >= FIRST_SECONDS * self.frame_rate:
                for beat in tell(frames / self.frame_rate - latency):
                    told = beat.time
                    yield beat
        if frames:
            yield from tell(np.inf)

    def _stream_spectra(self, steps: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Compute the frames of steps of `STREAM_FRAMES` hops, as of the whole."""
        size, context = (
            count * self.hop_length for count in (STREAM_FRAMES, self.context_frames)
        )
        begin, held, samples, done = self.context_frames, np.zeros(context), 0, 0

        def frames(count: int) -> np.ndarray:
            values = self._spectrogram(held[: size + 2 * context].astype("float32"))
            return values[begin : begin + count]

        for step in steps:
            samples += len(step)
            held = np.concatenate([held, step])
            if len(held) >= size + 2 * context:
                yield frames(STREAM_FRAMES)
                held, done = held[size:], done + STREAM_FRAMES
        rest = self._frames(samples) - done
        held = np.concatenate([held, np.zeros(2 * size + 2 * context)])
        while rest > 0:
            yield frames(min(rest, STREAM_FRAMES))
            held, rest = held[size:], rest - STREAM_FRAMES

    def _probabilities(self, spectrogram: np.ndarray) -> np.ndarray:
        return np.concatenate(list(self._heard(cut(spectrogram))))

    def _heard(self, parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Run the networks over the parts of a spectrogram, one after the other."""
        return heard(parts, self._before_recurrence, self.recurrent_weights())

    def recurrent_weights(self) -> RecurrentWeights:
        """Return what follows after the dense layers."""
        nets = range(self.settings["nets"])
        return RecurrentWeights(
            [[self._weights(f"net{i}_lstm{n}") for i in nets] for n in (1, 2)],
            [self._weights(f"net{i}_head") for i in nets],
        )

    def _weights(self, layer: str) -> list[np.ndarray]:
        variables = self.backbone.get_layer(layer).weights
        return [ops.convert_to_numpy(v.value).astype("float32") for v in variables]

    def _before_recurrence(self, rows: np.ndarray) -> list[np.ndarray]:
        outputs = self.before_recurrence().predict_on_batch(rows)
        return [np.asarray(outputs[f"net{i}_dense"]) for i in range(len(outputs))]

    def before_recurrence(self) -> keras.Model:
        """Return the model up to the dense layer of each network, by its name."""
        if not hasattr(self, "_dense"):
            names = [f"net{i}_dense" for i in range(self.settings["nets"])]
            outputs = {name: self.backbone.get_layer(name).output for name in names}
            # Kept from Keras, which would take it for a part of the network.
            self._dense = [keras.Model(self.backbone.input, outputs)]
        return self._dense[0]


def filterbank(sample_rate: int) -> np.ndarray:
    """Return madmom's logarithmic filterbank for frames of 1411 samples.

    Args:
        sample_rate: In Hz.

    Returns:
        float32 `(705, 136)` for 22050 Hz: triangles between neighbouring quarter
        tones, those that fall on one bin left out, each with a sum of 1.
    """
    bins = FRAME_LENGTH // 2
    # As in the original: the bins of 1411 samples under the frequencies of 1410.
    width = sample_rate / (2 * bins)
    lowest, highest = (np.log2(f / 440.0) * BANDS_PER_OCTAVE for f in (LOWEST, HIGHEST))
    notes = np.arange(np.ceil(lowest), np.floor(highest) + 1)
    frequencies = 440.0 * 2.0 ** (notes / BANDS_PER_OCTAVE)
    places = np.floor(frequencies / width + 0.5).astype(int)
    places = np.unique(np.minimum(places, bins - 1))
    filters = np.zeros((bins, len(places) - 2), "float32")
    for band, (start, centre, stop) in enumerate(
        zip(places, places[1:], places[2:], strict=False)
    ):
        if stop - start < 2:
            filters[start, band] = 1.0
            continue
        rising, falling = np.arange(start, centre), np.arange(centre, stop)
        filters[rising, band] = (rising - start) / (centre - start)
        filters[falling, band] = 1.0 - (falling - centre) / (stop - centre)
    return filters / filters.sum(axis=0)


def _backbone(nets: int, units: int) -> keras.Model:
    spectrogram = keras.Input((None, BANDS), name="spectrogram")
    features = WithRise(name="with_rise")(spectrogram)
    image = layers.Reshape((-1, 2 * BANDS, 1), name="add_channel")(features)
    each = [_network(image, units, f"net{i}") for i in range(nets)]
    mean = each[0]
    if nets > 1:
        mean = layers.Average(dtype="float32", name="ensemble")(each)
    return keras.Model(spectrogram, mean, name="backbone")


def _network(image, units: int, name: str):
    convolve = layers.Conv2D(
        CHANNELS, (1, KERNEL), activation="relu", name=f"{name}_conv"
    )
    x = layers.MaxPooling2D((1, 2), name=f"{name}_pool")(convolve(image))
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]), name=f"{name}_flatten")(x)
    x = layers.Dense(units, name=f"{name}_dense")(x)
    for n in (1, 2):
        x = layers.LSTM(units, return_sequences=True, name=f"{name}_lstm{n}")(x)
    # In float32: half precision rounds small probabilities to nothing.
    head = layers.Dense(
        CLASSES, activation="softmax", dtype="float32", name=f"{name}_head"
    )
    return head(x)
