"""`keras-musictag key`: files in; the key and where it changes out."""

import enum
from pathlib import Path
from typing import Annotated, Any

from rich.table import Table
from typer import Option

from keras_musictag import errors
from keras_musictag.chords.sheet import clock
from keras_musictag.cli.arguments import (
    KeyNotation,
    Paths,
    Quiet,
    check_folder,
    find_files,
    read_record,
)
from keras_musictag.cli.export import open_exported
from keras_musictag.cli.files import for_each_file, split_readable, unique_names
from keras_musictag.cli.rendering import (
    CsvRenderer,
    FolderRenderer,
    JsonRenderer,
    Renderer,
    TableRenderer,
    TextRenderer,
)
from keras_musictag.cli.song_reports import CHORD_PRESET
from keras_musictag.cli.starting import start_keras
from keras_musictag.engines.files import ready_engine
from keras_musictag.export import metadata
from keras_musictag.keys import KeyRegion, KeySequence
from keras_musictag.keys.files import FIELDS
from keras_musictag.keys.from_chords import KeyFromChords
from keras_musictag.pages.summary import SongSummary
from keras_musictag.presets import records

KeyFormat = enum.StrEnum("KeyFormat", "table json csv lab jams key")
SUFFIXES = {"table": "txt"}
# The key that follows from the chords of the default chord recogniser.
CHORDS = "chords"
COLUMNS = ("start", "end", "key", "confidence")

KEY_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag key song.mp3[/cyan]  the key, as on a sheet and on Camelot's
wheel, and where it changes\n
[cyan]keras-musictag key ~/Music --notation openkey --format csv[/cyan]  a table of
all songs\n
[cyan]keras-musictag key ~/Music --output keys[/cyan]  a .lab file for each\n
[cyan]keras-musictag key song.mp3 --preset skey[/cyan]  a network that is ten times as
fast; fetches 0.8 MB once\n
[bold]Exit codes[/bold]  0: all files done. 1: some could not be, they are named.
2: wrong usage. 130: stopped by Ctrl-C, what was done is written."""


def key_command(
    paths: Paths = None,
    demo: Annotated[bool, Option("--demo", help="Use the clip inside.")] = False,
    preset: Annotated[
        str,
        Option(
            help="chords: from the chords, offline. Or skey, keynet, a preset for "
            "chords, a saved or exported model."
        ),
    ] = CHORDS,
    notation: Annotated[
        KeyNotation | None,
        Option(help="In tables: keys as Am, 8A (Camelot) or 1m (Open Key)."),
    ] = None,
    format: Annotated[
        KeyFormat | None,
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
    quiet: Quiet = False,
) -> None:
    """Find the key of audio files, and where it changes.

    Each result is printed or written as soon as it is there. A file that cannot be
    read is named, and the others go on.
    """
    # Whatever can be wrong is said before the backend starts, which takes seconds.
    files = find_files(paths, "find keys in", demo=demo, demo_of="key", quiet=quiet)
    chosen = format or (KeyFormat.lab if output else KeyFormat.table)
    exported = _open_exported(preset)
    _check_choices(preset, chosen, output, len(files), bool(exported))

    ready = None if exported else _ready(preset)

    def work(usable):
        return (exported or ready or _load(preset)).iter_keys(usable)

    def use(path, sequence, show):
        song = SongSummary(
            path.name,
            keys=sequence,
            presets={"key": preset},
            key_notation=notation and notation.value,
        )
        renderer.add(path, song)

    usable, failed = split_readable(list(files))
    if output is not None:
        names = unique_names({p: str(files[p].with_name(p.stem)) for p in usable})
        suffix = SUFFIXES.get(chosen, chosen)
        renderer: Renderer = FolderRenderer(suffix, output, names, _saver(chosen))
    else:
        renderer = _renderer(chosen, several=len(usable) > 1)
    named = _chord_preset(preset)
    for_each_file(
        usable,
        work,
        use,
        renderer,
        failed=failed,
        doing="Listening",
        undone="read",
        quiet=quiet,
        engines=[] if exported or named is None else [named],
    )


def _check_choices(preset, chosen, output, count: int, exported: bool) -> None:
    """Refuse what cannot work."""
    known = exported or preset == CHORDS
    if not known and records.read_record(preset)["task"] != "chords":
        read_record(preset, "key")
    check_folder("--output", output)
    if output is None and chosen == KeyFormat.jams and count > 1:
        raise errors.ConfigError(
            f"The format {chosen} cannot be printed for {count} file(s).",
            received=f"--format {chosen} without --output",
            advice="Name a folder with --output.",
        )


def _open_exported(preset: str):
    """Return an exported network for keys, `None` if it is none."""
    if preset == CHORDS or not metadata.is_exported(preset):
        return None
    return open_exported(preset, task="key")


def _chord_preset(preset: str) -> str | None:
    """Return whose chords tell the key; `None` for a network for keys."""
    if preset == CHORDS:
        return CHORD_PRESET
    exported = metadata.is_exported(preset)
    if exported or records.read_record(preset)["task"] != "chords":
        return None
    return preset


def _ready(preset: str):
    """Return what needs no Keras, if an earlier run has made its engine."""
    chords = _chord_preset(preset)
    engine = None if chords is None else ready_engine(chords)
    return None if engine is None else KeyFromChords(engine)


def _load(preset: str):
    start_keras()
    from keras_musictag.models.key_recognizer import KeyRecognizer
    from keras_musictag.models.recognizer import ChordRecognizer

    chords = _chord_preset(preset)
    if chords is not None:
        return KeyFromChords(ChordRecognizer.from_pretrained(chords))
    return KeyRecognizer.from_pretrained(preset)


# === What is shown ===


def _saver(format: KeyFormat):
    """Return what writes the keys of a song to a file."""

    def save(path: Path, song: SongSummary, target: Path) -> None:
        if format == KeyFormat.json:
            _keys(song).to_json(target)
        elif format == KeyFormat.csv:
            _keys(song).to_csv(target)
        else:
            with _renderer(format, target) as renderer:
                renderer.add(path, song)

    return save


def _renderer(
    format: KeyFormat, output: Path | None = None, *, several: bool = False
) -> Renderer:
    """Show keys on the screen or in one file."""

    def lab(path, song, first):
        return (f"# {path}\n" if several else "") + _keys(song).to_lab()

    def jams(path, song, first):
        return _keys(song).to_jams(title=path.stem)

    def key(path, song, first):
        # What `evaluate --keys` reads; a file without a key is one without text.
        name = song.key.name if song.key else ""
        return (f"{path}\t" if several else "") + f"{name}\n"

    if format == KeyFormat.json:
        return JsonRenderer(_record, output)
    if format == KeyFormat.csv:
        return CsvRenderer(COLUMNS, _rows, output)
    if format == KeyFormat.table:
        return TableRenderer(_heading, _table, output)
    texts = {KeyFormat.lab: lab, KeyFormat.jams: jams, KeyFormat.key: key}
    return TextRenderer(texts[format], output)


def _keys(song: SongSummary) -> KeySequence:
    assert song.keys is not None
    return song.keys


def _shown(song: SongSummary, region: KeyRegion) -> str:
    return region.key.notated(song.key_notation or KeyNotation.musical.value)


def _rows(song: SongSummary):
    for region in _keys(song):
        yield region.start, region.end, _shown(song, region), region.confidence


def _record(path: Path, song: SongSummary) -> dict[str, Any]:
    keys = _keys(song)
    return {
        "path": str(path),
        "preset": song.presets["key"],
        "duration": keys.duration,
        "key": song.key and song.key.label,
        "camelot": song.key and song.key.camelot,
        "openkey": song.key and song.key.open_key,
        "confidence": keys.confidence,
        "regions": [dict(zip(FIELDS, region, strict=True)) for region in keys],
    }


def _heading(path: Path, song: SongSummary) -> str:
    if song.key is None:
        return f"{path}  no key"
    shown = song.notated_key(f"{song.key.name} ({song.key.camelot})")
    return f"{path}  {shown}, confidence {_keys(song).confidence or 0:.2f}"


def _table(song: SongSummary) -> Table:
    """A line for each region."""
    table = Table("from", "to", "key", "Camelot", "confidence", box=None)
    for region in _keys(song):
        cells = (clock(region.start), clock(region.end), _shown(song, region))
        table.add_row(*cells, region.key.camelot, f"{region.confidence or 0:.2f}")
    return table
