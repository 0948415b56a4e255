"""What the commands print: their screens, progress, warnings, errors."""

import contextlib
import enum
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from keras_musictag import errors

ReportFormat = enum.StrEnum("ReportFormat", ["table", "markdown", "csv", "json"])
EXPECTED = (errors.MusicTagError, errors.MissingExtraError, OSError)
ESCAPE = "backslashreplace"  # for characters that an encoding lacks


@contextlib.contextmanager
def silenced() -> Iterator[TextIO]:
    """Keep what libraries write to stderr off the screen, unless they fail.

    TensorFlow at its start and libmpg123 on damaged files write from C, whatever
    their log levels: only moving the file descriptor catches that. Gives the true
    stderr for our own messages.
    """
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log, open(kept, "w", errors=ESCAPE) as stderr:
        os.dup2(log.fileno(), 2)
        try:
            yield stderr if sys.stderr is sys.__stderr__ else sys.stderr
        except Exception as error:
            if not isinstance(error, EXPECTED):
                log.seek(0)
                os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)


def make_console(file) -> Console:
    # Where no terminal sets the width, nothing is wrapped and nothing coloured.
    on = file.isatty()
    return Console(file=file, force_terminal=on, width=None if on else 200)


def say(console: Console, message: str) -> None:
    """Print a message as it is, above the progress bar if there is one."""
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def opened(output: Path | None):
    if output is not None:
        return open(output, "w", encoding="utf-8", errors=ESCAPE, newline="")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors=ESCAPE)
    return contextlib.nullcontext(sys.stdout)


@contextlib.contextmanager
def progress(
    screen: Console, is_rich: bool, stderr: TextIO, total: int, quiet: bool
) -> Iterator[Progress]:
    """Show a bar on stderr, or below the results if both share a terminal.

    Our warnings become messages there; those of other packages stay unseen.
    """
    console = Console(file=stderr)
    shown = total > 1 and not quiet and console.is_terminal
    if shown and screen.is_terminal:  # it keeps a bar apart from rich output only
        console, shown = screen, is_rich
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    bar = Progress(
        *columns,
        console=console,
        disable=not shown,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with warned(lambda text: say(bar.console, text), quiet), bar:
        yield bar


@contextlib.contextmanager
def warned(show: Callable[[str], object], quiet: bool = False) -> Iterator[None]:
    """Turn our warnings into messages, each one once; others stay unseen."""
    shown: set[str] = set()

    def once(message, category, filename, lineno, file=None, line=None) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            show(f"Warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not quiet:
            warnings.simplefilter("always", errors.AudioWarning)
        warnings.showwarning = once
        yield
