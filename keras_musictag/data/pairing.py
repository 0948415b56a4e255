"""Audio files, and the file of the same name that says what is in each."""

import os
import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from keras_musictag.checks import check_choice
from keras_musictag.data.folders import audio_files, existing_folder
from keras_musictag.data.track import listed
from keras_musictag.errors import AudioWarning, LabelError

ON_MISSING = ("skip", "raise")


def pair_files(
    folder: Path,
    annotations: str | Path | None,
    find: Callable[[Path], list[Path]],
    *,
    noun: str,
    ending: re.Pattern,
    key: Callable[[Path], str | None] | None = None,
    on_missing: str = "skip",
) -> list[tuple[Path, Path]]:
    """Pair the audio files of a folder with the files that describe them.

    Names must be alike, wherever the files lie; where names repeat, the folders too.

    Args:
        folder: Folder of the audio.
        annotations: Folder of the other files; `None` for the same.
        find: Finds them in a folder.
        noun: What they hold, for the messages: `"chord"`.
        ending: What at the end of a stem is no part of the song's name.
        key: Gives what names a song from a path relative to its folder, or `None` for
            files that do not belong.
        on_missing: What to do with files without a partner: `"skip"` warns, `"raise"`
            is an error.

    Returns:
        Sorted pairs of an audio file and the other one.

    Raises:
        AudioError: If a folder is missing, or has no audio.
        LabelError: If there is no pair, two files are of one song, or some have no
            partner and `on_missing` is `"raise"`.
    """
    check_choice(on_missing, ON_MISSING, name="on_missing")
    other = folder if annotations is None else Path(annotations).expanduser()
    songs = audio_files(folder)
    files = find(existing_folder(other))
    pairs, lonely = _pair(folder, songs, other, files, noun, ending, key)
    if lonely or not pairs:
        message = f"{len(lonely)} files have no partner of the same name."
        if on_missing == "raise" or not pairs:
            raise LabelError(
                message if pairs else f"No {noun} file belongs to an audio file.",
                received=f"{listed(lonely)}; {len(songs)} audio files in "
                f"{os.fspath(folder)}, {len(files)} {noun} files in {os.fspath(other)}",
                advice=f"Name audio and {noun} files alike, or pass `key`.",
            )
        warnings.warn(
            f"{message} Received: {listed(lonely)}. They are left out; name audio and "
            f"{noun} files alike to use them.",
            AudioWarning,
            stacklevel=3,
        )
    return pairs


def _pair(folder, songs, other, files, noun, ending, key):
    """Return the pairs, and the files that have no partner."""

    def stem(path: Path) -> str:
        return ending.sub("", path.stem).lower()

    def place(path: Path) -> str:
        return (path.parent / stem(path)).as_posix().lower()

    pairs: list[tuple[Path, Path]] = []
    for name in [key] if key else [place, stem]:
        own, theirs = _grouped(songs, folder, name), _grouped(files, other, name)
        for key_of in own.keys() & theirs.keys():
            both = own[key_of], theirs[key_of]
            if len(both[0]) == len(both[1]) == 1:
                pairs.append((both[0][0], both[1][0]))
            elif name is not stem:
                kind = "audio" if len(both[0]) > 1 else noun
                raise LabelError(
                    f"Two {kind} files are of one song.",
                    received=listed((*both[0], *both[1])),
                    advice="Remove one of them, or read one folder at a time.",
                )
        paired = {file for pair in pairs for file in pair}
        songs = [song for song in songs if song not in paired]
        files = [file for file in files if file not in paired]
    return sorted(pairs), [os.fspath(file) for file in (*songs, *files)]


def _grouped(files: Iterable[Path], folder: Path, name) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for file in files:
        key = name(file.relative_to(folder))
        if key is not None:
            groups.setdefault(key, []).append(file)
    return groups
