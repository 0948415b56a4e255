"""Reading and writing of keys, as methods."""

from typing import Self

from keras_musictag.chords.files import write
from keras_musictag.keys import files


class KeyFiles:
    """Reading and writing of keys; the base of `KeySequence`."""

    # === Writing ===

    def to_lab(self, path=None) -> str:
        """Return start, end, `Key` and the key per line; written to `path` if given.

        The form of Isophonics, which `chords.read_keys` reads: `A:minor` is a minor
        key, `A` a major one; what lies between regions is `Silence`. Times are rounded
        to 6 decimals.
        """
        return write(files.to_lab(self), path)

    def to_csv(self, path=None) -> str:
        """Return CSV with a header, times unrounded; written to `path` if given."""
        return write(files.to_csv(self), path)

    def to_json(self, path=None) -> str:
        """Return JSON that `from_json` reads without any loss; written if `path`."""
        return write(files.to_json(self), path)

    def to_jams(self, path=None, *, title: str = "", artist: str = "") -> str:
        """Return a JAMS document, namespace `key_mode`; written to `path` if given.

        Args:
            path: File to write; none if `None`.
            title: Of the song, for the document.
            artist: Of the song.
        """
        return write(files.to_jams(self, title=title, artist=artist), path)

    # === Reading ===

    @classmethod
    def from_file(cls, path) -> Self:
        """Read a file of keys of any of the formats below, known by its suffix.

        Args:
            path: `.lab`, `.txt` (as `.lab`), `.csv`, `.json` or `.jams`.

        Raises:
            LabelError: If it is none of them, or malformed.
        """
        return cls(**files.read(path))

    @classmethod
    def from_lab(cls, path) -> Self:
        """Read start, end, `Key` and the key per line, as Isophonics has them."""
        return cls(**files.read_lab(path))

    @classmethod
    def from_csv(cls, path) -> Self:
        """Read a CSV file with the columns start, end, label, perhaps confidence."""
        return cls(**files.read_csv(path))

    @classmethod
    def from_json(cls, path) -> Self:
        """Read what `to_json` wrote."""
        return cls(**files.read_json(path))

    @classmethod
    def from_jams(cls, path, *, index: int = 0) -> Self:
        """Read the keys of a JAMS file; `index` chooses among several annotations."""
        return cls(**files.read_jams(path, index=index))
