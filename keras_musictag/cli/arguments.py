"""What the commands make of the paths that they are given."""

import enum
import json
import tomllib
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from keras_musictag import audio, data, errors
from keras_musictag.audio.finding import find_below
from keras_musictag.checks import did_you_mean, read_file
from keras_musictag.cli.printing import warned
from keras_musictag.hub.repository import repository_id
from keras_musictag.presets import records

Paths = Annotated[
    list[str] | None,
    Argument(metavar="PATH", help="Audio files, folders, patterns like '*.mp3'."),
]
OutputFile = Annotated[
    Path | None, Option(metavar="FILE", help="Write here, not to the screen.")
]
Quiet = Annotated[bool, Option("--quiet", help="No progress bar, no warnings.")]
KeyNotation = enum.StrEnum("KeyNotation", ["musical", "camelot", "openkey"])
KeyNotationOption = Annotated[
    KeyNotation | None,
    Option("--key-notation", help="Keys as Am, 8A (Camelot) or 1m (Open Key)."),
]


def in_words(text: str | None) -> list[str]:
    """Split labels that somebody has written with commas between them."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def find_files(
    paths: list[str] | None,
    purpose: str,
    *,
    demo: bool = False,
    demo_of: str = "",
    quiet: bool = False,
) -> dict[Path, Path]:
    """Expand folders and patterns to files; refuse when there are none.

    Args:
        paths: As the user gave them.
        purpose: What to do with the files, for the message.
        demo: Whether to add the clip that comes along.
        demo_of: The command that can do it with that clip.
        quiet: Whether to keep silent about what is left out.

    Returns:
        By file, its path below what was given, as of `find_below`.
    """
    clip = [audio.demo_path()] if demo else []
    with warned(lambda text: typer.echo(text, err=True), quiet):
        files = find_below([*(paths or []), *clip])
    if not files:
        other = f", or try: keras-musictag {demo_of} --demo" if demo_of else "."
        raise errors.ConfigError(
            f"There is nothing to {purpose}.",
            received="no PATH",
            advice=f"Name files or folders{other}",
        )
    return files


def check_output(option: str, path: Path | None) -> None:
    """Refuse a file that cannot be written."""
    if path and (path.is_dir() or not path.parent.is_dir()):
        raise errors.ConfigError(
            "The file cannot be written: it is a folder, or its folder is missing.",
            received=f"{option} {path}",
            advice="Name a file in a folder that exists.",
        )


def check_folder(option: str, path: Path | None) -> None:
    """Refuse a folder that is a file."""
    if path and path.exists() and not path.is_dir():
        raise errors.ConfigError(
            "This must be a folder, and there is a file of this name.",
            received=f"{option} {path}",
            advice="Name another folder; it is made if it is missing.",
        )


def is_elsewhere(preset: str) -> bool:
    """Whether it is a repository or another library's: only loading says what it is."""
    if repository_id(preset):
        return True
    config = Path(preset) / records.CONFIG_FILE
    if not config.is_file():
        return False
    from keras_musictag.conversion.layouts import is_foreign

    return is_foreign(json.loads(config.read_text("utf-8")))


def read_record(preset: str, task: str = "tags") -> dict:
    """Return the record of a preset or of a saved folder, which must have this task."""
    record = records.read_record(preset)
    own = record["task"]
    if own != task:
        command = "tag" if own == "tags" else own
        raise errors.ConfigError(
            f"This preset names {_named(own)}, not {_named(task)}.",
            received=f"--preset {preset}",
            advice=f"Use: keras-musictag {command} --preset {preset}",
        )
    return record


def _named(task: str) -> str:
    return "keys" if task == "key" else task


def read_tracks(
    path: Path,
    labels: list[str] | None,
    *,
    problem_type: str,
    separator: str,
    audio_folder: Path | None,
    unknown_tags: str,
) -> data.TrackList:
    """Read a table of tracks, or a folder that has a folder for each class."""
    if path.is_dir():
        return data.from_folders(path, labels=labels)
    tags: str | list[str] = "tags"
    if problem_type == "regression":
        if labels is None:
            raise errors.ConfigError(
                "For numbers, the columns of the table must be named.",
                received="--problem-type regression without --labels",
                advice="Name them, for example --labels arousal,valence",
            )
        tags, labels = labels, None
    return data.from_csv(
        path,
        audio_folder=audio_folder,
        tags=tags,
        separator=separator,
        labels=labels,
        unknown_tags=unknown_tags,
    )


def read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Take options from a TOML file; those on the command line win."""
    if path is None:
        return None
    try:
        values = tomllib.loads(read_file(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise errors.ConfigError(
            "The configuration cannot be read.",
            received=f"--config {path} ({error})",
            advice="Give a TOML file with a line such as: epochs = 20",
        ) from error
    options = {
        p.name: p for p in ctx.command.params if p.name not in ("config", "help")
    }
    settings = {key.replace("-", "_"): value for key, value in values.items()}
    for name in settings:
        if name not in options:
            raise errors.ConfigError(
                f"The configuration has an option that does not exist: {name!r}.",
                received=f"--config {path}",
                advice=did_you_mean(name, list(options)),
            )
    for name in ("data", "out", "audio_folder"):  # relative to the file
        if name in settings:
            settings[name] = str(path.parent / Path(str(settings[name])).expanduser())
    if isinstance(settings.get("labels"), list):
        settings["labels"] = ",".join(map(str, settings["labels"]))
    ctx.default_map = {**(ctx.default_map or {}), **settings}
    return path
