"""Beat This: beats and downbeats by a transformer over 30 s (Foscarin et al. 2024)."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.checks import check_positive_int
from keras_musictag.layers.mel import LogMelSpectrogram
from keras_musictag.layers.rotary import RootMeanSquareNorm, RotaryTransformerBlock
from keras_musictag.models.tracker import BeatTracker

BANDS = 128
N_FFT = 1024
# log(1 + 1000 * x) of magnitudes that are divided by the root of the window's length.
GAIN = 1000 / N_FFT**0.5
EPSILON = 1e-5  # of batch normalisation
FRONT_BLOCKS = 3
# Frames that the network hears at once, and how many of them on either side are heard
# by a neighbour too, since it was not trained there.
CHUNK, BORDER = 1500, 6


@keras.saving.register_keras_serializable(package="keras_musictag")
class BeatProbabilities(layers.Layer):
    """What two logits say: a beat that is no downbeat, a downbeat, none.

    Input: float tensor `(batch, frames, 2)`: by how much a beat is more than a
        downbeat, and a downbeat.

    Output: float32 `(batch, frames, 3)`, probabilities.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, x):
        downbeat = ops.sigmoid(x[..., 1])
        beat = ops.maximum(ops.sigmoid(x[..., 0] + x[..., 1]), downbeat)
        return ops.stack([beat - downbeat, downbeat, 1.0 - beat], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 3)


class BeatThisTracker(BeatTracker):
    """Beat This: a transformer whose first blocks look along frequency and time.

    The weights are the authors' (MIT): `beat_this_small` (8 MB) and `beat_this` (78
    MB) are fetched from their server at first use and converted without PyTorch. A
    track is heard in pieces of 30 s that overlap a little, as by the authors. Its
    beats are the peaks of the probabilities (`decoder="peaks"`), which follow any
    change of the tempo; `decoder="bars"` takes the bar pointer, which keeps to bars.

    Args:
        units: Channels of the transformer after the first blocks.
        blocks: How many of its blocks.
        stem_channels: Channels of the first convolution; each of the three first
            blocks doubles them.
        head_dim: Channels of an attention head.
        dropout: Rate in the transformer; half of it in the first blocks.
        sample_rate: Of the waveform, in Hz.
        hop_length: Samples from one frame to the next.
        **options: `dtype` and `name`: see `BeatTracker`.

    Call:
        float32 `(batch, samples)` to float32 `(batch, frames, 3)`: the probabilities
        of a beat that is no downbeat, of a downbeat, and of none, with
        `1 + samples // hop_length` frames.

    References:
        - Foscarin, Schlüter, Widmer, "Beat this! Accurate beat tracking without DBN
          postprocessing", ISMIR 2024.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    tracker = kmt.BeatThisTracker(units=64, blocks=1, stem_channels=8, head_dim=8)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 22050).astype("float32")
    print(tracker(noise[None]).shape)  # (1, 51, 3)
    ```
    """

    default_preset = "beat_this_small"
    default_decoder = "peaks"
    piece_frames, border_frames = CHUNK, BORDER

    def __init__(
        self,
        *,
        units: int = 512,
        blocks: int = 6,
        stem_channels: int = 32,
        head_dim: int = 32,
        dropout: float = 0.2,
        sample_rate: int = 22050,
        hop_length: int = 441,
        **options,
    ):
        sizes = {"units": units, "blocks": blocks, "stem_channels": stem_channels}
        sizes["head_dim"] = head_dim
        for name, value in sizes.items():
            check_positive_int(value, name=name)
        super().__init__(
            frontend=lambda rate: LogMelSpectrogram(
                rate,
                N_FFT,
                hop_length,
                pad_mode="reflect",
                power=1.0,
                n_mels=BANDS,
                fmin=30.0,
                fmax=11000.0,
                mel_scale="slaney",
                norm=None,
                compression="log1p",
                gain=GAIN,
                name="frontend",
            ),
            backbone=lambda: _backbone(**sizes, dropout=dropout),
            sample_rate=sample_rate,
            hop_length=hop_length,
            context_frames=-(-N_FFT // (2 * hop_length)),
            settings={**sizes, "dropout": dropout},
            reflect=True,
            **options,
        )

    def _probabilities(self, spectrogram: np.ndarray) -> np.ndarray:
        length = len(spectrogram)
        step = CHUNK - 2 * BORDER
        starts = np.arange(-BORDER, length - BORDER, step)
        if length > step:  # the last piece is whole, too
            starts[-1] = length - (CHUNK - BORDER)
        values = np.empty((length, 3), "float32")
        for start in starts[::-1]:  # where two overlap, the earlier one counts
            end = min(start + CHUNK, length)
            part = spectrogram[max(start, 0) : end]
            before = max(0, -start)
            after = max(0, min(BORDER, start + CHUNK - length))
            part = np.pad(part, [(before, after), (0, 0)])
            heard = np.asarray(self.backbone.predict_on_batch(part[None]))[0]
            inner = heard[BORDER:-BORDER]
            values[start + BORDER : start + BORDER + len(inner)] = inner
        return values


def _backbone(units, blocks, stem_channels, head_dim, dropout) -> keras.Model:
    spectrogram = keras.Input((None, BANDS), name="spectrogram")
    x = layers.BatchNormalization(epsilon=EPSILON, name="input_norm")(spectrogram)
    x = layers.Reshape((-1, BANDS, 1), name="add_channel")(x)
    x = _convolution(x, stem_channels, 4, "stem")
    for block in range(1, FRONT_BLOCKS + 1):
        options = {"head_dim": head_dim, "dropout": dropout / 2}
        name = f"front_{block}"
        x = RotaryTransformerBlock(**options, name=f"{name}_bands")(x)
        x = layers.Permute((2, 1, 3), name=f"{name}_bands_first")(x)
        x = RotaryTransformerBlock(**options, name=f"{name}_time")(x)
        x = layers.Permute((2, 1, 3), name=f"{name}_time_first")(x)
        x = _convolution(x, stem_channels * 2**block, 2, name)
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]), name="flatten")(x)
    x = layers.Dense(units, name="projection")(x)
    for block in range(1, blocks + 1):
        x = RotaryTransformerBlock(head_dim, dropout=dropout, name=f"block_{block}")(x)
    x = RootMeanSquareNorm(name="norm")(x)
    # In float32: half precision rounds small probabilities to nothing.
    x = layers.Dense(2, dtype="float32", name="logits")(x)
    outputs = BeatProbabilities(name="probabilities")(x)
    return keras.Model(spectrogram, outputs, name="backbone")


def _convolution(x, channels: int, stride: int, name: str):
    """Join so many neighbouring bands, each with the frames beside it."""
    x = layers.ZeroPadding2D(((1, 1), (0, 0)), name=f"{name}_pad")(x)
    x = layers.Conv2D(
        channels, (3, stride), (1, stride), use_bias=False, name=f"{name}_conv"
    )(x)
    x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm")(x)
    return layers.Activation("gelu", name=f"{name}_gelu")(x)
