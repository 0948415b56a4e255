"""`library.json`: what a library knows, and whether a folder is one."""

import dataclasses
import json
from pathlib import Path

import keras_musictag
from keras_musictag.errors import ConfigError
from keras_musictag.library import schema
from keras_musictag.library.jobs import Analysis
from keras_musictag.replacing import SUFFIX

DESCRIPTION, LOCK = "library.json", "library.lock"
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclasses.dataclass(frozen=True)
class Description:
    """What `library.json` says.

    Args:
        analyses: What is known, in the order that searches use.
        unfinished: Parts from this number on do not count: whoever wrote them was
            not done. `None` if all count.
    """

    analyses: tuple[Analysis, ...] = ()
    unfinished: int | None = None

    def to_json(self) -> str:
        """Return the text of the file."""
        about = {
            "schema_version": schema.VERSION,
            "package_version": keras_musictag.__version__,
            "analyses": [a.to_config() for a in self.analyses],
        }
        if self.unfinished is not None:
            about["unfinished"] = self.unfinished
        return json.dumps(about, indent=2, ensure_ascii=False) + "\n"


def read_description(folder: Path) -> Description:
    """Read the description of a library; an empty one if the folder is new.

    Raises:
        ConfigError: If the folder is no library, or was written by a newer version.
    """
    path = folder / DESCRIPTION
    if not path.exists():
        _refuse_strangers(folder)
        return Description()
    try:
        about = json.loads(path.read_text("utf-8"))
        json.dumps(about, ensure_ascii=False).encode()  # no halves of characters
        version, unfinished = about["schema_version"], about.get("unfinished")
        if type(version) is not int or type(unfinished) not in (int, type(None)):
            raise TypeError(f"schema_version {version!r}, unfinished {unfinished!r}")
        if version <= schema.VERSION:
            analyses = tuple(map(Analysis.from_config, about["analyses"]))
            if len({a.id for a in analyses}) < len(analyses):
                raise ValueError("an analysis is there twice")
            return Description(analyses, unfinished)
    except DAMAGE as error:
        raise ConfigError(
            "The description of the library cannot be read.",
            received=f"{path}: {type(error).__name__}: {error}",
            advice="Restore the file, or build the library in a new folder.",
        ) from error
    raise ConfigError(
        "The library was written by a newer version of keras-musictag.",
        received=f"schema version {version}, known is {schema.VERSION}",
        advice="Upgrade keras-musictag.",
    )


def _refuse_strangers(folder: Path) -> None:
    """Refuse what others keep; a run killed in its first write leaves names of ours."""
    if not folder.exists() or (
        folder.is_dir() and all(_is_ours(path.name) for path in folder.iterdir())
    ):
        return
    raise ConfigError(
        "The folder is not empty and holds no library.",
        received=folder,
        advice="Name a new folder, or one that a library was built in.",
    )


def _is_ours(name: str) -> bool:
    begun = name.startswith(f".{DESCRIPTION}.") and name.endswith(SUFFIX)
    return begun or name == LOCK
