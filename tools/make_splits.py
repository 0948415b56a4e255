"""Write the split lists that come with the package.

    python tools/make_splits.py ../shared/reference/splits [--check]

Ids and folds only: tags stay with the data sets, whose terms are narrower than ours.
For that reason nothing of MTG-Jamendo but the names of its labels and the sizes of its
splits is written; its reader takes the official files of the user. With `--check`
nothing is written, and a file that is not up to date is an error.
"""

import argparse
import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np

from keras_musictag.data import splits

MTAT_SPLITS = ("won", "lee", "pons")
CODES = {"0": 0, "1": 1, "2": 2, "-": splits.NOT_IN}
SUBSETS = ("top50", "genre", "instrument", "moodtheme", "all")
LABELS = ("mtat_top50", "msd_top50", *(f"mtg_jamendo_{name}" for name in SUBSETS))
SOURCES = {
    "magnatagatune": "split lists of Won et al. (minzwon/sota-music-tagging-models), "
    "Lee et al. (jongpillee/music_dataset_split) and Pons and Serra "
    "(jordipons/musicnn-training)",
    "msd_lee": "jongpillee/music_dataset_split; 7digital ids from "
    "keunwoochoi/MSD_split_for_tagging",
    "gtzan_fault_filtered": "Kereliuk, Sturm and Larsen 2015, as in "
    "jongpillee/music_dataset_split",
}


def rows(path: Path):
    """Yield the rows of a reference table as dicts."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    yield from csv.DictReader(text.splitlines(), delimiter=delimiter)


def sizes(folds) -> list[int]:
    """Count train, validation and test."""
    return [int(np.sum(np.asarray(folds) == code)) for code in range(3)]


def magnatagatune(folder: Path):
    """Return the arrays of MagnaTagATune, and the size of each split."""
    table = list(rows(folder / "mtat_clips.tsv.gz"))
    ids = np.array([int(row["clip_id"]) for row in table])
    arrays = {"step": np.diff(ids, prepend=0).astype("u2")}
    for name in MTAT_SPLITS:
        arrays[name] = np.array([CODES[row[name]] for row in table], "u1")
    return arrays, {f"magnatagatune/{n}": sizes(arrays[n]) for n in MTAT_SPLITS}


def msd(folder: Path):
    """Return the arrays of the Million Song Dataset, and the size of the split."""
    table = [r for r in rows(folder / "msd_tracks.tsv.gz") if r["lee"] != "-"]
    table.sort(key=lambda row: (int(row["id7"]), row["track_id"]))
    letters, numbers = [], []
    for row in table:
        value = 0
        for letter in row["track_id"][2:7]:
            value = 26 * value + ord(letter) - ord("A")
        letters.append(value)
        # All ids go on with 12 and nine hexadecimal digits.
        assert row["track_id"][7:9] == "12"
        numbers.append(int(row["track_id"][9:], 16))
    id7 = [int(row["id7"]) for row in table]
    fold = np.array([CODES[row["lee"]] for row in table], "u1")
    arrays = {
        "id7_step": splits.to_planes(np.diff(id7, prepend=0)),
        "letters": splits.to_planes(letters),
        "hex_step": splits.to_planes(np.diff(numbers, prepend=0)),
        "fold": fold,
    }
    return arrays, {"msd/lee": sizes(fold)}


def gtzan(folder: Path):
    """Return the fold of each GTZAN file, and the size of the split."""
    table = list(rows(folder / "gtzan_fault_filtered.csv"))
    genres = sorted({row["genre"] for row in table})
    fold = np.full((len(genres), 100), splits.NOT_IN, "u1")
    for row in table:
        number = int(Path(row["path"]).stem.split(".")[1])
        fold[genres.index(row["genre"]), number] = splits.FOLDS.index(row["split"])
    return {"fold": fold}, {"gtzan/fault_filtered": sizes(fold)}, genres


def jamendo_sizes(folder: Path, labels) -> dict[str, list[int]]:
    """Count the tracks of each fold of the 25 splits of MTG-Jamendo."""
    table = list(rows(folder / "mtg_jamendo_tracks.tsv.gz"))
    tags = [{int(i) for i in row["tags"].split(",") if i} for row in table]
    result = {}
    for subset in SUBSETS:
        wanted = {
            labels["mtg_jamendo_all"].index(label)
            for label in labels[f"mtg_jamendo_{subset}"]
        }
        kept = [row["folds"] for row, t in zip(table, tags, strict=True) if wanted & t]
        for split in range(5):
            codes = [CODES[folds[split]] for folds in kept]
            result[f"mtg_jamendo/{subset}/{split}"] = sizes(codes)
    return result


def build(folder: Path) -> dict[str, dict | str]:
    """Return what each file must hold: arrays, or text."""
    labels = json.loads((folder / "tags.json").read_text("utf-8"))
    labels = {name: labels[name] for name in LABELS}
    mtat, mtat_sizes = magnatagatune(folder)
    million, million_sizes = msd(folder)
    genres_fold, genre_sizes, genres = gtzan(folder)
    about = {
        "sources": SOURCES,
        "counts": {
            **mtat_sizes,
            **million_sizes,
            **genre_sizes,
            **jamendo_sizes(folder, labels),
        },
        "labels": {**labels, "gtzan": genres},
    }
    return {
        "about.json": json.dumps(about, indent=1) + "\n",
        "magnatagatune.npz": mtat,
        "msd_lee.npz": million,
        "gtzan_fault_filtered.npz": genres_fold,
    }


def is_fresh(path: Path, content) -> bool:
    """Say whether a file holds this text or these arrays."""
    if not path.is_file():
        return False
    if isinstance(content, str):
        return path.read_text("utf-8") == content
    with np.load(path) as data:
        return set(data.files) == set(content) and all(
            np.array_equal(data[name], array) and data[name].dtype == array.dtype
            for name, array in content.items()
        )


def write(path: Path, content) -> None:
    """Write text, or arrays as a compressed `.npz`."""
    if isinstance(content, str):
        path.write_text(content, "utf-8")
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)
    path.write_bytes(buffer.getvalue())


def main() -> None:
    """Write or check all files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path, help="folder with the source tables")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    stale = []
    for name, content in build(arguments.reference).items():
        path = splits.FOLDER / name
        if is_fresh(path, content):
            continue
        stale.append(name)
        if not arguments.check:
            write(path, content)
    if stale and arguments.check:
        raise SystemExit(f"Not up to date: {', '.join(stale)}. Run without --check.")
    print("Up to date." if not stale else f"Wrote {', '.join(stale)}.")


if __name__ == "__main__":
    main()
