"""Starts the page: one server on this machine that asks no other one for anything."""

import contextlib
import logging
import re
import signal
import socket
import tempfile
import threading
import warnings
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from keras_musictag import environment
from keras_musictag.checks import check_positive
from keras_musictag.demo.listener import Listener
from keras_musictag.demo.page import Page, asset, build
from keras_musictag.demo.similar import Similar
from keras_musictag.errors import ConfigError, import_extra

PORT = 7860
VISITORS = 200  # whose menus are remembered; each costs memory
FONTS = ("system-ui", "sans-serif")
CODE_FONTS = ("ui-monospace", "monospace")


@contextlib.contextmanager
def running(
    *,
    presets: Sequence[str] = ("musicnn_msd",),
    chords: Sequence[str] = ("crema",),
    library: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    max_mb: float = 100,
    max_minutes: float = 15,
) -> Iterator[str]:
    """Run the page while a `with` block lasts.

    Args:
        presets: Taggers to choose from besides the bundled ones: names of presets, or
            folders of saved ones. The first is the page's choice.
        chords: The same for chord recognisers.
        library: A library with embeddings (`keras-musictag library build`): the page
            then shows which of its clips are similar, and plays them.
        host: Address to listen at; `"0.0.0.0"` lets other machines in.
        port: Its port; 0 for any that is free.
        max_mb: Larger files are refused, in MB.
        max_minutes: Longer recordings are refused.

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
    port = _free_port(host, port)
    similar = None if library is None else Similar(library)
    listener = Listener(presets, chords, max_minutes)
    # Gradio reads this when it is imported.
    environment.impose({"GRADIO_ANALYTICS_ENABLED": "False"})
    gr = import_extra("gradio", "demo", "The demo page")
    # What is fetched is fetched now; later no visitor makes this machine ask others.
    for name in (*presets, *chords):
        listener.model(name)
    if similar is not None:
        similar.load(listener.model(similar.preset))
    with (
        tempfile.TemporaryDirectory(prefix="keras-musictag-demo-") as folder,
        environment.imposed(GRADIO_TEMP_DIR=folder),
    ):
        page = build(
            gr, Page(listener, similar), max_mb=max_mb, max_minutes=max_minutes
        )
        for block in page.blocks.values():
            _fetch_nothing(gr, block)
        try:
            yield _start(gr, page, host, port, max_mb)
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


def _start(gr, page, host: str, port: int, max_mb: float) -> str:
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
            app_kwargs={"middleware": [Middleware(_FetchNothing)]},
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


# === Gradio fetches files from addresses that a client names; here it does not ===


class _FetchNothing:
    """Refuses requests for files of other machines."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        path = unquote(unquote(scope.get("path", "")))
        if scope["type"] == "http" and re.search(r"=\s*https?:", path, re.IGNORECASE):
            start = {"type": "http.response.start", "status": 403, "headers": []}
            await send(start)
            await send({"type": "http.response.body", "body": b"Local files only."})
            return
        await self.app(scope, receive, send)


def _fetch_nothing(gr, block) -> None:
    move = block.async_move_resource_to_block_cache

    async def checked(source):
        if "://" in str(source):
            raise gr.Error("Files must be uploaded; addresses are not fetched.")
        return await move(source)

    block.async_move_resource_to_block_cache = checked
