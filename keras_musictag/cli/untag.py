"""`keras-musictag untag`: takes back what `tag --write` wrote into files."""

from typing import Annotated

from typer import Option

from keras_musictag import errors
from keras_musictag.cli.arguments import Paths, Quiet, find_files
from keras_musictag.cli.files import for_each_file, split_readable
from keras_musictag.cli.printing import EXPECTED, say
from keras_musictag.cli.rendering import Renderer
from keras_musictag.cli.tag_files import lines
from keras_musictag.tagfiles import undo

UNTAG_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag untag song.mp3[/cyan]\n
[cyan]keras-musictag untag ~/Music --dry-run[/cyan]  what it would take back\n
[bold]Exit codes[/bold]  0: all files are as before. 1: some could not be read or
written, they are named. 2: wrong usage. 130: stopped by Ctrl-C."""


def untag(
    paths: Paths = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Show what would be taken back.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Take back what `tag --write` wrote into the tags of files.

    The files get the bytes back that they had. Where another program has changed the
    tags since, fields get back their values, and what was edited is kept.
    """
    files = list(find_files(paths, "take back", quiet=quiet))
    errors.import_extra("mutagen", "files", "untag")
    screen = Renderer()

    def use(path, changes, show):
        say(screen.console, "\n".join([str(path), *lines(changes)]))

    usable, failed = split_readable(files)
    for_each_file(
        usable,
        lambda usable: (_taken_back(path, dry_run) for path in usable),
        use,
        screen,
        failed=failed,
        doing="Taking back",
        undone="taken back",
        quiet=quiet,
    )


def _taken_back(path, dry_run: bool):
    """Give the changes of a file, or what is wrong with it."""
    try:
        return undo(path, dry_run=dry_run)
    except EXPECTED as error:
        return error
