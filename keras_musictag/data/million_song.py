"""The Million Song Dataset with Last.fm's tags."""

import os
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np

from keras_musictag.checks import check_choice
from keras_musictag.data import splits
from keras_musictag.data.collection import TrackList
from keras_musictag.data.datasets import read_table
from keras_musictag.data.folders import existing_folder
from keras_musictag.data.track import Track, listed
from keras_musictag.errors import AudioWarning, LabelError

SPLITS = ("lee",)
PATTERN = "{id7[0]}/{id7[1]}/{id7}.clip.mp3"


def msd(
    folder: str | Path,
    *,
    split: str = "lee",
    tags: str | Path | None = None,
    pattern: str = PATTERN,
) -> TrackList:
    """Read the Million Song Dataset with the 50 Last.fm tags used most.

    Args:
        folder: Folder of the 7digital previews.
        split: `"lee"`: 201,680 / 11,774 / 28,435 tracks.
        tags: Last.fm's database `lastfm_tags.db`, or a CSV or TSV file with the
            columns `track_id` and `tags` (joined by `|`); `None` for
            `lastfm_tags.db` in the folder. A track has a tag if it is listed with
            it, whatever its weight.
        pattern: Path of the audio in the folder, with `{track_id}` (`TR...`) and
            `{id7}` (7digital's number).

    Returns:
        A `TrackList`; ids are track ids. Each track of this split has at least one of
        the 50 tags, so the targets of a track for which `tags` lists none are unknown
        (NaN), and a warning counts them.

    Raises:
        AudioError: If the folder is missing.
        LabelError: If the tags are missing, or name none of the tracks.

    References:
        - Bertin-Mahieux et al., "The Million Song Dataset", ISMIR 2011.
        - Lee et al., "Multi-level and multi-scale feature aggregation using
          pretrained convolutional neural networks for music auto-tagging", IEEE
          Signal Processing Letters 2017 (`lee`).

    Example:

    ```python
    import keras_musictag as kmt

    tracks = kmt.data.msd("msd/audio", tags="msd/lastfm_tags.db")
    ```
    """
    check_choice(split, SPLITS, name="split")
    folder = existing_folder(Path(folder).expanduser())
    file = Path(tags or folder / "lastfm_tags.db").expanduser()
    labels = splits.labels("msd_top50")
    pairs = list(_tags(file, labels))
    listing = splits.read_msd()
    row_of = {track: i for i, (track, _, _) in enumerate(listing)}
    column = {label: i for i, label in enumerate(labels)}
    targets = np.zeros((len(listing), len(labels)), "float32")
    for track, tag in pairs:
        if track in row_of and tag in column:
            targets[row_of[track], column[tag]] = 1
    without = targets.sum(axis=1) == 0
    _report_untagged([listing[i][0] for i in np.flatnonzero(without)], listing, file)
    targets[without] = np.nan
    start = os.path.join(folder, "")
    paths = [pattern.format(id7=id7, track_id=track) for track, id7, _ in listing]
    tracks = [
        Track(track, start + path, split=fold)
        for (track, _, fold), path in zip(listing, paths, strict=True)
    ]
    return TrackList(tracks, targets, labels, name="Million Song Dataset")


def _tags(file: Path, labels):
    """Yield `(track id, tag)` of the tags that are labels."""
    if file.suffix.lower() not in (".db", ".sqlite"):
        for track, tags in read_table(file, ["track_id", "tags"]):
            yield from ((track, tag) for tag in tags.split("|"))
        return
    query = (
        "SELECT tids.tid, tags.tag FROM tid_tag "
        "JOIN tids ON tids.ROWID = tid_tag.tid JOIN tags ON tags.ROWID = tid_tag.tag "
        f"WHERE tags.tag IN ({','.join('?' * len(labels))})"
    )
    try:
        # A plain path would make an empty database where there is none.
        uri = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            yield from database.execute(query, labels)
    except sqlite3.Error as error:
        raise LabelError(
            "The tags of the Million Song Dataset cannot be read.",
            received=f"{os.fspath(file)} ({error})",
            advice="Pass Last.fm's lastfm_tags.db, or a table, as `tags`.",
        ) from error


def _report_untagged(ids, listing, file) -> None:
    if len(ids) == len(listing):
        raise LabelError(
            "The tags are of another release: no track of the split has any.",
            received=f"{file.name}; ids wanted such as {ids[0]!r}",
            advice="Give the tags of the Million Song Dataset, by track id (TR...).",
        )
    if ids:
        warnings.warn(
            f"{len(ids)} of {len(listing)} tracks of the split have no tags in "
            f"{file.name}. Received: {listed(ids)}. Their targets are unknown (NaN); "
            "use the whole database for all of them.",
            AudioWarning,
            stacklevel=3,
        )
