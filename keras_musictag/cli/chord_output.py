"""The chords of songs on the screen and in files: what `--format` chooses from."""

import enum
from pathlib import Path
from typing import Any

from rich.table import Table

from keras_musictag.chords.sheet import clock
from keras_musictag.cli.rendering import (
    CsvRenderer,
    JsonRenderer,
    Renderer,
    TableRenderer,
    TextRenderer,
)
from keras_musictag.pages.summary import SongSummary

ChordFormat = enum.StrEnum(
    "ChordFormat", "table sheet lab jams json csv midi chordpro musicxml audacity"
)
SUFFIXES = {
    **{"table": "txt", "sheet": "txt", "midi": "mid", "chordpro": "cho"},
    "audacity": "txt",
}
# One document for each song: several on one screen are no file any more.
DOCUMENTS = (ChordFormat.jams, ChordFormat.musicxml, ChordFormat.audacity)
TABLES = (ChordFormat.table, ChordFormat.json, ChordFormat.csv)
WITH_NUMERALS = (ChordFormat.sheet, *TABLES)
COLUMNS = ("start", "end", "label", "confidence")


def saver_of(format: ChordFormat, *, roman: bool = False):
    """Return what writes the chords of a song to a file.

    Args:
        format: Of the file.
        roman: Whether Roman numerals are written too, where they have a place.
    """

    def save(path: Path, song: SongSummary, target: Path) -> None:
        assert song.chords is not None
        if format == ChordFormat.midi:
            song.chords.to_midi(target)
        elif format == ChordFormat.csv and not roman:
            song.chords.to_csv(target)
        elif format == ChordFormat.json and not roman:
            song.chords.to_json(target)
        else:
            with renderer_of(format, target, roman=roman) as renderer:
                renderer.add(path, song)

    return save


def renderer_of(
    format: ChordFormat,
    output: Path | None = None,
    *,
    several: bool = False,
    agreement: bool = False,
    roman: bool = False,
) -> Renderer:
    """Return what shows chords on the screen or in one file.

    Args:
        format: What they look like.
        output: The file; `None` for the screen.
        several: Whether there is more than one song.
        agreement: Whether a second recogniser was asked.
        roman: Whether Roman numerals are shown too, where they have a place.
    """

    def lab(path, song, first):
        return (f"# {path}\n" if several else "") + song.chords.to_lab()

    def audacity(path, song, first):
        return song.chords.to_audacity()

    def jams(path, song, first):
        return song.chords.to_jams(title=path.stem)

    def musicxml(path, song, first):
        return song.chords.to_musicxml(title=path.stem, beats=song.beats)

    def chordpro(path, song, first):
        text = song.chords.to_chordpro(title=path.stem, beats=song.beats)
        return ("" if first else "{new_song}\n") + text

    def sheet(path, song, first):
        text = song.chords.to_sheet(song.beats, title=path.stem, roman=roman)
        return ("" if first else "\n\n") + text

    if format == ChordFormat.json:
        return JsonRenderer(lambda path, song: _record(path, song, roman), output)
    if format == ChordFormat.csv:
        columns = (*COLUMNS, *["agreement"] * agreement, *["roman"] * roman)
        return CsvRenderer(
            columns, lambda song: map(dict.values, _segments(song, roman)), output
        )
    if format == ChordFormat.table:
        return TableRenderer(_heading, lambda song: _table(song, roman), output)
    texts = {
        ChordFormat.lab: lab,
        ChordFormat.audacity: audacity,
        ChordFormat.jams: jams,
        ChordFormat.musicxml: musicxml,
        ChordFormat.chordpro: chordpro,
        ChordFormat.sheet: sheet,
    }
    return TextRenderer(texts[format], output)


def _record(path: Path, song: SongSummary, roman: bool) -> dict:
    assert song.chords is not None
    share = song.chords.agreed_share
    return {
        "path": str(path),
        "preset": song.presets["chords"],
        "duration": song.duration,
        "key": song.key and song.notated_key(song.key.label),
        **({} if share is None else {"agreed_share": share}),
        **_tempo(song),
        "segments": _segments(song, roman),
    }


def _tempo(song: SongSummary) -> dict[str, Any]:
    """Return what is known of the beats of a song, if they were looked for."""
    if song.beats is None:
        return {}
    tempo = song.tempo and round(song.tempo, 2)
    return {"tempo": tempo, "meter": song.beats.meter}


def _segments(song: SongSummary, roman: bool) -> list[dict[str, Any]]:
    """Return the chords as records, with their numerals if these are wanted."""
    records = song.segments()
    if roman and song.chords is not None:
        for record, figure in zip(records, song.chords.to_roman(), strict=True):
            record["roman"] = figure
    return records


def _heading(path: Path, song: SongSummary) -> str:
    facts = [str(path)]
    if song.key is not None:
        facts.append(song.notated_key(f"{song.key.name}, {song.key.camelot}"))
    if song.tempo is not None:
        facts.append(f"{song.tempo:.0f} BPM")
    if song.chords is not None and song.chords.agreed_share is not None:
        facts.append(f"agreed for {song.chords.agreed_share:.0%} of the time")
    return "  ".join(facts)


def _table(song: SongSummary, roman: bool) -> Table:
    """A sheet with the accidentals of the song's key."""
    assert song.chords is not None
    agreements = song.chords.agreements
    columns = ["at", "seconds", "chord", "confidence"]
    columns += [] if agreements is None else ["agreement"]
    columns += ["roman"] if roman else []
    figures = song.chords.to_roman() if roman else []
    table = Table(*columns, box=None)
    for i, (start, end, label, confidence) in enumerate(song.chords.spelled()):
        row = [clock(start), f"{end - start:.2f}", label, f"{confidence:.2f}"]
        if agreements is not None:
            mark = " differs" if agreements[i] < 0.5 else ""
            row.append(f"{agreements[i]:.2f}{mark}")
        table.add_row(*row, *figures[i : i + 1])
    return table
