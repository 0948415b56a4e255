"""Batches that split evenly among devices."""

import contextlib
from collections.abc import Iterator

import keras

from keras_musictag.data import crops
from keras_musictag.data.collection import TrackList
from keras_musictag.data.seeded import SeededBatches
from keras_musictag.errors import ConfigError

BATCH_SIZE = 32  # of Keras


@contextlib.contextmanager
def filled(x, devices: int, chunk_samples: int) -> Iterator:
    """Give training data whose batches are filled up to a multiple of the devices.

    What is missing in a batch is taken from its first items.

    Args:
        x: What `fit` is given: a `PyDataset` or a `tf.data.Dataset`. Anything else
            stays as it is.
        devices: How many there are.
        chunk_samples: Length of a chunk, in samples.

    Yields:
        The data.
    """
    if devices == 1:
        yield x
    elif isinstance(x, keras.utils.PyDataset):
        if not isinstance(x, SeededBatches):
            x = crops.RandomCrops(x, chunk_samples=chunk_samples, seed=0)
        x.multiple = devices
        try:
            yield x
        finally:
            x.multiple = 1
    elif hasattr(x, "element_spec"):
        yield x.map(lambda *batch: _filled_tensors(batch, devices))
    else:
        yield x


def check_batch_size(x, batch_size: int | None, devices: int) -> None:
    """Refuse a batch size that `devices` cannot share.

    Raises:
        ConfigError: If so, for arrays, lists and a `TrackList`.
    """
    size = batch_size or BATCH_SIZE
    ours = isinstance(x, (TrackList, list, tuple)) or hasattr(x, "__array__")
    if ours and size % devices:
        raise ConfigError(
            "The batch size must be a multiple of the number of devices.",
            received=f"batch_size={size} for {devices} devices",
            advice=f"Pass batch_size={-(-size // devices) * devices}: it counts the "
            "items of all devices together.",
        )


def divides(x, batch_size: int | None, devices: int) -> bool:
    """Whether all batches are known to be multiples of the number of devices.

    Args:
        x: Arrays or a data set, as Keras' `evaluate` takes them.
        batch_size: Items in a batch of arrays; 32 if `None`.
        devices: How many there are.
    """
    if hasattr(x, "element_spec"):
        size = keras.tree.flatten(x.element_spec)[0].shape[0]
        return size is not None and size % devices == 0
    if isinstance(x, SeededBatches):
        items, batch_size = x.items, x.batch_size
    else:
        items = len(x) if hasattr(x, "__array__") else None
    if items is None:
        return False
    return items % devices == 0 and (batch_size or BATCH_SIZE) % devices == 0


def _filled_tensors(batch: tuple, devices: int) -> tuple:
    import tensorflow as tf

    count = tf.shape(tf.nest.flatten(batch)[0])[0]
    chosen = tf.range(-(-count // devices) * devices) % count
    return tf.nest.map_structure(lambda part: tf.gather(part, chosen), batch)
