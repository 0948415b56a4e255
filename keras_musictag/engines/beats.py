"""Engines of beat trackers: beats of tracks by ONNX Runtime, as by Keras."""

import dataclasses
from pathlib import Path

import numpy as np

from keras_musictag.engines.beat_networks import RecurrentWeights, cut, heard
from keras_musictag.engines.sessions import Network, damaged
from keras_musictag.engines.storage import Description, read_arrays
from keras_musictag.engines.whole_beats import BeatHearing

# The parts of the folder: what is said about the model, its front-end for a block, its
# networks up to the dense layers, and the weights of what follows.
FRONTEND, DENSE = "frontend.onnx", "dense.onnx"


@dataclasses.dataclass(frozen=True)
class BeatModel(Description):
    """What an engine has to know of a BeatNet; see `BeatTracker`."""

    sample_rate: int
    hop_length: int
    context_frames: int
    decoder: str
    fingerprint: str


class BeatEngine(BeatHearing):
    """Finds the beats of tracks as `BeatNetTracker` does, without Keras.

    `track`, `iter_beats`, `beatgram`, `iter_beatgrams`, `hear` and `conclude` mean what
    they mean in `BeatTracker`. `fingerprint` is that of the Keras model.

    Args:
        folder: The folder of the engine.

    Raises:
        PresetError: If it is none, or damaged.
    """

    mirrored_frames = 0

    def __init__(self, folder: Path):
        try:
            model = BeatModel.read(folder)
            self._frontend = Network(folder / FRONTEND)
            self._dense = Network(folder / DENSE)
            *lstms, heads = read_arrays(folder)
            self._recurrent = RecurrentWeights(lstms, heads)
        except (OSError, TypeError, ValueError, KeyError) as error:
            raise damaged(folder, error) from error
        self.sample_rate, self.hop_length = model.sample_rate, model.hop_length
        self.context_frames = model.context_frames
        self.default_decoder = model.decoder
        self.fingerprint = model.fingerprint
        self._lay_blocks()

    def _spectrogram(self, samples: np.ndarray) -> np.ndarray:
        (values,) = self._frontend(samples[None]).values()
        return values[0]

    def _probabilities(self, spectrogram: np.ndarray) -> np.ndarray:
        def dense(rows):
            outputs = self._dense(rows)
            return [outputs[f"net{i}_dense"] for i in range(len(outputs))]

        parts = heard(cut(spectrogram), dense, self._recurrent)
        return np.concatenate(list(parts))
