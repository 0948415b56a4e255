"""One chunk per training item: random crops that change in each epoch."""

import math

import keras
import numpy as np

from keras_musictag.checks import check_choice
from keras_musictag.errors import AudioError, ConfigError, LabelError

POSITIONS = ("random", "middle")


def crop(chunk_samples: int, *, position: str = "random", seed: int | None = None):
    """Return a function that crops `tf.data` items to one chunk.

    Args:
        chunk_samples: Length of the crop, in samples.
        position: `"random"`, or `"middle"`.
        seed: Makes the crops repeatable.

    Returns:
        A function for `dataset.map`: takes a waveform `(..., samples)` and
        optionally targets and weights, gives the waveform as
        `(..., chunk_samples)`. Shorter waveforms are padded with zeros.

    Example:

    ```python
    import tensorflow as tf
    import keras_musictag as kmt

    waveforms = tf.zeros((8, 90000))
    data = tf.data.Dataset.from_tensor_slices((waveforms, tf.zeros((8, 50))))
    data = data.map(kmt.data.crop(48128)).batch(4)
    ```
    """
    check_choice(position, POSITIONS, name="position")

    def apply(waveform, *rest):
        import tensorflow as tf

        missing = tf.maximum(chunk_samples - tf.shape(waveform)[-1], 0)
        before = tf.zeros((tf.rank(waveform), 1), "int32")
        after = tf.concat([before[1:], [[missing]]], axis=0)
        waveform = tf.pad(waveform, tf.concat([before, after], axis=1))
        room = tf.shape(waveform)[-1] - chunk_samples
        start = room // 2
        if position == "random":
            start = tf.random.uniform((), 0, room + 1, "int32", seed=seed)
        cut = waveform[..., start : start + chunk_samples]
        cut.set_shape([*waveform.shape[:-1], chunk_samples])
        return (cut, *rest) if rest else cut

    return apply


class RandomCrops(keras.utils.PyDataset):
    """Batches of chunks cropped from longer waveforms, anew in each epoch.

    Args:
        x: Waveforms: an array `(items, samples)`, a list of `(samples,)` arrays
            of any lengths, or a `PyDataset` of batches `(waveforms, ...)`.
        y: Targets, first axis `items`; left out for a `PyDataset`.
        chunk_samples: Length of the crops, in samples. Shorter waveforms are
            padded with zeros.
        sample_weight: One weight per item.
        batch_size: Items per batch; a `PyDataset` keeps its own.
        shuffle: Whether the items change order in each epoch.
        position: `"random"`, or `"middle"` for evaluation.
        seed: Makes crops and order repeatable.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    data = kmt.data.RandomCrops(
        np.zeros((8, 90000), "float32"), np.zeros((8, 50)), chunk_samples=48128
    )
    data[0][0].shape  # (8, 48128)
    ```
    """

    def __init__(
        self,
        x,
        y=None,
        *,
        chunk_samples: int,
        sample_weight=None,
        batch_size: int = 32,
        shuffle: bool = False,
        position: str = "random",
        seed: int | None = None,
        **kwargs,
    ):
        check_choice(position, POSITIONS, name="position")
        self.inner = x if isinstance(x, keras.utils.PyDataset) else None
        if self.inner is not None:
            # The inner data set may be slow to read: keep its workers.
            for key in ("workers", "use_multiprocessing", "max_queue_size"):
                kwargs.setdefault(key, getattr(x, key))
        super().__init__(**kwargs)
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self.chunk_samples, self.batch_size = chunk_samples, batch_size
        self.shuffle, self.position, self.seed = shuffle, position, seed
        self.epoch = 0
        self.order = np.arange(0 if self.inner is not None else len(x))
        self._reorder()

    @property
    def num_batches(self):
        """How many batches an epoch has."""
        if self.inner is not None:
            return self.inner.num_batches
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index: int) -> tuple:
        rng = self._rng(index + 1)
        if self.inner is not None:
            waveforms, *rest = _as_tuple(self.inner[index])
        else:
            low = index * self.batch_size
            chosen = self.order[low : low + self.batch_size]
            waveforms = [self.x[i] for i in chosen]
            columns = [self.y, self.sample_weight]
            rest = [np.asarray(c)[chosen] for c in columns if c is not None]
        chunks = np.stack([self._cut(np.asarray(w), rng) for w in waveforms])
        return (chunks, *rest)

    def on_epoch_end(self) -> None:
        """Draw other crops and another order for the next epoch."""
        self.epoch += 1
        self._reorder()
        if self.inner is not None:
            self.inner.on_epoch_end()

    def _reorder(self) -> None:
        if self.shuffle:
            self._rng(0).shuffle(self.order)

    def _rng(self, step: int) -> np.random.Generator:
        # One generator per batch: the same crops whatever thread draws them.
        if self.seed is None:
            return np.random.default_rng()
        return np.random.default_rng((self.seed, self.epoch, step))

    def _cut(self, waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        room = waveform.shape[-1] - self.chunk_samples
        if room < 0:
            waveform = np.pad(waveform, (0, -room))
        elif room > 0:
            start = room // 2 if self.position == "middle" else rng.integers(room + 1)
            waveform = waveform[start : start + self.chunk_samples]
        return waveform.astype("float32", copy=False)


def for_fit(x, y, kwargs: dict, *, chunk_samples: int, n_targets: int | None):
    """Wrap what `fit` was given so that each item is one chunk.

    Args:
        x, y: The first arguments of `fit`.
        kwargs: The others; `validation_split` and `validation_data` are turned
            into cropped validation data.
        chunk_samples: Length of a chunk.
        n_targets: How many columns the targets must have; `None` for any.

    Returns:
        `(x, y, kwargs)` for `keras.Model.fit`.

    Raises:
        LabelError: If targets do not fit.
        AudioError: If the waveforms have no `(items, samples)` shape.
    """
    kwargs = dict(kwargs)
    split = kwargs.pop("validation_split", 0.0)
    size = {"batch_size": kwargs.get("batch_size") or 32}
    weights = kwargs.get("sample_weight")
    if split and _is_items(x):
        x, y, weights, held_out = _hold_out(x, y, weights, split)
        kwargs["validation_data"] = held_out
    elif split:
        kwargs["validation_split"] = split  # Keras says why it cannot be
    kwargs["sample_weight"] = weights
    validation = kwargs.get("validation_data")
    if isinstance(validation, (list, tuple)):
        vx, vy, *vw = validation
        options = {"sample_weight": vw[0] if vw else None, **size}
        options["batch_size"] = (
            kwargs.get("validation_batch_size") or size["batch_size"]
        )
        vx, vy, options = for_evaluate(
            vx, vy, options, chunk_samples=chunk_samples, n_targets=n_targets
        )
        kwargs["validation_data"] = vx if vy is None else (vx, vy, *vw)
    elif isinstance(validation, keras.utils.PyDataset):
        kwargs["validation_data"] = for_evaluate(
            validation, None, {}, chunk_samples=chunk_samples, n_targets=n_targets
        )[0]
    return _wrap(x, y, kwargs, "random", chunk_samples, n_targets)


def for_evaluate(x, y, kwargs: dict, *, chunk_samples: int, n_targets: int | None):
    """Wrap what `evaluate` was given so that each item is its middle chunk.

    Arguments and returns are those of `for_fit`.
    """
    return _wrap(x, y, dict(kwargs), "middle", chunk_samples, n_targets)


def _wrap(x, y, kwargs, position, chunk_samples, n_targets):
    if isinstance(x, keras.utils.PyDataset):
        if not isinstance(x, RandomCrops):
            x = RandomCrops(x, chunk_samples=chunk_samples, position=position)
        return x, y, kwargs
    if not _is_items(x):
        return x, y, kwargs
    _check_items(x, y, n_targets)
    if hasattr(x, "shape") and x.shape[-1] == chunk_samples:
        return x, y, kwargs
    data = RandomCrops(
        x,
        y,
        chunk_samples=chunk_samples,
        sample_weight=kwargs.pop("sample_weight", None),
        batch_size=kwargs.pop("batch_size", None) or 32,
        shuffle=position == "random" and kwargs.pop("shuffle", True),
        position=position,
        # Follows keras.utils.set_random_seed, which seeds NumPy.
        seed=int(np.random.randint(2**31)) if position == "random" else 0,
    )
    kwargs.pop("shuffle", None)
    return data, None, kwargs


def _hold_out(x, y, weights, split: float):
    """Take the last items away for validation, as Keras does."""
    keep = int(len(x) * (1.0 - split))
    if not 0 < keep < len(x):
        raise ConfigError(
            "`validation_split` leaves no items on one side.",
            received=f"validation_split={split} with {len(x)} items",
            advice="Choose another share, or pass validation_data.",
        )
    held_out = [part[keep:] for part in (x, y, weights) if part is not None]
    weights = None if weights is None else weights[:keep]
    return x[:keep], None if y is None else y[:keep], weights, tuple(held_out)


def _is_items(x) -> bool:
    return isinstance(x, (list, tuple)) or (
        hasattr(x, "__array__") and hasattr(x, "shape")
    )


def _check_items(x, y, n_targets: int | None) -> None:
    if hasattr(x, "shape") and len(x.shape) != 2:
        raise AudioError(
            "Training waveforms must be (items, samples).",
            received=f"shape {tuple(x.shape)}",
            advice="Pass mono waveforms at the model's rate, one per row.",
        )
    if y is None:
        return
    shape = np.shape(y)
    fits = n_targets is None or (len(shape) == 2 and shape[1] == n_targets)
    if len(shape) == 0 or shape[0] != len(x) or not fits:
        columns = "" if n_targets is None else f", {n_targets}"
        raise LabelError(
            f"The targets must have the shape ({len(x)}{columns}).",
            received=f"shape {shape}",
            advice="Give one row per item and one column per label, in the order "
            "of model.labels.",
        )


def _as_tuple(batch) -> tuple:
    return batch if isinstance(batch, tuple) else (batch,)
