"""A small chord recogniser without recurrence: convolutions over pitch, then time."""

import keras
from keras import layers

from keras_musictag.checks import check_positive_int
from keras_musictag.chords.chordogram import CHORD
from keras_musictag.chords.structure import CHOICES
from keras_musictag.chords.vocabulary import Vocabulary
from keras_musictag.constant_q.kernels import C1_HZ
from keras_musictag.engines.structure_blocks import STARTS
from keras_musictag.layers.cqt import CQT
from keras_musictag.models.recognizer import ChordRecognizer
from keras_musictag.models.recognizers.networks import (
    RANGE_DB,
    KeepValid,
    LikeInput,
    StepMask,
    context_frames,
)
from keras_musictag.models.recognizers.structure_losses import (
    choice_losses,
    choice_targets,
)
from keras_musictag.models.recognizers.structure_networks import ComposeChords

N_BINS, BINS_PER_OCTAVE = 252, 36
CHOICE_CLASSES = sum(CHOICES.values())


class TCNChordRecognizer(ChordRecognizer):
    """Chords by their structure from a small temporal convolutional network.

    Three bins per semitone of a constant-Q transform that follows the tuning of the
    track, two convolutions over pitch and time, which see the same pattern on every
    root, one over all pitches at once, and residual blocks of convolutions over time
    whose dilation doubles from one to the next: with six of them a step sees 6 s to
    either side. There is no recurrence, so that it trains fast and runs everywhere.
    Like the network of Jiang et al. it says six things about a frame, of which any
    vocabulary is composed; each step of two frames says them for both.

    Args:
        vocabulary: The chord classes in output order.
        channels: Filters of the two convolutions over pitch.
        units: Width of the blocks over time.
        dilations: Steps between the taps of each block.
        dropout: Rate before the blocks and in each.
        sample_rate: Of the waveform, in Hz.
        hop_length: Between frames, in samples.
        tuning: `"auto"` hears the tuning of each track: see `ChordRecognizer`.
        **options: `calibration`, `dtype` and `name`: see `ChordRecognizer`.

    Call:
        float32 `(batch, samples)` to a dict of float32 `(batch, frames, classes)` with
        `samples // hop_length` frames: `"chord"` (the vocabulary) and the six choices
        as in `ChordStructureRecognizer`. A call takes the pitches of A4 = 440 Hz;
        `recognize` and `chordogram` hear the tuning.

    Raises:
        ConfigError: If a size is not a whole number above 0.

    References:
        - Jiang, Chen, Li and Xia, "Large-vocabulary chord transcription via chord
          structure decomposition", ISMIR 2019.
        - Bai, Kolter and Koltun, "An empirical evaluation of generic convolutional
          and recurrent networks for sequence modeling", 2018.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.TCNChordRecognizer.from_pretrained("chords_small")
    print(model.recognize(kmt.audio.demo_path()).to_lab())
    ```
    """

    default_preset = "chords_small"
    # A chord is taken to change half-way between the centres of two frames.
    boundary_shift = -0.5

    def __init__(
        self,
        vocabulary="tetrads",
        *,
        channels=(16, 32),
        units: int = 128,
        dilations=(1, 2, 4, 8, 16, 32),
        dropout: float = 0.1,
        sample_rate: int = 22050,
        hop_length: int = 1024,
        tuning: str | float = "auto",
        **options,
    ):
        for size in (*channels, units, *dilations):
            check_positive_int(size, name="channels, units and dilations")
        settings = {
            "channels": list(channels),
            "units": units,
            "dilations": list(dilations),
            "dropout": dropout,
        }
        super().__init__(
            vocabulary,
            frontend=lambda rate: CQT(
                rate,
                hop_length=hop_length,
                fmin=C1_HZ,
                n_bins=N_BINS,
                bins_per_octave=BINS_PER_OCTAVE,
                name="frontend",
            ),
            backbone=lambda chords: _backbone(chords, settings),
            sample_rate=sample_rate,
            hop_length=hop_length,
            context_frames=context_frames(
                C1_HZ, BINS_PER_OCTAVE, sample_rate, hop_length
            ),
            tuning=tuning,
            reach=_reach(dilations),
            settings=settings,
            **options,
        )

    def default_compile(self) -> dict:
        """Return optimizer, losses and metrics: one answer of each choice per frame."""
        return {"optimizer": keras.optimizers.Adam(1e-3), **choice_losses()}

    def chord_targets(self, labels: list[str]) -> dict:
        """Say what each output should answer, as `ChordStructureRecognizer` does.

        Args:
            labels: Chords in Harte's notation.

        Returns:
            int arrays `(labels,)` by output; -1 where a label does not say.
        """
        return {**super().chord_targets(labels), **choice_targets(labels)}


def _reach(dilations) -> int:
    """Say how many frames to either side `choice_logits` hears."""
    steps = 1 + sum(dilations)  # of two frames: by "fine", by the blocks
    # Two frames more by the first convolution, one from the second frame of a step to
    # the first; even.
    return 2 * steps + 4


def _backbone(vocabulary: Vocabulary, settings: dict) -> keras.Model:
    decibels = keras.Input((None, N_BINS), name="decibels")
    mask = keras.Input((None,), dtype="bool", name="mask")
    logits = choice_logits(decibels, mask, **settings)
    # In float32: half precision rounds small probabilities to nothing.
    choices = {
        name: layers.Softmax(dtype="float32", name=f"{name}_softmax")(
            logits[..., start : start + CHOICES[name]]
        )
        for name, start in STARTS.items()
    }
    every = layers.Concatenate(dtype="float32", name="choices")([*choices.values()])
    chord = ComposeChords(vocabulary, dtype="float32", name="chord")(every)
    return keras.Model([decibels, mask], {CHORD: chord, **choices}, name="backbone")


def choice_logits(decibels, mask, *, channels, units, dilations, dropout):
    """Build the network up to its logits.

    Args:
        decibels: float tensor `(batch, frames, 252)`, from -80 to 0.
        mask: bool tensor `(batch, frames)`, the frames that count; they come first.
            `None` if all do, which is faster.
        channels, units, dilations, dropout: As in `TCNChordRecognizer`.

    Returns:
        float tensor `(batch, frames, 100)`, the six choices in order.
    """
    steps = None if mask is None else StepMask(name="step_mask")(mask)

    def keep(x, name, valid=steps):
        # Convolutions must see zeros beyond the end of a track, filled up or not.
        return x if mask is None else KeepValid(name=f"{name}_valid")([x, valid])

    x = layers.Rescaling(1 / RANGE_DB, 1.0, name="zero_to_one")(decibels)
    x = keep(x, "frames", mask)
    x = layers.Reshape((-1, N_BINS, 1), name="add_channel")(x)
    # Padded by hand: "same" would move the frames by the parity of their number.
    x = layers.ZeroPadding2D(((2, 3), (3, 3)), name="pad")(x)
    x = _convolve(layers.Conv2D, x, "wide", channels[0], (5, 7), strides=(2, 1))
    x = keep(layers.MaxPooling2D((1, 3), name="semitones")(x), "wide")
    x = _convolve(layers.Conv2D, x, "fine", channels[1], 3, padding="same")
    x = _convolve(layers.Conv2D, x, "pitches", units, (1, x.shape[2]))
    x = layers.Reshape((-1, units), name="steps")(x)
    x = layers.SpatialDropout1D(dropout, name="dropout")(x)
    for number, dilation in enumerate(dilations):
        name = f"block{number}"
        y = _convolve(
            *(layers.Conv1D, keep(x, name), name, units, 3),
            dilation_rate=dilation,
            padding="same",
        )
        y = layers.Conv1D(units, 1, name=f"{name}_mix")(y)
        y = layers.SpatialDropout1D(dropout, name=f"{name}_dropout")(y)
        x = layers.Add(name=f"{name}_add")([x, y])
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Dense(2 * CHOICE_CLASSES, name="head")(x)
    return LikeInput(CHOICE_CLASSES, name="head_frames")([x, decibels])


def _convolve(convolution, x, name: str, filters: int, kernel, **options):
    x = convolution(filters, kernel, use_bias=False, name=name, **options)(x)
    return layers.ReLU(name=f"{name}_relu")(
        layers.BatchNormalization(name=f"{name}_norm")(x)
    )
