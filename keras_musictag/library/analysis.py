"""`Analyzer`: jobs in, rows out; it knows models, and nothing of the library."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag import environment
from keras_musictag.chords.analysis import BEAT_SAMPLE_RATE
from keras_musictag.chords.chordogram import Chordogram
from keras_musictag.errors import import_extra
from keras_musictag.library.cutting import cut
from keras_musictag.library.jobs import Analysis, Job, Outcome, Recipe, Spec
from keras_musictag.library.places import content_hash, fetched
from keras_musictag.recognition import check_length
from keras_musictag.tracks.inference import (
    TRACK_ERRORS,
    Chunk,
    End,
    MeanBatcher,
    Producer,
    TrackError,
)

QUEUE_BYTES = 64 * 2**20
EMBEDDING = "penultimate"


class Analyzer:
    """Loads the models of a recipe and analyses files with them.

    It writes nothing: `build` does that. Another engine makes one of these in each
    of its workers.

    Args:
        recipe: What shall be known.

    Attributes:
        recipe: The same.
        analyses: What the models find out, in the order of the recipe.

    Raises:
        PresetError: If a preset is unknown.
        MissingExtraError: If the tempo is wanted and librosa is not installed.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        scorers: list[Any] = []
        if recipe.tempo:
            import_extra("librosa", "chords", "The tempo")
        for preset in recipe.presets:
            scorers.append(_Tags(preset, recipe))
        if recipe.chords is not None:
            scorers.append(_Chords(recipe.chords))
        if recipe.tempo:
            scorers.append(_Tempo())
        self.analyses: list[Analysis] = [scorer.analysis for scorer in scorers]
        self._scorers = {scorer.analysis.id: scorer for scorer in scorers}

    @property
    def specs(self) -> dict[str, Spec]:
        """How each analysis, by its id, wants tracks to be cut."""
        return {key: scorer.spec for key, scorer in self._scorers.items()}

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Analyse files; each is decoded once, by a thread that works ahead.

        Args:
            jobs: The files; may be a generator, which then runs in that thread.

        Yields:
            One `Outcome` for each job, as soon as all of it is there.
        """
        specs = self.specs
        open_jobs: dict[int, Outcome] = {}

        def cut_job(job: Job):
            yield job  # whatever fails from here on belongs to it
            if not job.wanted:
                return None
            wanted = [specs[key] for key in job.wanted]
            with fetched(job.path) as file:
                if job.sha256 is None:
                    yield dataclasses.replace(job, sha256=content_hash(file))
                yield from cut(file, wanted)
            return None

        with Producer(jobs, cut_job, self._depth()) as events:
            for event in events:
                index = event.position
                if isinstance(event, End):
                    self._close(open_jobs[index], event)
                    if not open_jobs[index].job.wanted:  # all of it is known already
                        yield open_jobs.pop(index)
                elif isinstance(event.value, Job):
                    open_jobs[index] = Outcome(event.value)
                    continue
                else:
                    self._take(index, open_jobs[index], event.value)
                yield from self._finished(open_jobs)
        for scorer in self._scorers.values():
            scorer.flush()
        yield from self._finished(open_jobs)

    def _take(self, index: int, outcome: Outcome, event) -> None:
        if event.place < 0:
            outcome.duration = event.value
            return
        key = outcome.job.wanted[event.place]
        self._scorers[key].take(index, event)

    def _close(self, outcome: Outcome, end: End) -> None:
        for key in outcome.job.wanted:
            self._scorers[key].close(end)

    def _finished(self, open_jobs: dict[int, Outcome]) -> Iterator[Outcome]:
        for key, scorer in self._scorers.items():
            for index, row, error in scorer.results():
                outcome = open_jobs[index]
                if error is None:
                    outcome.rows[key] = row
                else:
                    outcome.errors[key] = (type(error).__name__, str(error))
                if outcome.complete:
                    yield open_jobs.pop(index)

    def _depth(self) -> int:
        """How many chunks may wait: fewer if they are large."""
        plans = [s.plan for s in self.specs.values() if s.plan is not None]
        largest = max((4 * plan.chunk_samples for plan in plans), default=1)
        return max(4, min(4 * self.recipe.batch_size, QUEUE_BYTES // largest))


class _Tags:
    """Scores and embedding of tracks by one tagger."""

    def __init__(self, preset: str, recipe: Recipe):
        # Here, because it starts the backend.
        environment.quiet_tensorflow()
        from keras_musictag.insight.fingerprint import fingerprint
        from keras_musictag.models.tagger import MusicTagger

        tagger = MusicTagger.from_pretrained(preset)
        plan = tagger.chunking
        plan = plan if recipe.chunks is None else plan.spaced(recipe.chunks)
        self.spec = Spec("tags", tagger.sample_rate, plan)
        self.analysis = Analysis(
            "tags",
            short_name(preset),
            preset,
            fingerprint(tagger, "scores")["sha256"],
            tuple(tagger.labels),
            tagger.backbone.output.shape[-1] if recipe.embeddings else None,
            recipe.chunks,
        )
        names = ("scores", EMBEDDING) if recipe.embeddings else ("scores",)
        few = tagger._wants_few_shapes()
        self.batcher = MeanBatcher(tagger._forward(names), recipe.batch_size, few)

    def take(self, index: int, event) -> None:
        self.batcher.add(index, Chunk(event.start, event.chunk))

    def close(self, end: End) -> None:
        self.batcher.close(end)

    def flush(self) -> None:
        self.batcher.flush()

    def results(self) -> Iterator[tuple[int, dict | None, TrackError | None]]:
        for output in self.batcher.finished():
            values = output.outputs
            row = {"scores": values.get("scores"), "embedding": values.get(EMBEDDING)}
            yield output.position, row, output.error


class _Chords:
    """Chords and key of tracks by one recogniser, segment by segment."""

    def __init__(self, preset: str):
        environment.quiet_tensorflow()
        from keras_musictag.insight.fingerprint import fingerprint
        from keras_musictag.models.recognizer import ChordRecognizer

        self.model = ChordRecognizer.from_pretrained(preset)
        self.whole = self.model.whole_track
        self.spec = Spec("chords", self.model.sample_rate, self.whole.plan)
        sha256 = fingerprint(self.model, "scores")["sha256"]
        labels = tuple(self.model.vocabulary.labels)
        self.analysis = Analysis("chords", short_name(preset), preset, sha256, labels)
        self.open: dict[int, dict] = {}
        self.done: list[tuple[int, dict | None, TrackError | None]] = []

    def take(self, index: int, event) -> None:
        empty: dict = {"frames": [], "segments": [], "begin": 0.0, "error": None}
        track = self.open.setdefault(index, empty)
        if track["error"] is not None:
            return
        if event.chunk is not None:
            chunk = Chunk(event.start, event.chunk, event.span)
            track["frames"].append(self.whole.block_magnitudes(chunk))
            return
        try:
            self._end_segment(track, event.start)
        except TRACK_ERRORS as error:
            track["error"] = error

    def _end_segment(self, track: dict, samples: int) -> None:
        begin, hop, rate = track["begin"], self.model.hop_length, self.spec.sample_rate
        track["begin"] += samples / rate
        if begin == 0 or samples >= hop:  # a long track may end with less than a frame
            check_length(samples, hop, rate)
            magnitudes = np.concatenate(track["frames"])[: samples // hop]
            chordogram = Chordogram(
                self.whole.outputs(magnitudes),
                self.model.vocabulary,
                self.model.frame_period,
                self.model.boundary_shift,
                samples / rate,
            )
            for start, end, label, sure in chordogram.decode():
                track["segments"].append((begin + start, begin + end, label, sure))
        track["frames"] = []

    def close(self, end: End) -> None:
        track = self.open.pop(end.position, {"error": end.error})
        error = end.error or track["error"]
        row = None if error else _chord_row(track["segments"], track["begin"])
        self.done.append((end.position, row, error))

    def flush(self) -> None:
        """Do nothing: no track waits for another."""

    def results(self) -> Iterator[tuple[int, dict | None, TrackError | None]]:
        done, self.done = self.done, []
        yield from done


def _chord_row(segments: list[tuple], duration: float) -> dict[str, Any]:
    from keras_musictag.chords.sequence import ChordSequence

    starts, ends, labels, confidences = zip(*segments, strict=True)
    intervals = np.stack([starts, ends], axis=1)
    sequence = ChordSequence(intervals, labels, confidences, duration).merged()
    key = sequence.key()
    return {
        "key": key and key.label,
        "key_correlation": key and key.correlation,
        "key_margin": key and key.margin,
        "chords": [
            {"start": start, "end": end, "label": label, "confidence": sure}
            for start, end, label, sure in sequence
        ],
    }


class _Tempo:
    """The tempo of tracks, which the decoding thread has found."""

    spec = Spec("tempo", BEAT_SAMPLE_RATE)
    analysis = Analysis("tempo", "find_beats", "find_beats", "find_beats-1")

    def __init__(self):
        self.found: dict[int, dict] = {}
        self.done: list[tuple[int, dict | None, TrackError | None]] = []

    def take(self, index: int, event) -> None:
        self.found[index] = event.value

    def close(self, end: End) -> None:
        tempo = self.found.pop(end.position, None)
        self.done.append((end.position, tempo, end.error))

    def flush(self) -> None:
        """Do nothing: no track waits for another."""

    def results(self) -> Iterator[tuple[int, dict | None, TrackError | None]]:
        done, self.done = self.done, []
        yield from done


def short_name(preset: str) -> str:
    """Return the name of a preset, of a folder or of a repository, without the rest."""
    return Path(preset.removeprefix("hf://")).name or preset
