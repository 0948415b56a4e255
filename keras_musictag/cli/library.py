"""`keras-musictag library`: whole collections, built once and asked often."""

import contextlib
import enum
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from typer import Argument, Option

from keras_musictag import environment, errors
from keras_musictag.cli.arguments import (
    KeyNotationOption,
    check_folder,
    check_output,
    in_words,
)
from keras_musictag.cli.engines import prepare_engines
from keras_musictag.cli.library_duplicates import DUPLICATES_HELP, duplicates
from keras_musictag.cli.library_mix import MIX_HELP, mix_path, mixable
from keras_musictag.cli.library_options import (
    Folder,
    IncludeMissing,
    Order,
    RelativeTo,
    TableFormat,
    Where,
    cell,
    plain,
)
from keras_musictag.cli.library_progress import Shown, summary
from keras_musictag.cli.printing import make_console, progress, say, silenced, warned

Layout = enum.StrEnum("Layout", ["tsne", "pca"])
Engine = enum.StrEnum("Engine", ["local", "ray"])
FileFormat = enum.StrEnum("FileFormat", ["csv", "json", "m3u"])
BEST = 3  # labels shown beside a track
DEFAULT_PRESET = "musicnn_msd"

LIBRARY_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag library build ~/Music --out lib[/cyan]  stop it and run it again:
it goes on\n
[cyan]keras-musictag library search lib --where "rock > 0.3"[/cyan]\n
[cyan]keras-musictag library search lib --like song.mp3[/cyan]\n
[cyan]keras-musictag library export lib rock.m3u8 --where "rock > 0.3"[/cyan]\n
[cyan]keras-musictag library path lib first.mp3 last.mp3 --mix[/cyan]  what mixes\n
[cyan]keras-musictag library map lib --out map.html[/cyan]  to look at"""
BUILD_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag library build ~/Music --out lib[/cyan]\n
[cyan]keras-musictag library build songs.csv --out lib --preset musicnn_msd --preset
vgg_mtt --chords crema --beats beatnet --key skey[/cyan]  one decoding for all\n
[cyan]keras-musictag library build ~/Music --out lib --preset musicnn_mtt
--segments vocals[/cyan]  and where somebody sings\n
[cyan]keras-musictag library build ~/Music --out lib-1 --shard 1/2[/cyan]  half of it;
see [cyan]merge[/cyan]\n
[cyan]keras-musictag library build s3://bucket/music --out lib --engine ray
--ray-address 10.0.0.1:6379[/cyan]  on a Ray cluster\n
[bold]Exit codes[/bold]  0: all files done. 1: some failed, see [cyan]library
errors[/cyan]. 2: wrong usage, or the library cannot be written. 130: stopped by Ctrl-C;
the same command goes on."""
SEARCH_HELP = """[bold]Examples[/bold]\n
[cyan]library search lib --where "rock > 0.3 and key = 'A:min'"[/cyan]\n
[cyan]library search lib --where '"female vocalists" > 0.2' --order "jazz
desc"[/cyan]  labels with blanks stand in double quotes\n
[cyan]library search lib --like song.mp3 --where "tempo > 100"[/cyan]\n
[cyan]library search lib --where "seconds_heard(segments.vocals, 0, 30) = 0"[/cyan]
nobody sings for 30 s; see [cyan]build --segments[/cyan]\n
[cyan]library search lib --text "rainy late-night jazz" --unlike song.mp3[/cyan]\n
[bold]Columns[/bold]  path, duration, size, mtime, sha256, missing, error, key,
key_correlation, key_margin, chords, tempo, tempo_confidence, meter, key_confidence,
key_camelot, key_regions, segments, and every label; vgg_mtt.rock is the label of that
preset."""

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Whole collections of music."
)
app.command("mixable", epilog=MIX_HELP)(mixable)
app.command("path", epilog=MIX_HELP)(mix_path)
app.command("duplicates", epilog=DUPLICATES_HELP)(duplicates)


@app.command(epilog=BUILD_HELP)
def build(
    sources: Annotated[
        list[str],
        Argument(
            metavar="SOURCE...",
            help="Folders, patterns, files, also as addresses (s3://...); tables with "
            "a column path (.csv, .tsv); lists (.txt, .m3u).",
        ),
    ],
    out: Annotated[
        Path, Option("--out", metavar="LIBRARY", help="New folder, or one to go on.")
    ],
    preset: Annotated[
        list[str] | None,
        Option(help="Tagger; may be repeated. musicnn_msd if none is named."),
    ] = None,
    words: Annotated[
        str | None,
        Option(
            "--labels",
            metavar="TEXT,...",
            help="Labels in any words, for presets that read (CLAP).",
        ),
    ] = None,
    chords: Annotated[
        str | None,
        Option(metavar="PRESET", help="Chords and key too, by crema for example."),
    ] = None,
    tempo: Annotated[
        bool, Option("--tempo", help="Tempo too, by librosa; --beats knows it better.")
    ] = False,
    beats: Annotated[
        str | None,
        Option(metavar="PRESET", help="Tempo and meter, by beatnet for example."),
    ] = None,
    key: Annotated[
        str | None,
        Option(metavar="PRESET", help="Key and its changes, by skey for example."),
    ] = None,
    segments: Annotated[
        list[str] | None,
        Option(
            metavar="LABEL|GROUP[=SCORE]",
            help="Where in a track this is heard, too, with scores from SCORE on, or "
            "from what is usual for the label; may be repeated.",
        ),
    ] = None,
    embeddings: Annotated[
        bool, Option(help="Keep embeddings, for search --like.")
    ] = True,
    chunks: Annotated[
        int | None,
        Option(min=1, metavar="N", help="Score N spaced chunks of a track, not all."),
    ] = None,
    shard: Annotated[
        str | None, Option(metavar="I/N", help="Only the I-th of N parts.")
    ] = None,
    retry_failed: Annotated[
        bool, Option("--retry-failed", help="Try again what failed.")
    ] = False,
    batch_size: Annotated[int, Option(min=1, help="Chunks in a batch.")] = 16,
    engine: Annotated[
        Engine, Option(help="This process, or a Ray cluster.")
    ] = Engine.local,
    workers: Annotated[
        int | None,
        Option(min=1, metavar="N", help="With Ray: processes; one per CPU if not set."),
    ] = None,
    ray_address: Annotated[
        str | None,
        Option(metavar="ADDRESS", help="With Ray: cluster; this machine if not set."),
    ] = None,
    quiet: Annotated[bool, Option("--quiet", help="No progress, no warnings.")] = False,
) -> None:
    """Tag, embed and transcribe a collection; stopped runs go on where they were."""
    check_folder("--out", out)
    environment.quiet_tensorflow()
    from keras_musictag import library

    screen = make_console(sys.stdout)
    with (
        silenced() as stderr,
        progress(screen, False, stderr, 2, quiet) as bar,
        contextlib.redirect_stdout(sys.stderr),  # where Ray writes what died
    ):
        shown = Shown(bar, quiet)
        try:
            done = library.build(
                sources,
                out,
                preset or (DEFAULT_PRESET,),
                chords,
                labels=in_words(words),
                tempo=tempo,
                beats=beats,
                key=key,
                segments=segments,
                embeddings=embeddings,
                chunks=chunks,
                shard=shard,
                retry_failed=retry_failed,
                batch_size=batch_size,
                engine=engine,
                workers=workers,
                address=ray_address,
                on_progress=shown,
            )
        except KeyboardInterrupt:
            say(bar.console, "Stopped; what is done is kept. The same command goes on.")
            raise typer.Exit(130) from None
    typer.echo(summary(done))
    if done.failed:
        typer.echo(f"See: keras-musictag library errors {out}", err=True)
    wanted = [*(preset or [DEFAULT_PRESET]), *filter(None, [chords, beats])]
    if not done.failed:
        prepare_engines(wanted, quiet=quiet)
    raise typer.Exit(1 if done.failed else 0)


@app.command(epilog=SEARCH_HELP)
def search(
    folder: Folder,
    where: Where = None,
    like: Annotated[
        list[str] | None,
        Option(metavar="FILE", help="Nearest first to this track; may be repeated."),
    ] = None,
    unlike: Annotated[
        list[str] | None, Option(metavar="FILE", help="And far from this one.")
    ] = None,
    text: Annotated[
        str | None, Option(help="Nearest first to these words; needs a CLAP library.")
    ] = None,
    text_model: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Reads the words without Keras; text.onnx in the library if not "
            "given. See export --text.",
        ),
    ] = None,
    order: Order = None,
    limit: Annotated[int, Option(min=1, help="Tracks, at most.")] = 20,
    preset: Annotated[str | None, Option(help="Whose embeddings are compared.")] = None,
    format: Annotated[TableFormat, Option(help="How to print.")] = TableFormat.table,
    key_notation: KeyNotationOption = None,
    include_missing: IncludeMissing = False,
) -> None:
    """Find tracks by tags, key, tempo, by words, or by tracks that they resemble."""
    from keras_musictag.library import Library
    from keras_musictag.library.exporting import WRITERS, notate_keys

    library = Library(folder)
    with silenced():
        rows = library.search(
            where,
            like or None,
            limit,
            text=text,
            text_model=text_model,
            unlike=unlike or None,
            order=order,
            preset=preset,
            include_missing=include_missing,
        )
    rows = notate_keys(rows, key_notation)
    if format != TableFormat.table:
        WRITERS[format](rows, sys.stdout)
        return
    make_console(sys.stdout).print(_table(library, rows))


def _table(library: Any, found: Any) -> Table:
    names = [n for n in ("similarity", "key", "tempo") if n in found.column_names]
    noted = {n for n in ("missing", "error") if any(found.column(n).to_pylist())}
    notes = ["note"] if noted else []
    table = Table("path", *names, "tags", *notes, box=None, pad_edge=False)
    table.columns[0].overflow = "fold"
    labels: list[str] = next(iter(library.labels.values()), [])
    labels = [label for label in labels if label in found.column_names]
    for row in found.to_pylist():
        scored = [(row[label], label) for label in labels if row[label] is not None]
        best = sorted(scored, reverse=True)[:BEST]
        tags = ", ".join(f"{label} {score:.2f}" for score, label in best)
        cells = [*(cell(row[n]) for n in names), tags]
        if noted:
            cells.append("missing" if row["missing"] else row["error"] and "failed now")
        table.add_row(plain(row["path"]), *cells)
    return table


@app.command()
def export(
    folder: Folder,
    output: Annotated[
        Path, Argument(metavar="FILE", help=".csv, .json, .m3u or .m3u8; or a folder.")
    ],
    where: Where = None,
    order: Order = None,
    limit: Annotated[int | None, Option(min=1, help="Tracks, at most.")] = None,
    format: Annotated[
        FileFormat | None, Option(help="As the suffix says if not set.")
    ] = None,
    by_tag: Annotated[
        bool,
        Option("--by-tag", help="A playlist of the best tracks for each label."),
    ] = False,
    min_score: Annotated[float, Option(help="With --by-tag: at least.")] = 0.1,
    preset: Annotated[str | None, Option(help="With --by-tag: whose labels.")] = None,
    key_notation: KeyNotationOption = None,
    relative_to: RelativeTo = None,
    include_missing: IncludeMissing = False,
) -> None:
    """Write tracks as CSV or JSON, or as playlists for players."""
    from keras_musictag.library import Library

    library = Library(folder)
    if not by_tag:
        check_output("FILE", output)
        count = library.export(
            output,
            format=format,
            where=where,
            order=order,
            limit=limit,
            key_notation=key_notation,
            relative_to=relative_to,
            include_missing=include_missing,
        )
        typer.echo(f"{count} tracks in {output}.")
        return
    if where or order or format:
        raise errors.ConfigError(
            "Playlists by tag have their own choice and order.",
            received="--by-tag with --where, --order or --format",
            advice="Leave these out; --min-score and --limit choose.",
        )
    check_folder("FILE", output)
    files = library.playlists(
        output,
        min_score=min_score,
        limit=limit or 100,
        preset=preset,
        key_notation=key_notation,
        relative_to=relative_to,
        include_missing=include_missing,
    )
    typer.echo(f"{len(files)} playlists in {output}.")


@app.command("map")
def show_map(
    folder: Folder,
    out: Annotated[Path, Option("--out", metavar="FILE.html", help="The page.")] = Path(
        "map.html"
    ),
    where: Where = None,
    preset: Annotated[
        str | None, Option(help="Whose embeddings lay out the map.")
    ] = None,
    method: Annotated[
        Layout, Option(help="tsne puts alike tracks side by side, pca is quicker.")
    ] = Layout.tsne,
    include_missing: IncludeMissing = False,
) -> None:
    """Write a page with a map of the tracks, to look at offline."""
    from keras_musictag.library import Library

    check_output("--out", out)
    count = Library(folder).map(
        out,
        where=where,
        preset=preset,
        method=method,
        include_missing=include_missing,
    )
    typer.echo(f"{count} tracks in {out}.")


@app.command()
def merge(
    folders: Annotated[
        list[Path], Argument(metavar="LIBRARY...", help="Libraries, such as shards.")
    ],
    out: Annotated[
        Path, Option("--out", metavar="LIBRARY", help="New folder, or a library.")
    ],
) -> None:
    """Bring libraries together in one."""
    from keras_musictag import library

    check_folder("--out", out)
    with warned(lambda text: typer.echo(text, err=True)):
        library.merge(folders, out)
    tracks = library.Library(out).search().num_rows
    typer.echo(f"{tracks} tracks in {out}.")


@app.command()
def forget(folder: Folder) -> None:
    """Drop tracks whose files are gone, as the last build has seen it."""
    from keras_musictag import library

    typer.echo(f"{library.forget(folder)} tracks forgotten.")


@app.command("errors")
def show_errors(
    folder: Folder,
    format: Annotated[TableFormat, Option(help="How to print.")] = TableFormat.table,
) -> None:
    """Show the files that failed, and why; build --retry-failed tries them again."""
    from keras_musictag.library import Library
    from keras_musictag.library.exporting import WRITERS

    failures = Library(folder).errors()
    if format != TableFormat.table:
        WRITERS[format](failures, sys.stdout)
        return
    console = make_console(sys.stdout)
    for row in failures.to_pylist():
        say(console, f"{row['path']} ({row['preset']}): {row['message']}")
    say(console, f"{failures.num_rows} failures.")
