"""One chunk per training item: random crops that change in each epoch."""

import math

import keras
import numpy as np

from keras_musictag.checks import check_choice
from keras_musictag.data.collection import TrackList
from keras_musictag.data.pipeline import TrackBatches
from keras_musictag.data.reader import epoch_rng
from keras_musictag.data.seeded import SeededBatches
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


class RandomCrops(SeededBatches):
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
        seed: Makes crops and order repeatable; `None` draws one from NumPy.

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
        super().__init__(seed, **kwargs)
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self.chunk_samples, self.batch_size = chunk_samples, batch_size
        self.shuffle, self.position = shuffle, position
        self.epoch = getattr(self.inner, "epoch", 0)
        self._reorder()

    @property
    def items(self) -> int | None:
        """How many items an epoch has; `None` if a `PyDataset` gives them."""
        return len(self.x) if self.inner is None else None

    @property
    def num_batches(self):
        """How many batches an epoch has."""
        if self.inner is not None:
            return self.inner.num_batches
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index: int) -> tuple:
        self._settle()
        rng = epoch_rng(self.seed, self.epoch, index + 1)
        if self.inner is not None:
            waveforms, *rest = _as_tuple(self.inner[index])
        else:
            low = index * self.batch_size
            chosen = self.order[low : low + self.batch_size]
            waveforms = [self.x[i] for i in chosen]
            columns = [self.y, self.sample_weight]
            rest = [np.asarray(c)[chosen] for c in columns if c is not None]
        chunks = np.stack([self._cut(np.asarray(w), rng) for w in waveforms])
        return self._filled((chunks, *rest))

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch; as `SeededBatches.set_epoch`, the inner data set too."""
        super().set_epoch(epoch)
        self._reorder()
        if isinstance(self.inner, SeededBatches):
            self.inner.set_epoch(epoch)

    def on_epoch_begin(self) -> None:
        """Note that an epoch begins, here and in the inner data set."""
        super().on_epoch_begin()
        if self.inner is not None and not isinstance(self.inner, SeededBatches):
            self.inner.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Draw other crops and another order for the next epoch."""
        super().on_epoch_end()
        if self.inner is not None and not isinstance(self.inner, SeededBatches):
            self.inner.on_epoch_end()

    def _reorder(self) -> None:
        self.order = np.arange(0 if self.inner is not None else len(self.x))
        if self.shuffle:
            self.order = epoch_rng(self.seed, self.epoch, 0).permutation(self.order)

    def _cut(self, waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        room = waveform.shape[-1] - self.chunk_samples
        if room < 0:
            waveform = np.pad(waveform, (0, -room))
        elif room > 0:
            start = room // 2 if self.position == "middle" else rng.integers(room + 1)
            waveform = waveform[start : start + self.chunk_samples]
        return waveform.astype("float32", copy=False)


def for_fit(
    x,
    y,
    kwargs: dict,
    *,
    chunk_samples: int,
    n_targets: int | None,
    sample_rate: int | None = None,
    labels=None,
):
    """Wrap what `fit` was given so that each item is one chunk.

    Args:
        x, y: The first arguments of `fit`.
        kwargs: The others; `validation_split` and `validation_data` are turned
            into cropped validation data.
        chunk_samples: Length of a chunk.
        n_targets: How many columns the targets must have; `None` for any, which
            takes the classes of a `TrackList`.
        sample_rate: Of the model, in Hz; needed for a `TrackList`.
        labels: Of the model; needed for a `TrackList`.

    Returns:
        `(x, y, kwargs)` for `keras.Model.fit`.

    Raises:
        LabelError: If targets do not fit.
        AudioError: If the waveforms have no `(items, samples)` shape.
    """
    kwargs = dict(kwargs)
    about = {"chunk_samples": chunk_samples, "n_targets": n_targets}
    about |= {"sample_rate": sample_rate, "labels": labels}
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
        vx, vy, options = for_evaluate(vx, vy, options, **about)
        kwargs["validation_data"] = vx if vy is None else (vx, vy, *vw)
    elif isinstance(validation, (keras.utils.PyDataset, TrackList)):
        options = dict(size) if isinstance(validation, TrackList) else {}
        kwargs["validation_data"] = for_evaluate(validation, None, options, **about)[0]
    x, y, kwargs = _wrap(x, y, kwargs, "random", **about)
    if isinstance(x, SeededBatches):
        # They shuffle by themselves: a resumed run sees the same order.
        kwargs["shuffle"] = False
    return x, y, kwargs


def for_evaluate(x, y, kwargs: dict, **about):
    """Wrap what `evaluate` was given so that each item is its middle chunk.

    Arguments and returns are those of `for_fit`.
    """
    return _wrap(x, y, dict(kwargs), "middle", **about)


def _wrap(
    x, y, kwargs, position, chunk_samples, n_targets, sample_rate=None, labels=None
):
    if isinstance(x, TrackList):
        if labels is not None:
            x = x.with_labels(labels)
        x = TrackBatches(
            x,
            sample_rate=sample_rate,
            chunk_samples=chunk_samples,
            batch_size=kwargs.pop("batch_size", None) or 32,
            chunks=position,
            shuffle=position == "random" and kwargs.pop("shuffle", True),
            targets=x.classes if n_targets is None else None,
        )
        return x, y, kwargs
    if isinstance(x, keras.utils.PyDataset):
        _check_rate(x, sample_rate)
        if getattr(x, "chunk_samples", None) != chunk_samples:
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


def _check_rate(data, sample_rate: int | None) -> None:
    rate = getattr(data, "sample_rate", None)
    if None not in (rate, sample_rate) and rate != sample_rate:
        raise ConfigError(
            "The data set has another sample rate than the model.",
            received=f"{rate} Hz for a model at {sample_rate} Hz",
            advice="Pass sample_rate=model.sample_rate to the data set.",
        )


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
