"""Downloads over HTTP: resumed, retried, checked, and put in place as a whole."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from keras_musictag import environment
from keras_musictag.errors import PresetError
from keras_musictag.hub.cache import cache_folder, lock
from keras_musictag.hub.integrity import verify_file

ATTEMPTS = 4
FIRST_PAUSE = 0.5  # seconds; doubled each time
LONGEST_PAUSE = 10.0  # seconds, whatever the server asks for


def fetch(
    url: str,
    path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    git_blob: str | None = None,
    local_files_only: bool = False,
    progress: bool = True,
    timeout: float = 20.0,
) -> Path:
    """Return a file from the cache, after downloading it if it is not there.

    What arrives is kept in `<path>.partial`, so that the next try goes on where
    this one broke off, and moves to `path` only when it is complete and checked.
    Busy servers (429, 5xx) and broken connections are tried four times in all.
    Processes that want the same file at once download it once.

    Args:
        url: Where the file is. If the environment variable `KMT_UPSTREAM` is set,
            it takes the place of scheme and host: a mirror, for example.
        path: Where to keep the file; relative to `cache_folder()`.
        size: Its size in bytes, if known.
        sha256: Its sha256, if known.
        git_blob: Its git blob id, if known.
        local_files_only: If `True`, never download.
        progress: Whether to show a progress bar on standard error; only ever on
            a terminal.
        timeout: Seconds without any news from the server that count as a stall.

    Returns:
        The absolute path of the file, which fits all that is given.

    Raises:
        PresetError: If the file is not there, the server cannot be reached, or
            what came is not the file that was expected (nothing of it is kept).

    ```python
    from keras_musictag.hub.download import fetch

    url = "https://raw.githubusercontent.com/minzwon/sota-music-tagging-models"
    fetch(f"{url}/master/LICENSE", "example/LICENSE")
    ```
    """
    path = cache_folder() / path
    expected = {"size": size, "sha256": sha256, "git_blob": git_blob}
    job = _Job(_mirrored(url), path, expected, progress, timeout)
    if _is_good(path, expected):
        return path
    if local_files_only:
        raise PresetError(
            f"{job.name} is not in the cache, and downloads are switched off.",
            received="local_files_only=True"
            + (", and a damaged file" if path.exists() else ""),
            advice=f"Leave `local_files_only` out once, or {job.by_hand()}",
        )
    with lock(path):
        if not _is_good(path, expected):  # another process may have fetched it
            try:
                _download(job)
            except OSError as error:
                raise PresetError(
                    f"{job.name} cannot be written to the cache.",
                    received=f"{type(error).__name__}: {error}",
                    advice="Make room, or set KMT_CACHE or `cache_dir` to another "
                    "folder.",
                ) from error
    return path


@dataclass(frozen=True)
class _Job:
    """What to fetch, and what stays the same while it is tried again."""

    url: str
    path: Path
    expected: dict
    progress: bool
    timeout: float

    @property
    def partial(self) -> Path:
        return Path(f"{self.path}.partial")

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    def by_hand(self) -> str:
        return f"download {self.url} by other means and save it as {self.path}."

    def error(self, problem: str, received: object, first: str = "") -> PresetError:
        advice = self.by_hand()
        advice = f"{first}, or {advice}" if first else advice[0].upper() + advice[1:]
        return PresetError(problem, received=received, advice=advice)


class _TryAgain(Exception):
    """A failure that may pass: its error, and how long the server asks to wait."""

    def __init__(self, error: PresetError, pause: float = 0.0):
        super().__init__(str(error))
        self.error, self.pause = error, pause


def _mirrored(url: str) -> str:
    base = environment.get("KMT_UPSTREAM")
    return f"{base.rstrip('/')}{urlsplit(url).path}" if base else url


def _is_good(path: Path, expected: dict) -> bool:
    if not path.is_file():
        return False
    if not any(expected.values()):
        return True
    try:
        verify_file(path, **expected)
    except PresetError:
        return False
    return True


def _download(job: _Job) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(job)
            return
        except _TryAgain as failure:
            if attempt == ATTEMPTS:
                raise failure.error from failure.__cause__
            pause = max(failure.pause, FIRST_PAUSE * 2 ** (attempt - 1))
            time.sleep(min(pause, LONGEST_PAUSE))


def _attempt(job: _Job) -> None:
    """Fetch what is missing, check the whole and move it to its place."""
    import httpx2

    # Parts of two files could only be told from one by a checksum.
    checked = job.expected["sha256"] or job.expected["git_blob"]
    _drop_strangers(job)
    start = job.partial.stat().st_size if checked and job.partial.is_file() else 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "keras-musictag"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with httpx2.stream(
            "GET", job.url, headers=headers, timeout=job.timeout, follow_redirects=True
        ) as response:
            _check_status(job, response)
            start = start if _continues(response, start) else 0
            _write(job, response, start)
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise job.error(f"{job.url} is no address to fetch from.", error) from error
    except httpx2.TransportError as error:
        raise _TryAgain(_broken(job, error)) from error
    except httpx2.HTTPError as error:
        raise job.error(f"{job.url} cannot be fetched.", _text(error)) from error
    _accept(job, resumed=start > 0)


def _check_status(job: _Job, response) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    received = f"HTTP status {status} {response.reason_phrase}".rstrip()
    if status == 416:  # there is more in the partial file than on the server
        job.partial.unlink(missing_ok=True)
        error = job.error("The server does not go on with the file.", received)
        raise _TryAgain(error)
    if status == 429 or status >= 500:
        error = job.error(
            f"The server of {job.name} cannot answer now; it was asked "
            f"{ATTEMPTS} times.",
            f"{received} from {job.url}",
            "Try again later",
        )
        wait = response.headers.get("Retry-After", "")
        raise _TryAgain(error, float(wait) if wait.isdigit() else 0.0)
    if status in (404, 410):
        raise PresetError(
            f"{job.name} is not on its server any more.",
            received=f"{received} from {job.url}",
            advice="Upgrade keras-musictag, which may know another place, or get the "
            f"file elsewhere and save it as {job.path}.",
        )
    raise job.error(
        f"The server does not hand out {job.name}.", f"{received} from {job.url}"
    )


def _continues(response, start: int) -> bool:
    """Whether the answer is the rest of the file, not the file from its beginning."""
    where = response.headers.get("Content-Range", "")
    return response.status_code == 206 and where.startswith(f"bytes {start}-")


def _write(job: _Job, response, start: int) -> None:
    if response.status_code == 206 and not start:
        job.partial.unlink(missing_ok=True)
        error = job.error("The server sent another part of the file.", "status 206")
        raise _TryAgain(error)
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else None
    limit = job.expected["size"] or total
    with (
        open(job.partial, "ab" if start else "wb", opener=_not_through_links) as file,
        _progress_bar(job, start, total) as advance,
    ):
        for piece in response.iter_raw():  # a size would lose what came before a break
            file.write(piece)
            advance(len(piece))
            if limit and file.tell() > limit:
                break  # no disk is filled; the check says what is wrong


def _drop_strangers(job: _Job) -> None:
    """Remove what is no part of a download: a link, or a pipe or device."""
    plain = job.partial.is_file() and not job.partial.is_symlink()
    if os.path.lexists(job.partial) and not plain:
        job.partial.unlink()


def _not_through_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _accept(job: _Job, resumed: bool) -> None:
    """Move a fetched file to its place if it is the right one, else drop it."""
    try:
        if any(job.expected.values()):
            verify_file(job.partial, **job.expected)
    except PresetError as error:
        job.partial.unlink(missing_ok=True)
        wrong = job.error(
            f"What came for {job.name} is not the published file: it was cut off "
            "or changed on the way or on the server. Nothing of it was kept. "
            f"{error.problem.replace('.partial', '')}",
            error.received,
            "Try again later",
        )
        if resumed:  # the file may have changed since its first part came
            raise _TryAgain(wrong) from error
        raise wrong from error
    job.partial.replace(job.path)


def _broken(job: _Job, error: Exception) -> PresetError:
    """The error for a connection that failed, in words that fit how."""
    import httpx2

    name, text = job.name, f"{_text(error)}, for {job.url}"
    again = "Try again, which goes on where this stopped"
    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)):
        problem = f"The server of {name} cannot be reached."
        return job.error(
            problem, text, "Check the network (or the proxy) and try again"
        )
    if isinstance(error, httpx2.TimeoutException):
        problem = f"The server of {name} sent nothing for {job.timeout:g} seconds."
        return job.error(problem, text, again)
    have = job.partial.stat().st_size if job.partial.is_file() else 0
    problem = f"The download of {name} broke off {ATTEMPTS} times, after {have} bytes."
    return job.error(problem, text, again)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


@contextlib.contextmanager
def _progress_bar(job: _Job, start: int, total: int | None) -> Iterator[Callable]:
    """Show how far a download is; gives the function that takes new bytes."""
    if not job.progress or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        name = f"{job.path.parent.name}/{job.name}"
        task = bar.add_task(name, total=total, completed=start)
        yield lambda count: bar.update(task, advance=count)
