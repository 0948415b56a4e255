"""Run the original network of CREMA on four seconds of stored features.

Needs Keras 2.15 with TensorFlow 2.15, h5py, `model.h5` out of the `crema` 0.2.0
wheel, and the shared reference data:

    python make_original.py model.h5 <shared>/reference/crema
"""

import json
import sys
from pathlib import Path

import h5py
import keras
import numpy as np

FRAMES = 43


class SqueezeLayer(keras.layers.Layer):
    """Stands for the one layer that the package defines."""

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, x):
        return keras.backend.squeeze(x, axis=self.axis)


def main(checkpoint, folder):
    with h5py.File(checkpoint, "r") as file:
        config = file.attrs["model_config"]
    config = json.loads(config if isinstance(config, str) else config.decode())
    custom = {"SqueezeLayer": SqueezeLayer}
    model = keras.models.model_from_config(config, custom_objects=custom)
    model.load_weights(checkpoint)
    path = sorted(Path(folder).glob("features_*.npz"))[0]
    features = np.load(path)["hcqt"][:FRAMES]
    outputs = model.predict(features[None], verbose=0)
    named = dict(zip(model.output_names, outputs, strict=True))
    arrays = {name: value[0] for name, value in named.items()}
    target = Path(__file__).with_name("network.npz")
    np.savez_compressed(target, hcqt=features, **arrays)
    print({name: value.shape for name, value in arrays.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
