"""From what the decoding thread hands over to rows: one scorer for each analysis.

Models are used as any program may use them, by their public methods.
"""

from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_musictag import environment
from keras_musictag.audio.arrays import is_silent
from keras_musictag.chords.analysis import BEAT_SAMPLE_RATE
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.engines.files import ready_engine
from keras_musictag.keys.files import FIELDS
from keras_musictag.library.cutting import (
    AnalysisChunk,
    AnalysisEvent,
    FinishedRow,
    SegmentEnd,
)
from keras_musictag.library.jobs import Analysis, Recipe, Spec
from keras_musictag.tracks.inference import (
    TRACK_ERRORS,
    End,
    TrackError,
    TrackOutput,
)

EMBEDDING = "penultimate"


class ScorerResult(NamedTuple):
    """The row of the track at `position`, or what is wrong with it.

    A scorer that makes several analyses gives all of their values in one row.
    """

    position: int
    row: dict[str, Any]
    error: TrackError | None


class Scorer:
    """Finds out one thing about tracks; all of it runs in the thread of the models.

    Attributes:
        analysis: What it finds out.
        spec: How it wants tracks to be cut.
    """

    analysis: Analysis
    spec: Spec

    def __init__(self):
        self.done: list[ScorerResult] = []

    @property
    def analyses(self) -> list[Analysis]:
        """All that comes of hearing a track once; of most scorers, `analysis`."""
        return [self.analysis]

    def take(self, position: int, event: AnalysisEvent) -> None:
        """Take what a track was cut into."""
        raise NotImplementedError

    def close(self, end: End) -> None:
        """Take the end of a track, or what is wrong with it."""
        raise NotImplementedError

    def flush(self) -> None:
        """Score what waits for other tracks; of most scorers, nothing does."""

    def results(self) -> Iterator[ScorerResult]:
        """Yield the tracks that are finished, each once."""
        done, self.done = self.done, []
        yield from done


class TagScorer(Scorer):
    """Scores and embedding of tracks by one tagger, and where it hears labels.

    Args:
        preset: The tagger.
        recipe: Whether to keep embeddings, how many chunks, how large a batch; which
            labels or groups are to be found in the track, if the tagger has them.
        taken: Of these labels, those that an earlier tagger finds.
    """

    def __init__(self, preset: str, recipe: Recipe, taken: Container[str] = ()):
        super().__init__()
        tagger = _load_tagger(preset, recipe.words)
        self.reads = hasattr(tagger, "embed_text")
        plan = tagger.chunking
        plan = plan if recipe.chunks is None else plan.spaced(recipe.chunks)
        self.spec = Spec("tags", tagger.sample_rate, plan)
        self.analysis = Analysis(
            "tags",
            short_name(preset),
            preset,
            _digest(tagger),
            tuple(tagger.labels),
            tagger.embedding_units if recipe.embeddings else None,
            recipe.chunks,
            self.reads,
        )
        outputs = ("scores", EMBEDDING) if recipe.embeddings else ("scores",)
        self.labels = labels = tagger.labels
        found = {
            name: threshold
            for name, threshold in recipe.segments
            if name not in taken and (name in labels or name in labels.groups)
        }
        self.segments = self._segments_of(found) if found else None
        columns = sorted({i for name in found for i in labels.columns(name)})
        self.batcher = tagger.mean_batcher(outputs, recipe.batch_size, columns)
        self._taggram = lambda output: tagger.taggram_of(output, columns)

    def _segments_of(self, thresholds: dict[str, float | None]) -> Analysis:
        own = self.analysis
        return Analysis(
            "segments",
            own.name,
            own.preset,
            own.weights_sha256,
            labels=tuple(thresholds),
            thresholds=tuple(thresholds.values()),
        )

    @property
    def analyses(self) -> list[Analysis]:
        """The scores, and where labels are heard, if that is wanted."""
        return [self.analysis, *([self.segments] if self.segments else [])]

    def take(self, position: int, event: AnalysisEvent) -> None:
        """Take a chunk; a full batch is scored."""
        assert isinstance(event, AnalysisChunk)
        self.batcher.add(position, event.chunk)

    def close(self, end: End) -> None:
        """Take the end of a track."""
        self.batcher.close(end)

    def flush(self) -> None:
        """Score what waits for a full batch."""
        self.batcher.flush()

    def results(self) -> Iterator[ScorerResult]:
        """Yield the tracks of which all chunks are scored, in order."""
        for output in self.batcher.finished():
            means = output.outputs
            silent = is_silent(output.peak)
            row: dict[str, Any] = {
                "scores": means.get("scores"),
                "embedding": means.get(EMBEDDING),
                "silent": silent,
            }
            if self.segments and output.error is None:
                row["segments"] = self._heard(output, self.segments, silent)
            yield ScorerResult(output.position, row, output.error)

    def _heard(self, output: TrackOutput, wanted: Analysis, silent: bool | None):
        """Return the intervals of each label; there are none in silence."""
        if silent:
            return {name: [] for name in wanted.labels}
        taggram = self._taggram(output)
        return {
            name: [
                {"start": start, "end": end}
                for start, end in taggram.segments(name, threshold=threshold)
            ]
            for name, threshold in zip(wanted.labels, wanted.thresholds, strict=True)
        }


def _load_tagger(preset: str, words: tuple[str, ...]) -> Any:
    tagger = None if words else ready_engine(preset, many=True)
    if tagger is not None:
        return tagger
    # Here, because it starts the backend.
    environment.quiet_tensorflow()
    from keras_musictag.models.tagger import MusicTagger

    tagger = MusicTagger.from_pretrained(preset)
    reads = words and hasattr(tagger, "embed_text")
    return tagger.with_labels(words) if reads else tagger


class ChordScorer(Scorer):
    """Chords and key of tracks by one recogniser, segment by segment.

    Args:
        preset: The recogniser.
    """

    def __init__(self, preset: str):
        super().__init__()
        model = ready_engine(preset, many=True)
        if model is None:
            environment.quiet_tensorflow()
            from keras_musictag.models.recognizer import ChordRecognizer

            model = ChordRecognizer.from_pretrained(preset)
        self.spec = Spec("chords", model.sample_rate, model.whole_track.plan)
        labels = tuple(model.vocabulary.labels)
        self.analysis = Analysis(
            "chords", short_name(preset), preset, _digest(model), labels
        )
        self.model = model
        self.open: dict[int, _SegmentedTrack] = {}

    def take(self, position: int, event: AnalysisEvent) -> None:
        """Take a chunk of a segment, or its end."""
        track = self.open.get(position)
        if track is None:
            track = self.open[position] = _SegmentedTrack(self.model)
        if track.error is not None:
            return
        if isinstance(event, AnalysisChunk):
            track.segment.add(event.chunk)
            return
        assert isinstance(event, SegmentEnd)
        try:
            track.end_segment(event.samples)
        except TRACK_ERRORS as error:
            track.error = error

    def close(self, end: End) -> None:
        """Take the end of a track: its segments become one sequence."""
        track = self.open.pop(end.position, None) or _SegmentedTrack(self.model)
        error = end.error or track.error
        row = {} if error else track.row()
        self.done.append(ScorerResult(end.position, row, error))


class _SegmentedTrack:
    """A track that is not finished: the chords of its segments so far."""

    def __init__(self, model):
        self.model, self.segment = model, model.segment()
        self.chords: list[tuple[float, float, str, float]] = []
        self.seconds = 0.0
        self.error: TrackError | None = None

    def end_segment(self, samples: int) -> None:
        begin, segment = self.seconds, self.segment
        self.seconds += samples / self.model.sample_rate
        self.segment = self.model.segment()
        if begin > 0 and samples < self.model.hop_length:
            return  # a long track may end with less than a frame
        for start, end, label, confidence in segment.chordogram(samples).decode():
            self.chords.append((begin + start, begin + end, label, confidence))

    def row(self) -> dict[str, Any]:
        starts, ends, labels, confidences = zip(*self.chords, strict=True)
        intervals = np.stack([starts, ends], axis=1)
        sequence = ChordSequence(intervals, labels, confidences, self.seconds).merged()
        key = sequence.key()
        return {
            "key": key and key.label,
            "key_correlation": key and key.correlation,
            "key_margin": key and key.margin,
            "chords": [
                {"start": start, "end": end, "label": label, "confidence": confidence}
                for start, end, label, confidence in sequence
            ],
        }


class TempoScorer(Scorer):
    """The tempo of tracks, which the decoding thread finds."""

    spec = Spec("tempo", BEAT_SAMPLE_RATE)
    analysis = Analysis("tempo", "find_beats", "find_beats", "find_beats-1")

    def __init__(self):
        super().__init__()
        self.rows: dict[int, dict[str, Any]] = {}

    def take(self, position: int, event: AnalysisEvent) -> None:
        """Take the finished row."""
        assert isinstance(event, FinishedRow)
        self.rows[position] = event.row

    def close(self, end: End) -> None:
        """Take the end of a track."""
        row = {} if end.error else self.rows[end.position]
        self.rows.pop(end.position, None)
        self.done.append(ScorerResult(end.position, row, end.error))


class WholeTrackScorer(Scorer):
    """What a model says that hears a track in chunks and concludes at its end.

    Args:
        kind: Of the analysis.
        model: Has `plan`, `hear` and `conclude`.
        preset: What it was loaded from.
        mirrored: By how many samples a track is mirrored at its ends.
    """

    def __init__(self, kind: str, model, preset: str, mirrored: int = 0):
        super().__init__()
        self.model = model
        self.spec = Spec(kind, model.sample_rate, model.plan, mirrored)
        sha256 = _digest(model)
        self.analysis = Analysis(kind, short_name(preset), preset, sha256)
        self.open: dict[int, list[dict[str, np.ndarray]]] = {}
        self.rows: dict[int, dict[str, Any]] = {}

    def take(self, position: int, event: AnalysisEvent) -> None:
        """Hear a chunk; at the end of the track conclude."""
        if isinstance(event, AnalysisChunk):
            heard = self.model.hear(event.chunk)
            self.open.setdefault(position, []).append(heard)
            return
        assert isinstance(event, SegmentEnd)
        parts = self.open.pop(position, [])
        joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        self.rows[position] = self.row(self.model.conclude(joined, event.samples))

    def row(self, heard) -> dict[str, Any]:
        """Return the values of a row."""
        raise NotImplementedError

    def close(self, end: End) -> None:
        """Take the end of a track."""
        self.open.pop(end.position, None)
        row = self.rows.pop(end.position, {})
        self.done.append(
            ScorerResult(end.position, {} if end.error else row, end.error)
        )


class BeatScorer(WholeTrackScorer):
    """Tempo and meter of tracks by a beat tracker.

    Args:
        preset: The tracker.
    """

    def __init__(self, preset: str):
        model = ready_engine(preset, many=True)
        if model is None:
            environment.quiet_tensorflow()
            from keras_musictag.models.tracker import BeatTracker

            model = BeatTracker.from_pretrained(preset)
        super().__init__("beats", model, preset, model.mirrored_samples)

    def row(self, heard) -> dict[str, Any]:
        """Return tempo, how sure its beats are on the average, and meter."""
        beats = heard.decode(self.model.default_decoder)
        if len(beats) < 2:
            return {"tempo": None, "tempo_confidence": 0.0, "meter": None}
        sure = float(np.mean(beats.confidences))
        return {
            "tempo": beats.tempo,
            "tempo_confidence": sure,
            "meter": beats.meter,
        }


class KeyScorer(WholeTrackScorer):
    """Key of tracks, and its regions, by a key recogniser.

    Args:
        preset: The recogniser.
    """

    def __init__(self, preset: str):
        environment.quiet_tensorflow()
        from keras_musictag.models.key_recognizer import KeyRecognizer

        super().__init__("key", KeyRecognizer.from_pretrained(preset), preset)

    def row(self, heard) -> dict[str, Any]:
        """Return the key, its confidence and place on Camelot's wheel, the regions."""
        keys = heard.decode()
        return {
            "key": keys.key and keys.key.label,
            "key_confidence": keys.confidence,
            "key_camelot": keys.key and keys.key.camelot,
            "key_regions": [dict(zip(FIELDS, region, strict=True)) for region in keys],
        }


def _digest(model) -> str:
    """Return the digest of the weights of a Keras model, or of what was made of one."""
    known = getattr(model, "fingerprint", None)
    if known is not None:
        return known
    from keras_musictag.insight.fingerprint import fingerprint

    return fingerprint(model, "scores")["sha256"]


def short_name(preset: str) -> str:
    """Return the name of a preset, of a folder or of a repository, without the rest."""
    return Path(preset.removeprefix("hf://")).name or preset
