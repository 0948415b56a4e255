"""`keras-musictag beats`: files in; tempo, beats and bars out."""

import enum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from rich.table import Table
from typer import Option

from keras_musictag import audio, beats, errors
from keras_musictag.cli.arguments import (
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
from keras_musictag.cli.starting import start_keras
from keras_musictag.engines.files import ready_engine
from keras_musictag.pages.summary import SongSummary

BeatFormat = enum.StrEnum(
    "BeatFormat", "table beats json csv jams audacity midi clicks"
)
BeatDecoder = enum.StrEnum("BeatDecoder", ["bars", "peaks"])
SUFFIXES = {"table": "txt", "audacity": "txt", "midi": "mid", "clicks": "wav"}
# They are bytes, or a document for each song.
FILES_ONLY = (BeatFormat.midi, BeatFormat.clicks)
# Loud enough to be heard over music that is half as loud as it was.
SONG_SHARE = 0.5
COLUMNS = ("time", "position", "confidence")

BEATS_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag beats song.mp3[/cyan]  tempo and meter\n
[cyan]keras-musictag beats song.mp3 --format beats[/cyan]  each beat, its place in
the bar\n
[cyan]keras-musictag beats ~/Music --output beats[/cyan]  a .beats file for each\n
[cyan]keras-musictag beats song.mp3 --format clicks --output .[/cyan]  the song with
clicks, to listen to\n
[cyan]keras-musictag beats song.mp3 --format midi --output .[/cyan]  a tempo map for
music programs\n
[cyan]keras-musictag beats song.mp3 --meter 3 --tempo 80 140[/cyan]  what is known\n
[bold]Exit codes[/bold]  0: all files done. 1: some could not be, they are named.
2: wrong usage. 130: stopped by Ctrl-C, what was done is written."""


def beats_command(
    paths: Paths = None,
    demo: Annotated[bool, Option("--demo", help="Use the clip inside.")] = False,
    preset: Annotated[
        str, Option(help="Pretrained model, or a saved or exported one.")
    ] = "beatnet",
    meter: Annotated[
        list[int] | None,
        Option(help="Beats to the bar; several may be given. 3 and 4 if not set."),
    ] = None,
    decoder: Annotated[
        BeatDecoder | None,
        Option(
            help="bars: the likeliest path of tempo and place in the bar. peaks: each "
            "beat by itself. That of the preset if not set."
        ),
    ] = None,
    tempo: Annotated[
        tuple[float, float] | None,
        Option(
            metavar="LOW HIGH",
            help="Slowest and fastest, in beats per minute. 55 and 215 if not set.",
        ),
    ] = None,
    format: Annotated[
        BeatFormat | None,
        Option(help="A table on the screen, beats with --output, if not set."),
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
    """Find the tempo, the beats and the bars of audio files.

    Each result is printed or written as soon as it is there. A file that cannot be
    read is named, and the others go on.
    """
    # Whatever can be wrong is said before the backend starts, which takes seconds.
    files = find_files(paths, "find beats in", demo=demo, demo_of="beats", quiet=quiet)
    chosen = format or (BeatFormat.beats if output else BeatFormat.table)
    given = {"decoder": decoder, "meters": meter, "tempo": tempo}
    options: dict[str, Any] = {k: v for k, v in given.items() if v}
    beats.Beatgram(np.zeros(1), np.zeros(1), 50.0, 1.0).decode(**options)
    exported = open_exported(preset, task="beats")
    if exported is None:
        read_record(preset, "beats")
    _check_choices(chosen, output, len(files))

    ready = None if exported else ready_engine(preset)

    def work(usable):
        return (exported or ready or _load(preset)).iter_beats(usable, **options)

    def use(path, sequence, show):
        song = SongSummary(path.name, beats=sequence, presets={"beats": preset})
        renderer.add(path, song)

    usable, failed = split_readable(list(files))
    if output is not None:
        names = unique_names({p: str(files[p].with_name(p.stem)) for p in usable})
        suffix = SUFFIXES.get(chosen, chosen)
        renderer: Renderer = FolderRenderer(suffix, output, names, _saver(chosen))
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
        engines=[] if exported else [preset],
    )


def _check_choices(chosen, output, count: int) -> None:
    """Refuse what cannot work."""
    check_folder("--output", output)
    single = chosen in (BeatFormat.jams, BeatFormat.audacity) and count > 1
    if output is None and (chosen in FILES_ONLY or single):
        raise errors.ConfigError(
            f"The format {chosen} cannot be printed for {count} file(s).",
            received=f"--format {chosen} without --output",
            advice="Name a folder with --output.",
        )


def _load(preset: str):
    start_keras()
    from keras_musictag.models.tracker import BeatTracker

    return BeatTracker.from_pretrained(preset)


# === What is shown ===


def _saver(format: BeatFormat):
    """Return what writes the beats of a song to a file."""

    def save(path: Path, song: SongSummary, target: Path) -> None:
        assert song.beats is not None
        if format == BeatFormat.midi:
            song.beats.to_midi(target)
        elif format == BeatFormat.clicks:
            _write_clicks(path, song.beats, target)
        elif format == BeatFormat.json:
            song.beats.to_json(target)
        elif format == BeatFormat.csv:
            song.beats.to_csv(target)
        else:
            with _renderer(format, target) as renderer:
                renderer.add(path, song)

    return save


def _write_clicks(path: Path, sequence: beats.BeatSequence, target: Path) -> None:
    """Write the song, half as loud, with its clicks."""
    import soundfile

    samples, rate = audio.load(path)
    clicks = sequence.clicks(rate)[: len(samples)]
    mixed = SONG_SHARE * samples
    mixed[: len(clicks)] += (1 - SONG_SHARE) * clicks
    soundfile.write(target, mixed.clip(-1, 1), rate)


def _renderer(
    format: BeatFormat, output: Path | None = None, *, several: bool = False
) -> Renderer:
    """Show beats on the screen or in one file."""

    def text(path, song, first):
        return (f"# {path}\n" if several else "") + song.beats.to_beats()

    def jams(path, song, first):
        return song.beats.to_jams(title=path.stem)

    def audacity(path, song, first):
        return song.beats.to_audacity()

    if format == BeatFormat.json:
        return JsonRenderer(_record, output)
    if format == BeatFormat.csv:
        return CsvRenderer(COLUMNS, lambda song: song.beats or (), output)
    if format == BeatFormat.table:
        return TableRenderer(_heading, _table, output)
    texts = {
        BeatFormat.beats: text,
        BeatFormat.jams: jams,
        BeatFormat.audacity: audacity,
    }
    return TextRenderer(texts[format], output)


def _record(path: Path, song: SongSummary) -> dict[str, Any]:
    assert song.beats is not None
    return {
        "path": str(path),
        "preset": song.presets["beats"],
        "duration": song.duration,
        "tempo": song.tempo and round(song.tempo, 2),
        "meter": song.beats.meter,
        "beats": [dict(zip(COLUMNS, beat, strict=True)) for beat in song.beats],
    }


def _heading(path: Path, song: SongSummary) -> str:
    assert song.beats is not None
    if not len(song.beats):
        return f"{path}  no beats"
    meter = f", {song.beats.meter} to the bar" if song.beats.meter else ""
    return f"{path}  {song.tempo:.1f} BPM{meter}"


def _table(song: SongSummary) -> Table:
    """A line for each bar."""
    table = Table("bar", "at", "beats", "BPM", "confidence", box=None)
    assert song.beats is not None
    bars: list[list[beats.sequence.Beat]] = []
    for beat in song.beats:
        if beat.position == 1 or not bars:
            bars.append([])
        bars[-1].append(beat)
    ends = [bar[0].time for bar in bars[1:]]
    for number, bar in enumerate(bars, 1):
        seconds = ends[number - 1] - bar[0].time if number < len(bars) else 0.0
        bpm = f"{60 * len(bar) / seconds:.1f}" if seconds else ""
        sure = sum(beat.confidence or 0.0 for beat in bar) / len(bar)
        cells = (f"{bar[0].time:.2f}", str(len(bar)), bpm, f"{sure:.2f}")
        table.add_row(str(number), *cells)
    return table
