"""`Similar`: clips of a library that sound like the one on the page."""

from pathlib import Path
from typing import Any

from keras_musictag.errors import ConfigError
from keras_musictag.library import Library

SHOWN = 6
SAME = 0.9999  # of a recording and itself


class Similar:
    """Finds clips of a library; its embeddings stay in memory.

    Args:
        folder: The library.

    Raises:
        ConfigError: If there is no library, or one without embeddings.
        MissingExtraError: If pyarrow or DuckDB is not installed.
    """

    def __init__(self, folder: str | Path):
        library = Library(folder)
        embedded = [a for a in library.analyses if a.units]
        if not embedded:
            raise ConfigError(
                "The library has no embeddings, so nothing in it can be compared.",
                received=f"--library {folder}",
                advice="Build it anew without --no-embeddings: "
                "keras-musictag library build MUSIC --out FOLDER",
            )
        self.preset = embedded[0].preset
        self._library = library
        self._index: Any = None

    def load(self, tagger) -> None:
        """Take the tagger that the library was built with.

        Raises:
            ConfigError: If it has other weights.
        """
        self._index = self._library.index(tagger, self.preset)

    @property
    def paths(self) -> list[str]:
        """The clips, in the order of the library."""
        return self._index.ids

    def to(self, path: str) -> list[dict[str, Any]]:
        """Return the clips most similar to a file, best first; without itself."""
        found = self._index.query(path, SHOWN + 1)
        places = {name: place for place, name in enumerate(self.paths)}
        clips = [
            {
                "place": places[name],
                "name": Path(name).name,
                "similarity": round(value, 3),
            }
            for name, value in found
            if value < SAME
        ]
        return clips[:SHOWN]
