"""Data sets that mirdata knows, as a `TrackList`."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.beats.sequence import BeatSequence
from keras_musictag.chords.keys import parse_key
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.data.collection import TrackList
from keras_musictag.data.track import Track, listed
from keras_musictag.errors import AudioError, AudioWarning, ConfigError, LabelError

# Where mirdata's tracks have what a tagger may learn, the most telling one first.
TAGS = ("tags", "instruments", "instrument", "genre", "genres")
# From this confidence on an instrument of OpenMIC-2018 counts as heard.
LEAST = 0.5


def from_mirdata(
    dataset,
    *,
    tags: str | Callable[[Any], Any] | None = None,
    split: str | Callable[[Any], str | None] | None = None,
    path: str | Callable[[Any], str | None] = "audio_path",
) -> TrackList:
    """Read a data set through mirdata, which must be installed (extra `mirdata`).

    Its index and annotations must be there: `dataset.download(["index"])`, and what
    the data set's own page says. Nothing is downloaded here.

    Args:
        dataset: What `mirdata.initialize` returns.
        tags: Attribute of mirdata's tracks that holds the labels, or a function of
            such a track. The value is a string, several of them, or a dict of
            confidences by label, of which those of 0.5 and more are true and those
            that it lacks unknown; `None` or nothing means unknown. By default the
            first there is of `tags`, `instruments`, `instrument`, `genre` and
            `genres`; tracks that have none of them, but chords, beats or a key, get no
            labels.
        split: Attribute with the name of the split, or a function. By default what
            `dataset.get_track_splits()` has, if anything.
        path: Attribute with the audio file, or a function: some data sets have
            several recordings of a track.

    Returns:
        A `TrackList`: ids as in mirdata, labels sorted and spelled as there (GTZAN's
        `hip-hop`). `track.chords()` gives chords where the data set has them,
        `track.beats` a `beats.BeatSequence` (Ballroom) and `track.key` a key such as
        `"D:min"` (GiantSteps); `None` where it has none, or no single one. Tracks for
        which mirdata lists no audio are named in a warning and left out; missing
        files are found by `TrackList.check_files`.

    Raises:
        ConfigError: If this is no data set of mirdata with tracks.
        LabelError: If index or annotations are missing, or there is no such
            attribute.
        AudioError: If no track has audio.

    References:
        - Bittner et al., "mirdata: software for reproducible usage of datasets",
          ISMIR 2019.

    Example:

    ```python
    import mirdata
    import keras_musictag as kmt

    openmic = mirdata.initialize("openmic2018", data_home="openmic-2018")
    tracks = kmt.data.from_mirdata(openmic, tags="instruments").check_files()
    ```
    """
    # On the class: reading it opens the index.
    if not hasattr(type(dataset), "track_ids"):
        raise ConfigError(
            "This is no data set of mirdata.",
            received=f"{type(dataset).__name__}",
            advice='Give what mirdata.initialize("...") returns.',
        )
    name = str(getattr(dataset, "name", "data set"))
    try:
        return _read(dataset, name, tags, split, path)
    except OSError as error:
        raise LabelError(
            f"The index or the annotations of {name} cannot be read.",
            received=str(error),
            advice="Let mirdata fetch them: dataset.download(); `data_home` is "
            f"{dataset.data_home}.",
        ) from error


def _read(dataset, name, tags, split, path) -> TrackList:
    sources = [dataset.track(key) for key in dataset.track_ids]
    if not sources:
        raise ConfigError(
            f"mirdata's {name} has no tracks.",
            received="an empty index",
            advice="Choose a data set with tracks.",
        )
    if tags is None:
        tags = next((each for each in TAGS if each in dir(sources[0])), None)
    has_chords, *more = (n in dir(sources[0]) for n in ("chords", "beats", "key"))
    if tags is None and not has_chords and not any(more):
        raise LabelError(
            f"The tracks of {name} have no tags that are known by name.",
            received=f"attributes {listed(_attributes(sources[0]), 30)}",
            advice="Pass as `tags` one of them, or a function of a track.",
        )
    places = [_value(source, path, "path") for source in sources]
    silent = [s.track_id for s, place in zip(sources, places, strict=True) if not place]
    _report_silent(silent, len(sources), name)
    splits = _splits(dataset) if split is None else None
    tracks, values = [], []
    for source, place in zip(sources, places, strict=True):
        if not place:
            continue
        key = source.track_id
        part = _value(source, split, "split") if splits is None else splits.get(key)
        chords = _chords(source) if has_chords else None
        track = Track(str(key), os.fspath(place), (), part or None, None, chords)
        tracks.append(
            dataclasses.replace(track, beats=_beats(source), key=_key(source))
        )
        if tags is not None:
            values.append(_parsed(_value(source, tags, "tags"), key))
    if tags is None:
        return TrackList(tracks, name=name)
    return TrackList(tracks, *_targets(values, name), name=name)


def _attributes(source) -> list[str]:
    return [each for each in dir(source) if not each.startswith("_")]


def _value(source, wanted, argument: str):
    """Return an attribute of a track, or what a function makes of the track."""
    if callable(wanted):
        return wanted(source)
    if wanted not in dir(source):
        raise LabelError(
            "mirdata's tracks have no such attribute.",
            received=f"{argument}={wanted!r}, track {source.track_id!r}",
            advice=f"It has {listed(_attributes(source), 30)}.",
        )
    return getattr(source, wanted)


def _splits(dataset) -> dict[str, str]:
    try:
        parts = dataset.get_track_splits()
    except (AttributeError, NotImplementedError):  # mirdata says so for "none"
        return {}
    return {key: part for part, keys in parts.items() if part for key in keys}


def _chords(source) -> ChordSequence | Path | None:
    try:
        chords = source.chords
    except OSError:  # `check_files` names it
        return Path(source.chords_path)
    if chords is None:
        return None
    return ChordSequence(chords.intervals, chords.labels)


def _beats(source) -> BeatSequence | None:
    """The beats of a track; without positions where these are none of a bar."""
    beats = getattr(source, "beats", None)
    if beats is None:
        return None
    order = np.argsort(beats.times, kind="stable")
    times = np.asarray(beats.times)[order]
    positions = getattr(beats, "positions", None)
    try:
        places = None if positions is None else np.asarray(positions)[order]
        return BeatSequence(times, places)
    except LabelError:
        return BeatSequence(np.unique(times))


def _key(source) -> str | None:
    """The key of a track; `None` if it is not known, or there are several."""
    value = getattr(source, "key", None)
    try:
        return ":".join(parse_key(value.strip())) if isinstance(value, str) else None
    except LabelError:
        return None


def _parsed(value, key) -> dict[str, float] | list[str] | None:
    """Return 0 or 1 by label, or all labels that are true; `None` if unknown."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Mapping):
        numbers = list(value.values())
        if all(isinstance(each, (int, float, np.number)) for each in numbers):
            return {str(k): float(v >= LEAST) for k, v in value.items()}
    elif isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        names = list(value)
        if all(isinstance(each, str) for each in names):
            return names
    raise LabelError(
        "The tags must be strings, or a dict of confidences.",
        received=f"{value!r} for the track {key!r}",
        advice="Pass as `tags` a function that makes them of a track.",
    )


def _targets(values, name):
    labels = sorted({label for row in values if row for label in row})
    if not labels:
        raise LabelError(
            f"No track of {name} has any tag.",
            received=f"{len(values)} tracks",
            advice="Choose another attribute as `tags`.",
        )
    column = {label: i for i, label in enumerate(labels)}
    targets = np.full((len(values), len(labels)), np.nan, "float32")
    for i, row in enumerate(values):
        if isinstance(row, list):  # names all that is true
            targets[i] = 0
            row = dict.fromkeys(row, 1.0)
        for label, value in (row or {}).items():
            targets[i, column[label]] = value
    return targets, labels


def _report_silent(silent, total, name) -> None:
    if not silent:
        return
    count = f"mirdata names no audio for {len(silent)} of {total} tracks of {name}."
    if len(silent) == total:
        raise AudioError(
            count,
            received=listed(silent),
            advice="Choose a version with audio, or pass `path`.",
        )
    warnings.warn(
        f"{count} Received: {listed(silent)}. They are left out; pass `path` if they "
        "have audio of another name.",
        AudioWarning,
        stacklevel=4,
    )
