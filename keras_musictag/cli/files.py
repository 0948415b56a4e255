"""One loop over files for all commands: progress, named errors, an exit code."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from keras_musictag import errors
from keras_musictag.audio.decoders import check_source
from keras_musictag.cli.engines import prepare_engines
from keras_musictag.cli.printing import EXPECTED, progress, say, silenced
from keras_musictag.cli.rendering import Renderer

Say = Callable[[str], None]


def split_readable(files: list[Path]) -> tuple[list[Path], int]:
    """Name the files that are missing, empty or text; give the others."""
    usable = []
    for path in files:
        try:
            check_source(path)
            usable.append(path)
        except errors.AudioError as error:
            typer.echo(f"{path}: {error}", err=True)
    return usable, len(files) - len(usable)


def for_each_file(
    usable: list[Path],
    work: Callable[[list[Path]], Iterable[Any]],
    use: Callable[[Path, Any, Say], None],
    renderer: Renderer,
    *,
    failed: int,
    doing: str,
    undone: str,
    quiet: bool,
    engines: Iterable[str] = (),
) -> None:
    """Do something with each file; one that is bad never costs the others.

    Args:
        usable: The files, from `split_readable`.
        work: Loads what it needs, and gives for each file, in order, its result or
            its error. It is not called without files.
        use: Takes a file, its result, and a function that shows a message. What it
            raises is an error of that file.
        renderer: Where results are shown.
        failed: How many other files there were, already named.
        doing: What the progress bar says, such as `"Tagging"`.
        undone: What failed, for the sentence at the end: `"tagged"`.
        quiet: Whether to show neither progress nor warnings.
        engines: Presets whose engines are made afterwards, in the background; read at
            the end, since some commands learn late what they need.

    Raises:
        typer.Exit: Always; with 1 if a file failed, with 130 after Ctrl-C.
    """
    count, done = len(usable) + failed, 0
    try:
        with silenced() as stderr:
            results = work(usable) if usable else ()
            with (
                renderer,
                progress(
                    renderer.console, renderer.is_rich, stderr, len(usable), quiet
                ) as bar,
            ):
                show = functools.partial(say, bar.console)
                task = bar.add_task(doing, total=len(usable))
                for path, result in zip(usable, results, strict=True):
                    bar.advance(task)
                    try:
                        if isinstance(result, EXPECTED):
                            raise result
                        use(path, result, show)
                        done += 1
                    except BrokenPipeError:
                        raise  # nobody reads on, as in `| head`
                    except EXPECTED as error:
                        show(f"{path}: {error}")
                        failed += 1
    except KeyboardInterrupt:
        typer.echo(f"Stopped: {done} of {count} files are done.", err=True)
        raise typer.Exit(130) from None
    if failed and count > 1:
        typer.echo(f"{failed} of {count} files could not be {undone}.", err=True)
    if not failed:
        prepare_engines(engines, quiet=quiet)
    raise typer.Exit(1 if failed else 0)


def unique_names(wanted: Mapping[Path, str]) -> dict[Path, str]:
    """Number the names of files, so that none is there twice whatever the case."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path, first in wanted.items():
        name, count = first, 1
        while name.lower() in taken:
            count += 1
            name = f"{first}-{count}"
        taken.add(name.lower())
        names[path] = name
    return names
