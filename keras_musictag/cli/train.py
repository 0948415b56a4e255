"""`keras-musictag train`: from a table of tracks to a saved tagger."""

import enum
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from keras_musictag import errors
from keras_musictag.cli.arguments import (
    check_folder,
    read_config,
    read_record,
    read_tracks,
)
from keras_musictag.cli.printing import silenced, warned
from keras_musictag.cli.starting import start_keras
from keras_musictag.cli.tag_scores import UnknownTags
from keras_musictag.data import AudioCache

Freeze = enum.StrEnum("Freeze", ["normalization", "backbone", "none"])
ProblemType = enum.StrEnum(
    "ProblemType",
    ["multi_label_classification", "single_label_classification", "regression"],
)
CACHE_BYTES = 2 * 2**30  # in memory

TRAIN_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag train --data songs.csv --out my_tagger[/cyan]  a table with the
columns path, tags (joined by |) and split (train, valid, test)\n
[cyan]keras-musictag train --data songs.csv --labels calm,wild --freeze backbone
--out my_tagger[/cyan]  the last layer alone\n
[cyan]keras-musictag train --data genres --problem-type single_label_classification
--out my_genres[/cyan]  a folder with a folder for each class\n
[cyan]keras-musictag train --config run.toml --seed 3[/cyan]  options from a file, such
as the line: epochs = 20\n
[cyan]keras-musictag evaluate --preset my_tagger --data songs.csv[/cyan]  judges it\n
[bold]Splits[/bold]  Tracks without any are dealt out at random, 80, 10 and 10 % of
them; splits.csv in the folder then says how.\n
[bold]Exit codes[/bold]  0: the tagger is saved. 1: it is saved, some files could not be
read, they are named. 2: wrong usage. 130: stopped by Ctrl-C; --resume goes on."""


def train(
    data: Annotated[
        Path,
        Option(
            metavar="FILE.csv|FOLDER",
            help="Tracks and their tags: a table, or a folder for each class.",
        ),
    ],
    out: Annotated[
        Path, Option("--out", metavar="FOLDER", help="Where the tagger is saved.")
    ],
    labels: Annotated[
        str | None,
        Option(
            metavar="A,B,...",
            help="Tags to learn, in this order; all that the data have if not set. "
            "For numbers, their columns in the table.",
        ),
    ] = None,
    preset: Annotated[
        str, Option(help="What to start from: a preset, or the folder of a saved one.")
    ] = "musicnn_msd",
    problem_type: Annotated[
        ProblemType, Option(help="Any number of tags, exactly one, or numbers.")
    ] = ProblemType.multi_label_classification,
    freeze: Annotated[
        Freeze,
        Option(
            help="What stays as it is: batch normalisation, all but the last layer, or "
            "nothing."
        ),
    ] = Freeze.normalization,
    probe: Annotated[
        bool,
        Option(help="Start from a linear probe, or else from a random last layer."),
    ] = True,
    rate: Annotated[
        float | None,
        Option(
            help="Learning rate; if not set 0.0003, for the last layer alone 0.001, "
            "with nothing frozen 0.0001."
        ),
    ] = None,
    epochs: Annotated[int, Option(min=1, help="At most so many.")] = 50,
    patience: Annotated[
        int, Option(min=1, help="Stop after so many epochs without a better one.")
    ] = 10,
    batch_size: Annotated[int, Option(min=1, help="Chunks in a batch.")] = 16,
    seed: Annotated[int, Option(help="The same seed gives the same tagger.")] = 0,
    seeds: Annotated[
        int,
        Option(min=1, help="Train so many, with this seed and the next; mean and dev."),
    ] = 1,
    cache: Annotated[
        str,
        Option(
            metavar="memory|none|FOLDER",
            help="Where decoded audio is kept: in memory (2 GiB), nowhere, on disk.",
        ),
    ] = "memory",
    workers: Annotated[int, Option(min=0, help="Threads that read ahead.")] = 1,
    separator: Annotated[str, Option(help="What stands between two tags.")] = "|",
    audio_folder: Annotated[
        Path | None, Option(help="Where paths in the table begin; its own folder.")
    ] = None,
    unknown_tags: Annotated[
        UnknownTags, Option(help="Tags that are not in --labels.")
    ] = UnknownTags.refuse,
    resume: Annotated[
        bool, Option("--resume", help="Go on with a run that was stopped.")
    ] = False,
    quiet: Annotated[bool, Option("--quiet", help="No epochs, no warnings.")] = False,
    config: Annotated[
        Path | None,
        Option(
            metavar="FILE.toml",
            is_eager=True,
            callback=read_config,
            help="Options by their names; those on the command line win.",
        ),
    ] = None,
) -> None:
    """Fine-tune a pretrained tagger on tags of your own.

    Trains on the split train, keeps the epoch that is best on the split valid, and
    saves it as a folder for tag, evaluate and MusicTagger.from_pretrained.
    """
    check_folder("--out", out)
    read_record(preset)
    names = None if labels is None else [n.strip() for n in labels.split(",")]

    with silenced() as stderr:

        def say(text: str) -> None:
            typer.echo(text, file=stderr)

        def show_epoch(row: dict[str, float]) -> None:
            rest = (f"{k} {v:.4f}" for k, v in row.items() if k != "epoch")
            say(f"epoch {row['epoch']} of {epochs}: {', '.join(rest)}")

        with warned(say, quiet):
            everything = read_tracks(
                data,
                names,
                problem_type=problem_type,
                separator=separator,
                audio_folder=audio_folder,
                unknown_tags=unknown_tags,
            )
            tracks = everything.check_files()
            start_keras()
            try:
                lines = _run(
                    tracks,
                    out,
                    seed,
                    seeds,
                    preset=preset,
                    problem_type=str(problem_type),
                    probe=probe,
                    freeze=None if freeze == Freeze.none else str(freeze),
                    rate=rate,
                    epochs=epochs,
                    patience=patience,
                    batch_size=batch_size,
                    cache=_cache(cache),
                    workers=workers,
                    resume=resume,
                    on_epoch=None if quiet else show_epoch,
                )
            except KeyboardInterrupt:
                say("Stopped. The same command with --resume goes on.")
                raise typer.Exit(130) from None
    for line in lines:
        typer.echo(line)
    folder = out if seeds == 1 else out / f"seed-{seed}"
    parts = out / "splits.csv"
    told = parts if parts.exists() else data
    typer.echo(f"Judge it: keras-musictag evaluate --preset {folder} --data {told}")
    typer.echo(f"Use it: keras-musictag tag song.mp3 --preset {folder}")
    failed = len(everything) - len(tracks)
    if failed:
        typer.echo(f"{failed} of {len(everything)} files could not be read.", err=True)
    raise typer.Exit(1 if failed else 0)


def _run(tracks, out: Path, seed: int, seeds: int, **options) -> list[str]:
    """Train; return what there is to say."""
    # Here, because it starts the backend.
    from keras_musictag.training.run import train_seeds, train_tagger

    if seeds == 1:
        run = train_tagger(tracks, out, seed=seed, **options)
        figure = f"{run.monitor} {run.best[run.monitor]:.4f}"
        return [f"Saved in {out}. Best epoch: {run.best['epoch']}, {figure}."]
    runs, figures = train_seeds(tracks, out, range(seed, seed + seeds), **options)
    lines = [f"{len(runs)} taggers are saved in {out}. Mean and deviation:"]
    return lines + [f"{k:<28}{m:.4f} ± {d:.4f}" for k, (m, d) in figures.items()]


def _cache(where: str) -> AudioCache | None:
    if where == "none":
        return None
    if where == "memory":
        return AudioCache(max_bytes=CACHE_BYTES)
    check_folder("--cache", Path(where))
    try:
        return AudioCache(where)
    except OSError as error:
        raise errors.ConfigError(
            "The folder of the cache cannot be made.",
            received=f"--cache {where} ({error.strerror})",
            advice="Name a folder that can be written, or memory, or none.",
        ) from error
