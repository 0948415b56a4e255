"""`TrackScoring`: tags of whole tracks, from whatever scores a batch of chunks."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.checks import check_positive_int
from keras_musictag.labels import Labels
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import (
    OVER_TIME,
    MeanBatcher,
    TrackError,
    TrackOutput,
    score_tracks,
)
from keras_musictag.tracks.taggram import Taggram, frame_rows, over_chunks

BATCH_SIZE = 16


class TrackScoring:
    """What Keras taggers and exported ones do alike: track in, named labels out.

    A subclass sets the attributes and gives `_forward`.

    Attributes:
        labels: The `Labels`, in output order.
        sample_rate: In Hz.
        chunking: The `audio.ChunkPlan`: how a track is cut into chunks.
        frame_offsets: For networks that score every moment of a chunk, where these
            begin, in samples; else `None`.
    """

    labels: Labels
    sample_rate: int
    chunking: audio.ChunkPlan
    frame_offsets: np.ndarray | None = None

    def _forward(self, names: tuple[str, ...]) -> Callable:
        """Return a function from a batch of chunks to a dict of NumPy arrays."""
        raise NotImplementedError

    def _wants_few_shapes(self) -> bool:
        """Whether each new batch size costs a compilation."""
        return False

    def _predict_tracks(
        self,
        x,
        sample_rate: int | None,
        batch_size: int | None,
        aggregate: str | None,
        chunking: audio.ChunkPlan | None,
        tail: str | None,
        on_error: str,
        advance: Callable[[int], object] | None = None,
    ):
        """Score whole tracks as `MusicTagger.predict` says; `advance` counts them."""
        tracks = sources.batch(x)

        def scores():
            for output in self._run(
                tracks, "scores", sample_rate, batch_size, chunking, tail
            ):
                found = (over_chunks(v, aggregate) for v in output.outputs.values())
                yield output.error or next(found)
                if advance:
                    advance(1)

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
        tracks, single = sources.as_tracks(source)
        names = (layer,) if isinstance(layer, str) else tuple(layer)

        def features():
            for output in self._run(
                tracks, names, sample_rate, batch_size, chunking, tail
            ):
                outputs = {
                    n: over_chunks(v, aggregate) for n, v in output.outputs.items()
                }
                one = outputs.get(layer) if isinstance(layer, str) else outputs
                yield output.error or one

        return sources.collect(features(), tracks, single, on_error)

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
        tracks, single = sources.as_tracks(source)
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
            scores = output.outputs.get("scores")
            yield output.error or self._taggram(output, self.labels, scores)

    def stream(
        self,
        blocks: Iterable,
        sample_rate: int | None = None,
        *,
        chunking: audio.ChunkPlan | None = None,
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Score audio while it arrives, in bounded memory.

        The latency is a chunk, the time of one forward pass and the delay of the
        resampling, a few milliseconds.

        Args:
            blocks: Iterable of blocks `(samples,)` or `(channels, samples)` of any
                lengths, floats or integer PCM.
            sample_rate: Of the blocks, in Hz; `None` means the model's own.
            chunking: Another `audio.ChunkPlan`: with a smaller `hop_samples` chunks
                overlap and scores come more often.

        Yields:
            `(time, scores)`: the start of a chunk (or of a moment in it) in seconds
            and its scores `(n_labels,)`, as soon as the chunk is complete.

        Raises:
            AudioError: If a block is not usable audio.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        pieces = (audio.to_mono(b, name="block") for b in blocks if np.size(b))
        mono = audio.resample_blocks(pieces, rate, self.sample_rate)
        forward = self._forward(("scores",))
        for start, chunk in (chunking or self.chunking).chunks(mono):
            scores = forward(chunk[None])["scores"]
            offsets = [0] if self.frame_offsets is None else self.frame_offsets
            rows = scores.reshape(len(offsets), -1)
            for offset, row in zip(offsets, rows, strict=True):
                yield (start + offset) / self.sample_rate, row

    def mean_batcher(
        self,
        outputs: Iterable[str] = ("scores",),
        batch_size: int | None = None,
        columns: Iterable[int] = (),
    ) -> MeanBatcher:
        """Score chunks that a program cuts itself, batches filled across tracks.

        For programs that decode a track once for several models. Unlike `predict` it
        needs the chunks as `chunking` has them, one at a time.

        Args:
            outputs: What to compute: `"scores"`, and any of the `endpoints` of a Keras
                tagger.
            batch_size: Chunks per forward pass; 16 if `None`.
            columns: The labels, by their places, whose scores are kept over time as
                well; `taggram_of` has them.

        Returns:
            A `MeanBatcher`: `add` takes a chunk, `close` ends a track, `flush` scores
            what waits for a full batch. `finished` yields tracks with the mean over
            their chunks and frames, float32 `(units,)` by the name of the output.

        Raises:
            ConfigError: If there is no such output.
        """
        size = BATCH_SIZE if batch_size is None else batch_size
        size = check_positive_int(size, name="batch_size")
        forward = self._forward(tuple(outputs))
        return MeanBatcher(forward, size, self._wants_few_shapes(), columns)

    def taggram_of(self, output: TrackOutput, columns: Iterable[int]) -> Taggram:
        """Return the scores over time that a `mean_batcher` has kept of a track.

        Args:
            output: What its `finished` has yielded, without an error.
            columns: Those that it was made with.

        Returns:
            A `Taggram` of these labels alone.
        """
        labels = self.labels.take(columns)
        return self._taggram(output, labels, output.outputs[OVER_TIME])

    # === Inner parts ===

    def _taggram(self, output: TrackOutput, labels: Labels, scores) -> Taggram:
        starts = output.starts
        if self.frame_offsets is not None:
            starts, scores = frame_rows(starts, self.frame_offsets, scores)
        times, seconds = starts / self.sample_rate, output.length / self.sample_rate
        return Taggram(times, labels, scores, output.peak, seconds)

    def _run(
        self, tracks, names, sample_rate, batch_size, chunking, tail
    ) -> Iterator[TrackOutput]:
        """Score tracks with the named outputs, one `TrackOutput` each, in order."""
        plan = chunking or self.chunking
        if tail is not None:
            plan = plan.replace(tail=tail)
        rate = self.sample_rate if sample_rate is None else sample_rate
        rate = check_sample_rate(rate)
        names = (names,) if isinstance(names, str) else names
        forward = self._forward(names)

        def cut(track):
            return sources.cut(track, rate, self.sample_rate, plan)

        size = BATCH_SIZE if batch_size is None else batch_size
        size = check_positive_int(size, name="batch_size")
        return score_tracks(tracks, cut, forward, size, self._wants_few_shapes())
