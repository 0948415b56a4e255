"""What `keras-musictag tag` finds out besides tags, and the pages it writes."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

from rich.console import Console

from keras_musictag import chords, errors
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.cli.printing import say

CHORD_PRESET = "crema"


class Listener:
    """Finds chords and tempo of a track, once for all who ask."""

    def __init__(self):
        self._recognizer: Any = None
        self._chords: tuple[Path, ChordSequence] | None = None

    def chords(self, path: Path) -> ChordSequence:
        """Return the chords of a file."""
        if self._recognizer is None:
            from keras_musictag.models.chord_recognizer import ChordRecognizer

            self._recognizer = ChordRecognizer.from_pretrained(CHORD_PRESET)
        if self._chords is None or self._chords[0] != path:
            self._chords = path, self._recognizer.recognize(path)
        return self._chords[1]

    def tempo(self, path: Path) -> float:
        """Return the tempo of a file in beats per minute; 0 if there is none."""
        return chords.find_beats(path).tempo


@dataclasses.dataclass
class Reports:
    """Writes a page about each track.

    Args:
        targets: The page of each file.
        preset: Name of the tagger.
        listener: Finds chords and tempo; `None` for pages without.
        key_notation: How the key is written; `None` for the name and Camelot's.
    """

    targets: dict[Path, Path | None]
    preset: str
    listener: Listener | None
    key_notation: str | None = None

    def add(self, path: Path, taggram, messages: Console) -> None:
        """Write the page of one track; what cannot be found is named and left out."""
        from keras_musictag import pages

        made_by = {"tags": self.preset}
        found = tempo = None
        if self.listener is not None:
            try:
                found = self.listener.chords(path)
                made_by["chords"] = CHORD_PRESET
                if importlib.util.find_spec("librosa"):
                    tempo = self.listener.tempo(path)
            except errors.AudioError as error:
                say(messages, f"{path}: no chords in the report: {error}")
        page = pages.song_report(
            taggram,
            title=path.name,
            chords=found,
            tempo=tempo,
            made_by=made_by,
            key_notation=self.key_notation,
        )
        target = self.targets[path]
        assert target is not None
        target.write_text(page, encoding="utf-8", errors="backslashreplace")


def check_report(target: Path | None, no_chords: bool) -> None:
    """Say what cannot work before anything is decoded."""
    if target is None:
        if no_chords:
            raise errors.ConfigError(
                "--no-chords is about the report.",
                received="--no-chords without --report",
                advice="Add --report FILE.html.",
            )
        return
    if target.suffix.lower() not in (".html", ".htm"):
        raise errors.ConfigError(
            "A report is a page.",
            received=f"--report {target}",
            advice="Give a name that ends in .html.",
        )
    errors.import_extra("jinja2", "pages", f"--report {target}")
    errors.import_extra("matplotlib", "pages", f"--report {target}")
