"""`keras-musictag library duplicates`: recordings that are there more than once."""

import sys
from typing import Annotated

import typer
from rich.table import Table
from typer import Option

from keras_musictag.cli.library_options import Folder, TableFormat, Where, plain
from keras_musictag.cli.printing import make_console

DUPLICATES_HELP = """[bold]Examples[/bold]\n
[cyan]library duplicates lib[/cyan]  the largest file of each recording first\n
[cyan]library duplicates lib --similarity 0.95 --format csv > copies.csv[/cyan]\n
[bold]What is one[/bold]  Sound and length are nearly the same, or the content of the
files is. Other takes of a song are none. Nothing is deleted: listen first."""


def duplicates(
    folder: Folder,
    where: Where = None,
    similarity: Annotated[
        float, Option(min=0, max=1, help="Least cosine of the embeddings.")
    ] = 0.97,
    seconds: Annotated[
        float, Option(min=0, max=3600, help="How far lengths may be apart.")
    ] = 1.0,
    preset: Annotated[
        str | None, Option(metavar="PRESET", help="Whose embeddings are compared.")
    ] = None,
    format: Annotated[TableFormat, Option(help="How to print.")] = TableFormat.table,
) -> None:
    """Find recordings that are there more than once, in whatever format and rate."""
    from keras_musictag.library import Library
    from keras_musictag.library.exporting import WRITERS

    found = Library(folder).duplicates(
        similarity=similarity, seconds=seconds, where=where, preset=preset
    )
    if format != TableFormat.table:
        WRITERS[format](found, sys.stdout)
        return
    table = Table("group", "path", "seconds", "MB", "similarity", box=None)
    table.columns[1].overflow = "fold"
    for row in found.to_pylist():
        numbers = f"{row['duration']:.1f}", f"{row['size'] / 1e6:.1f}"
        cosine = f"{row['similarity']:.4f}"
        table.add_row(str(row["group"]), plain(row["path"]), *numbers, cosine)
    if found.num_rows:
        make_console(sys.stdout).print(table)
    groups = len(set(found["group"].to_pylist()))
    typer.echo(f"{groups} recordings in {found.num_rows} files.", err=True)
