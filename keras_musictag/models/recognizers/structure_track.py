"""How the ISMIR 2019 chord recogniser runs over whole tracks."""

import numpy as np
from keras import ops

from keras_musictag.chords.chordogram import CHORD
from keras_musictag.chords.composing import compose
from keras_musictag.chords.structure import CHOICES
from keras_musictag.models.recognizers import structure_blocks as blocks
from keras_musictag.models.recognizers.structure_networks import CONVOLUTIONS, STARTS
from keras_musictag.models.running.whole_track import WholeTrack


class StructureTrack(WholeTrack):
    """Whole tracks in memory that hardly grows with their length.

    Its results are those of the network over all frames at once.
    """

    _nets: list[blocks.Net] = []

    def predict(
        self, magnitudes: np.ndarray, fixed: bool | None = None
    ) -> dict[str, np.ndarray]:
        """Run the networks over the magnitudes of one whole track.

        Args:
            magnitudes: float32 array `(frames, bins)`.
            fixed: If `True`, by the Keras model, filled up to one of few lengths.

        Returns:
            float32 arrays `(frames, classes)` by the name of the output.
        """
        if fixed:
            return super().predict(magnitudes, fixed)
        track = np.ascontiguousarray(magnitudes, "float32")
        mean = blocks.choices(track, self.nets())
        outputs = {
            name: mean[:, start : start + CHOICES[name]]
            for name, start in STARTS.items()
        }
        return {CHORD: compose(outputs, self.vocabulary), **outputs}

    def nets(self) -> list[blocks.Net]:
        """Return the networks; the same objects until a weight changes."""
        arrays: list[list[np.ndarray]] = []
        while any(
            layer.name == f"net{len(arrays)}_dense" for layer in self.backbone.layers
        ):
            arrays.append(self._weights(f"net{len(arrays)}"))
        # A new list each time: several threads may ask.
        before = [*self._nets, *[None] * len(arrays)]
        self._nets = nets = [
            net if net and net.has(weights) else blocks.Net(weights)
            for net, weights in zip(before, arrays, strict=False)
        ]
        return nets

    def _weights(self, name: str) -> list[np.ndarray]:
        return [
            ops.convert_to_numpy(variable.value).astype("float32")
            for layer in [*(layer for layer, *_ in CONVOLUTIONS), "lstm", "dense"]
            for variable in self.backbone.get_layer(f"{name}_{layer}").weights
        ]
