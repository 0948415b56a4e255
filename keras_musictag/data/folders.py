"""Data sets that are folders of audio."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from keras_musictag import audio
from keras_musictag.data.collection import TrackList
from keras_musictag.data.dealing import ALIASES
from keras_musictag.data.track import Track, listed, warn_of
from keras_musictag.errors import AudioError, LabelError

SPLIT_FOLDERS = {"train", "valid", "test", *ALIASES}


def from_folders(folder: str | Path, *, labels: Iterable[str] | None = None):
    """Read a folder that has a folder of audio files for each class.

    Args:
        folder: Its folders are the classes; or `train`, `valid` and `test`, with the
            classes inside. Hidden folders and files do not count.
        labels: The classes, in the order wanted; `None` for all folders, sorted.

    Returns:
        A `TrackList` with one label for each track. Files that lie beside the class
        folders, and classes without any file, are named in a warning.

    Raises:
        AudioError: If there is no such folder, or no audio in it.
        LabelError: If a folder is not one of `labels`.

    Example:

    ```python
    import keras_musictag as kmt

    tracks = kmt.data.from_folders("genres/").random_splits(seed=1)
    ```
    """
    folder = Path(folder).expanduser()
    files = audio_files(folder)
    inside = _folders(folder)
    splits = (
        inside if inside and {p.name.lower() for p in inside} <= SPLIT_FOLDERS else []
    )
    classes = [c for part in splits for c in _folders(part)] if splits else inside
    depth = 2 if splits else 1
    tracks, names, stray = [], [], []
    for file in files:
        parts = file.relative_to(folder).parts
        if len(parts) <= depth:
            stray.append(file)
            continue
        tracks.append(
            Track("/".join(parts), file, split=parts[0].lower() if splits else None)
        )
        names.append(parts[depth - 1])
    if stray:
        warn_of(
            f"{len(stray)} files lie in no class folder.",
            listed(stray),
            "left out",
            depth=3,
        )
    empty = sorted({c.name for c in classes} - set(names))
    if empty:
        warn_of(
            f"{len(empty)} classes have no audio.",
            listed(empty),
            "left out",
            depth=3,
        )
    columns = sorted(set(names)) if labels is None else list(labels)
    bad = sorted(set(names) - set(columns))
    if bad or not names:
        raise LabelError(
            "The folders are not the classes asked for."
            if bad
            else "No class folders.",
            received=f"{listed(map(repr, bad)) or 'none'} in {os.fspath(folder)}",
            advice="Name the folders as the labels, one folder for each class.",
        )
    targets = np.array([[label == name for label in columns] for name in names])
    return TrackList(tracks, targets, columns, name=folder.name or "data set")


def audio_files(folder: Path) -> list[Path]:
    """Return the audio files of a folder and the folders in it, hidden ones left out.

    Raises:
        AudioError: If there is no such folder, or no audio in it.
    """
    files = audio.find_files(existing_folder(folder))
    inside = [(file, file.relative_to(folder).parts) for file in files]
    return [f for f, parts in inside if not any(part[0] == "." for part in parts)]


def existing_folder(folder: Path) -> Path:
    """Return a folder, or raise an `AudioError` if it is not there."""
    if not folder.is_dir():
        raise AudioError(
            "There is no such folder.",
            received=os.fspath(folder),
            advice="Give the folder that holds the data set.",
        )
    return folder


def _folders(folder: Path) -> list[Path]:
    inside = (p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    return sorted(inside)
