"""`keras-musictag chords`: files in, chord sheets and chord files out."""

import csv
import enum
import json
import os
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.table import Table
from typer import Option

from keras_musictag import errors, presets
from keras_musictag.chords import Key, Vocabulary, estimate_transitions, get_vocabulary
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.chords.sheet import clock
from keras_musictag.cli.arguments import (
    KeyNotationOption,
    Paths,
    Quiet,
    find_files,
    split_readable,
    unique_names,
)
from keras_musictag.cli.chord_scores import chord_files, read_chords
from keras_musictag.cli.printing import (
    EXPECTED,
    make_console,
    opened,
    progress,
    say,
    silenced,
)

ChordFormat = enum.StrEnum(
    "ChordFormat", ["table", "lab", "jams", "json", "csv", "midi", "chordpro"]
)
Decoder = enum.StrEnum("Decoder", ["viterbi", "argmax", "hmm"])
SUFFIXES = {"table": "txt", "midi": "mid", "chordpro": "cho"}

CHORDS_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag chords song.mp3[/cyan]  a sheet with times\n
[cyan]keras-musictag chords song.mp3 --vocabulary majmin[/cyan]  plain triads\n
[cyan]keras-musictag chords ~/Music --output chords[/cyan]  a .lab file for each\n
[cyan]keras-musictag chords song.mp3 --format midi --output .[/cyan]  to listen to\n
[cyan]keras-musictag chords song.mp3 --beats[/cyan]  chords that change on beats\n
[cyan]keras-musictag chords song.mp3 --decoder hmm --transitions songs[/cyan]\n
[bold]Vocabularies[/bold]  majmin, sevenths, tetrads, crema170, inversions\n
[bold]Exit codes[/bold]  0: all files done. 1: some could not be, they are named.
2: wrong usage. 130: stopped by Ctrl-C, what was done is written."""


def chords(
    paths: Paths = None,
    demo: Annotated[bool, Option("--demo", help="Use the clip inside.")] = False,
    preset: Annotated[
        str, Option(help="Pretrained model, or the folder of a saved one.")
    ] = "crema",
    vocabulary: Annotated[
        str | None,
        Option(help="Which chords to tell apart; all that the model knows if not set."),
    ] = None,
    decoder: Annotated[
        Decoder,
        Option(
            help="viterbi: the best path, all changes alike. argmax: the best chord "
            "of each frame. hmm: the best path when changes are as frequent as in the "
            "songs of --transitions. A trained crf works from Python only."
        ),
    ] = Decoder.viterbi,
    transitions: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="For --decoder hmm: .lab and .jams files, to count in them which "
            "chord follows which.",
        ),
    ] = None,
    beats: Annotated[
        bool,
        Option("--beats", help="Chords change on beats only; they are found first."),
    ] = False,
    min_duration: Annotated[
        float | None,
        Option(metavar="SECONDS", help="No chord is shorter than this."),
    ] = None,
    format: Annotated[
        ChordFormat | None,
        Option(help="A table on the screen, lab with --output, if not set."),
    ] = None,
    output: Annotated[
        Path | None,
        Option(metavar="DIR", help="Write a file for each track into this folder."),
    ] = None,
    key_notation: KeyNotationOption = None,
    quiet: Quiet = False,
) -> None:
    """Name the chords of audio files, with times.

    Each result is printed or written as soon as it is there. A file that cannot be
    read is named, and the others go on.
    """
    # Whatever can be wrong is said before the backend starts, which takes seconds.
    files = find_files(paths or [], demo, "chords", "find chords in")
    chosen = format or (ChordFormat.lab if output else ChordFormat.table)
    config = _check_choices(preset, vocabulary, chosen, output, len(files))
    matrix = _transitions(decoder, transitions, vocabulary or config["vocabulary"])
    usable, failed = split_readable(files)
    done = 0
    try:
        with silenced() as stderr:
            model = _load(preset) if usable else None
            with (
                opened(None) as screen,
                _Sheets(screen, chosen, output, preset, usable, key_notation) as sheets,
                progress(
                    sheets.console,
                    chosen == ChordFormat.table and output is None,
                    stderr,
                    len(usable),
                    quiet,
                ) as bar,
            ):
                task = bar.add_task("Listening", total=len(usable))
                outcomes = (
                    model.iter_chords(
                        usable,
                        vocabulary=vocabulary,
                        decoder=decoder,
                        transition=matrix,
                        beats="auto" if beats else None,
                        min_duration=min_duration,
                    )
                    if model
                    else ()
                )
                for path, outcome in zip(usable, outcomes, strict=True):
                    bar.advance(task)
                    if isinstance(outcome, EXPECTED):
                        say(bar.console, f"{path}: {outcome}")
                        failed += 1
                        continue
                    sheets.add(path, outcome)
                    done += 1
    except KeyboardInterrupt:
        typer.echo(f"Stopped: {done} of {len(files)} files are done.", err=True)
        raise typer.Exit(130) from None
    if failed and len(files) > 1:
        typer.echo(f"{failed} of {len(files)} files could not be read.", err=True)
    raise typer.Exit(1 if failed else 0)


def _check_choices(preset: str, vocabulary, chosen, output, count: int) -> dict:
    """Refuse what cannot work; return the configuration of the preset."""
    record = presets.records.read_record(preset)
    if "vocabulary" not in record["config"]:
        raise errors.ConfigError(
            "This preset names tags, not chords.",
            received=f"--preset {preset}",
            advice=f"Use: keras-musictag tag --preset {preset}",
        )
    if vocabulary is not None:
        get_vocabulary(vocabulary)
    if output is not None and output.exists() and not output.is_dir():
        raise errors.ConfigError(
            "Chord files go into a folder, one for each track.",
            received=f"--output {output}, which is a file",
            advice="Name a folder; it is made if it is missing.",
        )
    if output is None and (
        chosen == ChordFormat.midi or (chosen == ChordFormat.jams and count > 1)
    ):
        raise errors.ConfigError(
            f"The format {chosen} cannot be printed for {count} file(s).",
            received=f"--format {chosen} without --output",
            advice="Name a folder with --output.",
        )
    return record["config"]


def _transitions(decoder: Decoder, folder: Path | None, vocabulary):
    """Count which chord follows which, for the decoder that wants to know."""
    if (decoder == Decoder.hmm) != (folder is not None):
        raise errors.ConfigError(
            "--decoder hmm and --transitions belong together.",
            received=f"--decoder {decoder}, --transitions {folder}",
            advice="Name a folder of chord files that show which chord follows which.",
        )
    if folder is None:
        return None
    if isinstance(vocabulary, dict):
        vocabulary = Vocabulary(**{**vocabulary, "labels": tuple(vocabulary["labels"])})
    groups = chord_files(folder)
    songs = [read_chords(file) for files in groups.values() for file in files]
    return estimate_transitions(songs, vocabulary)


def _load(preset: str):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from keras_musictag.models.chord_recognizer import ChordRecognizer

    return ChordRecognizer.from_pretrained(preset)


class _Sheets:
    """Prints track after track, or writes a file for each into a folder."""

    def __init__(
        self,
        screen: TextIO,
        format: ChordFormat,
        folder: Path | None,
        preset: str,
        files: list[Path],
        key_notation: str | None,
    ):
        self.key_notation = key_notation
        self.screen, self.format = screen, format
        self.folder, self.preset = folder, preset
        self.console = make_console(screen)
        self.names, self.many = unique_names(files), len(files) > 1
        self.started = False

    def __enter__(self):
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        elif self.format == ChordFormat.json:
            self.screen.write("[")
        elif self.format == ChordFormat.csv:
            self.screen.write("path,start,end,label,confidence\n")
        return self

    def __exit__(self, *exception):
        if self.folder is None and self.format == ChordFormat.json:
            self.screen.write("\n]\n")
        self.screen.flush()

    def add(self, path: Path, chords: ChordSequence) -> None:
        """Print or write the chords of one track."""
        if self.folder is not None:
            suffix = SUFFIXES.get(self.format, self.format)
            target = self.folder / f"{self.names[path]}.{suffix}"
            self._write(path, chords, target)
            say(self.console, str(target))
        elif self.format == ChordFormat.json:
            self.screen.write(",\n" if self.started else "\n")
            self.screen.write(json.dumps(self._record(path, chords)))
        elif self.format == ChordFormat.csv:
            rows = csv.writer(self.screen, lineterminator="\n")
            rows.writerows([path, *_rounded(segment)] for segment in chords)
        elif self.format == ChordFormat.table:
            say(self.console, self._heading(path, chords))
            self.console.print(_table(chords))
        else:
            self.screen.write(self._text(path, chords))
        self.started = True
        self.screen.flush()

    def _write(self, path: Path, chords: ChordSequence, target: Path) -> None:
        if self.format == ChordFormat.midi:
            chords.to_midi(target)
        elif self.format == ChordFormat.csv:
            chords.to_csv(target)
        elif self.format == ChordFormat.json:
            chords.to_json(target)
        elif self.format == ChordFormat.table:
            with target.open("w", encoding="utf-8") as file:
                console = make_console(file)
                say(console, self._heading(path, chords))
                console.print(_table(chords))
        else:
            text = self._text(path, chords)
            target.write_text(text, encoding="utf-8", newline="\n")

    def _text(self, path: Path, chords: ChordSequence) -> str:
        several = self.many and self.folder is None
        if self.format == ChordFormat.lab:
            return (f"# {path}\n" if several else "") + chords.to_lab()
        if self.format == ChordFormat.jams:
            return chords.to_jams(title=path.stem)
        between = "{new_song}\n" if several and self.started else ""
        return between + chords.to_chordpro(title=path.stem)

    def _record(self, path: Path, chords: ChordSequence) -> dict:
        key = chords.key()
        names = ("start", "end", "label", "confidence")
        return {
            "path": str(path),
            "preset": self.preset,
            "duration": chords.duration,
            "key": key and self._key(key, key.label),
            "segments": [
                dict(zip(names, _rounded(segment), strict=True)) for segment in chords
            ],
        }

    def _heading(self, path: Path, chords: ChordSequence) -> str:
        key = chords.key()
        name = key and self._key(key, f"{key.name}, {key.camelot}")
        return f"{path}  {name}" if name else str(path)

    def _key(self, key: Key, usual: str) -> str:
        return key.notated(self.key_notation) if self.key_notation else usual


def _rounded(segment) -> list:
    start, end, label, confidence = segment
    return [round(start, 6), round(end, 6), label, round(confidence, 6)]


def _table(chords: ChordSequence) -> Table:
    """A sheet with the accidentals of the song's key."""
    table = Table("at", "seconds", "chord", "confidence", box=None)
    for start, end, label, confidence in chords.spelled():
        length = f"{end - start:.2f}"
        table.add_row(clock(start), length, label, f"{confidence:.2f}")
    return table
