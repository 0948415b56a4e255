"""`Shelf`: the songs that visitors left here, for how long, and how much of them."""

import contextlib
import dataclasses
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

KEPT_SECONDS = 3600  # after the last use, at most
AWAY_SECONDS = 120  # after the page was closed: a phone wakes up again
UNHEARD_SECONDS = 300  # from an upload to its first use
REPLACED_SECONDS = 120  # of results after newer ones: somebody may be saving them
LOOSE_SECONDS = 60  # of empty files that Gradio leaves
LOOK_SECONDS = 1  # between two looks at the disk
MB = 2**20


class NoRoom(Exception):
    """Nothing more is taken; its text is for the visitor."""


@dataclasses.dataclass
class Song:
    """A file that a visitor brought, or one of ours that a page shows."""

    size: int = 0  # if it was uploaded
    owners: set[str] = dataclasses.field(default_factory=set)  # addresses
    expected: list[float] = dataclasses.field(default_factory=list)  # until when

    def awaited(self, now: float) -> bool:
        """Whether somebody who will hold it may still come."""
        self.expected = [until for until in self.expected if until > now]
        return bool(self.expected)


@dataclasses.dataclass
class Results:
    """What came of one choice on a page: its files, and what the page shows of it."""

    choice: Hashable
    folder: Path
    view: dict[str, Any] | None = None  # while its files are being written
    replaced: float | None = None


@dataclasses.dataclass
class Visit:
    """What one open page holds."""

    songs: list[str] = dataclasses.field(default_factory=list)
    results: list[Results] = dataclasses.field(default_factory=list)
    used: float = dataclasses.field(default_factory=time.monotonic)
    left: float | None = None

    def over(self, now: float) -> bool:
        """Whether what it holds may go."""
        away = self.left is not None and now - self.left > AWAY_SECONDS
        return away or now - self.used > KEPT_SECONDS


class Shelf:
    """Counts the songs in a folder, and deletes those that no page shows any more.

    Files lie in folders of their own that are named after their content, so pages of
    several visitors may hold the same one. Methods may be called from any thread.

    Args:
        folder: Where all uploads and results lie.
        visitor_mb: What one visitor, who is an address, may have here.
        total_mb: What may be here in all.
        forget: Called with the path of each file that was deleted.
    """

    def __init__(
        self,
        folder: str | Path,
        visitor_mb: float,
        total_mb: float,
        forget: Callable[[str], None] = lambda path: None,
    ):
        self.folder = Path(folder).resolve()
        self.visitor_mb, self.total_mb = visitor_mb, total_mb
        self.forget = forget
        self._lock = threading.RLock()
        self._songs: dict[str, Song] = {}
        self._visits: dict[str, Visit] = {}
        self._arriving: Counter[str] = Counter()  # bytes, by address
        self._used, self._looked = 0, 0.0  # bytes in the folder, at most; when measured

    # === Uploads ===

    def receive(self, visitor: str, size: int) -> None:
        """Count bytes that arrive.

        Raises:
            NoRoom: If they are too many.
        """
        with self._lock:
            self._arriving[visitor] += size
            self._used += size
            self.check(visitor)

    def check(self, visitor: str, more: int = 0) -> None:
        """See whether there is room for more bytes.

        Raises:
            NoRoom: If there is none.
        """
        with self._lock:
            if self._used + more > self.total_mb * MB:
                self._look()
            if self._used + more > self.total_mb * MB:
                raise NoRoom(
                    f"The page is full: the songs of all visitors fill its "
                    f"{self.total_mb:g} MB. Try again in some minutes."
                )
            songs = self._songs.values()
            mine = sum(song.size for song in songs if visitor in song.owners)
            mine += self._arriving[visitor]
            if mine + more > self.visitor_mb * MB:
                raise NoRoom(
                    f"Your songs fill the {self.visitor_mb:g} MB that one visitor may "
                    "have here. They are deleted soon after you close their pages."
                )

    def ended(self, visitor: str, size: int, paths: list[str]) -> None:
        """Note that an upload has come to its end.

        Args:
            visitor: Whose.
            size: Bytes that arrived of it.
            paths: What became of it; nothing if it was broken off or refused.
        """
        with self._lock:
            self._arriving[visitor] -= size
            if self._arriving[visitor] <= 0:
                del self._arriving[visitor]
            for path in paths:
                with contextlib.suppress(OSError):  # it may be gone already
                    song = self.expect(path)
                    song.size = Path(path).stat().st_size
                    song.owners.add(visitor)

    def expect(self, path: str) -> Song:
        """Keep a file for somebody who will `hold` it soon."""
        with self._lock:
            song = self._songs.setdefault(path, Song())
            song.expected.append(time.monotonic() + UNHEARD_SECONDS)
            return song

    # === Visits ===

    def hold(self, visit: str, song: str, *, only: bool = False) -> None:
        """Keep a song for an open page.

        Args:
            visit: The page.
            song: Path of the song.
            only: Whether the page shows this one in the place of those before.
        """
        with self._lock:
            page = self._visits.setdefault(visit, Visit())
            page.used, page.left = time.monotonic(), None
            if song not in page.songs:
                page.songs.append(song)
                del self._songs.setdefault(song, Song()).expected[:1]
            if only:
                page.songs = [song]
            self.sweep()

    def results(self, visit: str, choice: Hashable) -> Results:
        """Make a folder for results of an open page.

        Those before stay for a while: the page shows their links until it has heard of
        the new ones.
        """
        with self._lock:
            page = self._visits.setdefault(visit, Visit())
            results = Results(choice, self.folder / secrets.token_hex(32))
            results.folder.mkdir()
            page.results.append(results)
            _replace_others(page, results)
            return results

    def made(self, visit: str, choice: Hashable) -> dict[str, Any] | None:
        """Return what the page showed of a choice, if its files are still here."""
        with self._lock:
            page = self._visits.get(visit, Visit())
            for results in page.results:
                if results.choice == choice and results.view is not None:
                    _replace_others(page, results)
                    return results.view
        return None

    def leave(self, visit: str) -> None:
        """Note that a page was closed."""
        with self._lock:
            if visit in self._visits:
                self._visits[visit].left = time.monotonic()

    # === Deleting ===

    def sweep(self) -> None:
        """Delete what nobody holds."""
        now = time.monotonic()
        with self._lock:
            for visit, page in list(self._visits.items()):
                over = page.over(now)
                for results in list(page.results):
                    replaced = now if results.replaced is None else results.replaced
                    if over or now - replaced > REPLACED_SECONDS:
                        self._clear(results)
                        page.results.remove(results)
                if over:
                    del self._visits[visit]
            held = {song for page in self._visits.values() for song in page.songs}
            for path, song in list(self._songs.items()):
                if path not in held and not song.awaited(now):
                    del self._songs[path]
                    self._delete(Path(path))

    def tidy(self) -> None:
        """`sweep`, and delete the empty files that Gradio makes for each call."""
        self.sweep()
        old = time.time() - LOOSE_SECONDS
        for path in self.folder.iterdir():
            with contextlib.suppress(OSError):
                facts = path.stat()
                if path.is_file() and not facts.st_size and facts.st_mtime < old:
                    path.unlink()

    def _clear(self, results: Results) -> None:
        for path in results.folder.iterdir():
            self.forget(str(path))
        shutil.rmtree(results.folder, ignore_errors=True)

    def _delete(self, path: Path) -> None:
        self.forget(str(path))
        if self.folder not in path.resolve().parents:
            return  # no song of a visitor
        with contextlib.suppress(OSError):
            path.unlink()
        with contextlib.suppress(OSError):  # others lie in it
            path.parent.rmdir()
        self._looked = 0.0

    def _look(self) -> None:
        """Measure the folder, at most once in a while."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked, self._used = now, 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):  # others delete, too
                self._used += path.stat().st_size


def _replace_others(page: Visit, shown: Results) -> None:
    now = time.monotonic()
    for results in page.results:
        if results is shown:
            results.replaced = None
        elif results.replaced is None:
            results.replaced = now
