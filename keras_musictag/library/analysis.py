"""`Analyzer`: jobs in, rows out; it knows models, and nothing of the library."""

import dataclasses
from collections.abc import Generator, Iterable, Iterator

from keras_musictag.checks import did_you_mean
from keras_musictag.errors import AudioError, ConfigError, LabelError, import_extra
from keras_musictag.library.addresses import content_hash, fetched, is_address, state
from keras_musictag.library.cutting import Duration, cut_for_analyses
from keras_musictag.library.jobs import READER, Analysis, Job, Outcome, Recipe
from keras_musictag.library.scorers import (
    BeatScorer,
    ChordScorer,
    KeyScorer,
    Scorer,
    TagScorer,
    TempoScorer,
)
from keras_musictag.tracks.inference import End, Producer

QUEUE_BYTES = 64 * 2**20


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
        ConfigError: If labels are given in words, and no tagger reads.
        LabelError: If no tagger has a label or group that is to be found in tracks.
        MissingExtraError: If the tempo by librosa is wanted and it is not installed.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        scorers: list[Scorer] = []
        if recipe.tempo:
            import_extra("librosa", "chords", "The tempo")
        scorers += _tag_scorers(recipe)
        if recipe.chords is not None:
            scorers.append(ChordScorer(recipe.chords))
        if recipe.tempo:
            scorers.append(TempoScorer())
        if recipe.beats is not None:
            scorers.append(BeatScorer(recipe.beats))
        if recipe.key is not None:
            scorers.append(KeyScorer(recipe.key))
        self.analyses: list[Analysis] = [a for s in scorers for a in s.analyses]
        self._scorers = {scorer.analysis.id: scorer for scorer in scorers}

    def run(self, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Analyse files in this process; each is decoded once, by a thread ahead.

        Args:
            jobs: The files; may be a generator, which then runs in that thread.

        Yields:
            One `Outcome` for each job, as soon as all of it is there.
        """
        open_jobs: dict[int, Outcome] = {}
        with Producer(jobs, self._events, self._depth()) as events:
            for event in events:
                position = event.position
                if isinstance(event, End):
                    outcome = open_jobs[position]
                    for scorer in self._asked(outcome.job).values():
                        samples = (outcome.duration or 0.0) * scorer.spec.sample_rate
                        _, track, _, error = event
                        scorer.close(End(position, track, round(samples), error))
                    if outcome.complete:  # there was nothing to be found out
                        yield open_jobs.pop(position)
                elif isinstance(event.value, Job):
                    open_jobs[position] = Outcome(event.value)
                elif isinstance(event.value, Duration):
                    open_jobs[position].duration = event.value.seconds
                else:
                    self._scorers[event.value.analysis].take(position, event.value)
                yield from self._finished(open_jobs)
        for scorer in self._scorers.values():
            scorer.flush()
        yield from self._finished(open_jobs)

    def _events(self, job: Job):
        """Give the job, once more when its hash is known, and what it is cut into."""
        yield job  # whatever fails from here on belongs to it
        if not job.wanted:
            return None
        specs = {key: scorer.spec for key, scorer in self._asked(job).items()}
        with fetched(job.path) as file:
            if is_address(job.path):  # a copy of its own, which nobody changes
                yield dataclasses.replace(job, sha256=content_hash(file))
                yield from cut_for_analyses(file, specs)
                return None
            now = state(file)
            changed = now[0] is not None and now != (job.size, job.mtime_ns)
            if job.sha256 is None or changed:
                size, time_ns = now if changed else (job.size, job.mtime_ns)
                yield dataclasses.replace(
                    job, size=size, mtime_ns=time_ns, sha256=content_hash(file)
                )
            yield from cut_for_analyses(file, specs)
            if state(file) != now:
                raise AudioError(
                    "The file changed while it was read.",
                    received=file,
                    advice="Build again when it is whole.",
                )
        return None

    def _asked(self, job: Job) -> dict[str, Scorer]:
        """The scorers that a job needs, each once, whatever is wanted of it."""
        return {
            key: scorer
            for key, scorer in self._scorers.items()
            if any(analysis.id in job.wanted for analysis in scorer.analyses)
        }

    def _finished(self, open_jobs: dict[int, Outcome]) -> Iterator[Outcome]:
        for scorer in self._scorers.values():
            for position, row, error in scorer.results():
                outcome = open_jobs[position]
                ids = [analysis.id for analysis in scorer.analyses]
                for key in (key for key in ids if key in outcome.job.wanted):
                    if error is None:
                        outcome.rows[key] = row
                    else:
                        outcome.errors[key] = (type(error).__name__, str(error))
                if outcome.complete:
                    yield open_jobs.pop(position)

    def _depth(self) -> int:
        """How many chunks may wait: fewer if they are large."""
        plans = [scorer.spec.plan for scorer in self._scorers.values()]
        sizes = [4 * plan.chunk_samples for plan in plans if plan is not None]
        most = QUEUE_BYTES // max(sizes, default=1)
        return max(4, min(4 * self.recipe.batch_size, most))


def _tag_scorers(recipe: Recipe) -> list[TagScorer]:
    """One for each tagger; a label that several have is found by the first."""
    scorers: list[TagScorer] = []
    found: set[str] = set()
    for preset in recipe.presets:
        scorer = TagScorer(preset, recipe, found)
        found |= set(scorer.segments.labels) if scorer.segments else set()
        scorers.append(scorer)
    if recipe.words and not any(scorer.reads for scorer in scorers):
        raise ConfigError(
            "None of the taggers reads: their labels are those that they have learned.",
            received=f"labels={list(recipe.words)}, presets={list(recipe.presets)}",
            advice=f"Name a preset that reads, such as {READER}.",
        )
    missing = [name for name, _ in recipe.segments if name not in found]
    if missing:
        known = [n for s in scorers for n in (*s.labels, *s.labels.groups) if n]
        raise LabelError(
            "No tagger has such a label or group, so nobody can say where it is heard.",
            received=f"segments: {missing[0]!r}",
            advice=did_you_mean(missing[0], list(dict.fromkeys(known))),
        )
    return scorers
