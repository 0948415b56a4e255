"""Training that goes on after a crash as if nothing had happened."""

import json
import os
import warnings
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np

from keras_musictag.errors import ConfigError
from keras_musictag.replacing import replacing

FILE = "training_state.npz"


class ResumableBackup(keras.callbacks.BackupAndRestore):
    """Backs up a training run, so that a killed one ends as an uninterrupted one.

    At the end of each epoch it keeps the weights, the state of the optimizer, the
    states of the random generators in the layers, such as those of dropout, and the
    number of the epoch. When the same `fit` is called again, it takes these up and
    tells the data which epoch it is, so that order and crops go on as well.
    `keras.callbacks.BackupAndRestore` keeps weights, optimizer and epoch.

    Weights become equal to those of an uninterrupted run if the data follow from seed
    and epoch (arrays and `TrackList`s after `keras.utils.set_random_seed`,
    `data.TrackBatches`, `data.RandomCrops`) and the device computes repeatably, for
    which TensorFlow wants `tf.config.experimental.enable_op_determinism()`. Callbacks
    start anew: `EarlyStopping` forgets the best epoch so far.

    The backup is removed when training ends. For runs of several `fit`s give each its
    own folder and `delete_checkpoint=False`: those that ended are then skipped.

    Args:
        backup_dir: Folder for the backup; made if missing.
        data: Data set with a method `set_epoch`; `fit` of a tagger sets it by itself.
        delete_checkpoint: Whether the backup is removed when training ends.

    Raises:
        ConfigError: When training begins, if the backup is damaged or of another model.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_musictag as kmt

    keras.utils.set_random_seed(0)
    model = kmt.VGGTagger(["calm", "wild"], filters=4)
    x, y = np.zeros((4, 60000), "float32"), np.eye(2)[[0, 1, 0, 1]]
    model.fit(x, y, epochs=2, callbacks=[kmt.ResumableBackup("backup")])
    ```
    """

    def __init__(self, backup_dir, *, data=None, delete_checkpoint: bool = True):
        super().__init__(os.fspath(backup_dir), delete_checkpoint=delete_checkpoint)
        self.file = Path(backup_dir) / FILE
        self.data = data
        self._first_epoch = 0

    def watch(self, data) -> None:
        """Take note of the data that are trained on, unless there are others."""
        if self.data is None and hasattr(data, "set_epoch"):
            self.data = data

    def on_train_begin(self, logs=None):
        """Take up the state of a run that was interrupted."""
        optimizer = self.model.optimizer
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self._first_epoch = getattr(self.data, "epoch", 0)
        if not self.file.exists():
            return
        facts, values = self._read()
        for variable, value in zip(self._variables(), values, strict=True):
            variable.assign(value)
        self._take_up_torch(facts.get("torch"))
        self._first_epoch = facts["first_epoch"]
        self.model._initial_epoch = facts["epoch"]
        if self.data is not None:
            self.data.set_epoch(self._first_epoch + facts["epoch"])
            if facts["seed"] != getattr(self.data, "seed", None):
                warnings.warn(
                    "The data have another seed than before the interruption. "
                    f"Received: seed {getattr(self.data, 'seed', None)}, before "
                    f"{facts['seed']}. Training goes on, with other data than an "
                    "uninterrupted run; call keras.utils.set_random_seed first to "
                    "have the same.",
                    stacklevel=2,
                )

    def on_epoch_end(self, epoch, logs=None):
        """Keep the state."""
        facts = {
            "epoch": epoch + 1,
            "first_epoch": self._first_epoch,
            "seed": getattr(self.data, "seed", None),
            "paths": self._paths(),
            "torch": _torch_state(),
        }
        values = [_numpy(v) for v in self._variables()]
        arrays = {f"v{i}": value for i, value in enumerate(values)}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.file) as part, open(part, "wb") as file:
            np.savez(file, facts=np.array(json.dumps(facts)), **arrays)

    def on_train_end(self, logs=None):
        """Remove the backup, for the run is complete."""
        self.model._initial_epoch = None  # or the next `fit` would begin there
        if self.delete_checkpoint:
            self.file.unlink(missing_ok=True)
            with suppress(OSError):  # other files are in the folder
                self.file.parent.rmdir()

    def _variables(self) -> list:
        """Weights, states of random generators, and the state of the optimizer."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def _paths(self) -> list[str]:
        return [v.path for v in self.model.weights]

    def _read(self) -> tuple[dict, list[np.ndarray]]:
        try:
            with np.load(self.file, allow_pickle=False) as arrays:
                facts = json.loads(str(arrays["facts"]))
                values = [arrays[f"v{i}"] for i in range(len(arrays.files) - 1)]
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ConfigError(
                "The backup of the training cannot be read.",
                received=f"{self.file} ({error})",
                advice="Remove the file to train from the beginning.",
            ) from error
        shapes = [tuple(v.shape) for v in self._variables()]
        if facts["paths"] != self._paths() or shapes != [v.shape for v in values]:
            raise ConfigError(
                "The backup is of another model or another way to train it.",
                received=f"{self.file} with {len(values)} variables for "
                f"{len(shapes)} here",
                advice="Call `fit` of the same model with the same arguments, or "
                "remove the file to train from the beginning.",
            )
        return facts, values

    def _take_up_torch(self, states) -> None:
        if states is None or keras.backend.backend() != "torch":
            return
        import torch

        cpu, *devices = [torch.tensor(state, dtype=torch.uint8) for state in states]
        torch.set_rng_state(cpu)
        if devices and torch.cuda.device_count() == len(devices):
            torch.cuda.set_rng_state_all(devices)


def _numpy(variable):
    # A copy: NumPy cannot read a variable that TensorFlow keeps on several devices.
    return keras.ops.convert_to_numpy(keras.ops.copy(variable.value))


def _torch_state() -> list[list[int]] | None:
    """Dropout of Keras draws from PyTorch's own generators there."""
    if keras.backend.backend() != "torch":
        return None
    import torch

    states = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    return [state.tolist() for state in states]
