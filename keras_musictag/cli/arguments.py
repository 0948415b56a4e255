"""What the commands make of the paths that they are given."""

from pathlib import Path

import typer

from keras_musictag import audio, errors


def find_files(paths: list[str], demo: bool, command: str) -> list[Path]:
    """Expand folders and patterns to files; refuse when there are none."""
    found = audio.find_files([*paths, *([audio.demo_path()] if demo else [])])
    if not found:
        advice = f"Name files or folders, or try: keras-musictag {command} --demo"
        problem = f"There is nothing to {command}."
        if command == "chords":
            problem = "There is nothing to find chords in."
        raise errors.ConfigError(problem, received="no PATH", advice=advice)
    return found


def split_readable(files: list[Path]) -> tuple[list[Path], int]:
    """Name the files that are missing, empty or text; give the others."""
    usable = []
    for path in files:
        try:
            audio.blocks(path, 16000)  # checks the file, decodes nothing yet
            usable.append(path)
        except errors.AudioError as error:
            typer.echo(f"{path}: {error}", err=True)
    return usable, len(files) - len(usable)


def unique_names(files: list[Path]) -> dict[Path, str]:
    """Give each file a name without suffix, none twice whatever the case."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in files:
        name, count = path.stem, 1
        while name.lower() in taken:
            count += 1
            name = f"{path.stem}-{count}"
        taken.add(name.lower())
        names[path] = name
    return names
