"""Trains the same tagger on one device and on two, and writes down what came out.

    KERAS_BACKEND=jax python tests/distribution/training.py FOLDER

A process of its own for each backend: virtual devices exist from the start or never.
`results.json` holds the numbers, `two` the tagger as two devices have trained it.
"""

import json
import os
import sys
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import soundfile
import tensorflow as tf

if keras.backend.backend() == "tensorflow":
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, halves)

import keras_musictag as kmt

LABELS = ["calm", "loud", "odd"]
OPTIONS = {"timbral_filters": 4, "temporal_filters": 2, "dropout": 0.0}
RATE = 1e-4  # or else rounding grows from step to step
# The last batch of seven items and the first of them again.
FILLED = [0, 1, 2, 3, 4, 5, 6, 4]


def two_devices():
    """Returns what has the scope in which everything works on two devices."""
    if keras.backend.backend() == "tensorflow":
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"])


def make():
    """Returns a small tagger with batch normalisation in and beside other layers."""
    keras.utils.set_random_seed(0)
    model = kmt.MusicnnTagger(LABELS, variant="won", **OPTIONS)
    model.compile(optimizer=keras.optimizers.SGD(RATE))
    return model


def music(items, samples):
    """Returns chords of sines, each item another one, and targets."""
    rng = np.random.default_rng(0)
    waves = rng.uniform(100, 4000, (items, 5, 1)) * np.arange(samples) / 16000
    x = rng.uniform(0, 0.2, (items, 5, 1)) * np.sin(2 * np.pi * waves)
    y = rng.integers(0, 2, (items, len(LABELS)))
    return x.sum(axis=1).astype("float32"), y.astype("float32")


def read_files(folder, x, y):
    """Returns the same as a `TrackList` of files."""
    tracks = []
    for number, samples in enumerate(x):
        path = folder / f"{number}.wav"
        soundfile.write(path, samples, 16000, "FLOAT")
        tracks.append(kmt.data.Track(str(number), path))
    return kmt.data.TrackList(tracks, y, LABELS)


class Steps(keras.callbacks.Callback):
    """Keeps the loss after each step."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))


def numbers(model):
    return [keras.ops.convert_to_numpy(v.value) for v in model.weights]


def apart(left, right):
    """Returns the largest difference of two lists of arrays, relative above 1."""
    pairs = zip(left, right, strict=True)
    return max(
        float(np.max(np.abs(a - b) / np.maximum(1, np.abs(a)))) for a, b in pairs
    )


def train(model, start, *data, epochs=2, **options):
    """Returns the losses of a training and the weights it ends with."""
    for variable, value in zip(model.weights, start, strict=True):
        variable.assign(value)
    keras.utils.set_random_seed(1)
    steps = Steps()
    model.fit(*data, epochs=epochs, verbose=0, callbacks=[steps], **options)
    return steps.losses, numbers(model)


class Pair:
    """The tagger on one device and on two."""

    def __init__(self):
        self.one = make()
        self.start = numbers(self.one)
        self.scope = two_devices().scope
        with self.scope():
            self.two = make()

    def train(self, *data, instead=None, **options):
        """Trains both from the same weights, one device on the data `instead`."""
        mine = data if instead is None else instead
        losses, weights = train(self.one, self.start, *mine, **options)
        with self.scope():
            others, theirs = train(self.two, self.start, *data, **options)
        return {"one": losses, "two": others, "weights": apart(weights, theirs)}

    def evaluate(self, *data):
        """Returns what both say of the same data."""
        return self._both("evaluate", *data, batch_size=4, return_dict=True)

    def predict(self, x):
        """Returns how far the scores of both are apart."""
        one, two = self._both("predict", x)
        return [list(one.shape), list(two.shape), apart([one], [two])]

    def _both(self, name, *data, **options):
        one = getattr(self.one, name)(*data, verbose=0, **options)
        with self.scope():
            return one, getattr(self.two, name)(*data, verbose=0, **options)


def resume(pair, x, y, folder):
    """Trains with a backup, and returns how many epochs a second call adds."""
    seen = []
    for epochs in (1, 3):
        keras.utils.set_random_seed(1)
        backup = kmt.ResumableBackup(folder / "backup", delete_checkpoint=False)
        with pair.scope():
            history = pair.two.fit(
                x, y, batch_size=4, epochs=epochs, verbose=0, callbacks=[backup]
            )
        seen.append(len(history.epoch))
    return seen


def refused(pair, x, y):
    try:
        with pair.scope():
            pair.two.fit(x, y, batch_size=5, verbose=0)
    except kmt.errors.ConfigError as error:
        return str(error)
    return ""


def without_synchronizing(pair, x, y):
    """Trains two devices that normalise their own parts of a batch."""
    for layer in pair.two._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = False
    pair.two.compile(optimizer=keras.optimizers.SGD(RATE))
    with pair.scope():
        return train(pair.two, pair.start, x, y, batch_size=4)[0]


def main(folder):
    """Trains and writes."""
    pair, found = Pair(), {}
    chunk = pair.one.chunking.chunk_samples
    x, y = music(8, chunk)
    longer, _ = music(8, chunk + 5000)
    found["crops"] = pair.train(longer, y, batch_size=4)
    with pair.scope():
        pair.two.save_pretrained(folder / "two")
    np.savez(folder / "scores.npz", x=longer, scores=pair.two.predict(longer))
    # Both have the same weights from here on.
    for variable, value in zip(pair.one.weights, numbers(pair.two), strict=True):
        variable.assign(value)
    found["evaluate"] = {n: pair.evaluate(x[:n], y[:n]) for n in (8, 7, 1)}
    seven = tf.data.Dataset.from_tensor_slices((x[:7], y[:7])).batch(4)
    eight = tf.data.Dataset.from_tensor_slices((x[FILLED], y[FILLED])).batch(4)
    found["predict"] = {"tracks": pair.predict(longer[:7]), "set": pair.predict(seven)}
    filled = (x[FILLED], y[FILLED])
    order = {"batch_size": 4, "shuffle": False}
    found["short batch"] = pair.train(x[:7], y[:7], instead=filled, **order)
    found["short batch of tf.data"] = pair.train(seven, instead=(eight,))
    found["files"] = pair.train(read_files(folder, longer, y), batch_size=4)
    rates = {"head": RATE / 2}
    found["rates"] = pair.train(longer, y, batch_size=4, learning_rates=rates)
    found["refused"] = refused(pair, x, y)
    found["resumed"] = resume(pair, longer, y, folder)
    if keras.backend.backend() == "tensorflow":
        found["plain"] = without_synchronizing(pair, longer, y)
    (folder / "results.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
