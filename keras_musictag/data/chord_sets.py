"""Audio with chords: folders of chord files, RWC, and Peeters' tutorial."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.checks import read_file
from keras_musictag.chords import formats
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.data.collection import TrackList
from keras_musictag.data.pairing import pair_files
from keras_musictag.data.track import Track, listed
from keras_musictag.errors import AudioError, LabelError

# Endings of chord files that are no part of the song's name.
ENDING = re.compile(r"[._](chords?|chordlab)$", re.IGNORECASE)
# RM-P001.wav, N001-M01-T01.lab and 001.wav are the same song of RWC.
RWC_NAME = re.compile(r"(?:RM-?P|RWC[-_]?P|N|P)?(\d{3})(?!\d)", re.IGNORECASE)
# The tutorial validates on every fifth entry.
VALID_EVERY = 5


def chord_folder(
    folder: str | Path,
    annotations: str | Path | None = None,
    *,
    key: Callable[[Path], str | None] | None = None,
    on_missing: str = "skip",
) -> TrackList:
    """Read audio files with a chord file each, as Isophonics' Beatles come.

    A `.lab` file (start, end, chord per line), a JAMS file or another that
    `ChordSequence.from_file` reads belongs to the audio file of the same name, wherever
    both lie; where names repeat, such as two albums with a `01_intro`, the folders must
    be equal too. Letter case and the endings `.chord` and `.chords` do not count.

    Args:
        folder: Folder of the audio.
        annotations: Folder of the chord files; `None` for the same.
        key: Gives what names a song from a path relative to its folder, or `None` for
            files that do not belong; by default as above.
        on_missing: What to do with audio without chords and chords without audio:
            `"skip"` leaves them out and warns, `"raise"` is an error.

    Returns:
        A `TrackList` without labels: `track.chords()` gives the `ChordSequence`, read
        then; `check_files` reads them all.

    Raises:
        AudioError: If a folder is missing, or has no audio.
        LabelError: If no chord file belongs to an audio file, two belong to one, or
            some have none and `on_missing` is `"raise"`.

    References:
        - Mauch et al., "OMRAS2 metadata project 2009", ISMIR 2009.

    Example:

    ```python
    import keras_musictag as kmt

    tracks = kmt.data.chord_folder("beatles/audio", "beatles/chordlab")
    ```
    """
    folder = Path(folder).expanduser()
    pairs = pair_files(
        folder,
        annotations,
        formats.find_files,
        noun="chord",
        ending=ENDING,
        key=key,
        on_missing=on_missing,
    )
    tracks = [
        Track(
            song.relative_to(folder).with_suffix("").as_posix(), song, annotation=file
        )
        for song, file in pairs
    ]
    return TrackList(tracks, name=folder.name or "chord folder")


def rwc_popular(
    folder: str | Path,
    annotations: str | Path | None = None,
    *,
    on_missing: str = "skip",
) -> TrackList:
    """Read the 100 songs of RWC Popular Music with their chords.

    Args:
        folder: Folder of the audio: names begin with the number, as in `RM-P001.wav`
            or `001.wav`.
        annotations: Folder of the chord files, such as `N001-M01-T01.lab` of NYU's
            annotations or `RWC_P001.csv` of RWC 2.0; `None` for the same folder.
        on_missing: As in `chord_folder`.

    Returns:
        A `TrackList` without labels, ids `"001"` to `"100"`; see `chord_folder`.

    Raises:
        AudioError, LabelError: As `chord_folder`.

    References:
        - Goto et al., "RWC Music Database: popular, classical, and jazz music
          databases", ISMIR 2002.
    """
    songs = chord_folder(folder, annotations, key=_rwc_number, on_missing=on_missing)
    tracks = [
        Track(str(_rwc_number(Path(t.path))), t.path, annotation=t.annotation)
        for t in songs
    ]
    return TrackList(sorted(tracks, key=lambda t: t.id), name="RWC Popular")


def peeters(
    hdf5: str | Path, pyjama: str | Path, *, key: str | None = None
) -> TrackList:
    """Read a data set of Peeters' tutorial: audio in HDF5, annotations in `.pyjama`.

    Args:
        hdf5: File with a waveform for each track, and its rate as `sr_hz`.
        pyjama: JSON file of annotations.
        key: Name of the annotation, such as `"genre"`, `"tag"` or `"chord"`; `None`
            for the one whose values come from a dictionary.

    Returns:
        A `TrackList`. Every fifth entry from the first is `"valid"`, the others are
        `"train"`, as in the tutorial. Labels are the sorted values of the whole file;
        chords give no labels, but `track.chords()`.

    Raises:
        LabelError: If the annotations are of another form, name a track twice or a
            value is no text.
        AudioError: If the HDF5 file cannot be read, or has none of the tracks; one
            that is missing among many is found by `check_files`.

    References:
        - Peeters et al., "Deep Learning 101 for Audio-based MIR", ISMIR 2024 tutorial.

    Example:

    ```python
    import keras_musictag as kmt

    tracks = kmt.data.peeters("gtzan-genre_audio.hdf5", "gtzan-genre.pyjama")
    ```
    """
    hdf5, pyjama = Path(hdf5).expanduser(), Path(pyjama).expanduser()
    collection = _read_collection(pyjama)
    key, is_chords = _annotation_key(collection, key, pyjama)
    entries = [
        (_file_path(entry, i, pyjama), entry.get(key) or [])
        for i, entry in enumerate(collection["entry"])
    ]
    _check_members(hdf5, [name for name, _ in entries])
    chords = ChordSequence.from_pyjama(pyjama) if is_chords else {}
    tracks = [
        Track(
            name,
            hdf5,
            split="train" if i % VALID_EVERY else "valid",
            member=name,
            annotation=chords.get(name),
        )
        for i, (name, _) in enumerate(entries)
    ]
    if is_chords:
        return TrackList(tracks, name=pyjama.stem)
    values = [[_value(atom, name, pyjama) for atom in atoms] for name, atoms in entries]
    labels = sorted({value for row in values for value in row})
    targets = np.array([[label in row for label in labels] for row in values])
    # A track without the annotation is not one without any of the labels.
    targets = np.where([[not row] for row in values], np.nan, targets)
    return TrackList(tracks, targets, labels, name=pyjama.stem)


def _rwc_number(path: Path) -> str | None:
    match = RWC_NAME.match(path.stem)
    return match[1] if match and 1 <= int(match[1]) <= 100 else None


def _read_collection(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(read_file(path).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise _malformed(path, "cannot be read as JSON", str(error)) from error
    collection = record.get("collection") if isinstance(record, dict) else None
    collection = collection if isinstance(collection, dict) else {}
    entries = collection.get("entry")
    is_list = isinstance(entries, list) and all(isinstance(e, dict) for e in entries)
    if not is_list or not entries:
        raise _malformed(path, "has no list of entries", f"{type(entries).__name__}")
    return collection


def _annotation_key(collection, key, path) -> tuple[str, bool]:
    definitions = collection.get("descriptiondefinition") or {}
    choices = {
        name: definition.get("typeExtent")
        for name, definition in definitions.items()
        if definition.get("typeConstraint") == "valueInDictionary"
    }
    if key is None and len(choices) == 1:
        key = next(iter(choices))
    if key is None or not any(entry.get(key) for entry in collection["entry"]):
        names = sorted({name for entry in collection["entry"] for name in entry})
        raise LabelError(
            f"{path.name} has no such annotation."
            if key
            else f"{path.name} does not say which annotation holds the labels.",
            received=f"key={key!r}",
            advice=f"Pass as `key` one of {listed(map(repr, names), 20)}.",
        )
    return key, choices.get(key) == "segment" or key == "chord"


def _file_path(entry, i, path) -> str:
    try:
        return str(entry["filepath"][0]["value"])
    except (KeyError, IndexError, TypeError) as error:
        raise _malformed(path, f"has no file path in entry {i}", "none") from error


def _value(atom, name, path) -> str:
    value = atom.get("value") if isinstance(atom, dict) else None
    if not isinstance(value, str) or not value:
        raise _malformed(path, f"has a value that is no text, entry {name}", repr(atom))
    return value


def _check_members(hdf5: Path, names) -> None:
    import h5py

    try:
        with h5py.File(hdf5, "r") as file:
            there = [name for name in names if name in file]
            first = next(iter(file), None)
    except OSError as error:
        raise AudioError(
            "The HDF5 file cannot be read.",
            received=f"{os.fspath(hdf5)} ({error})",
            advice="Give the file that belongs to the annotations.",
        ) from error
    if not there:
        raise AudioError(
            "The HDF5 file holds none of the tracks of the annotations.",
            received=f"{names[0]!r} wanted, {first!r} in {hdf5.name}",
            advice="Give the audio and the annotations of one release.",
        )


def _malformed(path, problem, received) -> LabelError:
    return LabelError(
        f"{path.name} {problem}.",
        received=received,
        advice="Give a .pyjama file: JSON with collection.entry.",
    )
