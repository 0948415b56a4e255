"""`keras-musictag tag`: files in, tags out, on the screen and in files."""

import dataclasses
import enum
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress_bar import ProgressBar
from rich.table import Table
from typer import Option

from keras_musictag import errors, presets
from keras_musictag.cli.arguments import (
    KeyNotationOption,
    OutputFile,
    Paths,
    Quiet,
    check_output,
    find_files,
    in_words,
    is_elsewhere,
    read_record,
)
from keras_musictag.cli.export import Engine, EngineOption, Precision, open_exported
from keras_musictag.cli.files import for_each_file, split_readable, unique_names
from keras_musictag.cli.rendering import (
    CsvRenderer,
    JsonRenderer,
    Renderer,
    TableRenderer,
)
from keras_musictag.cli.song_reports import ChordsAndTempo, Reports, check_report
from keras_musictag.cli.starting import start_keras
from keras_musictag.cli.tag_files import make_writer
from keras_musictag.cli.tag_segments import Segments
from keras_musictag.engines.files import ready_engine
from keras_musictag.labels import NO_GROUP, Labels
from keras_musictag.pages.summary import NOTHING_HEARD, SongSummary

Format = enum.StrEnum("Format", ["table", "json", "csv"])
Sort = enum.StrEnum("Sort", ["score", "lift"])
Tail = enum.StrEnum("Tail", ["drop", "pad", "overlap"])
READERS = ("CLAPTagger",)
MANY = 100  # files for which a GPU is worth the start of Keras
IN_FILES = "Tags in the files (needs the extra `files`)"

TAG_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag tag song.mp3[/cyan]\n
[cyan]keras-musictag tag ~/Music --output tags.csv[/cyan]  a folder, as CSV\n
[cyan]keras-musictag tag 'album/*.flac' --format json > tags.json[/cyan]\n
[cyan]keras-musictag tag song.mp3 --group mood --group era --sort lift[/cyan]\n
[cyan]keras-musictag tag song.mp3 --preset vgg_mtt --taggram song.png[/cyan]\n
[cyan]keras-musictag tag song.mp3 --segments vocals --segments guitar=0.3[/cyan]\n
[cyan]keras-musictag tag song.mp3 --report song.html[/cyan]  a page with chords
[cyan]keras-musictag tag song.mp3 --preset musicnn.onnx[/cyan]  made by `export`\n
[cyan]keras-musictag tag song.mp3 --preset laion/larger_clap_music
--labels "sad piano, driving techno"[/cyan]  in your own words\n
[cyan]keras-musictag tag ~/Music --dry-run[/cyan]  what --write would write\n
[cyan]keras-musictag untag ~/Music[/cyan]  takes back what --write wrote\n
[bold]Exit codes[/bold]  0: all files tagged. 1: some could not be, they are named.
2: wrong usage. 130: stopped by Ctrl-C, what was done is written."""


def tag(
    paths: Paths = None,
    demo: Annotated[bool, Option("--demo", help="Tag the clip inside.")] = False,
    preset: Annotated[
        str, Option(help="Pretrained model, or a saved or exported one.")
    ] = "musicnn_msd",
    engine: EngineOption = Engine.auto,
    precision: Annotated[
        Precision | None,
        Option(help="What an export to OpenVINO computes in; its own if not set."),
    ] = None,
    words: Annotated[
        str | None,
        Option(
            "--labels",
            metavar="TEXT,...",
            help="What to look for, in any words; for presets that read (CLAP).",
        ),
    ] = None,
    top_k: Annotated[int, Option(min=1, help="Labels per file, at most.")] = 10,
    min_score: Annotated[float | None, Option(help="Leave out lower scores.")] = None,
    group: Annotated[
        list[str] | None,
        Option(help="Only labels of this group, such as mood; may be repeated."),
    ] = None,
    segments: Annotated[
        list[str] | None,
        Option(
            metavar="LABEL|GROUP[=SCORE]",
            help="Also say where this is heard, with scores from SCORE or --min-score "
            "on, or from what is usual for the label; may be repeated.",
        ),
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
    report: Annotated[
        Path | None,
        Option(
            metavar="FILE.html",
            help="Also write a page with tags, chords, key and tempo; several files "
            "get one each, named as with --taggram.",
        ),
    ] = None,
    no_chords: Annotated[
        bool,
        Option("--no-chords", help="Reports have tags only: much quicker."),
    ] = False,
    output: OutputFile = None,
    quiet: Quiet = False,
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
    key_notation: KeyNotationOption = None,
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            help="Show what --write would write.",
            rich_help_panel=IN_FILES,
        ),
    ] = False,
) -> None:
    """Tag audio files with a pretrained model.

    Each result is printed as soon as it is there. A file that cannot be read is
    named, and the others go on.
    """
    # Whatever can be wrong is said before the backend starts, which takes seconds.
    files = list(find_files(paths, "tag", demo=demo, demo_of="tag", quiet=quiet))
    exported = open_exported(preset, engine, precision=precision)
    tagger = exported or _loaded_first(preset, words)
    may_be_ready = tagger is None and engine == Engine.auto
    if may_be_ready:
        tagger = ready_engine(preset, many=len(files) > MANY)
    labels = tagger.labels if tagger else _labels_of(preset)
    _check_choices(labels, group, sort, taggram, output)
    where = Segments(segments or [], labels, min_score)
    check_report(report, no_chords)
    check_output("--report", report)
    taggrams = _named_after(taggram, files)
    listener = ChordsAndTempo(engines=engine != Engine.keras)
    reports = Reports(
        _named_after(report, files), None if no_chords or exported else listener
    )
    writer = make_writer(
        labels,
        write=write,
        dry_run=dry_run,
        map=map,
        groups=group,
        min_score=min_score,
        overwrite=overwrite,
        key=key,
        tempo=tempo,
        listener=listener,
    )
    if key_notation and not (report and not no_chords) and not (writer and key):
        raise errors.ConfigError(
            "No key is shown or written.",
            received=f"--key-notation {key_notation}",
            advice="Add --write --key, or --report FILE.html.",
        )
    if not (quiet or tagger) and sys.stderr.isatty() and _is_fetched(preset):
        typer.echo(f"The weights of {preset} are fetched once and kept.", err=True)
    choice = top_k, min_score, group or None, str(sort)
    renderer = _renderer(format or _format_of(output), output, preset, choice, where)

    def work(usable):
        return (tagger or _load(preset)).iter_taggrams(usable, tail=tail)

    def use(path, scores, show):
        song = SongSummary(
            path.name, scores, presets={"tags": preset}, key_notation=key_notation
        )
        song = dataclasses.replace(song, heard=where.of(song))
        renderer.add(path, song)
        if taggrams:
            _write_taggram(scores, taggrams[path], path)
        if reports.targets:
            reports.add(path, song, show)
        if writer is not None:
            writer.add(path, song, renderer, show)

    usable, failed = split_readable(files)
    listener.presets += [preset] if may_be_ready else []
    for_each_file(
        usable,
        work,
        use,
        renderer,
        failed=failed,
        doing="Tagging",
        undone="tagged",
        quiet=quiet,
        engines=listener.presets,
    )


# === Arguments ===


def _labels_of(preset: str) -> Labels:
    return Labels.from_config(read_record(preset)["config"]["labels"])


def _check_choices(labels: Labels, groups, sort: Sort, taggram, output) -> None:
    labels.select(groups or None)
    if sort == Sort.lift and labels.priors is None:
        raise errors.LabelError(
            "--sort lift needs labels with priors.",
            received="labels without priors",
            advice="Use --sort score.",
        )
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


def _named_after(target: Path | None, files: list[Path]) -> dict[Path, Path]:
    """Give each file a target of its own, named after both, if there is one."""
    if target is None:
        return {}
    if len(files) == 1:
        return {files[0]: target}
    return {
        path: target.with_name(f"{target.stem}-{name}{target.suffix}")
        for path, name in unique_names({path: path.stem for path in files}).items()
    }


def _format_of(output: Path | None) -> Format:
    suffix = output.suffix.lower().lstrip(".") if output else ""
    return Format(suffix) if suffix in list(Format) else Format.table


# === What is shown ===


def _renderer(
    format: Format, output: Path | None, preset: str, choice, where: Segments
) -> Renderer:
    def tags(song):
        return [] if song.silent else song.tags(*choice)

    def record(path, song):
        record = {"path": str(path), "preset": preset, "silent": song.silent}
        heard = {"segments": song.heard} if where.thresholds else {}
        return {**record, "tags": tags(song), **heard}

    def rows(song):
        if song.silent:  # so that the track is not missing
            return [["", ""]]
        return ([t["label"], f"{t['score']:.6f}"] for t in tags(song))

    def shown(song):
        if song.silent:
            return f"  {NOTHING_HEARD}"
        return where.below(_table(tags(song)), song)

    if format == Format.json:
        return JsonRenderer(record, output)
    if format == Format.csv and where.thresholds:
        return CsvRenderer(("label", "start", "end"), where.rows, output)
    if format == Format.csv:
        return CsvRenderer(("label", "score"), rows, output)
    return TableRenderer(lambda path, song: str(path), shown, output)


def _table(tags: list[dict]) -> Table:
    table = Table("label", "score", "", "group", box=None)
    for tag in tags:
        bar = ProgressBar(total=1.0, completed=tag["score"], width=20)
        group = tag["group"] or NO_GROUP
        table.add_row(tag["label"], f"{tag['score']:.3f}", bar, group)
    return table


def _write_taggram(taggram, target: Path, track: Path) -> None:
    if target.suffix.lower() == ".csv":
        taggram.to_csv(target)
        return
    ax = taggram.plot()
    ax.set_title(track.name, parse_math=False)
    ax.figure.savefig(target, dpi=150)


# === The model ===


def _is_fetched(preset: str) -> bool:
    if Path(preset).is_dir():
        return False
    return presets.preset_info(preset)["weights"]["source"] != "bundled"


def _load(preset: str, labels: Labels | None = None):
    start_keras()
    from keras_musictag.models.tagger import MusicTagger

    return MusicTagger.from_pretrained(preset, labels)


def _loaded_first(preset: str, words: str | None):
    """Load what has to tell its labels, or read them; `None` if they are known without.

    Only the records of presets and of folders of our own are there before the model is.
    """
    elsewhere = is_elsewhere(preset)
    if words is None:
        return _load(preset) if elsewhere else None
    labels = Labels(in_words(words))
    if elsewhere or read_record(preset)["class_name"] in READERS:
        tagger = _load(preset, labels)
        if hasattr(tagger, "embed_text"):
            return tagger
    raise errors.ConfigError(
        "This model has no text tower: its labels are those that it was trained with.",
        received=f"--preset {preset} --labels {words!r}",
        advice="Name a model that reads, such as --preset laion/larger_clap_music; or "
        "leave --labels out.",
    )
