"""Sub-models that end at named points inside a tagger."""

import keras
import numpy as np

from keras_musictag.errors import ConfigError
from keras_musictag.models.running.devices import predict_on_batch


class FeatureModels:
    """Sub-models that share a tagger's layers and end at named endpoints.

    A plain object, so that Keras does not take them for parts of the tagger.
    """

    def __init__(self, tagger: keras.Model, endpoints: dict):
        self.tagger = tagger
        embedding = tagger.backbone.output
        self.tensors = {**endpoints, "penultimate": embedding}
        if tagger.head is not None:
            self.tensors["scores"] = None
        self.names = list(self.tensors)
        self.models: dict[tuple[str, ...], keras.Model] = {}

    def forward(self, names: tuple[str, ...]):
        """Return a function from a batch to a dict of NumPy arrays."""
        if names == ("scores",):
            tagger = self.tagger
            return lambda batch: {"scores": _numpy(predict_on_batch(tagger, batch))}
        model = self._model(names)

        def run(batch):
            outputs = predict_on_batch(model, batch)  # JAX sorts them by name
            return {name: _numpy(outputs[name]) for name in names}

        return run

    def _model(self, names: tuple[str, ...]) -> keras.Model:
        unknown = [name for name in names if name not in self.tensors]
        if unknown or not names:
            raise ConfigError(
                f"{type(self.tagger).__name__} has no such endpoint.",
                received=f"layer={unknown or list(names)}",
                advice=f"Choose from {self.names}.",
            )
        if names not in self.models:
            self.models[names] = self._build(names)
        return self.models[names]

    def _build(self, names: tuple[str, ...]) -> keras.Model:
        tagger = self.tagger
        inner = {n: self.tensors[n] for n in names if n != "scores"}
        inner["_embedding"] = tagger.backbone.output
        features = tagger.frontend(tagger.input)
        outputs = keras.Model(tagger.backbone.input, inner)(features)
        embedding = outputs.pop("_embedding")
        if "scores" in names:
            outputs["scores"] = tagger.head(embedding)
        return keras.Model(tagger.input, {name: outputs[name] for name in names})


def _numpy(tensor) -> np.ndarray:
    return np.asarray(tensor, dtype="float32")
