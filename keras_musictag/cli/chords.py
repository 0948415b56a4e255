"""`keras-musictag chords`: files in, chord sheets and chord files out."""

import enum
from pathlib import Path
from typing import Annotated

from rich.table import Table
from typer import Option

from keras_musictag import environment, errors
from keras_musictag.chords import Vocabulary, estimate_transitions, get_vocabulary
from keras_musictag.chords.sheet import clock
from keras_musictag.chords.vocabulary import vocabulary_from_config
from keras_musictag.cli.arguments import KeyNotationOption, Paths, Quiet, find_files
from keras_musictag.cli.chord_scores import chord_files, read_chords
from keras_musictag.cli.export import Engine, open_exported
from keras_musictag.cli.files import for_each_file, split_readable, unique_names
from keras_musictag.cli.printing import say
from keras_musictag.cli.rendering import (
    CsvRenderer,
    JsonRenderer,
    Renderer,
    TableRenderer,
    TextRenderer,
)
from keras_musictag.pages.summary import SongSummary
from keras_musictag.presets import records

ChordFormat = enum.StrEnum(
    "ChordFormat", "table lab jams json csv midi chordpro musicxml audacity"
)
Decoder = enum.StrEnum("Decoder", ["viterbi", "argmax", "hmm"])
SUFFIXES = {"table": "txt", "midi": "mid", "chordpro": "cho", "audacity": "txt"}
# One document for each song: several on one screen are no file any more.
DOCUMENTS = (ChordFormat.jams, ChordFormat.musicxml, ChordFormat.audacity)

CHORDS_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag chords song.mp3[/cyan]  a sheet with times\n
[cyan]keras-musictag chords song.mp3 --vocabulary majmin[/cyan]  plain triads\n
[cyan]keras-musictag chords ~/Music --output chords[/cyan]  a .lab file for each\n
[cyan]keras-musictag chords song.mp3 --format midi --output .[/cyan]  to listen to\n
[cyan]keras-musictag chords song.mp3 --beats[/cyan]  chords that change on beats\n
[cyan]keras-musictag chords song.mp3 --decoder hmm --transitions songs[/cyan]\n
[cyan]keras-musictag chords song.mp3 --preset crema.onnx[/cyan]  made by `export`\n
[bold]Vocabularies[/bold]  majmin, sevenths, tetrads, crema170, inversions\n
[bold]Exit codes[/bold]  0: all files done. 1: some could not be, they are named.
2: wrong usage. 130: stopped by Ctrl-C, what was done is written."""


def chords(
    paths: Paths = None,
    demo: Annotated[bool, Option("--demo", help="Use the clip inside.")] = False,
    preset: Annotated[
        str, Option(help="Pretrained model, or a saved or exported one.")
    ] = "crema",
    engine: Annotated[
        Engine | None,
        Option(help="Who computes; onnx and litert start quickly and need an export."),
    ] = None,
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
            help="For --decoder hmm: chord files, .lab or others, to count in them "
            "which chord follows which.",
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
        Option(
            metavar="DIR",
            help="Write a file for each track into this folder, in the same folders "
            "as the music.",
        ),
    ] = None,
    key_notation: KeyNotationOption = None,
    quiet: Quiet = False,
) -> None:
    """Name the chords of audio files, with times.

    Each result is printed or written as soon as it is there. A file that cannot be
    read is named, and the others go on.
    """
    # Whatever can be wrong is said before the backend starts, which takes seconds.
    files = find_files(
        paths, "find chords in", demo=demo, demo_of="chords", quiet=quiet
    )
    chosen = format or (ChordFormat.lab if output else ChordFormat.table)
    exported = open_exported(preset, engine, "chords")
    own = exported.vocabulary if exported else _vocabulary_of(preset)
    _check_choices(vocabulary, chosen, output, len(files))
    matrix = _transitions(decoder, transitions, vocabulary or own)

    def work(usable):
        return (exported or _load(preset)).iter_chords(
            usable,
            vocabulary=vocabulary,
            decoder=decoder,
            transition=matrix,
            beats="auto" if beats else None,
            min_duration=min_duration,
        )

    def use(path, sequence, show):
        song = SongSummary(
            path.name,
            chords=sequence,
            presets={"chords": preset},
            key_notation=key_notation,
        )
        renderer.add(path, song)

    usable, failed = split_readable(list(files))
    if output is not None:
        names = unique_names({p: str(files[p].with_name(p.stem)) for p in usable})
        renderer: Renderer = ChordFiles(chosen, output, names)
    else:
        renderer = _renderer(chosen, several=len(usable) > 1)
    for_each_file(
        usable,
        work,
        use,
        renderer,
        failed=failed,
        doing="Listening",
        undone="read",
        quiet=quiet,
    )


def _vocabulary_of(preset: str) -> Vocabulary:
    """Return what a preset tells apart, if it names chords."""
    record = records.read_record(preset)
    if record["task"] != "chords":
        raise errors.ConfigError(
            "This preset names tags, not chords.",
            received=f"--preset {preset}",
            advice=f"Use: keras-musictag tag --preset {preset}",
        )
    return vocabulary_from_config(record["config"]["vocabulary"])


def _check_choices(vocabulary, chosen, output, count: int) -> None:
    """Refuse what cannot work."""
    if vocabulary is not None:
        get_vocabulary(vocabulary)
    if output is not None and output.exists() and not output.is_dir():
        raise errors.ConfigError(
            "Chord files go into a folder, one for each track.",
            received=f"--output {output}, which is a file",
            advice="Name a folder; it is made if it is missing.",
        )
    if output is None and (
        chosen == ChordFormat.midi or (chosen in DOCUMENTS and count > 1)
    ):
        raise errors.ConfigError(
            f"The format {chosen} cannot be printed for {count} file(s).",
            received=f"--format {chosen} without --output",
            advice="Name a folder with --output.",
        )


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
    groups = chord_files(folder)
    songs = [read_chords(file) for files in groups.values() for file in files]
    return estimate_transitions(songs, vocabulary)


def _load(preset: str):
    environment.quiet_tensorflow()
    from keras_musictag.models.recognizer import ChordRecognizer

    return ChordRecognizer.from_pretrained(preset)


# === What is shown ===


class ChordFiles(Renderer):
    """A file for each song in a folder; the screen says which.

    Args:
        format: Of the files.
        folder: Made if it is missing, as the folders in it are.
        names: What the file of each song is called, with folders, without its suffix.
    """

    def __init__(self, format: ChordFormat, folder: Path, names: dict[Path, str]):
        super().__init__()
        self.format, self.folder, self.names = format, folder, names

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, song: SongSummary) -> None:
        suffix = SUFFIXES.get(self.format, self.format)
        target = self.folder / f"{self.names[path]}.{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        assert song.chords is not None
        if self.format == ChordFormat.midi:
            song.chords.to_midi(target)
        elif self.format == ChordFormat.csv:
            song.chords.to_csv(target)
        elif self.format == ChordFormat.json:
            song.chords.to_json(target)
        else:
            with _renderer(self.format, target) as renderer:
                renderer.add(path, song)
        say(self.console, str(target))


def _renderer(
    format: ChordFormat, output: Path | None = None, *, several: bool = False
) -> Renderer:
    """Show chords on the screen or in one file."""

    def lab(path, song, first):
        return (f"# {path}\n" if several else "") + song.chords.to_lab()

    def audacity(path, song, first):
        return song.chords.to_audacity()

    def jams(path, song, first):
        return song.chords.to_jams(title=path.stem)

    def musicxml(path, song, first):
        return song.chords.to_musicxml(title=path.stem)

    def chordpro(path, song, first):
        return ("" if first else "{new_song}\n") + song.chords.to_chordpro(
            title=path.stem
        )

    if format == ChordFormat.json:
        return JsonRenderer(_record, output)
    if format == ChordFormat.csv:
        columns = ("start", "end", "label", "confidence")
        return CsvRenderer(columns, lambda song: map(dict.values, song.segments()))
    if format == ChordFormat.table:
        return TableRenderer(_heading, _table, output)
    texts = {
        ChordFormat.lab: lab,
        ChordFormat.audacity: audacity,
        ChordFormat.jams: jams,
        ChordFormat.musicxml: musicxml,
        ChordFormat.chordpro: chordpro,
    }
    return TextRenderer(texts[format], output)


def _record(path: Path, song: SongSummary) -> dict:
    return {
        "path": str(path),
        "preset": song.presets["chords"],
        "duration": song.duration,
        "key": song.key and song.notated_key(song.key.label),
        "segments": song.segments(),
    }


def _heading(path: Path, song: SongSummary) -> str:
    if song.key is None:
        return str(path)
    return f"{path}  {song.notated_key(f'{song.key.name}, {song.key.camelot}')}"


def _table(song: SongSummary) -> Table:
    """A sheet with the accidentals of the song's key."""
    table = Table("at", "seconds", "chord", "confidence", box=None)
    assert song.chords is not None
    for start, end, label, confidence in song.chords.spelled():
        length = f"{end - start:.2f}"
        table.add_row(clock(start), length, label, f"{confidence:.2f}")
    return table
