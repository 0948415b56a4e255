"""A log-mel spectrogram that knows where a track has ended, and its scaling."""

import keras
import numpy as np
from keras import ops

from keras_musictag.audio.chunks import MARK
from keras_musictag.checks import check_positive
from keras_musictag.layers.mel import LogMelSpectrogram


@keras.saving.register_keras_serializable(package="keras_musictag")
class PaddedLogMelSpectrogram(LogMelSpectrogram):
    """Log-mel spectrogram, zero behind the end of a track, then scaled.

    The front-end of the Audio Spectrogram Transformer and of MAEST, whose authors fill
    up the *spectrogram* of a short track with zeros before it is scaled. For the
    logarithm of AST that is far from silence, and a network that was trained so hears
    the difference. A chunk plan with `pad="marked"` marks the end for this layer;
    where nothing is marked, the whole chunk counts.

    Args:
        sample_rate: Samples per second of the waveforms, in Hz.
        mean: Subtracted from all values.
        std: Half of what they are divided by.
        context: Samples on each side of a chunk that belong to its neighbours, see
            `audio.ChunkPlan`; only with `center=False`.
        **options: The other arguments of `LogMelSpectrogram`.

    Input: float32 waveforms of shape `(batch, samples)`.

    Output: float32 of shape `(batch, frames, n_mels)`.

    Raises:
        ConfigError: As `LogMelSpectrogram`; and if `std` is not positive.

    References:
        - Gong, Chung, Glass, "AST: Audio Spectrogram Transformer", Interspeech 2021.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import PaddedLogMelSpectrogram

    layer = PaddedLogMelSpectrogram.from_convention("kaldi", mean=-4.27, std=4.57)
    waveform = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    print(layer(waveform).shape)  # (2, 98, 23)
    ```
    """

    def __init__(self, sample_rate, mean=0.0, std=0.5, context=0, **options) -> None:
        super().__init__(sample_rate, **options)
        self.mean = float(mean)
        self.std = check_positive(std, name="std")
        self.context = context

    def call(self, inputs):
        x = super().call(inputs)
        ended = ops.cast(ops.equal(inputs, np.float32(MARK)), "int32")
        length = ops.shape(inputs)[1] - ops.sum(ended, axis=1, keepdims=True)
        length = length - 2 * self.context
        # A centred frame is there if the track reaches its middle, others if it reaches
        # their end.
        reach = 0 if self.stft.center else self._frame_length() - 2 * self.context
        ends = ops.arange(ops.shape(x)[1]) * self.stft.hop_length + reach
        heard = ops.expand_dims(ends[None] <= length, -1)
        x = ops.where(heard, x, ops.zeros_like(x))
        return (x - self.mean) / (2.0 * self.std)

    def _frame_length(self) -> int:
        stft = self.stft
        at_start = stft.window_position == "start" and stft.win_length
        return stft.win_length if at_start else stft.n_fft

    def get_config(self) -> dict:
        own = {"mean": self.mean, "std": self.std, "context": self.context}
        return {**super().get_config(), **own}
