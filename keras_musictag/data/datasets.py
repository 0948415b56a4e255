"""The field's data sets with their named splits; each reads files that you have."""

import os
import re
import warnings
from pathlib import Path

import numpy as np

from keras_musictag.checks import check_choice, read_file
from keras_musictag.data import splits
from keras_musictag.data.collection import TrackList
from keras_musictag.data.folders import audio_files, existing_folder
from keras_musictag.data.tables import read_lines
from keras_musictag.data.track import Track, listed
from keras_musictag.errors import AudioError, AudioWarning, LabelError

MTAT_SPLITS = ("won", "pons", "lee")
JAMENDO_FILES = {
    "top50": "autotagging_top50tags",
    "genre": "autotagging_genre",
    "instrument": "autotagging_instrument",
    "moodtheme": "autotagging_moodtheme",
    "all": "autotagging",
}
JAMENDO_FOLDS = {"train": "train", "validation": "valid", "test": "test"}
GTZAN_SPLITS = ("fault_filtered", "folds")
GTZAN_NAME = re.compile(r"([a-z]+)\.(\d{5})", re.IGNORECASE)


def magnatagatune(
    folder: str | Path,
    *,
    split: str | None = "won",
    annotations: str | Path | None = None,
) -> TrackList:
    """Read MagnaTagATune with the 50 tags used most.

    Args:
        folder: Folder with the folders `0` to `f` of clips (or one that has them in
            `mp3`), and `annotations_final.csv`.
        split: `"won"`: clips with a tag and readable audio, 15,247 / 1,529 / 4,332.
            `"lee"`: the same less three train clips. `"pons"`: all 25,863 clips, of
            which 3 are empty files and some have none of the tags. `None`: all
            clips, in no split. All three train on folders 0 to b and test on d to f.
        annotations: File of the tags; `None` for `annotations_final.csv`.

    Returns:
        A `TrackList`; the labels are in the order of the pretrained models.

    Raises:
        AudioError: If the folder is missing.
        LabelError: If the annotations are missing or of another release.

    References:
        - Law et al., "Evaluation of algorithms using games: the case of music
          tagging", ISMIR 2009.
        - Won et al., "Evaluation of CNN-based automatic music tagging models",
          SMC 2020 (`won`); Pons and Serra, "musicnn", ISMIR 2019 (`pons`).

    Example:

    ```python
    import keras_musictag as kmt

    test = kmt.data.magnatagatune("mtt").split("test").check_files()
    ```
    """
    check_choice(split, (*MTAT_SPLITS, None), name="split")
    folder = existing_folder(Path(folder).expanduser())
    file = annotations or folder / "annotations_final.csv"
    labels = splits.labels("mtat_top50")
    rows = read_table(file, ["clip_id", "mp3_path", *labels], delimiter="\t")
    clips = {clip: (path, flags) for clip, path, *flags in rows}
    if split is None:
        folds: dict[str, str | None] = dict.fromkeys(clips)
    else:
        folds = {str(k): fold for k, fold in splits.read_magnatagatune(split).items()}
    _refuse_strangers(folds, clips, f"split {split!r} of MagnaTagATune", file)
    root = _root(folder, [clips[key][0] for key in folds], "mp3", "audio")
    start = os.path.join(root, "")
    tracks = [
        Track(key, start + clips[key][0], split=fold) for key, fold in folds.items()
    ]
    targets = np.array([clips[key][1] for key in folds]) == "1"
    return TrackList(tracks, targets, labels, name="MagnaTagATune")


def mtg_jamendo(
    folder: str | Path,
    *,
    subset: str = "top50",
    split: int = 0,
    metadata: str | Path | None = None,
) -> TrackList:
    """Read MTG-Jamendo with one of its tag sets and official splits.

    Args:
        folder: Folder with the folders `00` to `99` of audio (`214.mp3`, or
            `214.low.mp3` of the smaller release).
        subset: Tag set: `"top50"`, `"genre"` (87 tags), `"instrument"` (40),
            `"moodtheme"` (56) or `"all"` (183).
        split: Official split, 0 to 4; all are disjoint in artists.
        metadata: Folder with `split-0` to `split-4`, as `data/splits` of the data
            set's repository; `None` to look for it in `folder`.

    Returns:
        A `TrackList`; ids are as in `track_0000214`, labels as in
        `genre---ambient`, in the order of the pretrained models.

    Raises:
        AudioError: If the folder is missing.
        LabelError: If the split files are missing, hold a tag that is not of the
            tag set, or a track in two parts. If only their sizes are not the
            published ones, a warning says so.

    References:
        - Bogdanov et al., "The MTG-Jamendo dataset for automatic music tagging",
          ICML 2019 workshop on machine learning for music discovery.

    Example:

    ```python
    import keras_musictag as kmt

    moods = kmt.data.mtg_jamendo("jamendo", subset="moodtheme", split=0)
    ```
    """
    check_choice(subset, tuple(JAMENDO_FILES), name="subset")
    check_choice(split, range(5), name="split")
    folder = existing_folder(Path(folder).expanduser())
    where = _jamendo_splits(folder, metadata, split)
    labels = splits.labels(f"mtg_jamendo_{subset}")
    column = {label: i for i, label in enumerate(labels)}
    rows: dict[str, tuple[str, str, list[int]]] = {}
    for upstream, fold in JAMENDO_FOLDS.items():
        file = where / f"{JAMENDO_FILES[subset]}-{upstream}.tsv"
        for place, key, path, tags in _jamendo_rows(file):
            strange = [tag for tag in tags if tag not in column]
            if strange or key in rows:
                raise LabelError(
                    f"{file.name} is of another release, or damaged.",
                    received=f"{place}, {key}: "
                    + (listed(map(repr, strange)) or "a track listed before"),
                    advice="Take all split files from one copy of the repository.",
                )
            rows[key] = (path, fold, [column[tag] for tag in tags])
    name = f"MTG-Jamendo {subset} split {split}"
    _compare_sizes(rows, f"mtg_jamendo/{subset}/{split}", name)
    paths = [path for path, _, _ in rows.values()]
    paths = _released(_root(folder, paths, "audio", "audio-low"), paths)
    tracks = [
        Track(key, path, split=fold)
        for (key, (_, fold, _)), path in zip(rows.items(), paths, strict=True)
    ]
    targets = np.zeros((len(tracks), len(labels)), "float32")
    for row, (_, _, columns) in enumerate(rows.values()):
        targets[row, columns] = 1
    return TrackList(tracks, targets, labels, name=name)


def gtzan(folder: str | Path, *, split: str | None = "fault_filtered") -> TrackList:
    """Read GTZAN: 1,000 clips of 30 s in 10 genres.

    Args:
        folder: Folder with files such as `blues.00000.wav`, in folders or not.
        split: `"fault_filtered"`: 443 / 197 / 290 clips, disjoint in artists, without
            repeated and damaged ones. `"folds"`: ten folds, `"0"` to `"9"`, of ten
            clips of each genre by the last digit of the number; artists are then on
            both sides, and figures come out too good. `None`: no split.

    Returns:
        A `TrackList` with one label for each clip. Clips that the split lists but the
        folder lacks are in it: `check_files` reports them.

    Raises:
        AudioError: If the folder is missing or holds no such file.

    References:
        - Tzanetakis and Cook, "Musical genre classification of audio signals", IEEE
          Transactions on Speech and Audio Processing 2002.
        - Kereliuk et al., "Deep learning and music adversaries", IEEE Transactions on
          Multimedia 2015 (`fault_filtered`).

    Example:

    ```python
    import keras_musictag as kmt

    train = kmt.data.gtzan("genres").check_files().split("train")
    ```
    """
    check_choice(split, (*GTZAN_SPLITS, None), name="split")
    folder = Path(folder).expanduser()
    labels = splits.labels("gtzan")
    files = _gtzan_files(folder, labels)
    keys = [(genre, number) for genre in labels for number in range(100)]
    folds: dict[tuple[str, int], str | None] = dict.fromkeys(keys)
    if split == "fault_filtered":
        folds = dict(splits.read_gtzan())
    elif split == "folds":
        folds = {key: str(key[1] % 10) for key in keys}
    example = next(iter(files.values()))
    nested = example.parent.name in labels
    top = example.parent.parent if nested else example.parent
    tracks = []
    for (genre, number), fold in folds.items():
        key = f"{genre}.{number:05d}"
        place = (top / genre if nested else top) / f"{key}{example.suffix}"
        tracks.append(Track(key, files.get((genre, number), place), split=fold))
    targets = np.array([[label == genre for label in labels] for genre, _ in folds])
    return TrackList(tracks, targets, labels, name="GTZAN")


def read_table(file, columns, delimiter=None) -> list[list[str]]:
    """Read some columns of a data set's table, as it is published.

    Args:
        file: CSV or TSV file.
        columns: Columns that it must have.
        delimiter: As in `from_csv`.

    Returns:
        For each row the values of these columns.

    Raises:
        LabelError: If a column is missing, or a row is too short or too long.
    """
    file = Path(file).expanduser()
    header, lines = read_lines(file, delimiter)
    absent = [column for column in columns if column not in header]
    odd = [place for place, values in lines if len(values) != len(header)]
    if absent or odd or not lines:
        raise LabelError(
            f"{file.name} is of another release, or damaged.",
            received=f"columns missing: {listed(map(repr, absent)) or 'none'}; rows of "
            f"other length: {listed(odd) or 'none'}; {len(lines)} rows",
            advice="Take the file as the data set has it.",
        )
    chosen = [header.index(column) for column in columns]
    return [[values[i] for i in chosen] for _, values in lines]


def _refuse_strangers(wanted, there, what, file) -> None:
    absent = [key for key in wanted if key not in there]
    if absent:
        raise LabelError(
            f"The {what} and the annotations are of different releases.",
            received=f"{len(absent)} of {len(wanted)} ids not in {Path(file).name}: "
            f"{listed(absent)}",
            advice="Take the annotations of all 25,863 clips.",
        )


def _root(folder: Path, paths, *inside: str) -> Path:
    """Return the folder that the paths are relative to: itself or one in it."""
    tops = {path.split("/")[0] for path in paths}
    for root in (folder, *(folder / name for name in inside)):
        if any((root / top).is_dir() for top in tops):
            return root
    return folder


def _jamendo_splits(folder: Path, metadata, split: int) -> Path:
    if metadata is not None:
        places = [Path(metadata).expanduser()]
    else:
        places = [folder, folder / "splits", folder / "data" / "splits"]
    for place in places:
        if (place / f"split-{split}").is_dir():
            return place / f"split-{split}"
    raise LabelError(
        f"The folder split-{split} of MTG-Jamendo is not there.",
        received=listed(map(os.fspath, places)),
        advice="Pass data/splits of the data set's repository as `metadata`.",
    )


def _jamendo_rows(file: Path):
    """Yield place, id, path and tags; each tag is a column of its own."""
    try:
        lines = read_file(file).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(
            "A split file of MTG-Jamendo cannot be read.",
            received=f"{os.fspath(file)} ({error})",
            advice="Take data/splits of the data set's repository.",
        ) from error
    for number, line in enumerate(lines[1:], 2):
        columns = line.split("\t")
        if len(columns) < 6:
            raise LabelError(
                f"{file.name} is damaged.",
                received=f"line {number}: {line!r}",
                advice="A line holds id, artist, album, path, duration and tags.",
            )
        yield f"line {number}", columns[0], columns[3], columns[5:]


def _compare_sizes(found, key, name) -> None:
    folds = [fold for _, fold, _ in found.values()]
    sizes = tuple(folds.count(fold) for fold in splits.FOLDS)
    if sizes != splits.counts(key):
        warnings.warn(
            f"The split files of {name} are of another release. Received: {sizes} "
            f"tracks, published are {splits.counts(key)}. All of them are used, but "
            "results cannot be compared with published ones.",
            AudioWarning,
            stacklevel=3,
        )


def _released(root: Path, paths) -> list[str]:
    """Return where the audio lies: `14/214.mp3`, or `14/214.low.mp3` if only that."""
    there: dict[str, set[str]] = {}
    for top in {path.rpartition("/")[0] for path in paths}:
        folder = root / top
        there[top] = set(os.listdir(folder)) if folder.is_dir() else set()
    start, result = os.path.join(root, ""), []
    for path in paths:
        top, _, name = path.rpartition("/")
        low = name.removesuffix(".mp3") + ".low.mp3"
        name = low if low in there[top] and name not in there[top] else name
        result.append(f"{start}{top}/{name}")
    return result


def _gtzan_files(folder: Path, genres) -> dict[tuple[str, int], Path]:
    files: dict[tuple[str, int], Path] = {}
    for file in audio_files(folder):
        match = GTZAN_NAME.fullmatch(file.stem)
        if match and match[1].lower() in genres:
            files.setdefault((match[1].lower(), int(match[2])), file)
    if not files:
        raise AudioError(
            "The folder holds no clips of GTZAN.",
            received=os.fspath(folder),
            advice="Give the folder with files such as blues.00000.wav.",
        )
    return files
