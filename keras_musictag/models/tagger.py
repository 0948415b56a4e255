"""`MusicTagger`: a Keras model from a waveform to label scores, and its methods."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import keras
from keras import ops

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.checks import check_choice
from keras_musictag.errors import LabelError
from keras_musictag.labels import Labels
from keras_musictag.models.base import dtype_scope
from keras_musictag.models.fitting.fine_tuning import FineTuning
from keras_musictag.models.heads import PROBLEM_TYPES, make_head
from keras_musictag.models.running import devices
from keras_musictag.models.running.features import FeatureModels
from keras_musictag.presets.weights import copy_weights
from keras_musictag.tracks import sources
from keras_musictag.tracks.scoring import TrackScoring


class MusicTagger(TrackScoring, FineTuning, abstract=True):
    """Base of all taggers: audio in, one score per label out.

    A tagger is a functional `keras.Model` made of three parts: `frontend` (waveform to
    spectrogram), `backbone` (to an embedding, with named endpoints) and `head` (to
    scores). Calling it takes exactly one chunk, float32 `(batch, chunk_samples)` at
    `sample_rate`, and gives `(batch, n_labels)`. `predict`, `tag`, `taggram` and
    `embed` take tracks of any length: they resample, cut and bring scores together.

    An architecture gives the first five arguments after `labels` and passes the others
    on as `**options`. Both functions are called under the dtype policy of the model.

    An architecture that is also used for its embeddings alone sets `headless`: without
    labels it has no head, and all that needs scores says so.

    Args:
        labels: Label names in output order, or `Labels`; `None` for no head, if the
            architecture can do without.
        frontend: Function from `sample_rate` to a layer from `(batch, chunk_samples)`
            to features.
        backbone: Function from the shape of one chunk's features to a Keras model from
            features to an embedding `(batch, units)`, and its endpoints: named symbolic
            tensors inside it, for `embed`.
        chunking: An `audio.ChunkPlan`: how a track is cut into chunks.
        settings: The architecture's own arguments by name, plain JSON values;
            `get_config` returns them with those below.
        sample_rate: Of the waveform, in Hz.
        problem_type: `"multi_label_classification"` (sigmoid),
            `"single_label_classification"` (softmax) or `"regression"`.
        dropout: Rate before the last dense layer.
        tail: What becomes of an incomplete last chunk: `"overlap"`, `"pad"` or
            `"drop"`, see `audio.ChunkPlan`; `None` for what `chunking` says.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model; made from that of the class if `None`.

    Attributes:
        labels: The `Labels`, in output order.
        sample_rate: In Hz.
        chunking: The `audio.ChunkPlan`; may be replaced.
        frontend, backbone, head: The three parts; `head` is `None` without labels.
        headless: Whether the architecture can do without labels.

    Raises:
        ConfigError: If an option is unknown or cannot work.
        LabelError: If `labels` are not usable.
    """

    task = "tags"
    shared_options = (
        "sample_rate",
        "problem_type",
        "dropout",
        "tail",
        "dtype",
        "name",
    )
    default_preset: str | None = "musicnn_msd"
    fresh_head_layers = ("logits",)
    headless = False

    def __init__(
        self,
        labels,
        *,
        frontend: Callable[[int], keras.layers.Layer],
        backbone: Callable[[tuple], tuple[keras.Model, dict]],
        chunking: audio.ChunkPlan,
        settings: dict | None = None,
        sample_rate: int = 16000,
        problem_type: str = "multi_label_classification",
        dropout: float = 0.0,
        tail: str | None = None,
        dtype=None,
        name: str | None = None,
        **unknown,
    ):
        self._refuse_options(unknown)
        if labels is not None or not self.headless:
            labels = Labels.from_config(labels)
        check_choice(problem_type, tuple(PROBLEM_TYPES), name="problem_type")
        if tail is not None:
            chunking = chunking.replace(tail=tail)
        # === Functional Model ===
        with dtype_scope(dtype):
            waveform = keras.Input((chunking.chunk_samples,), name="waveform")
            analysis = frontend(sample_rate)
            features = analysis.compute_output_shape(waveform.shape)
            network, endpoints = backbone(features[1:])
            outputs, head = network(analysis(waveform)), None
            if labels is not None:
                shape = network.output.shape[1:]
                head = make_head(shape, labels, problem_type, dropout)
                outputs = head(outputs)
            super().__init__(waveform, outputs, name=name or self._default_name())
        devices.synchronize(self)
        # === Config ===
        self.frontend, self.backbone, self.head = analysis, network, head
        self.labels = labels
        self.problem_type = problem_type
        self.sample_rate = check_sample_rate(sample_rate)
        self.chunking = chunking
        self.dropout = dropout
        self.policy = dtype
        self.settings = settings or {}
        self._features = FeatureModels(self, endpoints)

    @property
    def labels(self) -> Labels:
        """The `Labels`, in output order; a `LabelError` if the model has none."""
        if self._labels is None:
            raise LabelError(
                f"This {type(self).__name__} has no labels, and so no scores: it gives "
                "embeddings alone.",
                received="a model without a head",
                advice="Call `embed`; or load it with from_pretrained(..., "
                "labels=[...]) and train it with `probe` or `fit`.",
            )
        return self._labels

    @labels.setter
    def labels(self, labels) -> None:
        self._labels = labels

    # === What a track sounds like ===

    def predict(
        self,
        x,
        sample_rate: int | None = None,
        batch_size: int | None = None,
        aggregate: str | None = "mean",
        verbose=0,
        *,
        chunking: audio.ChunkPlan | None = None,
        tail: str | None = None,
        on_error: str = "warn",
        **kwargs,
    ):
        """Score whole tracks.

        Each track is cut into chunks, chunks of all tracks fill batches
        together, and the scores of a track's chunks are brought together.
        Data sets (`tf.data`, `PyDataset`, `DataLoader`, generators of batches)
        pass through to Keras as single chunks.

        Args:
            x: One track `(samples,)`, equally long tracks `(batch, samples)`, a
                list of tracks of any lengths, a path, or a list of paths.
            sample_rate: Of the arrays, in Hz; `None` means the model's own.
                Files know theirs.
            batch_size: Chunks per forward pass; 16 if `None`.
            aggregate: `"mean"`, `"max"` or `"median"` over the chunks of a track;
                `None` gives the chunks themselves.
            verbose: 1 shows a progress bar of tracks.
            chunking: Another `audio.ChunkPlan` for this call.
            tail: Another treatment of the last, incomplete chunk for this call:
                `"drop"`, `"pad"` or `"overlap"`.
            on_error: In a list, `"warn"` gives a bad track NaN scores and an
                `AudioWarning`; `"raise"` stops at it.
            **kwargs: For data sets: arguments of `keras.Model.predict`.

        Returns:
            float32 array `(tracks, n_labels)`; with `aggregate=None` a list of
            `(chunks, n_labels)` arrays.

        Raises:
            AudioError: If a track is not usable audio.

        Example:

        ```python
        import numpy as np
        import keras_musictag as kmt

        model = kmt.MusicnnTagger.from_pretrained()
        x = np.random.uniform(-0.1, 0.1, 10 * 44100).astype("float32")
        model.predict(x, sample_rate=44100).shape  # (1, 50)
        ```
        """
        self._check_head()
        if not sources.are_tracks(x):
            kwargs |= {"batch_size": batch_size, "verbose": verbose}
            with devices.whole_batches(self, x, batch_size):
                return super().predict(x, **kwargs)
        bar = None
        if verbose:
            tracks = len(sources.batch(x))
            bar = keras.utils.Progbar(tracks, unit_name="track").add
        return self._predict_tracks(
            x, sample_rate, batch_size, aggregate, chunking, tail, on_error, bar
        )

    @property
    def endpoints(self) -> list[str]:
        """Names that `embed(layer=...)` takes, from the input to the scores."""
        return self._features.names

    @property
    def embedding_units(self) -> int:
        """Size of the embedding, `"penultimate"`."""
        return self.backbone.output.shape[-1]

    # === Deployment ===

    def export(
        self,
        path,
        format: str | None = None,
        *,
        float16: bool = False,
        tolerance: float | None = None,
        embeddings: bool = False,
        precision: str = "float32",
        calibration=None,
    ) -> Path:
        """Write the network for programs that run without Keras.

        The network takes one chunk per row, float32 `(batch, chunk_samples)` named
        `waveform`, and gives `scores`, `(batch, n_labels)`, for any batch. Cutting a
        track into chunks and bringing their scores together is left to the program:
        the metadata say how, and `OnnxTagger`, `LiteRTTagger` and `OpenVINOTagger` do.

        The scores of four chunks are compared in the format's own runtime, and
        nothing is written if they differ. From JAX and PyTorch a TensorFlow process
        does the work.

        Args:
            path: A folder, which gets the network and `metadata.json`; or a file that
                ends in .onnx, .tflite or .xml (its weights in .bin beside it) and
                holds its metadata itself. An earlier export is replaced.
            format: `"tf_saved_model"`, `"onnx"`, `"litert"` or `"openvino"`; `None` for
                what the suffix says, without one `"tf_saved_model"`.
            float16: Whether to store weights in half precision: half the size.
            tolerance: Largest difference of a score; if `None` 1e-3, 1e-2 with
                `float16`, 0.05 in bfloat16, 0.1 in integers.
            embeddings: Whether it gives `penultimate` too, `(batch, units)`, so that
                the exported tagger has `embed`.
            precision: What OpenVINO shall compute in: `"float32"`, `"bfloat16"`, or
                `"int8"`, integers where most of the work is and where at least 99 %
                of other tracks keep their first label.
            calibration: Files or folders of music to find the integers with: every
                second file, the others to judge by. `None` takes the demo clip, and
                warns.

        Returns:
            The path, as a `Path`.

        Raises:
            ConfigError: If an argument cannot work, the network cannot be converted,
                or its scores differ.
            MissingExtraError: If a package that the format needs is not installed.

        Example:

        ```python
        import keras_musictag as kmt

        tagger = kmt.MusicnnTagger.from_pretrained()
        tagger.export("musicnn.onnx")
        tagger.export("musicnn", format="litert", float16=True)
        tagger.export("musicnn_bfloat16", "openvino", precision="bfloat16")
        ```
        """
        from keras_musictag.models.exporting import export_model

        return export_model(
            self,
            path,
            format,
            float16,
            tolerance,
            embeddings=bool(embeddings),
            precision=precision,
            calibration=calibration,
        )

    # === Inner parts ===

    def _remade(self, **changes) -> Self:
        """Return a model with these weights and some arguments changed."""
        fresh = type(self).from_config({**self.get_config(), **changes})
        copy_weights(fresh.weights, self.weights)
        fresh.origin = getattr(self, "origin", None)
        return fresh

    def call(self, inputs, training=None, mask=None):
        """Score a batch of chunks; as `keras.Model.call`."""
        if not devices.may_be_idle(self):
            return super().call(inputs, training=training, mask=mask)
        # Not every front-end and backbone takes an empty batch: one chunk of silence.
        count = ops.shape(inputs)[0]
        silence = ops.zeros((ops.maximum(1 - count, 0), self.chunking.chunk_samples))
        features = self.frontend(ops.concatenate([inputs, silence]))
        embedding = self.backbone(features)[:count]
        return embedding if self.head is None else self.head(embedding)

    def _shared_config(self) -> dict:
        return {
            "labels": self._labels and self._labels.to_config(),
            "problem_type": self.problem_type,
            "sample_rate": self.sample_rate,
            "tail": self.chunking.tail,
            "dropout": self.dropout,
        }

    def _describe(self) -> dict:
        said = {**super()._describe(), "sampling_rate": self.sample_rate}
        if self._labels is None:
            return said
        names = list(self._labels)
        return {
            **said,
            "id2label": {str(i): name for i, name in enumerate(names)},
            "label2id": {name: i for i, name in enumerate(names)},
            "problem_type": self.problem_type,
        }

    def _forward(self, names: tuple[str, ...]):
        if "scores" in names:
            self._check_head()
        return self._features.forward(names)

    def _wants_few_shapes(self) -> bool:
        # An eager or op-by-op graph takes any batch; a compiled one wants few.
        return keras.backend.backend() == "jax" or bool(self.jit_compile)
