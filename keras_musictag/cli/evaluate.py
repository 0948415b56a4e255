"""`keras-musictag evaluate`: how good a tagger is, or stored chords are."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from keras_musictag import errors
from keras_musictag.cli.arguments import OutputFile, check_folder, check_output
from keras_musictag.cli.chord_scores import evaluate_chords
from keras_musictag.cli.printing import ReportFormat
from keras_musictag.cli.tag_scores import UnknownTags, evaluate_tags
from keras_musictag.cli.track_scores import BEATS, KEYS, evaluate_tracks

EVALUATE_HELP = """[bold]Examples of tags[/bold]\n
[cyan]keras-musictag evaluate --preset my_tagger --data songs.csv[/cyan]  a table with
the columns path, tags and, if there are parts, split\n
[cyan]keras-musictag evaluate --preset my_tagger --data songs.csv --baseline
--bootstrap 1000 --out report[/cyan]  intervals and pictures, beside a baseline\n
[cyan]keras-musictag evaluate --preset my_genres --data genres[/cyan]  a folder with
a folder for each class\n
[bold]Examples of chords[/bold]\n
[cyan]keras-musictag evaluate --chords right.lab song.lab[/cyan]\n
[cyan]keras-musictag evaluate --chords references estimates --tracks[/cyan]\n
[cyan]keras-musictag evaluate --chords references estimates --format csv --output
scores.csv[/cyan]\n
[bold]Examples of beats and keys[/bold]\n
[cyan]keras-musictag evaluate --beats right.beats song.beats[/cyan]\n
[cyan]keras-musictag evaluate --keys references estimates[/cyan]\n
[bold]Chord files[/bold]  .lab, .jams, .svl, .json, .csv (also RWC's and Chordino's),
.txt (Billboard's, Audacity's); in folders, those of the same path belong together, or
of the same name if no other file has it.\n
[bold]Beat files[/bold]  .beats and .txt (a time in seconds and perhaps the position
in the bar per line), .csv, .json, .jams. [bold]Key files[/bold]  .key, .txt: one line
such as "F minor".\n
[bold]Scores[/bold]  of scikit-learn for tags, else of mir_eval; 1 is best. For
chords it is the share of the time for which two of them agree; "by duration" is the
mean over tracks as MIREX has it.\n
[bold]Exit codes[/bold]  0: all done. 1: some tracks lack a partner or cannot be read,
they are named. 2: wrong usage."""


def evaluate(
    preset: Annotated[
        str | None, Option(help="The tagger: a preset, or the folder of a saved one.")
    ] = None,
    data: Annotated[
        Path | None,
        Option(
            metavar="FILE.csv|FOLDER",
            help="Tracks and their tags: a table, or a folder for each class.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        Option(help="Which part; test if there is one, otherwise all tracks."),
    ] = None,
    baseline: Annotated[
        bool,
        Option("--baseline", help="Beside it MFCCs and a linear model (train part)."),
    ] = False,
    bootstrap: Annotated[
        int, Option(min=0, help="Resamples of the tracks, for intervals.")
    ] = 0,
    predictions: Annotated[
        Path | None,
        Option(metavar="FILE.csv|.npz", help="Keep scores and targets of each track."),
    ] = None,
    out: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="Write report, predictions and pictures here."),
    ] = None,
    separator: Annotated[str, Option(help="What stands between two tags.")] = "|",
    audio_folder: Annotated[
        Path | None, Option(help="Where paths in the table begin; its own folder.")
    ] = None,
    unknown_tags: Annotated[
        UnknownTags, Option(help="Tags that the model does not have.")
    ] = UnknownTags.refuse,
    chords: Annotated[
        tuple[Path, Path] | None,
        Option(
            "--chords",
            metavar="REF EST",
            help="The right chords and the estimated ones: two files or two folders.",
        ),
    ] = None,
    beats: Annotated[
        tuple[Path, Path] | None,
        Option("--beats", metavar="REF EST", help="The same for beats."),
    ] = None,
    keys: Annotated[
        tuple[Path, Path] | None,
        Option("--keys", metavar="REF EST", help="The same for keys of songs."),
    ] = None,
    tracks: Annotated[
        bool, Option("--tracks", help="Also the scores of each track, but of tags.")
    ] = False,
    format: Annotated[
        ReportFormat | None,
        Option(help="As the suffix of --output says, else table."),
    ] = None,
    output: OutputFile = None,
) -> None:
    """Score a tagger on known tags, or chords, beats or keys against the right ones."""
    check_output("--output", output)
    format = format or _format_of(output)
    chosen = [x for x in (data, chords, beats, keys) if x is not None]
    if len(chosen) != 1:
        raise errors.ConfigError(
            "Tags, chords, beats and keys are evaluated one at a time."
            if chosen
            else "There is nothing to evaluate.",
            received=f"{len(chosen)} of --data, --chords, --beats and --keys",
            advice="Name the tracks of a tagger: keras-musictag evaluate --preset "
            "NAME --data FILE.csv, or two files or folders: "
            "keras-musictag evaluate --chords REF EST",
        )
    if chords is not None:
        failed = evaluate_chords(*chords, tracks, format, output)
        raise typer.Exit(1 if failed else 0)
    if beats is not None or keys is not None:
        kind, both = (BEATS, beats) if beats is not None else (KEYS, keys)
        assert both is not None
        failed = evaluate_tracks(kind, *both, tracks, format, output)
        raise typer.Exit(1 if failed else 0)
    check_output("--predictions", predictions)
    check_folder("--out", out)
    assert data is not None
    if preset is None:
        raise errors.ConfigError(
            "It is not said which tagger to evaluate.",
            received=f"--data {data} without --preset",
            advice="Name a preset, or the folder of a saved tagger.",
        )
    failed = evaluate_tags(
        preset,
        data,
        split=split,
        baseline=baseline,
        bootstrap=bootstrap,
        predictions=predictions,
        out=out,
        separator=separator,
        audio_folder=audio_folder,
        unknown_tags=unknown_tags,
        format=format,
        output=output,
    )
    raise typer.Exit(1 if failed else 0)


def _format_of(output: Path | None) -> ReportFormat:
    suffix = output.suffix.lower().lstrip(".") if output else ""
    suffix = "markdown" if suffix == "md" else suffix
    is_report = suffix in list(ReportFormat)
    return ReportFormat(suffix) if is_report else ReportFormat.table
