"""Several devices: what a model needs whose batches are split among them.

On TensorFlow a model belongs to the `tf.distribute` strategy in whose scope it was
made; on JAX `keras.distribution.DataParallel` holds for everything.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_musictag.data import even
from keras_musictag.data.reader import fill_rows


def device_count(model: keras.Model) -> int:
    """Return among how many devices the batches of a model are split."""
    strategy, distribution = _strategy(model), _distribution()
    if strategy is not None:
        return strategy.num_replicas_in_sync
    return 1 if distribution is None else distribution.device_mesh.shape[0]


def scope(model: keras.Model) -> contextlib.AbstractContextManager:
    """Return the scope in which optimizer and metrics of a model must be made."""
    strategy = _strategy(model)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def synchronize(model: keras.Model) -> None:
    """Let batch normalisation see whole batches, not the part of a device.

    JAX does that by itself. Nothing else about the layers changes, and nothing of it
    is saved: on one device the model is what it was.
    """
    if _strategy(model) is None:
        return
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def predict_on_batch(model: keras.Model, batch: np.ndarray) -> Any:
    """Run a model over a batch of any size, each device over a part of it.

    Args:
        model: The model.
        batch: One array.

    Returns:
        What `model.predict_on_batch(batch)` returns on one device.
    """
    count = device_count(model)
    if count == 1:
        return model.predict_on_batch(batch)
    # Keras would have each device compute the whole batch, and TensorFlow return
    # all of these.
    filled = batch[fill_rows(len(batch), count)]
    outputs = model.predict_on_batch(_split(model, filled, count))
    return keras.tree.map_structure(lambda values: values[: len(batch)], outputs)


def may_be_idle(model: keras.Model) -> bool:
    """Whether a device may get no item of a short batch: TensorFlow does that."""
    return _strategy(model) is not None


def first_part(model: keras.Model, batch) -> Any:
    """Return what the first device gets of a batch that TensorFlow has split."""
    strategy = _strategy(model)
    return keras.tree.map_structure(
        lambda part: strategy.experimental_local_results(part)[0], batch
    )


@contextlib.contextmanager
def whole_batches(model: keras.Model, x, batch_size: int | None) -> Iterator[None]:
    """Let JAX's devices compute the same, unless all batches can be split.

    For `evaluate` and `predict`, which must not count an item twice.

    Args:
        model: The model.
        x, batch_size: As these get them.
    """
    distribution = _distribution()
    if distribution is None or even.divides(x, batch_size, device_count(model)):
        yield
        return
    with _WholeBatches(device_mesh=distribution.device_mesh).scope():
        yield


def _strategy(model):
    """Return the strategy of TensorFlow, if it has several devices."""
    strategy = getattr(model, "distribute_strategy", None)
    several = strategy is not None and strategy.num_replicas_in_sync > 1
    return strategy if several else None


def _distribution():
    """Return Keras' distribution, if it splits batches."""
    if keras.backend.backend() != "jax":
        return None
    distribution = keras.distribution.distribution()
    splits = isinstance(distribution, keras.distribution.DataParallel)
    return distribution if splits else None


def _split(model, batch: np.ndarray, count: int):
    strategy = _strategy(model)
    if strategy is None:
        layout = _distribution().get_data_layout(batch.shape)
        return keras.distribution.distribute_tensor(batch, layout)
    parts = [keras.ops.convert_to_tensor(part) for part in np.split(batch, count)]
    return strategy.experimental_distribute_values_from_function(
        lambda context: parts[context.replica_id_in_sync_group]
    )


class _WholeBatches(keras.distribution.DataParallel):
    """Gives each device the whole batch."""

    def get_data_layout(self, data_shape):
        return keras.distribution.TensorLayout(
            [None] * len(data_shape), self.device_mesh
        )
