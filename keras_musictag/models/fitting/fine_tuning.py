"""The training half of a tagger: `fit`, `evaluate` and what they prepare."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import is_array
from keras_musictag.checks import check_choice
from keras_musictag.data import crops, even
from keras_musictag.data.collection import TrackList
from keras_musictag.data.seeded import SeededBatches
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.labels import Labels
from keras_musictag.models.base import PretrainedModel
from keras_musictag.models.fitting.backup import ResumableBackup
from keras_musictag.models.fitting.learning_rates import with_rates
from keras_musictag.models.fitting.probe import Probe, train_probe
from keras_musictag.models.heads import default_objective
from keras_musictag.models.running import devices

FREEZE = (None, "backbone", "normalization")


class FineTuning(PretrainedModel, abstract=True):
    """What taggers have for training; a part of `MusicTagger`."""

    frontend: Any
    backbone: Any
    head: Any
    labels: Labels
    problem_type: str
    sample_rate: int
    chunking: audio.ChunkPlan
    frame_offsets: np.ndarray | None

    def default_compile(self) -> dict:
        """Return optimizer, loss and metrics that fit `problem_type`."""
        return {
            "optimizer": keras.optimizers.Adam(1e-3),
            **default_objective(
                self.problem_type, len(self.labels), self.frame_offsets is not None
            ),
        }

    def compile(self, optimizer=None, loss=None, metrics=None, **kwargs) -> None:
        """Configure training; as `PretrainedModel.compile`."""
        given = {"optimizer": optimizer, "loss": loss, "metrics": metrics, **kwargs}
        with devices.scope(self):
            super().compile(**given)
        self._given = _Given(given)
        self._rates: tuple = ()

    def compile_from_config(self, config: dict) -> None:
        """Compile as a Keras file says, with the state of its optimizer to come."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x=None,
        y=None,
        *,
        freeze: str | None = None,
        learning_rates: Mapping[str, float] | None = None,
        **kwargs,
    ):
        """Train; as `keras.Model.fit`, with some conveniences.

        The model is compiled by default if it is not yet. Waveforms longer than a
        chunk are cropped at random, anew in each epoch (for `tf.data` map
        `kmt.data.crop`); validation data are cropped in the middle. After
        `keras.utils.set_random_seed` a run gives the same numbers again.

        Args:
            x: A `data.TrackList` whose labels are those of the model; waveforms
                `(items, samples)` at the model's rate, a list of `(samples,)` arrays,
                or a data set of batches.
            y: Targets `(items, n_labels)`, for multi-label models NaN where it is
                unknown; integer classes `(items,)` for single-label models. Left out
                for a `TrackList` and data sets.
            freeze: `"backbone"` trains the head alone, in this call: weights of
                front-end and backbone stay as they are, so do the statistics of their
                batch normalisation. `"normalization"` trains everything but the
                layers of batch normalisation, whose statistics a small data set would
                spoil. Afterwards everything is as trainable as before. `None` trains
                what is trainable.
            learning_rates: Learning rate by `"frontend"`, `"backbone"`, `"head"` or
                the name of a layer, such as `{"backbone": 1e-5}`, from this call on
                until `compile`. The rest keeps that of the optimizer.
            **kwargs: Arguments of `keras.Model.fit`; `validation_data` may be a
                `TrackList` as well. With the callback `ResumableBackup` a run that
                was killed can go on.

        Whenever other weights than before are to be trained, or at other rates, the
        optimizer starts anew, with its settings; loss and metrics stay.

        Returns:
            Keras' `History`.

        Raises:
            LabelError: If the targets do not fit the labels.
            ConfigError: If an argument cannot work.

        Example:

        ```python
        import numpy as np
        import keras_musictag as kmt

        model = kmt.MusicnnTagger.from_pretrained(labels=["calm", "wild"])
        x = np.random.uniform(-0.1, 0.1, (4, 60000)).astype("float32")
        y = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
        model.fit(x, y, freeze="backbone", verbose=0)
        model.fit(x, y, learning_rates={"backbone": 1e-5}, verbose=0)
        ```
        """
        self._check_head()
        check_choice(freeze, FREEZE, name="freeze")
        backups = [c for c in _listed(kwargs) if isinstance(c, ResumableBackup)]
        count = devices.device_count(self)
        even.check_batch_size(x, kwargs.get("batch_size"), count)
        with self._frozen(freeze):
            with devices.scope(self):
                self._make_ready(learning_rates)
            x, y, kwargs = self._cropped(crops.for_fit, x, y, kwargs)
            if backups or count > 1:
                x, y, kwargs = self._in_known_order(x, y, kwargs)
            for backup in backups:
                backup.watch(x)
            kwargs["callbacks"] = _from_this_epoch(x, kwargs.get("callbacks"))
            with even.filled(x, count, self.chunking.chunk_samples) as x:
                return super().fit(x, y, **kwargs)

    def evaluate(self, x=None, y=None, **kwargs) -> Any:
        """Score one chunk per item, the middle one; as `keras.Model.evaluate`.

        Args:
            x, y: As in `fit`.
            **kwargs: Arguments of `keras.Model.evaluate`.

        Returns:
            The loss and metrics, as Keras gives them.
        """
        self._check_head()
        if not self.compiled:
            self.compile()
        x, y, kwargs = self._cropped(crops.for_evaluate, x, y, kwargs)
        with devices.whole_batches(self, x, kwargs.get("batch_size")):
            return super().evaluate(x, y, **kwargs)

    def probe(self, x=None, y=None, **options) -> Probe:
        """Train the last layer alone, by scikit-learn on embeddings: in seconds.

        Logistic regression for classification, ridge regression for numbers, on the
        mean embedding of each track, standardised. The head takes over the weights:
        `predict`, `save_pretrained` and everything else work as after `fit`, which may
        follow. Regularisation is chosen by cross-validation.

        Args:
            x: A `data.TrackList` whose labels are those of the model, or tracks as in
                `predict`. A track that cannot be read is left out and named in an
                `AudioWarning`.
            y: Targets as in `fit`, for classification 0 and 1; NaN where unknown.
                Left out for a `TrackList`.
            **options: `embeddings`, an array `(tracks, units)` of `embed(tracks)`
                in place of `x`; `cache`, a folder that keeps embeddings for the next
                time; `sample_rate` of arrays, in Hz; `batch_size`; `strengths`, the
                choices of scikit-learn's `C` (1 / `alpha` for numbers); `folds` of
                the cross-validation, 5 by default; `seed`, 0 by default.

        Returns:
            A `Probe`: what was chosen, and the estimators of scikit-learn.

        Raises:
            LabelError: If targets do not fit, or a label has no positive or no
                negative track.
            AudioError: If no track can be read.
            ConfigError: If an argument cannot work.

        Example:

        ```python
        import numpy as np
        import keras_musictag as kmt

        model = kmt.MusicnnTagger.from_pretrained(labels=["calm", "wild"])
        x = np.random.uniform(-0.1, 0.1, (4, 60000)).astype("float32")
        model.probe(x, np.array([[1, 0], [0, 1], [1, 0], [0, 1]]))
        ```
        """
        self._check_head()
        return train_probe(self, x, y, **options)

    # === Inner parts ===

    def _check_head(self) -> None:
        if self.head is None:
            len(self.labels)  # says that there are none

    @contextlib.contextmanager
    def _frozen(self, freeze: str | None) -> Iterator[None]:
        """Freeze everything before the head, or some of it, for a while."""
        parts = () if freeze is None else (self.frontend, self.backbone)
        layers = [layer for part in parts for layer in part._flatten_layers()]
        before = [layer.trainable for layer in layers]
        kind = keras.layers.BatchNormalization
        normalizing = [layer for layer in layers if isinstance(layer, kind)]
        for layer in normalizing if freeze == "normalization" else parts:
            layer.trainable = False
        try:
            yield
        finally:
            # Setting a layer sets those inside it, which come after it here.
            for layer, trainable in zip(layers, before, strict=True):
                layer.trainable = trainable

    def _make_ready(self, rates: Mapping[str, float] | None) -> None:
        """Compile if that was not done, or not for these weights and rates."""
        if not self.compiled:
            self.compile()
        chosen = self._rates if rates is None else tuple(sorted(rates.items()))
        same = self._compiled_trainables == self._trainable_paths()
        if same and chosen == self._rates:
            return
        given = self._given.arguments
        optimizer = given["optimizer"] or self.default_compile()["optimizer"]
        optimizer = keras.optimizers.get(optimizer)
        # The state belongs to other weights: a new one with the same settings.
        optimizer = type(optimizer).from_config(optimizer.get_config())
        if chosen:
            optimizer = with_rates(optimizer, dict(chosen), self)
        super().compile(**{**given, "optimizer": optimizer})
        self._rates = chosen

    def _ensure_compiled(self) -> None:
        self._make_ready(None)

    def _cropped(self, prepare, x, y, kwargs):
        tracks = isinstance(x, TrackList)
        if self.frame_offsets is not None:  # targets of frames belong to one chunk
            if tracks:
                raise ConfigError(
                    "This model has targets for every moment, which tracks lack.",
                    received=f"{type(self).__name__} and a TrackList",
                    advice="Give chunks (items, samples) and their targets.",
                )
            return x, y, kwargs
        if tracks and self.problem_type == "regression":
            _refuse_unknown(x)
        single = self.problem_type == "single_label_classification"
        return prepare(
            x,
            y,
            kwargs,
            chunk_samples=self.chunking.chunk_samples,
            n_targets=None if single else len(self.labels),
            sample_rate=self.sample_rate,
            labels=self.labels,
        )

    def _in_known_order(self, x, y, kwargs):
        """Shuffle arrays of chunks ourselves: Keras' order depends on the past."""
        if not is_array(x) or self.frame_offsets is not None:
            return x, y, kwargs
        kwargs = dict(kwargs)
        data = crops.RandomCrops(
            x,
            y,
            chunk_samples=self.chunking.chunk_samples,
            sample_weight=kwargs.pop("sample_weight", None),
            batch_size=kwargs.pop("batch_size", None) or 32,
            shuffle=kwargs.pop("shuffle", True),
        )
        return data, None, {**kwargs, "shuffle": False}

    def _maybe_symbolic_build(self, iterator=None, data_batch=None) -> None:
        # TensorFlow's trainer has it. Keras adds up what the devices get of the first
        # batch, to learn its shape, and fails if the parts differ.
        if iterator is not None and devices.device_count(self) > 1:
            _, _, steps = next(iter(iterator))
            data_batch = devices.first_part(self, next(steps))
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)


class _Given:
    """Arguments of `compile`: a plain object, so that Keras does not track them."""

    def __init__(self, arguments: dict):
        self.arguments = arguments


def _listed(kwargs: dict) -> list:
    callbacks = kwargs.get("callbacks") or []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


class _Epoch(keras.callbacks.Callback):
    """Begins with the epoch that the data are in."""

    def __init__(self, data: SeededBatches):
        super().__init__()
        self.data, self.epoch = data, data.epoch

    def on_train_begin(self, logs=None):
        self.data.set_epoch(self.epoch)  # Keras may have looked at a first batch


def _from_this_epoch(x, callbacks):
    if not isinstance(x, SeededBatches):
        return callbacks
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    return [_Epoch(x), *_listed({"callbacks": callbacks})]


def _refuse_unknown(tracks: TrackList) -> None:
    unknown = np.isnan(tracks.targets).any(axis=1)
    if unknown.any():
        names = [tracks.ids[i] for i in np.flatnonzero(unknown)[:3]]
        raise LabelError(
            "Training a regression needs a number for each label of each track.",
            received=f"{int(unknown.sum())} tracks without one, such as {names}",
            advice="Leave these tracks out: `tracks.take(~numpy.isnan("
            "tracks.targets).any(axis=1))`.",
        )
