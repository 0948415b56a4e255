"""The files that a `ChordSequence` reads and writes."""

from typing import Self

from keras_musictag.chords import (
    annotations,
    bar_sheet,
    billboard,
    files,
    formats,
    midi,
    musicxml,
    sheet,
)


class ChordFiles:
    """Reading and writing of chord sequences; the base of `ChordSequence`."""

    # === Writing ===

    def to_lab(self, path=None) -> str:
        """Return start, end and label per line; written to `path` if given.

        Times are rounded to 6 decimals, the custom of such files; confidences and
        silence after the last segment have no place in them.
        """
        return files.write(files.to_lab(self), path)

    def to_jams(self, path=None, *, title: str = "", artist: str = "") -> str:
        """Return a JAMS document, namespace `chord`; written to `path` if given.

        Args:
            path: File to write; none if `None`.
            title: Of the song, for the document.
            artist: Of the song.
        """
        return files.write(files.to_jams(self, title=title, artist=artist), path)

    def to_json(self, path=None) -> str:
        """Return JSON that `from_json` reads without any loss; written if `path`."""
        return files.write(files.to_json(self), path)

    def to_csv(self, path=None) -> str:
        """Return CSV with a header, times unrounded; written to `path` if given.

        Silence after the last segment has no place in it.
        """
        return files.write(files.to_csv(self), path)

    def to_audacity(self, path=None) -> str:
        """Return a label track of Audacity; written to `path`, a `.txt`, if given.

        Times are rounded to 6 decimals, as Audacity does.
        """
        return files.write(files.to_lab(self), path)

    def to_sheet(self, beats=None, path=None, **options) -> str:
        """Return a chord sheet by bars as plain text: `0:08 | C . . . | Am . F . |`.

        Each chord begins on the beat that is nearest to it; a dot holds it for a beat,
        `%` repeats a bar. See `bar_sheet.to_sheet` for what else is in it.

        Args:
            beats: A `BeatSequence`, or the times of beats in seconds, rising, from
                which bars are counted. `None`: four chords to a line, with times.
            path: File to write; none if `None`.
            **options: `title`, `artist`, `key` (`None` for that of the chords),
                `bars_per_line` (4), `beats_per_bar` (4, where `beats` knows no bars)
                and `roman` (Roman numerals below the chords).

        Returns:
            The text.

        Raises:
            ConfigError: If beats do not rise, or a number is not one from 1 on.
            LabelError: If the key is malformed.

        Example:

        ```python
        import numpy as np
        from keras_musictag.chords import ChordSequence

        song = ChordSequence([[0, 2], [2, 3], [3, 4]], ["C:maj", "A:min", "F:maj"])
        print(song.to_sheet(np.arange(0, 4, 0.5), roman=True))
        ```
        """
        return files.write(bar_sheet.to_sheet(self, beats, **options), path)

    def to_chordpro(self, path=None, *, beats=None, **options) -> str:
        """Return a chord sheet for ChordPro; written to `path` if given.

        With times, see `sheet.to_chordpro`; with a grid of bars if beats are known,
        see `bar_sheet.to_chordpro_grid`.

        Args:
            path: File to write; none if `None`.
            beats: A `BeatSequence`, or the times of beats in seconds.
            **options: `title`, `artist`, `key`, and `tempo` and `chords_per_line`, or
                `bars_per_line` and `beats_per_bar` if there are beats.
        """
        if beats is None:
            return files.write(sheet.to_chordpro(self, **options), path)
        return files.write(bar_sheet.to_chordpro_grid(self, beats, **options), path)

    def to_musicxml(self, path=None, **options) -> str:
        """Return a lead sheet in MusicXML, see `musicxml.to_musicxml`.

        Args:
            path: File to write; none if `None`.
            **options: `title`, `artist`, `key`, `tempo`, `beats_per_bar`, `beats`.
        """
        return files.write(musicxml.to_musicxml(self, **options), path)

    def to_midi(self, path=None, **options) -> bytes:
        """Return a MIDI file that plays the chords, see `midi.to_midi`.

        Args:
            path: File to write; none if `None`.
            **options: `tempo`, `program`, `velocity`.
        """
        return files.write(midi.to_midi(self, **options), path)

    # === Reading ===

    @classmethod
    def from_file(cls, path) -> Self:
        """Read a chord file of any of the formats below, known by suffix and content.

        Args:
            path: `.lab`, `.jams`, `.svl`, `.json`, `.csv` (our own, RWC's or
                Chordino's) or `.txt` (Billboard's, Audacity's, or as `.lab`).

        Raises:
            LabelError: If it is none of them, or malformed.
        """
        return cls(**formats.read(path))

    @classmethod
    def from_lab(cls, path) -> Self:
        """Read a `.lab` file: start, end and label per line; see `files.read_lab`."""
        return cls(**files.read_lab(path))

    @classmethod
    def from_jams(cls, path, *, index: int = 0) -> Self:
        """Read the chords of a JAMS file; `index` chooses among several annotations."""
        return cls(**files.read_jams(path, index=index))

    @classmethod
    def from_json(cls, path) -> Self:
        """Read what `to_json` wrote."""
        return cls(**files.read_json(path))

    @classmethod
    def from_csv(cls, path) -> Self:
        """Read a CSV file with the columns start, end, label, perhaps confidence."""
        return cls(**files.read_csv(path))

    @classmethod
    def from_pyjama(cls, path) -> dict[str, Self]:
        """Read a `.pyjama` collection: a sequence for each file path in it."""
        return {name: cls(**kw) for name, kw in files.read_pyjama(path).items()}

    @classmethod
    def from_rwc(cls, path, *, duration: float | None = None) -> Self:
        """Read a table of RWC with semicolons; see `annotations.read_rwc`."""
        return cls(**annotations.read_rwc(path, duration=duration))

    @classmethod
    def from_chordino(cls, path, *, duration: float | None = None) -> Self:
        """Read a list of Chordino's chords; see `annotations.read_chordino`."""
        return cls(**annotations.read_chordino(path, duration=duration))

    @classmethod
    def from_audacity(cls, path, *, duration: float | None = None) -> Self:
        """Read a label track of Audacity; see `annotations.read_audacity`."""
        return cls(**annotations.read_audacity(path, duration=duration))

    @classmethod
    def from_svl(cls, path, *, duration: float | None = None) -> Self:
        """Read a layer of Sonic Visualiser; see `annotations.read_svl`."""
        return cls(**annotations.read_svl(path, duration=duration))

    @classmethod
    def from_billboard(cls, path) -> Self:
        """Read `salami_chords.txt` of McGill's Billboard; see `billboard`."""
        return cls(**billboard.read_billboard(path))
