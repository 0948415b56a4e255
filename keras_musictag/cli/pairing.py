"""Two files or folders that belong together: what is right, and what was estimated."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import typer

from keras_musictag import errors
from keras_musictag.cli.printing import EXPECTED


class Kind(NamedTuple):
    """A kind of annotations.

    Args:
        name: Such as `"chord"`.
        suffixes: Of its files, for messages.
        find: Gives the files in a folder and all below.
        read: Reads one.
    """

    name: str
    suffixes: Iterable[str]
    find: Callable[[Path], list[Path]]
    read: Callable[[Path], Any]

    def files(self, path: Path) -> dict[str, list[Path]]:
        """Find a file, or those of a folder, by their paths there without suffix."""
        if not path.exists():
            raise errors.LabelError(
                f"There is no such {self.name} file or folder.",
                received=str(path),
                advice="Check the path.",
            )
        folder = path.parent if path.is_file() else path
        groups: dict[str, list[Path]] = {}
        for file in [path] if path.is_file() else self.find(path):
            name = file.relative_to(folder).with_name(file.stem).as_posix()
            groups.setdefault(name, []).append(file)
        if not groups:
            raise errors.LabelError(
                f"The folder has no {self.name} files.",
                received=str(path),
                advice=f"Give a folder with {self.name}s in "
                f"{', '.join(self.suffixes)} files.",
            )
        return groups


def read_pairs(reference: Path, estimate: Path, kind: Kind):
    """Read what belongs together; say on stderr what cannot be read, or is alone.

    Args:
        reference, estimate, kind: As in `paired`.

    Returns:
        Dicts of the right ones and of the estimated ones by name, and how many
        tracks have problems.

    Raises:
        LabelError: If not one track is left.
    """
    pairs, problems = paired(reference, estimate, kind)
    right, guess = {}, {}
    for name, (one, other) in pairs.items():
        try:
            both = kind.read(one), kind.read(other)
        except EXPECTED as error:
            problems.append(f"{name}: {error}")
            continue
        right[name], guess[name] = both
    for problem in problems:
        typer.echo(problem, err=True)
    if not right:
        raise errors.LabelError(
            "No track can be scored.",
            received=f"{reference} and {estimate}",
            advice=f"Give {kind.name} files of the same names.",
        )
    return right, guess, len(problems)


def paired(reference: Path, estimate: Path, kind: Kind) -> tuple[dict, list[str]]:
    """Match files by their paths in the folders, or by names that are unique.

    Args:
        reference: A file, or a folder of them.
        estimate: Another.
        kind: What they hold.

    Returns:
        `({name: (reference, estimate)}, problems)`; what has no partner is a problem.
    """
    if reference.is_file() and estimate.is_file():
        return {reference.stem: (reference, estimate)}, []
    right, guess = kind.files(reference), kind.files(estimate)
    partners = {name: name for name in right if name in guess}
    of_stem = _unique_stems(guess)
    for stem, name in _unique_stems(right).items():
        if name not in guess and stem in of_stem:
            partners[name] = of_stem[stem]
    pairs, problems = {}, []
    for name, partner in sorted(partners.items()):
        both = right[name], guess[partner]
        several = next((files for files in both if len(files) > 1), None)
        if several is None:
            pairs[name] = both[0][0], both[1][0]
        else:
            listed = ", ".join(map(str, several))
            problems.append(f"{name}: several files have this name: {listed}")
    # One reference in a folder of many estimates asks for this one.
    left = {
        "estimate": set() if estimate.is_file() else right.keys() - partners.keys(),
        "reference": set()
        if reference.is_file()
        else guess.keys() - set(partners.values()),
    }
    for side, names in left.items():
        problems += [
            f"{name}: there is no {side} of this name, or it is not the only one."
            for name in sorted(names)
        ]
    return pairs, problems


def _unique_stems(files: dict[str, list[Path]]) -> dict[str, str]:
    """Give the path of each file whose name no other one has, by that name."""
    names: dict[str, list[str]] = {}
    for name in files:
        names.setdefault(PurePath(name).name, []).append(name)
    return {stem: one[0] for stem, one in names.items() if len(one) == 1}
