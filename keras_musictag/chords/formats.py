"""Which chord file is of which format: by its suffix, and by its first lines."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from keras_musictag.checks import open_file
from keras_musictag.chords import annotations, billboard, files
from keras_musictag.errors import LabelError

# Enough of a file to tell its format.
HEAD_BYTES = 4096
NUMBER = r"\d+(?:\.\d*)?"
OWN_JSON = rf'\s*{{\s*"format": "{files.JSON_FORMAT}"'
OWN_CSV = r"(?=.*\bstart\b)(?=.*\bend\b)[^;\n]*\blabel\b"
CHORDINO = rf'(?:"[^"\n]*",|[^",\n]*,)?\s*{NUMBER},(?:\s*{NUMBER},)?\s*"[^"\n]+"\s'


class Format(NamedTuple):
    """A format of chord files.

    Args:
        name: Such as `"lab"`.
        suffix: In lower case.
        read: Gives the arguments of a `ChordSequence`.
        begins: What the file begins with, where others have the suffix too; `None`
            for every file with the suffix.
    """

    name: str
    suffix: str
    read: Callable[..., dict[str, Any]]
    begins: str | None = None


# Of formats with one suffix, the first that fits.
FORMATS = (
    Format("lab", ".lab", files.read_lab),
    Format("jams", ".jams", files.read_jams),
    Format("svl", ".svl", annotations.read_svl),
    Format("json", ".json", files.read_json, OWN_JSON),
    Format("rwc", ".csv", annotations.read_rwc, r"t\w*;(?:t\w*;)?chord\s"),
    Format("csv", ".csv", files.read_csv, OWN_CSV),
    Format("chordino", ".csv", annotations.read_chordino, CHORDINO),
    Format("billboard", ".txt", billboard.read_billboard, r"# *(title|artist|metre):"),
    Format("audacity", ".txt", annotations.read_audacity, rf"{NUMBER}\t{NUMBER}\t"),
    Format("lab", ".txt", files.read_lab, rf"{NUMBER}\s+{NUMBER}\s+[A-GNX]\S*\s"),
)
SUFFIXES = tuple(dict.fromkeys(form.suffix for form in FORMATS))
# Data sets come in these, and often in others beside them.
USUAL = (".lab", ".jams")


def find_format(path) -> Format | None:
    """Return the format of a chord file; `None` if it is none.

    Args:
        path: The file. It is opened only if several formats have its suffix.

    Raises:
        OSError: If it cannot be read.
    """
    path = Path(path)
    forms = [form for form in FORMATS if form.suffix == path.suffix.lower()]
    if not forms or forms[0].begins is None:
        return forms[0] if forms else None
    with open_file(path) as file:
        head = file.read(HEAD_BYTES).decode("utf-8-sig", "replace") + "\n"
    begun = (f for f in forms if f.begins and re.match(f.begins, head, re.IGNORECASE))
    return next(begun, None)


def find_files(folder) -> list[Path]:
    """Find the chord files in a folder and all below, sorted.

    Where a `.lab` or JAMS file has one of the same name beside it in another format,
    the other one is a copy, and left out.
    """
    files = [path for path in sorted(Path(folder).rglob("*")) if _is_chord_file(path)]
    usual = {p.with_suffix("") for p in files if p.suffix.lower() in USUAL}
    return [
        path
        for path in files
        if path.suffix.lower() in USUAL or path.with_suffix("") not in usual
    ]


def _is_chord_file(path):
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    try:
        return find_format(path) is not None
    except OSError:
        # Who reads it will hear why that is not possible.
        return True


def read(path) -> dict[str, Any]:
    """Read a chord file of any format.

    Args:
        path: The file.

    Returns:
        The arguments of a `ChordSequence`.

    Raises:
        LabelError: If it is of no format that is known, or malformed.
    """
    form = find_format(path)
    if form is None:
        raise LabelError(
            "This is no chord file.",
            received=os.fspath(path),
            advice=f"Give one of {', '.join(SUFFIXES)} that holds chords.",
        )
    return form.read(path)
