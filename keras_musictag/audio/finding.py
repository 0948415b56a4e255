"""Find audio files: those of folders, those that a pattern matches."""

import glob
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from keras_musictag.audio.decoders import AV_SUFFIXES, SOUNDFILE_SUFFIXES
from keras_musictag.errors import AudioError, AudioWarning

# Music that no decoder here reads: encrypted, notes without sound, without a header.
_UNREAD_SUFFIXES = frozenset(
    (
        ".aa .aax .c2 .cda .it .kar .m4p .mid .midi .mod .pcm .raw .rmi .s3m .sd2 "
        ".wve .xi .xm"
    ).split()
)
_MOST_TOLD = 3  # files that a warning names


def find_files(
    paths: str | Path | Iterable[str | Path], recursive: bool = True
) -> list[Path]:
    """Expand folders and globs to a list of audio files.

    Args:
        paths: One path or several. A folder gives the files in it whose suffix is
            one of audio or video, sorted. A glob such as `"~/Music/**/*.mp3"` gives
            what matches and has such a suffix; folders of it that exist are taken
            by their name, as in `"music/[2020] Album/*.mp3"`. A file is kept
            whatever its suffix, even if it is missing (reading it will then say
            so).
        recursive: Whether to look into the folders of a folder.

    Returns:
        Paths in the order given, each one once. Folders that are links are looked
        into, but none twice. Of a folder or a glob, hidden files
        and music in formats that cannot be read are left out, with an
        `AudioWarning`.

    Raises:
        AudioError: If a folder has no audio files or a glob matches none.

    Example:

    ```python
    find_files(["album/", "song.mp3", "more/*.flac"])
    ```
    """
    return list(find_below(paths, recursive))


def find_below(
    paths: str | Path | Iterable[str | Path], recursive: bool = True
) -> dict[Path, Path]:
    """Find audio files, and where each lies within what was given.

    Args:
        paths, recursive: As in `find_files`.

    Returns:
        By file, its path below the folder that was given, or below the part of the
        pattern that exists. Of several paths, folders keep their own name, so
        that their files stay apart.

    Raises:
        AudioError: As `find_files`.
    """
    listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
    below: dict[str, tuple[Path, Path]] = {}
    left_out: list[Path] = []
    for path in (Path(path).expanduser() for path in listed):
        files, start = _expand(path, recursive, left_out)
        for file in files:
            inside = file.relative_to(start)
            if len(listed) > 1 and path.is_dir():
                inside = Path(Path(os.path.abspath(path)).name, inside)
            below.setdefault(os.path.abspath(file), (file, inside))
    if left_out:
        warnings.warn(
            f"Left out: {_told(left_out)}. Name a file to have it tried.",
            AudioWarning,
            stacklevel=3,
        )
    return dict(below.values())


def _expand(
    path: Path, recursive: bool, left_out: list[Path]
) -> tuple[list[Path], Path]:
    """Give the files of a path, and the folder where they were looked for."""
    if path.is_dir():
        start, inside = path, list(_walk(path, recursive))
        kind = "folder holds"
    elif glob.has_magic(str(path)) and not path.exists():
        start, inside = _matches(path)
        kind = "pattern matches"
    else:
        return [path], path.parent
    music = [file for file in inside if _is_known(file) or _is_unread(file)]
    files = [file for file in music if _is_known(file) and not _is_hidden(file)]
    others = [file for file in music if _is_unread(file) or _is_hidden(file)]
    if not files:
        raise AudioError(
            f"The {kind} no audio files.",
            received=f"{path} ({_told(others)})" if others else path,
            advice="Check the path; known are .wav, .flac, .ogg, .mp3, .m4a and more.",
        )
    left_out += others
    return sorted(files), start


def _matches(pattern: Path) -> tuple[Path, list[Path]]:
    """Expand a pattern; what of it exists as it is written, is no pattern."""
    parts = pattern.parts
    count = len(parts) - 1
    while count and not os.path.lexists(Path(*parts[:count])):
        count -= 1
    start, rest = Path(*parts[:count]), parts[count:]
    begin = glob.escape(str(start)) if count else ""
    # Names with brackets may also come behind a star.
    for names in (rest, tuple(name.replace("[", "[[]") for name in rest)):
        files = map(Path, dict.fromkeys(_glob(begin, names)))
        if matched := [file for file in files if not file.is_dir()]:
            return start, matched
    return start, []


def _glob(begin: str, names: tuple[str, ...]) -> Iterator[str]:
    """Expand a pattern as `glob` does, which is caught by links to folders above."""
    if "**" not in names:
        yield from glob.glob(os.path.join(begin, *names))
        return
    count = names.index("**")
    rest = names[count + 1 :] or ("*",)
    for top in glob.glob(os.path.join(begin, *names[:count]) or os.curdir):
        for folder, _ in _visited(top):
            inside = Path(os.path.relpath(folder, top)).parts
            if not any(name.startswith(".") for name in inside):
                yield from _glob(glob.escape(folder), rest)


def _is_known(file: Path) -> bool:
    return file.suffix.lower() in SOUNDFILE_SUFFIXES | AV_SUFFIXES


def _is_unread(file: Path) -> bool:
    return file.suffix.lower() in _UNREAD_SUFFIXES


def _is_hidden(file: Path) -> bool:
    return file.name.startswith(".")


def _told(left_out: list[Path]) -> str:
    """Say how many files are hidden or cannot be read, and name some of each."""
    hidden = [file for file in left_out if _is_hidden(file)]
    others = [file for file in left_out if not _is_hidden(file)]
    told = []
    for files, why in ((hidden, "hidden"), (others, "in a format that is not read")):
        if files:
            names = [str(file) for file in sorted(files)[:_MOST_TOLD]]
            names += ["..."] if len(files) > _MOST_TOLD else []
            told.append(f"{len(files)} {why} ({', '.join(names)})")
    return ", ".join(told)


def _walk(folder: Path, recursive: bool) -> Iterator[Path]:
    for parent, names in _visited(str(folder), _warn):
        yield from (Path(parent, name) for name in names)
        if not recursive:
            return


def _visited(
    folder: str, onerror: Callable[[OSError], None] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Yield folders and their files; linked ones last, each once, none from above."""
    seen = {_identity(above) for above in Path(os.path.realpath(folder)).parents}
    waiting = [folder]
    while waiting:
        for parent, folders, names in os.walk(waiting.pop(0), onerror=onerror):
            identity = _identity(parent)
            if identity is not None and identity in seen:  # a link to the same again
                folders.clear()
                continue
            seen.add(identity)
            yield parent, names
            paths = (os.path.join(parent, name) for name in sorted(folders))
            waiting += [path for path in paths if os.path.islink(path)]


def _warn(error: OSError) -> None:
    warnings.warn(
        f"A folder cannot be read ({error.strerror}). Received: {error.filename}. "
        "Its files are left out; check that it may be read.",
        AudioWarning,
        stacklevel=2,
    )


def _identity(folder: str | Path) -> tuple[int, int] | None:
    try:
        state = os.stat(folder)
    except OSError:
        return None
    return (state.st_dev, state.st_ino) if state.st_ino else None
