"""Results of songs on the screen or in a file: one renderer for each form."""

import contextlib
import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, RenderableType

from keras_musictag.cli.printing import make_console, opened, say
from keras_musictag.pages.summary import SongSummary


class Renderer:
    """Shows song after song, and ends properly at any time; a context manager.

    Args:
        output: The file to write; `None` for the screen.

    Attributes:
        file: What is written to.
        console: The same for rich.
        is_rich: Whether all goes through the console, which keeps a progress bar apart.
    """

    is_rich = False
    file: TextIO
    console: Console

    def __init__(self, output: Path | None = None):
        self.output, self.songs = output, 0
        self._open = contextlib.ExitStack()

    def __enter__(self):
        self.file = self._open.enter_context(opened(self.output))
        self.console = make_console(self.file)
        self.start()
        return self

    def __exit__(self, *exception):
        with self._open:
            self.end()
            self.file.flush()

    def start(self) -> None:
        """Write what comes before the first song."""

    def end(self) -> None:
        """Write what comes after the last song."""

    def add(self, path: Path, song: SongSummary) -> None:
        """Show one song."""
        self.write(path, song)
        self.songs += 1
        self.file.flush()

    def write(self, path: Path, song: SongSummary) -> None:
        """Write one song."""
        raise NotImplementedError


class JsonRenderer(Renderer):
    """A list with a record for each song.

    Args:
        record: Makes it.
        output: As in `Renderer`.
    """

    def __init__(
        self,
        record: Callable[[Path, SongSummary], dict[str, Any]],
        output: Path | None = None,
    ):
        super().__init__(output)
        self.record = record

    def start(self) -> None:
        self.file.write("[")

    def write(self, path: Path, song: SongSummary) -> None:
        record = json.dumps(self.record(path, song))
        self.file.write((",\n" if self.songs else "\n") + record)

    def end(self) -> None:
        self.file.write("\n]\n")


class CsvRenderer(Renderer):
    """One table of all songs, with a path in each row.

    Args:
        columns: Their names, after `path`.
        rows: Makes those of a song.
        output: As in `Renderer`.
    """

    def __init__(
        self,
        columns: tuple[str, ...],
        rows: Callable[[SongSummary], Iterable[Iterable]],
        output: Path | None = None,
    ):
        super().__init__(output)
        self.columns, self.rows = columns, rows

    def start(self) -> None:
        self.file.write(",".join(("path", *self.columns)) + "\n")

    def write(self, path: Path, song: SongSummary) -> None:
        table = csv.writer(self.file, lineterminator="\n")
        table.writerows([path, *row] for row in self.rows(song))


class TableRenderer(Renderer):
    """A heading and a table for each song, for people.

    Args:
        heading: Makes the heading.
        table: Makes the table.
        output: As in `Renderer`.
    """

    is_rich = True

    def __init__(
        self,
        heading: Callable[[Path, SongSummary], str],
        table: Callable[[SongSummary], RenderableType],
        output: Path | None = None,
    ):
        super().__init__(output)
        self.heading, self.table = heading, table

    def write(self, path: Path, song: SongSummary) -> None:
        say(self.console, self.heading(path, song))
        self.console.print(self.table(song))


class TextRenderer(Renderer):
    """A text for each song, in a format of other programs.

    Args:
        text: Makes it from the path, the song, and whether it is the first one.
        output: As in `Renderer`.
    """

    def __init__(
        self,
        text: Callable[[Path, SongSummary, bool], str],
        output: Path | None = None,
    ):
        super().__init__(output)
        self.text = text

    def write(self, path: Path, song: SongSummary) -> None:
        self.file.write(self.text(path, song, not self.songs))


class FolderRenderer(Renderer):
    """A file for each song in a folder; the screen says which.

    Args:
        suffix: Of the files.
        folder: Made if it is missing, as the folders in it are.
        names: What the file of each song is called, with folders, without its suffix.
        save: Takes a song's path, the song, and the file to write.
    """

    def __init__(
        self,
        suffix: str,
        folder: Path,
        names: dict[Path, str],
        save: Callable[[Path, SongSummary, Path], Any],
    ):
        super().__init__()
        self.suffix, self.folder, self.names = suffix, folder, names
        self.save = save

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, song: SongSummary) -> None:
        target = self.folder / f"{self.names[path]}.{self.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        self.save(path, song, target)
        say(self.console, str(target))
