"""`MusicTagger`: a Keras model from a waveform to label scores, and its methods."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from keras_musictag import audio
from keras_musictag.checks import check_choice, check_positive_int
from keras_musictag.labels import Labels
from keras_musictag.models import sources
from keras_musictag.models.base import dtype_scope
from keras_musictag.models.features import FeatureModels
from keras_musictag.models.fine_tuning import FineTuning
from keras_musictag.models.heads import PROBLEM_TYPES, make_head
from keras_musictag.models.inference import TrackError, TrackOutput, score_tracks
from keras_musictag.models.taggram import Taggram, frame_rows, over_chunks

BATCH_SIZE = 16


class MusicTagger(FineTuning, abstract=True):
    """Base of all taggers: audio in, one score per label out.

    A tagger is a functional `keras.Model` made of three parts: `frontend` (waveform to
    spectrogram), `backbone` (to an embedding, with named endpoints) and `head` (to
    scores). Calling it takes exactly one chunk, float32 `(batch, chunk_samples)` at
    `sample_rate`, and gives `(batch, n_labels)`. `predict`, `tag`, `taggram` and
    `embed` take tracks of any length: they resample, cut and bring scores together.

    Args:
        frontend: Layer from `(batch, chunk_samples)` to features.
        backbone: Keras model from features to an embedding `(batch, units)`.
        endpoints: Named symbolic tensors inside the backbone, for `embed`.
        labels: Label names in output order, or `Labels`.
        sample_rate: Of the waveform, in Hz.
        chunking: An `audio.ChunkPlan`: how a track is cut into chunks.
        problem_type: `"multi_label_classification"` (sigmoid),
            `"single_label_classification"` (softmax) or `"regression"`.
        dropout: Rate before the last dense layer.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model.

    Attributes:
        labels: The `Labels`, in output order.
        sample_rate: In Hz.
        chunking: The `audio.ChunkPlan`; may be replaced.
        frontend, backbone, head: The three parts.
    """

    default_preset = "musicnn_msd"
    fresh_head_layers = ("logits",)
    # Models that score every moment of a chunk say where these begin, in samples.
    frame_offsets: np.ndarray | None = None

    def __init__(
        self,
        *,
        frontend,
        backbone,
        endpoints: dict,
        labels,
        sample_rate: int,
        chunking: audio.ChunkPlan,
        problem_type: str = "multi_label_classification",
        dropout: float = 0.0,
        dtype=None,
        name: str | None = None,
    ):
        labels = Labels.from_config(labels)
        check_choice(problem_type, tuple(PROBLEM_TYPES), name="problem_type")
        # === Functional Model ===
        with dtype_scope(dtype):
            head = make_head(backbone.output.shape[1:], labels, problem_type, dropout)
            waveform = keras.Input((chunking.chunk_samples,), name="waveform")
            scores = head(backbone(frontend(waveform)))
        super().__init__(inputs=waveform, outputs=scores, name=name)
        # === Config ===
        self.frontend, self.backbone, self.head = frontend, backbone, head
        self.labels = labels
        self.problem_type = problem_type
        self.sample_rate = audio.check_sample_rate(sample_rate)
        self.chunking = chunking
        self.dropout = dropout
        self.policy = dtype
        self._features = FeatureModels(self, endpoints)

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
        if not sources.are_tracks(x):
            return super().predict(x, batch_size=batch_size, verbose=verbose, **kwargs)
        tracks = sources.batch(x)
        bar = keras.utils.Progbar(len(tracks), unit_name="track") if verbose else None

        def scores():
            for output in self._run(
                tracks, "scores", sample_rate, batch_size, chunking, tail
            ):
                found = (over_chunks(v, aggregate) for v in output.outputs.values())
                yield output.error or next(found)
                if bar:
                    bar.add(1)

        single = len(tracks) == 1
        rows = sources.collect(scores(), tracks, single, on_error)
        shape = (len(self.labels),) if aggregate else (0, len(self.labels))
        nothing = np.full(shape, np.nan, "float32")
        rows = [nothing if row is None else row for row in ([rows] if single else rows)]
        return np.stack(rows) if aggregate is not None else rows

    def tag(
        self,
        source,
        sample_rate: int | None = None,
        top_k: int | None = 10,
        min_score: float | None = None,
        groups: Iterable[str] | str | None = None,
        *,
        sort: str = "score",
        aggregate: str = "mean",
        **options,
    ):
        """Name what is heard in a track.

        Args:
            source: A path, an open file, one track as an array `(samples,)` or
                `(channels, samples)`, or a list of these.
            sample_rate: Of arrays, in Hz; `None` means the model's own.
            top_k: How many labels at most; `None` for all.
            min_score: Leave out labels whose score is lower.
            groups: Only labels of these groups, such as `"genre"`.
            sort: `"score"`, or `"lift"`: score over the label's prior, since the
                scores of rare labels stay low.
            aggregate: `"mean"`, `"max"` or `"median"` over the chunks.
            **options: `batch_size`, `chunking`, `tail`, `on_error` as in
                `predict`.

        Returns:
            List of `(label, score)`, best first; for a list of sources a list of
            such lists, with `None` for a bad one.

        Raises:
            AudioError: If a single source is not usable audio.
            LabelError: If no label belongs to `groups`.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.MusicnnTagger.from_pretrained()
        model.tag(kmt.audio.demo_path(), top_k=3)
        ```
        """
        self.labels.select(groups)  # a wrong group costs no decoding
        taggrams = self.taggram(source, sample_rate, **options)
        single = isinstance(taggrams, Taggram)
        tags = [
            t and t.top(top_k, min_score, groups, sort, aggregate)
            for t in ([taggrams] if single else taggrams)
        ]
        return tags[0] if single else tags

    def taggram(self, source, sample_rate: int | None = None, **options):
        """Score a track chunk by chunk.

        Args:
            source: As in `tag`.
            sample_rate: Of arrays, in Hz; `None` means the model's own.
            **options: As in `tag`.

        Returns:
            A `Taggram` with `times` (seconds), `labels` and `scores`
            `(chunks, n_labels)`; a list with `None` for bad ones if `source` is
            a list.

        Raises:
            AudioError: If a single source is not usable audio.
        """
        on_error = options.pop("on_error", "warn")
        tracks, single = sources.listed(source)
        outcomes = self.iter_taggrams(tracks, sample_rate, **options)
        return sources.collect(outcomes, tracks, single, on_error)

    def iter_taggrams(
        self,
        tracks: Iterable,
        sample_rate: int | None = None,
        *,
        batch_size: int | None = None,
        chunking: audio.ChunkPlan | None = None,
        tail: str | None = None,
    ) -> Iterator[Taggram | TrackError]:
        """Score many tracks lazily: each result comes when it is ready.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate, batch_size, chunking, tail: As in `predict`.

        Yields:
            For each track, in order, its `Taggram`, or the error that
            says why there is none.
        """
        for output in self._run(
            tracks, "scores", sample_rate, batch_size, chunking, tail
        ):
            if output.error is not None:
                yield output.error
            else:
                starts, scores = output.starts, output.outputs["scores"]
                if self.frame_offsets is not None:
                    starts, scores = frame_rows(starts, self.frame_offsets, scores)
                yield Taggram(starts / self.sample_rate, self.labels, scores)

    def embed(
        self,
        source,
        sample_rate: int | None = None,
        *,
        layer: str | list[str] = "penultimate",
        aggregate: str | None = "mean",
        batch_size: int | None = None,
        chunking: audio.ChunkPlan | None = None,
        tail: str | None = None,
        on_error: str = "warn",
    ):
        """Return what the network computes inside: features for other uses.

        Args:
            source: As in `tag`.
            sample_rate: Of arrays, in Hz; `None` means the model's own.
            layer: The name of an endpoint, or several; `endpoints` lists them.
            aggregate: `"mean"`, `"max"` or `"median"` over the chunks and, for
                endpoints that have frames, over the frames; `None` gives
                `(chunks, ...)` as the network has it.
            batch_size, chunking, tail, on_error: As in `predict`.

        Returns:
            float32 array, `(units,)` for `"penultimate"`; a dict of arrays if
            `layer` is a list; a list of these, with `None` for bad ones, if
            `source` is a list.

        Raises:
            ConfigError: If there is no such endpoint.
            AudioError: If a single source is not usable audio.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.MusicnnTagger.from_pretrained()
        model.embed(kmt.audio.demo_path()).shape  # (200,)
        ```
        """
        tracks, single = sources.listed(source)
        names = (layer,) if isinstance(layer, str) else tuple(layer)

        def features():
            for output in self._run(
                tracks, names, sample_rate, batch_size, chunking, tail
            ):
                found = {
                    n: over_chunks(v, aggregate) for n, v in output.outputs.items()
                }
                one = found.get(layer) if isinstance(layer, str) else found
                yield output.error or one

        return sources.collect(features(), tracks, single, on_error)

    @property
    def endpoints(self) -> list[str]:
        """Names that `embed(layer=...)` takes, from the input to the scores."""
        return self._features.names

    def stream(
        self, blocks: Iterable, sample_rate: int | None = None
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Score audio while it arrives, in bounded memory.

        Args:
            blocks: Iterable of mono blocks `(samples,)` of any lengths, or of
                `(channels, samples)`.
            sample_rate: Of the blocks, in Hz; `None` means the model's own.

        Yields:
            `(time, scores)`: the start of a chunk (or of a moment in it) in seconds
            and its scores `(n_labels,)`, as soon as the chunk is complete.

        Raises:
            AudioError: If a block is not usable audio.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        mono = audio.resample_blocks(blocks, rate, self.sample_rate)
        forward = self._features.forward(("scores",))
        for start, chunk in self.chunking.chunks(mono):
            scores = forward(chunk[None])["scores"]
            offsets = [0] if self.frame_offsets is None else self.frame_offsets
            rows = scores.reshape(len(offsets), -1)
            for offset, row in zip(offsets, rows, strict=True):
                yield (start + offset) / self.sample_rate, row

    # === Inner parts ===

    def get_config(self) -> dict:
        """Return the constructor's arguments that all taggers share."""
        return {
            "labels": self.labels.to_config(),
            "problem_type": self.problem_type,
            "sample_rate": self.sample_rate,
            "tail": self.chunking.tail,
            "dropout": self.dropout,
            "dtype": self.policy,
            "name": self.name,
        }

    def _describe(self) -> dict:
        names = list(self.labels)
        return {
            "id2label": {str(i): name for i, name in enumerate(names)},
            "label2id": {name: i for i, name in enumerate(names)},
            "problem_type": self.problem_type,
            "sampling_rate": self.sample_rate,
        }

    def _run(
        self, tracks, names, sample_rate, batch_size, chunking, tail
    ) -> Iterator[TrackOutput]:
        """Score tracks with the named outputs, one `TrackOutput` each, in order."""
        plan = chunking or self.chunking
        if tail is not None:
            plan = plan.replace(tail=tail)
        rate = self.sample_rate if sample_rate is None else sample_rate
        rate = audio.check_sample_rate(rate)
        names = (names,) if isinstance(names, str) else names
        forward = self._features.forward(names)

        def cut(track):
            return sources.cut(track, rate, self.sample_rate, plan)

        # An eager or op-by-op graph takes any batch; a compiled one wants few.
        fixed = keras.backend.backend() == "jax" or bool(self.jit_compile)
        size = BATCH_SIZE if batch_size is None else batch_size
        size = check_positive_int(size, name="batch_size")
        return score_tracks(tracks, cut, forward, size, fixed)
