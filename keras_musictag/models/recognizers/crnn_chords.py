"""Convolutional recurrent chord recognisers: the tutorial's and a stronger one."""

from typing import Any

import keras
import numpy as np
from keras import layers

from keras_musictag.checks import check_choice
from keras_musictag.chords import Vocabulary, reduce_probabilities
from keras_musictag.chords.vocabulary import (
    vocabulary_from_config,
    vocabulary_to_config,
)
from keras_musictag.layers.cqt import CQT
from keras_musictag.models.recognizer import ChordRecognizer
from keras_musictag.models.recognizers import networks

VARIANTS: dict[str, dict[str, Any]] = {
    "strong": {
        "recurrent": "gru",
        "units": 128,
        "hop_length": 1024,
        "fmin": 32.703195662574829,
        "n_bins": 252,
        "bins_per_octave": 36,
    },
    "tutorial": {
        "recurrent": "lstm",
        "units": 8,
        "hop_length": 512,
        "fmin": 32.7,
        "n_bins": 72,
        "bins_per_octave": 12,
    },
}


class CRNNChordRecognizer(ChordRecognizer):
    """Convolutions over a constant-Q transform, then a recurrent layer over time.

    `variant="tutorial"` is the network of the ISMIR 2024 tutorial: normalisations
    before every convolution with one gain and offset per element, hence patches of a
    fixed length, and a small bidirectional LSTM. There are no published weights for
    it.

    `variant="strong"` is what the presets hold: three bins per semitone, three
    convolutions with batch normalisation, the last one over the full height, and a
    bidirectional GRU of 128 units over steps of two frames that says a chord for each
    of the two. `examples/train_rendered_chords.py` trained them on rendered music.

    Args:
        vocabulary: The chord classes, a name or a `chords.Vocabulary`.
        detail: A larger vocabulary, which the network tells apart inside; its
            probabilities are summed to those of `vocabulary`, half and half where a
            chord could be either of two. `None` for none.
        variant: `"strong"` or `"tutorial"`; it decides the defaults of the arguments
            that are `None`.
        recurrent: `"gru"` or `"lstm"`.
        units: Recurrent units per direction.
        channels: Filters of the strong variant's convolutions.
        patch_frames: Frames in a patch of the tutorial's variant.
        sample_rate: Of the waveform, in Hz.
        hop_length: Between frames, in samples.
        fmin: Frequency of the lowest bin, in Hz.
        n_bins: Bins of the transform.
        bins_per_octave: Bins in an octave.
        dropout: Rate before and after the strong variant's recurrent layer.
        **options: `dtype` and `name`: see `ChordRecognizer`.

    Call:
        float32 `(batch, samples)` to `(batch, samples // hop_length, classes)`.

    References:
        - Peeters et al., "Deep learning 101 for audio-based MIR", ISMIR 2024
          tutorial.
        - McFee and Bello, "Structured training for large-vocabulary chord
          recognition", ISMIR 2017.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.CRNNChordRecognizer.from_pretrained("crnn_majmin_rendered")
    for segment in model.recognize(kmt.audio.demo_path()):
        print(segment.start, segment.end, segment.label)
    ```
    """

    default_preset = "crnn_majmin_rendered"
    # A chord is taken to change half-way between the centres of two frames.
    boundary_shift = -0.5

    def __init__(
        self,
        vocabulary="majmin",
        *,
        detail=None,
        variant: str = "strong",
        recurrent: str | None = None,
        units: int | None = None,
        channels=(16, 24, 64),
        patch_frames: int = 1024,
        sample_rate: int = 22050,
        hop_length: int | None = None,
        fmin: float | None = None,
        n_bins: int | None = None,
        bins_per_octave: int | None = None,
        dropout: float = 0.2,
        **options,
    ):
        check_choice(variant, tuple(VARIANTS), name="variant")
        given = {
            "recurrent": recurrent,
            "units": units,
            "hop_length": hop_length,
            "fmin": fmin,
            "n_bins": n_bins,
            "bins_per_octave": bins_per_octave,
        }
        chosen = {k: v for k, v in given.items() if v is not None}
        settings = {**VARIANTS[variant], **chosen}
        check_choice(settings["recurrent"], tuple(networks.RECURRENT), name="recurrent")
        fine = None if detail is None else vocabulary_from_config(detail)
        settings |= {
            "detail": None if fine is None else vocabulary_to_config(fine),
            "variant": variant,
            "channels": list(channels),
            "patch_frames": patch_frames,
            "dropout": dropout,
        }
        transform = ("hop_length", "fmin", "n_bins", "bins_per_octave")
        super().__init__(
            vocabulary,
            frontend=lambda rate: CQT(
                rate, **{key: settings[key] for key in transform}, name="frontend"
            ),
            backbone=lambda coarse: _backbone(coarse, fine or coarse, settings),
            sample_rate=sample_rate,
            hop_length=settings["hop_length"],
            context_frames=networks.context_frames(
                settings["fmin"],
                settings["bins_per_octave"],
                sample_rate,
                settings["hop_length"],
            ),
            settings=settings,
            **options,
        )


def _backbone(coarse: Vocabulary, fine: Vocabulary, settings: dict) -> keras.Model:
    features = keras.Input((None, settings["n_bins"]), name="decibels")
    mask = keras.Input((None,), dtype="bool", name="mask")
    recurrent = {key: settings[key] for key in ("recurrent", "units")}
    if settings["variant"] == "tutorial":
        x = networks.Magnitude(name="magnitude")(features)
        x = networks.KeepValid(name="valid_frames")([x, mask])
        x = networks.tutorial_logits(
            x, len(fine), patch_frames=settings["patch_frames"], **recurrent
        )
    else:
        more = {key: settings[key] for key in ("channels", "dropout")}
        x = networks.strong_features(features, mask, **recurrent, **more)
        x = networks.strong_head(x, features, len(fine))
    # In float32: half precision rounds small probabilities to nothing.
    x = layers.Softmax(dtype="float32", name="probabilities")(x)
    if fine is not coarse:
        shares = reduce_probabilities(np.eye(len(fine)), fine, coarse, outside="root")
        # Where there is no place for a class it became uniform; leave it out instead.
        shares *= np.ptp(shares, axis=1, keepdims=True) > 0
        x = networks.ReduceClasses(shares, dtype="float32", name="reduction")(x)
    return keras.Model([features, mask], x, name="backbone")
