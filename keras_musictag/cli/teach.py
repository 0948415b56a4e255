"""`keras-musictag teach`: a new tag by examples."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option
from typer.core import TyperCommand

from keras_musictag import audio, errors
from keras_musictag.cli.files import split_readable
from keras_musictag.cli.printing import make_console, progress, silenced, warned
from keras_musictag.cli.starting import start_keras

MANY = ("--yes", "--no", "--pool")  # options that take one value after the other
ANSWERS = {"y": True, "yes": True, "n": False, "no": False}

TEACH_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag teach "late night" --yes a.mp3 b.mp3 --no c.mp3 --out
late_night[/cyan]\n
[cyan]keras-musictag teach "late night" --yes good --no other --pool ~/Music --out
late_night[/cyan]  asks about ten tracks of a collection\n
[cyan]keras-musictag tag song.mp3 --preset late_night[/cyan]  uses the tag\n
[cyan]keras-musictag teach energy --values songs.csv --out energy[/cyan]  numbers, of a
table with the columns path and energy\n
[bold]Exit codes[/bold]  0: the tag is saved. 1: it is saved, some files could not be
read, they are named. 2: wrong usage."""


class TeachCommand(TyperCommand):
    """Lets `--yes a.mp3 b.mp3` stand for `--yes a.mp3 --yes b.mp3`."""

    def parse_args(self, ctx, args):
        return super().parse_args(ctx, spread(args))


def spread(args: list[str]) -> list[str]:
    """Put the name of an option of several values before each of them."""
    spelt: list[str] = []
    option = None
    for index, arg in enumerate(args):
        if arg.startswith("-"):
            option = arg if arg in MANY else None
        elif option and spelt[-1] != option:
            spelt.append(option)
        spelt.append(arg)
        if arg == "--":
            return [*spelt, *args[index + 1 :]]
    return spelt


def teach(
    name: Annotated[str, Argument(metavar="TAG", help="Name of the new tag.")],
    out: Annotated[
        Path, Option("--out", metavar="FOLDER", help="Where the tagger is saved.")
    ],
    yes: Annotated[
        list[str] | None,
        Option("--yes", metavar="PATH...", help="Audio that has the tag."),
    ] = None,
    no: Annotated[
        list[str] | None, Option("--no", metavar="PATH...", help="Audio that does not.")
    ] = None,
    values: Annotated[
        Path | None,
        Option(
            "--values",
            metavar="FILE.csv",
            help="Instead of yes and no: numbers in the column TAG, beside path.",
        ),
    ] = None,
    pool: Annotated[
        list[str] | None,
        Option("--pool", metavar="PATH...", help="A collection to ask about."),
    ] = None,
    ask: Annotated[
        int, Option(min=0, help="How many tracks of the pool to ask about.")
    ] = 10,
    preset: Annotated[
        str, Option(help="Pretrained model, or the folder of a saved one.")
    ] = "musicnn_msd",
    cache: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="Keep what was computed for the next time."),
    ] = None,
) -> None:
    """Teach a new tag by a few examples, and save it as a tagger of its own.

    PATH is an audio file, a folder or a pattern like '*.mp3'.
    """
    _check_examples(yes, no, pool, values)
    if out.exists() and not out.is_dir():
        raise errors.ConfigError(
            "The tagger is saved as a folder, and there is a file of this name.",
            received=f"--out {out}",
            advice="Name another folder.",
        )
    if values is not None:
        _teach_values(name, values, out, preset, cache)
        return
    with warned(lambda text: typer.echo(text, err=True)):
        given = [audio.find_files(paths or []) for paths in (yes, no, pool)]
    split = [split_readable(files) for files in given]
    files = [[str(path) for path in usable] for usable, _ in split]
    failed = sum(count for _, count in split)
    screen = make_console(sys.stdout)
    with silenced() as stderr, progress(screen, False, stderr, 1, False):
        # Here, because they start the backend.
        start_keras()
        from keras_musictag.models.tagger import MusicTagger
        from keras_musictag.training.teaching import teach as begin

        lesson = begin(
            MusicTagger.from_pretrained(preset),
            *files[:2],
            name=name,
            pool=files[2],
            cache=cache,
        )
        typer.echo(_heard(lesson), file=stderr)
        if lesson.pool and ask:
            _ask(lesson, ask, stderr)
        lesson.tagger.save_pretrained(out)
    typer.echo(f"The tag {name!r} is saved in {out}.")
    typer.echo(f"Use it: keras-musictag tag song.mp3 --preset {out}")
    raise typer.Exit(1 if failed else 0)


def _check_examples(yes, no, pool, values) -> None:
    """Refuse both kinds of examples, or half of one."""
    if values is None and not (yes and no):
        missing = [option for option, v in (("--yes", yes), ("--no", no)) if not v]
        raise errors.ConfigError(
            "A tag is taught by tracks that have it and tracks that do not.",
            received=f"no {' and no '.join(missing)}",
            advice="Give both; or --values FILE.csv for numbers.",
        )
    if values is not None and (yes or no or pool):
        raise errors.ConfigError(
            "Numbers are taught by a table alone.",
            received="--values with --yes, --no or --pool",
            advice="Leave these out.",
        )


def _teach_values(name: str, table: Path, out: Path, preset: str, cache) -> None:
    from keras_musictag.data import from_csv

    with warned(lambda text: typer.echo(text, err=True)):
        tracks = from_csv(table, tags=[name]).check_files()
    with silenced():
        start_keras()
        from keras_musictag.models.tagger import MusicTagger
        from keras_musictag.training.values import teach_values

        tagger = MusicTagger.from_pretrained(preset)
        taught = teach_values(tagger, tracks, cache=cache)
        taught.tagger.save_pretrained(out)
    typer.echo(str(taught))
    typer.echo(f"Saved in {out}. Use it: keras-musictag tag song.mp3 --preset {out}")
    raise typer.Exit(1 if tracks.problems else 0)


def _heard(lesson) -> str:
    positive = sum(lesson.answers.values())
    return f"{positive} tracks with the tag, {len(lesson.answers) - positive} without."


def _ask(lesson, count: int, stderr) -> None:
    """Ask about tracks, one after the other; an end of the input ends it."""
    skipped: set[str] = set()
    typer.echo("Has it the tag? y: yes, n: no, s: skip, q: quit.", file=stderr)
    for number in range(1, count + 1):
        left = [p for p in lesson.ask(len(skipped) + 1) if p not in skipped]
        if not left:
            return
        typer.echo(f"{number}/{count} {left[0]} [y/n/s/q] ", nl=False, file=stderr)
        try:
            reply = input().strip().lower()
        except EOFError:
            typer.echo("", file=stderr)
            return
        if reply in ("q", "quit"):
            return
        if reply in ANSWERS:
            lesson.answer(left[0], ANSWERS[reply])
        else:
            skipped.add(left[0])
