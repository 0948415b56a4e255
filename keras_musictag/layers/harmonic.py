"""Harmonic filters with a learnable bandwidth, as a layer on the waveform."""

import keras
import numpy as np
from keras import ops

from keras_musictag.checks import check_positive, check_positive_int
from keras_musictag.errors import ConfigError
from keras_musictag.layers.stft import STFT


@keras.saving.register_keras_serializable(package="keras_musictag")
class HarmonicSTFT(keras.layers.Layer):
    """Spectrogram that stacks the harmonics of each pitch as channels, in decibels.

    Triangular filters lie on the power spectrum at the fundamental frequencies of
    the notes and at their multiples: channel `h - 1` at level `j` is the band around
    `h * f_j`. A convolution over `(frames, levels)` so sees a note's overtones at
    one place. The levels are equally spaced in pitch, from `low_note` up to the note
    nearest to where the highest harmonic reaches half the sample rate.

    A band at frequency `f` is `(alpha * f + beta) / Q` Hz wide at its base, with one
    learnable `Q` for all. Low bands may lie between two bins of the transform; their
    value is then the floor of -100 dB.

    The layer computes in float32 whatever the dtype policy. The only weight is `Q`,
    called `q`, of shape `(1,)`; frequencies and window are constants.

    Args:
        sample_rate: Samples per second of the waveforms, in Hz.
        n_fft: Length of the transform and of its periodic Hann window, in samples.
        hop_length: Samples from one frame to the next.
        n_harmonics: Multiples of the fundamental, itself included: the channels.
        steps_per_semitone: Levels from one semitone to the next.
        low_note: MIDI number of the lowest note; 24 is C1, 32.7 Hz.
        alpha: Growth of the bandwidth per Hz.
        beta: Bandwidth at 0 Hz, in Hz.
        initial_q: `Q` before training; larger makes the bands narrower.
        learnable_q: Whether training moves `Q`.
        method: `"fft"` or `"dft"`, see `STFT`.
        **kwargs: `name`, `trainable`. A `dtype` is accepted and has no effect.

    Input: float32 waveforms of shape `(batch, samples)`.

    Output: float32 of shape `(batch, frames, levels, n_harmonics)` in dB, `1 +
        samples // hop_length` frames. The defaults give 128 levels.

    Raises:
        ConfigError: If an argument cannot work, the input is not of rank 2, or it is
            too short for reflection at its ends.

    References:
        - Won et al., "Data-driven harmonic filters for audio representation
          learning", ICASSP 2020.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import HarmonicSTFT

    waveform = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    print(HarmonicSTFT()(waveform).shape)  # (2, 63, 128, 6)
    ```
    """

    def __init__(
        self,
        sample_rate=16000,
        n_fft=512,
        hop_length=256,
        n_harmonics=6,
        steps_per_semitone=2,
        low_note=24,
        alpha=0.1079,
        beta=24.7,
        initial_q=1.0,
        learnable_q=True,
        method="fft",
        **kwargs,
    ) -> None:
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.stft = STFT(
            n_fft=n_fft,
            hop_length=hop_length,
            pad_mode="reflect",
            power=2.0,
            method=method,
            name="stft",
        )
        self.sample_rate = check_positive_int(sample_rate, name="sample_rate")
        self.n_harmonics = check_positive_int(n_harmonics, name="n_harmonics")
        self.steps_per_semitone = check_positive_int(
            steps_per_semitone, name="steps_per_semitone"
        )
        self.low_note = low_note
        self.alpha = check_positive(alpha, name="alpha")
        self.beta = check_positive(beta, name="beta")
        self.initial_q = check_positive(initial_q, name="initial_q")
        self.learnable_q = bool(learnable_q)
        # NumPy arrays, not tensors: a tensor kept here would belong to one graph.
        fundamentals = _fundamentals(
            sample_rate, n_harmonics, steps_per_semitone, low_note
        )
        self.levels = len(fundamentals)
        multiples = np.arange(1, n_harmonics + 1)
        centres = np.outer(multiples, fundamentals).reshape(-1)
        bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
        self._centres = centres.astype("float32")
        self._distances = bins.astype("float32")[:, None] - self._centres

    def __call__(self, inputs, *args, **kwargs):
        # Checked here because Keras turns errors from inside `call` into its own.
        self.stft.check_input_shape(np.shape(inputs))
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape):
        self.stft.build(input_shape)
        self.q = self.add_weight(
            name="q",
            shape=(1,),
            initializer=keras.initializers.Constant(self.initial_q),
            trainable=self.learnable_q,
        )
        self.built = True

    def filters(self):
        """Give the filters that the present `Q` makes.

        Returns:
            float32 tensor of shape `(1 + n_fft // 2, n_harmonics * levels)`: all
            levels of the first harmonic, then all of the second, and so on.
        """
        widths = self.alpha * self._centres + self.beta
        half = ops.convert_to_tensor(widths / 2.0) / self.q
        slopes = ops.convert_to_tensor(self._distances) / half
        return ops.maximum(0.0, 1.0 - ops.abs(slopes))

    def call(self, inputs):
        bands = ops.matmul(self.stft(inputs), self.filters())
        frames = self.stft.frame_count(inputs.shape[1])
        bands = ops.reshape(bands, (-1, frames, self.n_harmonics, self.levels))
        bands = ops.transpose(bands, (0, 1, 3, 2))
        return 10.0 * ops.log10(ops.maximum(bands, 1e-10))

    def compute_output_shape(self, input_shape):
        frames = self.stft.compute_output_shape(input_shape)[1]
        return (input_shape[0], frames, self.levels, self.n_harmonics)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "sample_rate": self.sample_rate,
            "n_fft": self.stft.n_fft,
            "hop_length": self.stft.hop_length,
            "n_harmonics": self.n_harmonics,
            "steps_per_semitone": self.steps_per_semitone,
            "low_note": self.low_note,
            "alpha": self.alpha,
            "beta": self.beta,
            "initial_q": self.initial_q,
            "learnable_q": self.learnable_q,
            "method": self.stft.method,
        }


def _fundamentals(sample_rate, n_harmonics, steps_per_semitone, low_note):
    """Frequencies of the levels in Hz, float64; the highest note is left out."""
    limit = sample_rate / (2 * n_harmonics)
    high_note = round(69 + 12 * np.log2(limit / 440.0))
    if not 0 <= low_note < high_note:
        raise ConfigError(
            "`low_note` must lie below the highest note whose harmonics fit.",
            received=f"low_note={low_note!r}, the highest note is {high_note}",
            advice="Use fewer harmonics, a lower note or a higher sample rate.",
        )
    count = int((high_note - low_note) * steps_per_semitone)
    notes = low_note + np.arange(count) / steps_per_semitone
    return 440.0 * 2.0 ** ((notes - 69) / 12)
