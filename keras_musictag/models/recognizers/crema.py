"""CREMA: large-vocabulary chords with root, bass and pitches (McFee and Bello 2017)."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.chords import parse
from keras_musictag.chords.chordogram import PITCH_CLASSES
from keras_musictag.layers.bidirectional import Bidirectional
from keras_musictag.layers.hcqt import HCQT
from keras_musictag.models.recognizer import ChordRecognizer
from keras_musictag.models.recognizers.networks import KeepValid

HARMONICS = (1, 2)
BINS_PER_OCTAVE = 36


@keras.saving.register_keras_serializable(package="keras_musictag")
def keras2_hard_sigmoid(x):
    """The hard sigmoid of Keras 2: slope 1/5, where that of Keras 3 has 1/6."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


class CremaChordRecognizer(ChordRecognizer):
    """CREMA: chords of 14 qualities with inversions, from a harmonic CQT.

    A convolution over time and pitch, one over all pitches at once and two
    bidirectional GRUs read the constant-Q transforms of two harmonics. Three
    outputs name the chord's pitches, its root and its bass; together with what the
    recurrent layers say they decide on one of 170 chords: 14 qualities on 12 roots,
    `N` (no chord) and `X` (another chord).

    `recognize` gives inversions, such as `C:maj/3`, where the bass output names a
    tone of the chord other than its root; with `vocabulary="crema170"` or another
    vocabulary it gives that vocabulary's labels alone.

    What differs from the `crema` package, whose results
    `keras_musictag.compat.crema.analyze` gives: chords begin half a frame (46 ms)
    later, the last one ends with the audio and not one frame after, confidence and
    bass are those of exactly the frames of a chord, digital silence is `N` and not
    `D#:7`.

    Args:
        vocabulary: The chord classes in output order.
        n_octaves: Octaves of each transform, from C1 on.
        conv_filters: Filters of the convolution over all pitches.
        recurrent_units: Units of each GRU in each direction.
        sample_rate: Of the waveform, in Hz.
        hop_length: Between frames, in samples.
        **options: `dtype` and `name`: see `ChordRecognizer`.

    Call:
        float32 `(batch, samples)` to a dict of float32 `(batch, frames, classes)`,
        with `samples // hop_length` frames: `"chord"` (170 chords), `"pitch"` (12,
        independent of each other), `"root"` and `"bass"` (12 pitch classes from C
        on, then none).

    References:
        - McFee and Bello, "Structured training for large-vocabulary chord
          recognition", ISMIR 2017.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.CremaChordRecognizer.from_pretrained()
    print(model.recognize(kmt.audio.demo_path()).to_lab())
    ```
    """

    default_preset = "crema"
    # It was trained on chords that begin in the last frame centred before them: on
    # average they do so half a frame after that centre.
    boundary_shift = 0.5

    def __init__(
        self,
        vocabulary="crema170",
        *,
        n_octaves: int = 6,
        conv_filters: int = 72,
        recurrent_units: int = 128,
        sample_rate: int = 44100,
        hop_length: int = 4096,
        **options,
    ):
        bins = n_octaves * BINS_PER_OCTAVE
        # The lowest filters fill 2^17 samples at 44.1 kHz; the low-passes before
        # them reach less than a sixth of that.
        reach = (2**16 + 2**14) * sample_rate / 44100
        network = {"conv_filters": conv_filters, "recurrent_units": recurrent_units}
        super().__init__(
            vocabulary,
            frontend=lambda rate: HCQT(
                harmonics=HARMONICS,
                sample_rate=rate,
                hop_length=hop_length,
                n_bins=bins,
                bins_per_octave=BINS_PER_OCTAVE,
                sparsity=0.01,
                name="frontend",
            ),
            backbone=lambda chords: _backbone(bins, len(chords), **network),
            sample_rate=sample_rate,
            hop_length=hop_length,
            context_frames=int(np.ceil(reach / hop_length)),
            settings={"n_octaves": n_octaves, **network},
            **options,
        )

    def default_compile(self) -> dict:
        """Return optimizer, losses and metrics as CREMA was trained."""
        classes = keras.losses.SparseCategoricalCrossentropy
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return {
            "optimizer": keras.optimizers.Adam(1e-3),
            "loss": {
                "chord": classes(),
                "pitch": keras.losses.BinaryCrossentropy(),
                "root": classes(),
                "bass": classes(),
            },
            "metrics": {"chord": [accuracy]},
        }

    def chord_targets(self, labels: list[str]) -> dict[str, np.ndarray]:
        """Say what each output should answer to chords; see `ChordRecognizer`.

        Args:
            labels: Chords in Harte's notation.

        Returns:
            `"chord"`, int `(labels,)`: classes, -1 outside; `"pitch"`, float32
            `(labels, 12)`: which pitch classes sound; `"root"` and `"bass"`, int
            `(labels,)`: pitch classes, 12 for `N` and `X`.
        """
        chords = [parse(label) for label in labels]
        basses = [chord.bass_pitch_class for chord in chords]
        pitches = [chord.pitch_classes for chord in chords]
        return {
            **super().chord_targets(labels),
            "pitch": np.array(pitches, "float32").reshape(-1, PITCH_CLASSES),
            "root": _or_none([chord.root for chord in chords]),
            "bass": _or_none(basses),
        }


def _or_none(pitch_classes: list[int | None]) -> np.ndarray:
    return np.array([PITCH_CLASSES if p is None else p for p in pitch_classes], int)


def _backbone(
    n_bins: int, classes: int, conv_filters: int, recurrent_units: int
) -> keras.Model:
    decibels = keras.Input((None, n_bins, len(HARMONICS)), name="decibels")
    mask = keras.Input((None,), dtype="bool", name="mask")
    x = layers.BatchNormalization(name="bn1")(decibels)
    # The convolution sees zeros beyond the end of a track, filled up or not.
    x = KeepValid(name="valid_frames")([x, mask])
    x = layers.Conv2D(1, 5, padding="same", activation="relu", name="conv1")(x)
    x = layers.BatchNormalization(name="bn2")(x)
    x = layers.Conv2D(conv_filters, (1, n_bins), activation="relu", name="conv2")(x)
    x = layers.BatchNormalization(name="bn3")(x)
    x = ops.squeeze(x, axis=2)
    x = _bidirectional(recurrent_units, "bigru1")(x, mask=mask)
    x = layers.BatchNormalization(name="bn4")(x)
    x = _bidirectional(recurrent_units, "bigru2")(x, mask=mask)
    # In float32: half precision rounds small probabilities to nothing.
    pitch = layers.Dense(
        PITCH_CLASSES, activation="sigmoid", dtype="float32", name="pitch"
    )(x)
    root, bass = (
        layers.Dense(
            PITCH_CLASSES + 1, activation="softmax", dtype="float32", name=name
        )(x)
        for name in ("root", "bass")
    )
    joined = layers.Concatenate(name="structure")([x, pitch, root, bass])
    joined = layers.BatchNormalization(name="bn5")(joined)
    # Named as in the files of weights.
    chord = layers.Dense(classes, activation="softmax", dtype="float32", name="tag")
    outputs = {"chord": chord(joined), "pitch": pitch, "root": root, "bass": bass}
    return keras.Model([decibels, mask], outputs, name="backbone")


def _bidirectional(units: int, name: str) -> layers.Layer:
    gru = layers.GRU(
        units,
        return_sequences=True,
        recurrent_activation=keras2_hard_sigmoid,
        reset_after=False,
        name="gru",
    )
    return Bidirectional(gru, name=name)
