"""Audio with beats: folders of beat files."""

import re
from collections.abc import Callable
from pathlib import Path

from keras_musictag.beats.sequence import BeatSequence
from keras_musictag.data.collection import TrackList
from keras_musictag.data.pairing import pair_files
from keras_musictag.data.track import Track, listed, warn_of
from keras_musictag.errors import LabelError

SUFFIXES = (".beats", ".txt", ".csv", ".json", ".jams")
# Endings of beat files that are no part of the song's name.
ENDING = re.compile(r"[._-]beats?$", re.IGNORECASE)


def beat_folder(
    folder: str | Path,
    annotations: str | Path | None = None,
    *,
    key: Callable[[Path], str | None] | None = None,
    on_missing: str = "skip",
) -> TrackList:
    """Read audio files with a file of beats each, as Ballroom and GTZAN's come.

    A `.beats` file (a time and a place in the bar per line), or another that
    `BeatSequence.from_file` reads, belongs to the audio file of the same name, wherever
    both lie; where names repeat, the folders must be equal too.

    Args:
        folder: Folder of the audio.
        annotations: Folder of the beat files; `None` for the same.
        key: Gives what names a song from a path relative to its folder, or `None` for
            files that do not belong; by default as above.
        on_missing: What to do with audio without beats and beats without audio:
            `"skip"` leaves them out and warns, `"raise"` is an error.

    Returns:
        A `TrackList` without labels: `track.beats` is the `BeatSequence`. Files whose
        beats cannot be read are left out and named in a warning.

    Raises:
        AudioError: If a folder is missing, or has no audio.
        LabelError: If no track is left, two files are of one song, or some have no
            partner and `on_missing` is `"raise"`.

    Example:

    ```python
    import keras_musictag as kmt

    tracks = kmt.data.beat_folder("ballroom/audio", "ballroom/beats")
    print(tracks[0].beats.tempo)
    ```
    """
    folder = Path(folder).expanduser()
    pairs = pair_files(
        folder,
        annotations,
        _find_files,
        noun="beat",
        ending=ENDING,
        key=key,
        on_missing=on_missing,
    )
    tracks, bad = [], []
    for song, file in pairs:
        try:
            beats = BeatSequence.from_file(file)
        except (LabelError, OSError) as error:
            bad.append(f"{file}: {str(error).rstrip('.')}")
            continue
        name = song.relative_to(folder).with_suffix("").as_posix()
        tracks.append(Track(name, song, beats=beats))
    if not tracks:
        raise LabelError(
            "No file of beats can be read.",
            received=listed(bad, 3),
            advice="A line is a time in seconds and a place in the bar.",
        )
    if bad:
        warn_of(
            f"{len(bad)} files of beats cannot be read.",
            listed(bad, 3),
            "left out",
            depth=3,
        )
    return TrackList(tracks, name=folder.name or "beat folder")


def _find_files(folder: Path) -> list[Path]:
    """Find the beat files in a folder and all below, sorted; one for each name."""
    found = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES]
    found.sort(key=lambda p: (p.with_suffix(""), SUFFIXES.index(p.suffix.lower())))
    first: dict[Path, Path] = {}
    for path in found:
        first.setdefault(path.with_suffix(""), path)
    return list(first.values())
