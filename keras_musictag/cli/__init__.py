"""The command `keras-musictag`: reads arguments, calls the package, prints."""

import enum
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from typer import Argument, Option
from typer.core import TyperGroup

import keras_musictag
from keras_musictag import errors, presets
from keras_musictag.cli.arguments import (
    check_output,
    find_files,
    read_record,
    split_readable,
    unique_names,
)
from keras_musictag.cli.chords import CHORDS_HELP, chords
from keras_musictag.cli.evaluate import EVALUATE_HELP, evaluate
from keras_musictag.cli.export import EXPORT_HELP, Engine, export, open_exported
from keras_musictag.cli.library import LIBRARY_HELP
from keras_musictag.cli.library import app as library_app
from keras_musictag.cli.printing import (
    EXPECTED,
    Format,
    Results,
    make_console,
    opened,
    progress,
    say,
    silenced,
)
from keras_musictag.cli.tag_files import make_writer, take_back
from keras_musictag.cli.teach import TEACH_HELP, TeachCommand, teach
from keras_musictag.cli.train import TRAIN_HELP, train
from keras_musictag.labels import Labels

ListFormat = enum.StrEnum("ListFormat", ["table", "json"])
Sort = enum.StrEnum("Sort", ["score", "lift"])
Tail = enum.StrEnum("Tail", ["drop", "pad", "overlap"])
IN_FILES = "Tags in the files (needs the extra `files`)"

# Typer joins the lines of a paragraph; only an empty line keeps them apart.
APP_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag tag --demo[/cyan]  tags a clip that comes along\n
[cyan]keras-musictag tag song.mp3[/cyan]  tags a file of yours\n
[cyan]keras-musictag tag --help[/cyan]  has all options, with examples\n
[cyan]keras-musictag chords song.mp3[/cyan]  names its chords\n
[cyan]keras-musictag library build ~/Music --out lib[/cyan]  a whole collection\n
[cyan]keras-musictag presets[/cyan]  lists the pretrained models"""
TAG_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag tag song.mp3[/cyan]\n
[cyan]keras-musictag tag ~/Music --output tags.csv[/cyan]  a folder, as CSV\n
[cyan]keras-musictag tag 'album/*.flac' --format json > tags.json[/cyan]\n
[cyan]keras-musictag tag song.mp3 --group mood --group era --sort lift[/cyan]\n
[cyan]keras-musictag tag song.mp3 --preset vgg_mtt --taggram song.png[/cyan]\n
[cyan]keras-musictag tag song.mp3 --preset musicnn.onnx[/cyan]  made by `export`\n
[cyan]keras-musictag tag ~/Music --dry-run[/cyan]  what --write would write\n
[cyan]keras-musictag tag ~/Music --undo[/cyan]  takes back what --write wrote\n
[bold]Exit codes[/bold]  0: all files tagged. 1: some could not be, they are named.
2: wrong usage. 130: stopped by Ctrl-C, what was done is written."""
PRESETS_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag presets[/cyan]  the list\n
[cyan]keras-musictag presets musicnn_mtt[/cyan]  labels, scores, licence, citation\n
[cyan]keras-musictag presets --format json[/cyan]  everything, for programs"""


class _Commands(TyperGroup):
    """Shows errors that a user can mend as one message, without a traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # as in `| head`: Typer ends quietly
        except EXPECTED as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog=APP_HELP,
)


def main() -> None:
    """Run the command line."""
    app(prog_name="keras-musictag")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keras-musictag {keras_musictag.__version__}")
        raise typer.Exit


_VERSION = Option(
    "--version", callback=_print_version, is_eager=True, help="Print the version."
)


@app.callback()
def _root(version: Annotated[bool, _VERSION] = False) -> None:
    """Tell what is heard in music: genres, moods, instruments, voices, chords."""


@app.command(epilog=TAG_HELP)
def tag(
    paths: Annotated[
        list[str] | None,
        Argument(metavar="PATH", help="Audio files, folders, patterns like '*.mp3'."),
    ] = None,
    demo: Annotated[bool, Option("--demo", help="Tag the clip inside.")] = False,
    preset: Annotated[
        str, Option(help="Pretrained model, or a saved or exported one.")
    ] = "musicnn_msd",
    engine: Annotated[
        Engine | None,
        Option(help="Who computes; onnx and litert start quickly and need an export."),
    ] = None,
    top_k: Annotated[int, Option(min=1, help="Labels per file, at most.")] = 10,
    min_score: Annotated[float | None, Option(help="Leave out lower scores.")] = None,
    group: Annotated[
        list[str] | None,
        Option(help="Only labels of this group, such as mood; may be repeated."),
    ] = None,
    sort: Annotated[
        Sort, Option(help="By score, or by lift: score over how common the label is.")
    ] = Sort.score,
    tail: Annotated[
        Tail | None,
        Option(
            help="Last seconds, too few for a chunk: left out, filled with silence, "
            "or scored with what is before them. The preset chooses if not given."
        ),
    ] = None,
    format: Annotated[
        Format | None, Option(help="As the suffix of --output says, else table.")
    ] = None,
    taggram: Annotated[
        Path | None,
        Option(
            metavar="FILE.csv|.png",
            help="Also write the scores over time: numbers or a picture. With several "
            "files the name of each is added: out.csv, out-song.csv.",
        ),
    ] = None,
    output: Annotated[
        Path | None, Option(metavar="FILE", help="Write here, not to the screen.")
    ] = None,
    quiet: Annotated[
        bool, Option("--quiet", help="No progress bar, no warnings.")
    ] = False,
    write: Annotated[
        bool,
        Option(
            "--write",
            help="Write genre, mood and the scores into the tags of the files. The "
            "sound stays as it is; filled fields are kept.",
            rich_help_panel=IN_FILES,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        Option("--overwrite", help="Filled fields too.", rich_help_panel=IN_FILES),
    ] = False,
    map: Annotated[
        Path | None,
        Option(
            metavar="FILE.toml",
            help="Which group goes into which field, under which names.",
            rich_help_panel=IN_FILES,
        ),
    ] = None,
    key: Annotated[
        bool,
        Option("--key", help="Find and write the key too.", rich_help_panel=IN_FILES),
    ] = False,
    tempo: Annotated[
        bool,
        Option("--tempo", help="And the tempo.", rich_help_panel=IN_FILES),
    ] = False,
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            help="Show what would be written or taken back.",
            rich_help_panel=IN_FILES,
        ),
    ] = False,
    undo: Annotated[
        bool,
        Option(
            "--undo",
            help="Tag nothing; take back what --write wrote.",
            rich_help_panel=IN_FILES,
        ),
    ] = False,
) -> None:
    """Tag audio files with a pretrained model.

    Each result is printed as soon as it is there. A file that cannot be read is
    named, and the others go on.
    """
    # Whatever can be wrong is said before the backend starts, which takes seconds.
    files = find_files(paths or [], demo, "tag", "tag")
    if undo:
        raise typer.Exit(1 if take_back(files, dry_run) else 0)
    exported = open_exported(preset, engine)
    labels = exported.labels if exported else _labels_of(preset)
    _check_choices(labels, group, taggram, output)
    targets = _taggram_paths(taggram, files)
    writer = make_writer(
        labels,
        write=write,
        dry_run=dry_run,
        map=map,
        groups=group,
        min_score=min_score,
        preset=preset,
        overwrite=overwrite,
        key=key,
        tempo=tempo,
    )
    if not (quiet or exported) and sys.stderr.isatty() and _is_fetched(preset):
        typer.echo(f"The weights of {preset} are fetched once and kept.", err=True)
    usable, failed = split_readable(files)
    done = 0
    try:
        with silenced() as stderr:
            model = exported or (_load(preset) if usable else None)
            with (
                opened(output) as file,
                Results(file, format or _format_of(output), preset) as results,
                progress(
                    results.console,
                    results.format == Format.table,
                    stderr,
                    len(usable),
                    quiet,
                ) as bar,
            ):
                task = bar.add_task("Tagging", total=len(usable))
                outcomes = model.iter_taggrams(usable, tail=tail) if model else ()
                for path, outcome in zip(usable, outcomes, strict=True):
                    bar.advance(task)
                    if isinstance(outcome, EXPECTED):
                        say(bar.console, f"{path}: {outcome}")
                        failed += 1
                        continue
                    results.add(
                        path,
                        outcome.top(top_k, min_score, group or None, sort),
                        outcome.labels,
                    )
                    _write_taggram(outcome, targets[path], path)
                    done += 1
                    if writer is not None and not writer.add(path, outcome, results):
                        failed, done = failed + 1, done - 1
    except KeyboardInterrupt:
        typer.echo(f"Stopped: {done} of {len(files)} files are done.", err=True)
        raise typer.Exit(130) from None
    if failed and len(files) > 1:
        typer.echo(f"{failed} of {len(files)} files could not be tagged.", err=True)
    raise typer.Exit(1 if failed else 0)


# === Arguments ===


def _labels_of(preset: str) -> Labels:
    return Labels.from_config(read_record(preset)["config"]["labels"])


def _check_choices(labels: Labels, groups, taggram, output) -> None:
    labels.select(groups or None)
    suffix = taggram.suffix.lower() if taggram else ".csv"
    if suffix not in (".csv", ".png"):
        raise errors.ConfigError(
            "A taggram is written as numbers or as a picture.",
            received=f"--taggram {taggram}",
            advice="Give a name that ends in .csv or .png.",
        )
    if suffix == ".png":
        errors.import_extra("matplotlib", "plot", f"--taggram {taggram}")
    check_output("--taggram", taggram)
    check_output("--output", output)


def _taggram_paths(target: Path | None, files: list[Path]) -> dict[Path, Path | None]:
    """Give each file a name for its taggram, none twice."""
    if target is None or len(files) == 1:
        return dict.fromkeys(files, target)
    return {
        path: target.with_name(f"{target.stem}-{name}{target.suffix}")
        for path, name in unique_names(files).items()
    }


def _format_of(output: Path | None) -> Format:
    suffix = output.suffix.lower().lstrip(".") if output else ""
    return Format(suffix) if suffix in list(Format) else Format.table


# === The model ===


def _is_fetched(preset: str) -> bool:
    if Path(preset).is_dir():
        return False
    return presets.preset_info(preset)["weights"]["source"] != "bundled"


def _load(preset: str):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from keras_musictag.models.tagger import MusicTagger

    return MusicTagger.from_pretrained(preset)


def _write_taggram(taggram, target: Path | None, track: Path) -> None:
    if target is None:
        return
    if target.suffix.lower() == ".csv":
        taggram.to_csv(target)
        return
    ax = taggram.plot()
    ax.set_title(track.name, parse_math=False)
    ax.figure.savefig(target, dpi=150)


app.command(epilog=CHORDS_HELP)(chords)
app.command(epilog=TRAIN_HELP)(train)
app.command(epilog=EVALUATE_HELP)(evaluate)
app.command(epilog=TEACH_HELP, cls=TeachCommand)(teach)
app.command(epilog=EXPORT_HELP)(export)
app.add_typer(library_app, name="library", epilog=LIBRARY_HELP)


# === Presets ===


@app.command("presets", epilog=PRESETS_HELP)
def show_presets(
    name: Annotated[str | None, Argument(help="Show all about this one.")] = None,
    format: Annotated[ListFormat, Option(help="How to print.")] = ListFormat.table,
) -> None:
    """List the pretrained models, or show all about one."""
    names = [name] if name else presets.list_presets()
    records = [presets.preset_info(name) for name in names]
    if format == ListFormat.json:
        typer.echo(json.dumps(records[0] if name else records, indent=2))
    elif name:
        _print_preset(make_console(sys.stdout), records[0])
    else:
        console = make_console(sys.stdout)
        for chords, scores in ((False, _SCORES), (True, _CHORD_SCORES)):
            chosen = [r for r in records if ("vocabulary" in r["config"]) == chords]
            console.print(_preset_table(chosen, scores))


def _preset_table(records: list[dict], scores: dict[str, str]) -> Table:
    columns = "name", "class", "trained on", *scores.values(), "split", "licence"
    table = Table(*columns, "weights", box=None, pad_edge=False)
    for place, width in ((2, 36), (3 + len(scores), 8)):
        table.columns[place].no_wrap, table.columns[place].max_width = True, width
    for record in records:
        best = (record["reported"] or record.get("measured") or [{}])[0]
        figures = [f"{best[key]:.3f}" if key in best else "" for key in scores]
        facts = (record["name"], record["class"], record["trained_on"])
        more = (best.get("split"), record["license"], _weights(record))
        table.add_row(*facts, *figures, *more)
    return table


_CHORD_SCORES = {"majmin": "majmin", "tetrads": "tetrads"}
_SCORES = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC"}


def _weights(record: dict) -> str:
    weights = record["weights"]
    where = "bundled" if weights["source"] == "bundled" else "fetched"
    about = "" if weights.get("bytes_exact", True) else "≈"
    return f"{where}, {about}{weights['bytes'] / 1e6:.1f} MB"


def _print_preset(console: Console, record: dict) -> None:
    facts = [
        ("class", record["class"]),
        ("trained on", record["trained_on"]),
        ("licence", record["license"]),
        ("authors", ", ".join(record["authors"])),
        ("weights", _weights(record)),
    ]
    for item in record.get("reported", []):
        numbers = {k: v for k, v in item.items() if isinstance(v, float)}
        scores = ", ".join(f"{k} {v:.4f}" for k, v in numbers.items())
        facts += [("reported", f"{scores} ({item['dataset']}, split {item['split']})")]
    facts += _classes(record["config"])
    say(console, f"{record['name']}: {record['description']}\n")
    for key, text in facts:
        say(console, f"{key:<12}{text}")
    say(console, "\nWhere it differs from the original, and what that costs:")
    for item in record.get("deviations", []):
        say(console, f"- {item['what']}: {item['choice']}. {item['cost_if_changed']}")
    say(console, f"\nCite as:\n{record['citation']}")


def _classes(config: dict) -> list[tuple[str, str]]:
    """The labels of a tagger by group, or the vocabulary of a chord recogniser."""
    if "vocabulary" in config:
        vocabulary = config["vocabulary"]
        if isinstance(vocabulary, dict):
            vocabulary = ", ".join(vocabulary["labels"])
        return [("vocabulary", vocabulary)]
    labels = Labels.from_config(config["labels"])
    pairs = list(zip(labels, labels.groups, strict=True))
    groups = dict.fromkeys(labels.groups)
    return [
        (group or "labels", ", ".join(name for name, g in pairs if g == group))
        for group in groups
    ]
