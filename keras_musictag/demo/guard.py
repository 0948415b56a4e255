"""`Guard`: what stands between visitors and Gradio's server."""

import asyncio
import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from keras_musictag.demo.shelf import MB, NoRoom, Shelf

STREAM_SECONDS = 5  # from the place in the queue until somebody listens for the result
STILL_SECONDS = 30  # without a byte of an upload
LARGEST_CALL = MB // 4  # of JSON
ENVELOPE = 2**16  # bytes around a file in its upload
API = "/gradio_api/"
# What the page and Gradio's clients ask for; Gradio has more for other kinds of pages.
OFFERED = re.compile(
    r"/|/(config|favicon\.ico|manifest\.json|robots\.txt|theme\.css)/?"
    r"|/(static|assets|svelte)/.*"
    rf"|{API}((info|app_id|login_check|user|startup-events|theme\.css)/?"
    r"|upload|upload_progress|file=.*|heartbeat/[^/]+|cancel|reset/?"
    r"|run/predict/?|queue/(join|data|status)|call/[^/]+(/[^/]*)?)"
)


class Streams:
    """Who waits in the queue, and who listens for results.

    Methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._waiting: dict[str, tuple[float, threading.Event]] = {}
        self._sessions: dict[str, str] = {}  # by event, of those who wait

    def joins(self, session: str) -> None:
        """Note that somebody asks for a place in the queue."""
        with self._lock:
            if not self._open[session]:
                until = time.monotonic() + STREAM_SECONDS
                self._waiting.setdefault(session, (until, threading.Event()))

    def joined(self, session: str, event: str) -> None:
        """Note what the place in the queue is called."""
        with self._lock:
            if session in self._waiting:
                self._sessions[event] = session

    def opened(self, name: str) -> str:
        """Note that somebody listens.

        Args:
            name: The session, or an event.

        Returns:
            The session.
        """
        with self._lock:
            session = self._sessions.get(name, name)
            self._open[session] += 1
            _, listens = self._waiting.pop(session, (0, threading.Event()))
            listens.set()
            self._forget({session})
            return session

    def closed(self, session: str) -> None:
        """Note that one who listened does so no more."""
        with self._lock:
            self._open[session] -= 1
            if self._open[session] <= 0:
                del self._open[session]

    def expired(self) -> list[str]:
        """Return the sessions that never listened, and forget them."""
        now = time.monotonic()
        with self._lock:
            late = {s for s, (until, _) in self._waiting.items() if until < now}
            for session in late:
                del self._waiting[session]
            self._forget(late)
        return sorted(late)

    def wait_for(self, session: str) -> bool:
        """Wait until somebody listens; return whether anybody does."""
        with self._lock:
            _, listens = self._waiting.get(session, (0, None))
            if listens is None:
                return self._open[session] > 0
        return listens.wait(STREAM_SECONDS)

    def _forget(self, sessions: set[str]) -> None:
        events = self._sessions.items()
        self._sessions = {e: s for e, s in events if s not in sessions}


class Guard:
    """An ASGI middleware before Gradio's application.

    It offers what the page needs, and no file of another machine; it bounds uploads
    and calls, has Gradio delete what was broken off, and notes who listens.

    Args:
        app: Gradio's.
        shelf: Counts the uploads.
        streams: Takes the notes.
        max_mb: Size of a file, at most.
    """

    def __init__(self, app, shelf: Shelf, streams: Streams, max_mb: float):
        self.app, self.shelf, self.streams = app, shelf, streams
        self.max_mb = max_mb

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path, query = scope["path"], parse_qs(scope["query_string"].decode("latin-1"))
        method = scope["method"]
        if re.search(r"=\s*https?:", unquote(unquote(path)), re.IGNORECASE):
            return await answer(send, 403, "Local files only.")
        if not OFFERED.fullmatch(path):
            return await answer(send, 404, "Not found.")
        if path == f"{API}upload":
            return await self._upload(scope, receive, send)
        if method == "POST":
            return await self._call(path, scope, receive, send)
        called = re.fullmatch(rf"{API}call/[^/]+/([^/]+)", path)
        if called or path == f"{API}queue/data":
            name = called[1] if called else query.get("session_hash", [""])[0]
            return await self._stream(name, bool(called), scope, receive, send)
        return await self.app(scope, receive, send)

    async def _stream(self, name: str, once: bool, scope, receive, send) -> None:
        session = self.streams.opened(name)
        try:
            await self.app(scope, receive, send)
        finally:
            self.streams.closed(session)
            if once:  # there is no page that could be closed
                self.shelf.leave(session)

    async def _upload(self, scope, receive, send) -> None:
        visitor = scope["client"][0] if scope.get("client") else ""
        upload = Upload(self.shelf, visitor, self.max_mb, receive)
        sent = Answer(send)
        paths: list[str] = []
        try:
            announced = dict(scope["headers"]).get(b"content-length", b"0")
            upload.announced(int(announced) if announced.isdigit() else 0)
            if not upload.refused:
                await self.app(scope, upload.receive, sent.keep)
            if sent.status == 200 and not upload.refused:
                paths = json.loads(sent.body)
        finally:
            self.shelf.ended(visitor, upload.size, paths)
        if upload.refused:
            # A browser reads the answer only when it has sent all.
            if await upload.drained():
                await answer(send, 413, upload.refused)
        else:
            await sent.pass_on()

    async def _call(self, path: str, scope, receive, send) -> None:
        body = await read(receive, LARGEST_CALL)
        if body is None:
            await answer(send, 413, "This is too long for a call.")
            return
        asked, session = parsed(body), ""
        if path.startswith((f"{API}call/", f"{API}queue/join")) and asked:
            session = str(asked.get("session_hash") or secrets.token_hex(8))
            body = json.dumps({**asked, "session_hash": session}).encode()
            self.streams.joins(session)
        sent = Answer(send)
        await self.app(scope, replayed(body, receive), sent.keep)
        event = parsed(sent.body).get("event_id")
        if session and isinstance(event, str):
            self.streams.joined(session, event)
        await sent.pass_on()


class Upload:
    """The bytes of an upload on their way to Gradio.

    Args:
        shelf: Counts them.
        visitor: Whose.
        max_mb: Size of a file, at most.
        receive: Where they come from.
    """

    def __init__(self, shelf: Shelf, visitor: str, max_mb: float, receive):
        self.shelf, self.visitor, self.max_mb = shelf, visitor, max_mb
        self.size, self.refused, self.complete = 0, "", False
        self._receive = receive

    def announced(self, size: int) -> None:
        """Refuse what will be too much, before there is a file of it."""
        try:
            self._fits(size)
            self.shelf.check(self.visitor, size)
        except NoRoom as error:
            self.refused = str(error)

    def _fits(self, size: int) -> None:
        if size > self.max_mb * MB + ENVELOPE:
            raise NoRoom(f"The file is larger than {self.max_mb:g} MB.")

    async def receive(self) -> dict[str, Any]:
        """Return the next bytes.

        Raises:
            MultiPartException: If there are none, or too many. On this one Gradio
                deletes what it has of an upload; on no other.
        """
        from starlette.formparsers import MultiPartException

        if self.complete:
            return await self._receive()
        message = await self._next()
        if message["type"] != "http.request":
            raise MultiPartException("The upload was broken off.")
        size = len(message.get("body", b""))
        self.size += size
        try:
            self._fits(self.size)
            self.shelf.receive(self.visitor, size)
        except NoRoom as error:
            self.refused = str(error)
            raise MultiPartException(self.refused) from error
        return message

    async def drained(self) -> bool:
        """Drop the rest; return whether there is anybody to answer to."""
        dropped = 0
        while not self.complete and dropped <= 2 * self.max_mb * MB + ENVELOPE:
            message = await self._next()
            if message["type"] != "http.request":
                return False
            dropped += len(message.get("body", b""))
        return True

    async def _next(self) -> dict[str, Any]:
        try:
            message = await asyncio.wait_for(self._receive(), STILL_SECONDS)
        except TimeoutError:
            return {"type": "http.disconnect"}
        self.complete = not message.get("more_body", False)
        return message


class Answer:
    """An answer of Gradio that is read before it goes on its way."""

    def __init__(self, send):
        self.status, self.body = 0, b""
        self._send = send
        self._messages: list[dict[str, Any]] = []

    async def keep(self, message: dict[str, Any]) -> None:
        """Take a part of it."""
        self._messages.append(message)
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")

    async def pass_on(self) -> None:
        """Send it."""
        for message in self._messages:
            await self._send(message)


def parsed(body: bytes) -> dict[str, Any]:
    """Return a JSON object; an empty one if it is something else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


async def read(receive, most: int) -> bytes | None:
    """Return the whole body of a request; `None` if it is longer than that."""
    body, more = b"", True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        if len(body) <= most:
            body += message.get("body", b"")
    return body if len(body) <= most else None


def replayed(body: bytes, receive) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Return what receives a body that was read, and then what comes after it."""
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def again():
        return rest.pop() if rest else await receive()

    return again


async def answer(send, status: int, text: str) -> None:
    """Answer a request with a sentence."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": text.encode()})
