"""Engines of beat trackers: beats of tracks by ONNX Runtime, as by Keras."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from keras_musictag.engines.beat_networks import RecurrentWeights, cut, heard
from keras_musictag.engines.sessions import Network, damaged
from keras_musictag.engines.whole_beats import BeatHearing

# The parts of the folder: what is said about the model, its front-end for a block, its
# networks up to the dense layers, and the weights of what follows.
ABOUT = "engine.json"
FRONTEND, DENSE, WEIGHTS = "frontend.onnx", "dense.onnx", "weights.npz"


@dataclasses.dataclass(frozen=True)
class BeatModel:
    """What an engine has to know of a BeatNet; see `BeatTracker`."""

    sample_rate: int
    hop_length: int
    context_frames: int
    decoder: str
    nets: int
    fingerprint: str

    def write(self, folder: Path) -> None:
        """Write it into the folder of the engine."""
        text = json.dumps(dataclasses.asdict(self), indent=2)
        (folder / ABOUT).write_text(text + "\n", "utf-8")


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
            model = BeatModel(**json.loads((folder / ABOUT).read_text("utf-8")))
            self._frontend = Network(folder / FRONTEND)
            self._dense = Network(folder / DENSE)
            self._recurrent = read_weights(folder / WEIGHTS, model.nets)
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


def write_weights(path: Path, weights: RecurrentWeights) -> None:
    """Write the weights of what follows after the dense layers."""
    arrays: dict = {
        f"{n}.{i}.{j}": array
        for n, layer in enumerate((*weights.lstms, weights.heads))
        for i, net in enumerate(layer)
        for j, array in enumerate(net)
    }
    np.savez(path, **arrays)


def read_weights(path: Path, nets: int) -> RecurrentWeights:
    """Read what `write_weights` wrote."""
    with np.load(path) as arrays:

        def layer(n: int, count: int) -> list[list[np.ndarray]]:
            return [[arrays[f"{n}.{i}.{j}"] for j in range(count)] for i in range(nets)]

        return RecurrentWeights([layer(0, 3), layer(1, 3)], layer(2, 2))
