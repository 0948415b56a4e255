"""KeyNet: the key by a convolutional network (Korzeniowski and Widmer 2018)."""

import keras
from keras import layers, ops

from keras_musictag.chords.keys import parse_key
from keras_musictag.layers.cqt import CQT
from keras_musictag.models.key_recognizer import KeyRecognizer

SAMPLE_RATE, HOP_LENGTH = 44100, 8820
BINS, BINS_PER_OCTAVE, LOWEST_HZ = 105, 24, 65.0
FILTERS = (20, 20, 40, 40, 80, 80, 160, 160)
POOLED = (2, 4, 6)  # convolutions that a pool of 2 x 2 follows
CLASSES = 24
# Frames at the end that the original leaves out, and frames that three pools need.
DROPPED, LEAST_FRAMES = 2, 8


@keras.saving.register_keras_serializable(package="keras_musictag")
class LogCQT(layers.Layer):
    """A constant-Q spectrogram of 5 frames a second, `log(1 + magnitude)`.

    Args:
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input: float32 waveforms `(batch, samples)` at 44100 Hz.

    Output: float32 `(batch, samples // 8820 - 1, 105)`: the last two frames are left
        out, as in the original.
    """

    def __init__(self, **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self._cqt = CQT(
            SAMPLE_RATE,
            HOP_LENGTH,
            fmin=LOWEST_HZ,
            n_bins=BINS,
            bins_per_octave=BINS_PER_OCTAVE,
        )

    def build(self, input_shape):
        self._cqt.build(input_shape)
        self.built = True

    def call(self, inputs):
        return ops.log1p(self._cqt(inputs))[:, :-DROPPED]

    def compute_output_shape(self, input_shape):
        batch, samples = input_shape
        frames = None if samples is None else 1 + samples // HOP_LENGTH - DROPPED
        return (batch, frames, BINS)


class KeyNetRecognizer(KeyRecognizer):
    """KeyNet: the key of a song by nine convolutions, trained on dance music.

    Loudness matters: quiet music is heard worse. On music that is no dance music it is
    weaker than the key of the chords.

    Args:
        **options: `dtype` and `name`: see `KeyRecognizer`.

    Call:
        float32 `(batch, samples)` at 44100 Hz, at least 1.8 s, to float32
        `(batch, 24)`: the probability of each of `labels`.

    References:
        - Korzeniowski, Widmer, "Genre-agnostic key classification with convolutional
          neural networks", ISMIR 2018.

    Example:

    ```python
    import keras_musictag as kmt

    recognizer = kmt.KeyNetRecognizer.from_pretrained()
    print(recognizer.recognize("song.mp3").notated("camelot"))
    ```
    """

    default_preset = "keynet"
    least_samples = (LEAST_FRAMES + DROPPED - 1) * HOP_LENGTH
    # Camelot's order: 1A to 12A, then 1B to 12B.
    labels = tuple(
        ":".join(parse_key(f"{hour}{letter}"))
        for letter in "AB"
        for hour in range(1, 13)
    )

    def __init__(self, **options):
        super().__init__(
            frontend=lambda: LogCQT(name="frontend"),
            backbone=_backbone,
            sample_rate=SAMPLE_RATE,
            **options,
        )


def _backbone() -> keras.Model:
    spectrogram = keras.Input((None, BINS), name="spectrogram")
    x = layers.Reshape((-1, BINS, 1), name="add_channel")(spectrogram)
    for i, filters in enumerate(FILTERS, 1):
        x = _convolution(x, i, filters, 5 if i == 1 else 3)
        if i in POOLED:
            x = layers.MaxPooling2D(2, name=f"pool_{i}")(x)
    x = _convolution(x, len(FILTERS) + 1, CLASSES, 1)
    x = layers.GlobalAveragePooling2D(name="keys")(x)
    return keras.Model(spectrogram, x, name="backbone")


def _convolution(x, number: int, filters: int, kernel: int):
    name = f"conv_{number}"
    x = layers.Conv2D(filters, kernel, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ELU(name=f"{name}_elu")(x)
