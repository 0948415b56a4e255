"""How the ISMIR 2019 chord recogniser runs over whole tracks."""

import numpy as np
from keras import ops

from keras_musictag.engines.structure_blocks import CONVOLUTIONS, Net, answers
from keras_musictag.models.recognizers.structure_convolutions import convolutions
from keras_musictag.models.running.keras_track import KerasTrack


class StructureTrack(KerasTrack):
    """Whole tracks in memory that hardly grows with their length.

    Its results are those of the network over all frames at once.
    """

    _nets: list[Net] = []

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
        return answers(magnitudes, self.nets(), self.vocabulary)

    def nets(self) -> list[Net]:
        """Return the networks; the same objects until a weight changes."""
        arrays = self.block_weights()
        # A new list each time: several threads may ask.
        before = [*self._nets, *[None] * len(arrays)]
        self._nets = nets = [
            net if net and net.has(weights) else Net(weights, convolutions)
            for net, weights in zip(before, arrays, strict=False)
        ]
        return nets

    def block_weights(self) -> list[list[np.ndarray]]:
        """Return the weights of each network, as `Net` takes them."""
        names = {layer.name for layer in self.backbone.layers}
        count = sum(name.endswith("_dense") for name in names)
        return [self._weights(f"net{number}") for number in range(count)]

    def _weights(self, name: str) -> list[np.ndarray]:
        return [
            ops.convert_to_numpy(variable.value).astype("float32")
            for layer in [*(layer for layer, *_ in CONVOLUTIONS), "lstm", "dense"]
            for variable in self.backbone.get_layer(f"{name}_{layer}").weights
        ]
