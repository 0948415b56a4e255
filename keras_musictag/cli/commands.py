"""All commands of `keras-musictag`, and how their errors are shown."""

from typing import Annotated

import typer
from typer import Option
from typer.core import TyperGroup

import keras_musictag
from keras_musictag.cli.beats import BEATS_HELP, beats_command
from keras_musictag.cli.chords import CHORDS_HELP, chords
from keras_musictag.cli.demo import DEMO_HELP, demo
from keras_musictag.cli.evaluate import EVALUATE_HELP, evaluate
from keras_musictag.cli.export import EXPORT_HELP, export
from keras_musictag.cli.key import KEY_HELP, key_command
from keras_musictag.cli.library import LIBRARY_HELP
from keras_musictag.cli.library import app as library_app
from keras_musictag.cli.presets import PRESETS_HELP, show_presets
from keras_musictag.cli.printing import EXPECTED
from keras_musictag.cli.tag import TAG_HELP, tag
from keras_musictag.cli.teach import TEACH_HELP, TeachCommand, teach
from keras_musictag.cli.train import TRAIN_HELP, train
from keras_musictag.cli.untag import UNTAG_HELP, untag

# Typer joins the lines of a paragraph; only an empty line keeps them apart.
APP_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag tag --demo[/cyan]  tags a clip that comes along\n
[cyan]keras-musictag tag song.mp3[/cyan]  tags a file of yours\n
[cyan]keras-musictag tag --help[/cyan]  has all options, with examples\n
[cyan]keras-musictag chords song.mp3[/cyan]  names its chords\n
[cyan]keras-musictag beats song.mp3[/cyan]  finds its tempo, beats and bars\n
[cyan]keras-musictag key song.mp3[/cyan]  finds its key\n
[cyan]keras-musictag demo[/cyan]  opens a page that shows both\n
[cyan]keras-musictag library build ~/Music --out lib[/cyan]  a whole collection\n
[cyan]keras-musictag presets[/cyan]  lists the pretrained models"""


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


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keras-musictag {keras_musictag.__version__}")
        raise typer.Exit


_VERSION = Option(
    "--version", callback=_print_version, is_eager=True, help="Print the version."
)


@app.callback()
def _root(version: Annotated[bool, _VERSION] = False) -> None:
    """Tell what is heard in music: genres, moods, instruments, voices, chords,
    beats, keys."""


app.command(epilog=TAG_HELP)(tag)
app.command(epilog=UNTAG_HELP)(untag)
app.command(epilog=CHORDS_HELP)(chords)
app.command("beats", epilog=BEATS_HELP)(beats_command)
app.command("key", epilog=KEY_HELP)(key_command)
app.command(epilog=DEMO_HELP)(demo)
app.command(epilog=TRAIN_HELP)(train)
app.command(epilog=EVALUATE_HELP)(evaluate)
app.command(epilog=TEACH_HELP, cls=TeachCommand)(teach)
app.command(epilog=EXPORT_HELP)(export)
app.add_typer(library_app, name="library", epilog=LIBRARY_HELP)
app.command("presets", epilog=PRESETS_HELP)(show_presets)
