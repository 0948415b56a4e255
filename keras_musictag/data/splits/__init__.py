"""The named splits that come with the package: ids and folds, no tags, no audio.

`tools/make_splits.py` writes the files; `README.md` beside this file says where they
come from. Tags are read from the files of the data sets that the user has.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
# Fold codes in the files; 255 stands for "not in this split".
FOLDS = ("train", "valid", "test")
NOT_IN = 255


@cache
def about() -> dict[str, Any]:
    """Return label lists, published counts and sources, from `about.json`."""
    return json.loads((FOLDER / "about.json").read_text("utf-8"))


def labels(name: str) -> list[str]:
    """Return a label list in model output order.

    Args:
        name: `"mtat_top50"`, `"msd_top50"`, `"mtg_jamendo_top50"`,
            `"mtg_jamendo_genre"`, `"mtg_jamendo_instrument"`,
            `"mtg_jamendo_moodtheme"`, `"mtg_jamendo_all"` or `"gtzan"`.

    Returns:
        The names.
    """
    return list(about()["labels"][name])


def counts(name: str) -> tuple[int, ...]:
    """Return the published sizes of train, valid and test of a split.

    Args:
        name: Data set and split, such as `"magnatagatune/won"`.

    Returns:
        Three numbers of tracks.
    """
    return tuple(about()["counts"][name])


def read_magnatagatune(split: str) -> dict[int, str]:
    """Return the fold of each clip id of MagnaTagATune.

    Args:
        split: `"won"`, `"lee"` or `"pons"`.

    Returns:
        dict of clip id to `"train"`, `"valid"` or `"test"`, ids rising.
    """
    with np.load(FOLDER / "magnatagatune.npz") as data:
        ids, folds = np.cumsum(data["step"], dtype="int64"), data[split]
    chosen = folds != NOT_IN
    pairs = zip(ids[chosen].tolist(), folds[chosen].tolist(), strict=True)
    return {clip: FOLDS[fold] for clip, fold in pairs}


def read_msd() -> list[tuple[str, str, str]]:
    """Return the tracks of the split `lee` of the Million Song Dataset.

    Returns:
        List of `(track id, 7digital id, fold)`, 7digital ids rising.
    """
    with np.load(FOLDER / "msd_lee.npz") as data:
        digital = np.cumsum(from_planes(data["id7_step"]))
        letters = from_planes(data["letters"])
        number = np.cumsum(from_planes(data["hex_step"]))
        folds = data["fold"].tolist()
    names = np.empty((len(letters), 5), "u1")
    for place in range(4, -1, -1):
        letters, names[:, place] = np.divmod(letters, 26)
    joined = (names + ord("A")).astype("u1").tobytes().decode("ascii")
    return [
        (f"TR{joined[5 * i : 5 * i + 5]}12{n:09X}", str(seven), FOLDS[fold])
        for i, (n, seven, fold) in enumerate(
            zip(number.tolist(), digital.tolist(), folds, strict=True)
        )
    ]


def read_gtzan() -> dict[tuple[str, int], str]:
    """Return the fold of each file of GTZAN that the fault-filtered split keeps.

    Returns:
        dict of `(genre, number)` to `"train"`, `"valid"` or `"test"`.
    """
    with np.load(FOLDER / "gtzan_fault_filtered.npz") as data:
        folds = data["fold"]
    return {
        (genre, number): FOLDS[folds[row, number]]
        for row, genre in enumerate(labels("gtzan"))
        for number in range(folds.shape[1])
        if folds[row, number] != NOT_IN
    }


def to_planes(values) -> np.ndarray:
    """Cut int64 values to bytes, all lowest ones first: that compresses better.

    Args:
        values: Array of ints; negative ones become odd.

    Returns:
        uint8 array `(bytes, values)`, as few bytes as the largest value needs.
    """
    values = np.asarray(values, "int64")
    folded = np.where(values < 0, -2 * values - 1, 2 * values).astype("<u8")
    planes = folded.view("u1").reshape(-1, 8).T
    used = max(1, int(folded.max()).bit_length() + 7 >> 3)
    return planes[:used].copy()


def from_planes(planes) -> np.ndarray:
    """Undo `to_planes`: int64 array `(values,)`."""
    folded = sum(plane.astype("int64") << 8 * i for i, plane in enumerate(planes))
    return np.where(folded & 1, -(folded + 1 >> 1), folded >> 1)
