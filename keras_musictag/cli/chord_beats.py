"""Chords and beats of the same files, for the commands that show them by bars."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_musictag.beats import BeatSequence
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.cli.starting import start_keras
from keras_musictag.engines.files import ready_engine

BEAT_PRESET = "beatnet"


def chords_and_beats(
    recognizer,
    paths: list[Path],
    found: dict[Path, BeatSequence],
    options: dict[str, Any],
    *,
    engines: bool = True,
) -> Iterator[Any]:
    """Find the beats of files, and their chords, which change on beats only.

    Args:
        recognizer: A Keras recogniser, an exported one or an engine.
        paths: The files.
        found: Gets the beats of each file before its chords are given; the chords have
            told where bars begin.
        options: Of `iter_chords`.
        engines: Whether an engine may find the beats.

    Yields:
        For each file, in order, its `ChordSequence`, or the error that says why there
        is none.
    """
    tracker = load_tracker(engines=engines)
    for path, beats in zip(paths, tracker.iter_beats(paths), strict=True):
        if not isinstance(beats, BeatSequence):
            yield beats
            continue
        for chords in recognizer.iter_chords([path], beats=beats, **options):
            if isinstance(chords, ChordSequence):
                found[path] = beats.with_bars(chords)
            yield chords


def load_tracker(*, engines: bool = True) -> Any:
    """Return what finds beats: the engine, if an earlier run has made it, or Keras.

    Args:
        engines: Whether it may be the engine.
    """
    tracker = ready_engine(BEAT_PRESET) if engines else None
    if tracker is not None:
        return tracker
    start_keras()
    from keras_musictag.models.tracker import BeatTracker

    return BeatTracker.from_pretrained(BEAT_PRESET)
