"""Downloads from real servers on this machine, good ones and bad ones."""

import contextlib
import functools
import hashlib
import http.server
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from keras_musictag.errors import PresetError
from keras_musictag.hub.cache import cache_folder
from keras_musictag.hub.download import fetch

BODY = bytes(range(256)) * 4000  # a megabyte, in several pieces
SHA256 = hashlib.sha256(BODY).hexdigest()
BLOB = hashlib.sha1(b"blob %d\0" % len(BODY) + BODY).hexdigest()
WHOLE = {"size": len(BODY), "sha256": SHA256, "git_blob": BLOB}


class _Handler(http.server.BaseHTTPRequestHandler):
    """Notes each request's path and Range, then does what the test wants."""

    protocol_version = "HTTP/1.1"

    def __init__(self, behaviour, requests, *args):
        self.behaviour, self.requests = behaviour, requests
        super().__init__(*args)

    def do_GET(self):
        self.requests.append((self.path, self.headers.get("Range")))
        self.close_connection = True
        # The client may have heard enough.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.behaviour(self, len(self.requests))

    def log_message(self, *args):
        return

    def answer(self, body=BODY, status=200, length=None, **headers):
        self.send_response(status)
        headers.setdefault("Content-Length", len(body) if length is None else length)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def answer_range(self, body=BODY):
        """Like a server that knows Range: 206, 200 or 416."""
        wanted = self.headers.get("Range")
        if wanted is None:
            return self.answer(body)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            return self.answer(b"", 416)
        where = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self.answer(body[start:], 206, Content_Range=where)


def test_a_partial_file_that_is_a_link_is_not_written_through(serve, tmp_path):
    url, _ = serve(lambda handler, n: handler.answer_range())
    (tmp_path / "mine").write_bytes(b"precious")
    (tmp_path / "file.partial").symlink_to("mine")
    assert fetch(url + "/file", tmp_path / "file", **WHOLE).read_bytes() == BODY
    assert (tmp_path / "mine").read_bytes() == b"precious"
    os.mkfifo(tmp_path / "other.partial")
    assert fetch(url + "/file", tmp_path / "other", **WHOLE).read_bytes() == BODY


@pytest.fixture
def serve():
    """Start servers; each gives its address and the list of its requests."""
    servers = []

    def start(behaviour):
        requests: list = []
        handler = functools.partial(_Handler, behaviour, requests)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/a/model.pth", requests

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "model.pth"


def left_over(target: Path) -> list[str]:
    files = (path.name for path in target.parent.iterdir())
    return sorted(name for name in files if not name.endswith(".lock"))


# === Servers that work ===


def test_a_file_is_fetched_once(serve, target):
    url, requests = serve(lambda server, n: server.answer())
    assert fetch(url, target, **WHOLE) == target
    assert target.read_bytes() == BODY
    assert left_over(target) == ["model.pth"]
    assert fetch(url, target, **WHOLE) == target
    assert requests == [("/a/model.pth", None)]


def test_without_anything_to_check_the_file_is_taken_as_it_comes(serve, target):
    url, requests = serve(lambda server, n: server.answer())
    fetch(url, target)
    fetch(url, target)
    assert target.read_bytes() == BODY
    assert len(requests) == 1


def test_a_length_need_not_be_told(serve, target):
    def close_at_the_end(server, n):
        server.send_response(200)
        server.end_headers()
        server.wfile.write(BODY)

    url, _ = serve(close_at_the_end)
    assert fetch(url, target, **WHOLE).read_bytes() == BODY


def test_redirects_are_followed(serve, target):
    url, _ = serve(lambda server, n: server.answer())
    other, _ = serve(lambda server, n: server.answer(b"", 302, Location=url))
    assert fetch(other, target, **WHOLE).read_bytes() == BODY


def test_paths_lie_in_the_cache_folder(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("KMT_CACHE", str(tmp_path / "mine"))
    url, _ = serve(lambda server, n: server.answer())
    found = fetch(url, "fcn/model.pth", **WHOLE)
    assert found == tmp_path / "mine" / "fcn" / "model.pth"
    monkeypatch.delenv("KMT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "keras_musictag"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "keras_musictag"


def test_a_mirror_takes_the_place_of_the_host(serve, target, monkeypatch):
    url, requests = serve(lambda server, n: server.answer())
    monkeypatch.setenv("KMT_UPSTREAM", url.removesuffix("/a/model.pth") + "/mirror/")
    fetch("https://files.invalid/b/model.pth", target, **WHOLE)
    assert requests == [("/mirror/b/model.pth", None)]


# === Going on where it broke off ===


def test_a_partial_file_is_continued(serve, target):
    url, requests = serve(lambda server, n: server.answer_range())
    target.parent.mkdir()
    Path(f"{target}.partial").write_bytes(BODY[:300_000])
    assert fetch(url, target, **WHOLE).read_bytes() == BODY
    assert requests == [("/a/model.pth", "bytes=300000-")]


def test_a_server_without_ranges_starts_again(serve, target):
    url, requests = serve(lambda server, n: server.answer())
    target.parent.mkdir()
    Path(f"{target}.partial").write_bytes(BODY[:300_000])
    assert fetch(url, target, **WHOLE).read_bytes() == BODY
    assert len(requests) == 1


@pytest.mark.parametrize("size", [1000, len(BODY), len(BODY) + 5])
def test_a_partial_file_of_another_version_is_dropped(serve, target, size):
    url, requests = serve(lambda server, n: server.answer_range())
    target.parent.mkdir()
    Path(f"{target}.partial").write_bytes(b"x" * size)
    assert fetch(url, target, **WHOLE).read_bytes() == BODY
    assert [r for _, r in requests] == [f"bytes={size}-", None]


def test_another_part_than_asked_for_is_not_glued_on(serve, target):
    def wrong_part(server, n):
        if n > 1:
            return server.answer()
        where = f"bytes 5-{len(BODY) - 1}/{len(BODY)}"
        return server.answer(BODY[5:], 206, Content_Range=where)

    url, _ = serve(wrong_part)
    target.parent.mkdir()
    Path(f"{target}.partial").write_bytes(BODY[:10])
    assert fetch(url, target, **WHOLE).read_bytes() == BODY


def test_a_broken_connection_is_continued(serve, target):
    def break_off_once(server, n):
        if n == 1:
            return server.answer(BODY[:600_000], length=len(BODY))
        return server.answer_range()

    url, requests = serve(break_off_once)
    assert fetch(url, target, **WHOLE).read_bytes() == BODY
    assert requests == [("/a/model.pth", None), ("/a/model.pth", "bytes=600000-")]


def test_without_a_checksum_nothing_is_continued(serve, target):
    url, requests = serve(lambda server, n: server.answer_range())
    target.parent.mkdir()
    Path(f"{target}.partial").write_bytes(b"x" * 10)
    assert fetch(url, target, size=len(BODY)).read_bytes() == BODY
    assert requests == [("/a/model.pth", None)]


# === Servers that do not work ===


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_busy_server_is_asked_again(serve, target, status):
    def busy_once(server, n):
        return server.answer(b"busy", status) if n == 1 else server.answer()

    url, requests = serve(busy_once)
    assert fetch(url, target, **WHOLE).read_bytes() == BODY
    assert len(requests) == 2


def test_the_server_may_say_how_long_to_wait(serve, target):
    def busy_once(server, n):
        return server.answer(b"", 429, Retry_After=2) if n == 1 else server.answer()

    url, _ = serve(busy_once)
    before = time.monotonic()
    fetch(url, target, **WHOLE)
    assert 2 <= time.monotonic() - before < 8


def test_a_server_that_stays_busy(serve, target):
    url, requests = serve(lambda server, n: server.answer(b"busy", 503))
    with pytest.raises(PresetError, match=r"cannot answer now.*503.*Try again") as info:
        fetch(url, target, **WHOLE)
    assert len(requests) == 4
    assert url in str(info.value)
    assert str(target) in str(info.value)
    assert left_over(target) == []


def test_a_missing_file_is_not_asked_for_again(serve, target):
    url, requests = serve(lambda server, n: server.answer(b"no", 404))
    with pytest.raises(PresetError, match=r"not on its server.*404.*Upgrade"):
        fetch(url, target, **WHOLE)
    assert len(requests) == 1
    assert left_over(target) == []


def test_a_forbidden_file(serve, target):
    url, requests = serve(lambda server, n: server.answer(b"no", 403))
    with pytest.raises(PresetError, match=r"does not hand out.*403.*by other means"):
        fetch(url, target, **WHOLE)
    assert len(requests) == 1


def test_a_body_that_is_always_cut_off(serve, target):
    url, requests = serve(lambda s, n: s.answer(BODY[:1000], length=len(BODY)))
    with pytest.raises(PresetError, match=r"broke off 4 times.*Try again, which goes"):
        fetch(url, target, **WHOLE)
    assert len(requests) == 4
    assert left_over(target) == ["model.pth.partial"]


def test_a_short_file_is_refused(serve, target):
    url, _ = serve(lambda server, n: server.answer(BODY[:1000]))
    wanted = f"cut off.*size of model.pth.*1000, expected {len(BODY)}"
    with pytest.raises(PresetError, match=wanted):
        fetch(url, target, **WHOLE)
    assert left_over(target) == []


@pytest.mark.parametrize("check", ["sha256", "git_blob"])
def test_a_changed_file_is_refused(serve, target, check):
    changed = bytearray(BODY)
    changed[5] ^= 1
    found = {
        "sha256": hashlib.sha256(changed),
        "git_blob": hashlib.sha1(b"blob %d\0" % len(BODY) + changed),
    }[check].hexdigest()
    url, requests = serve(lambda server, n: server.answer(changed))
    with pytest.raises(PresetError, match=f"{found}, expected {WHOLE[check]}"):
        fetch(url, target, **{"size": len(BODY), check: WHOLE[check]})
    assert left_over(target) == []
    assert len(requests) == 1


def test_an_endless_body_does_not_fill_the_disk(serve, target):
    def endless(server, n):
        server.send_response(200)
        server.end_headers()
        while True:
            server.wfile.write(b"x" * 65536)

    url, _ = serve(endless)
    with pytest.raises(PresetError, match="size of model.pth"):
        fetch(url, target, **WHOLE)
    assert left_over(target) == []


def test_a_server_that_stalls(serve, target):
    release = threading.Event()

    def stall(server, n):
        server.send_response(200)
        server.send_header("Content-Length", str(len(BODY)))
        server.end_headers()
        server.wfile.write(BODY[:1000])
        release.wait(20)

    url, requests = serve(stall)
    try:
        with pytest.raises(PresetError, match=r"sent nothing for 0\.3 seconds"):
            fetch(url, target, **WHOLE, timeout=0.3)
    finally:
        release.set()
    assert [r for _, r in requests] == [None, *["bytes=1000-"] * 3]


def test_a_slow_server_is_waited_for(serve, target):
    def slow(server, n):
        server.send_response(200)
        server.send_header("Content-Length", str(len(BODY)))
        server.end_headers()
        for start in range(0, len(BODY), 128_000):
            server.wfile.write(BODY[start : start + 128_000])
            time.sleep(0.1)  # in all longer than the time-out

    url, requests = serve(slow)
    assert fetch(url, target, **WHOLE, timeout=0.5).read_bytes() == BODY
    assert len(requests) == 1


def test_no_network(target):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/model.pth"
        with pytest.raises(PresetError) as info:
            fetch(url, target, **WHOLE)
    text = str(info.value)
    assert "cannot be reached" in text
    assert f"download {url} by other means and save it as {target}" in text


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://\0/x", "model.pth"])
def test_addresses_that_are_none(target, url):
    with pytest.raises(PresetError, match="is no address to fetch from"):
        fetch(url, target, **WHOLE)


# === The cache ===


def test_local_files_only(serve, target):
    url, requests = serve(lambda server, n: server.answer())
    with pytest.raises(
        PresetError, match=r"not in the cache.*local_files_only"
    ) as info:
        fetch(url, target, **WHOLE, local_files_only=True)
    assert f"save it as {target}" in str(info.value)
    assert requests == []
    target.parent.mkdir()
    target.write_bytes(BODY)  # put there by hand
    assert fetch(url, target, **WHOLE, local_files_only=True) == target
    target.write_bytes(BODY[1:])
    with pytest.raises(PresetError, match="a damaged file"):
        fetch(url, target, **WHOLE, local_files_only=True)
    assert requests == []


def test_a_damaged_file_is_fetched_anew(serve, target):
    url, _ = serve(lambda server, n: server.answer())
    target.parent.mkdir()
    target.write_bytes(BODY[1:])
    assert fetch(url, target, **WHOLE).read_bytes() == BODY


def test_a_cache_that_cannot_be_written(serve, tmp_path):
    url, requests = serve(lambda server, n: server.answer())
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        PresetError, match=r"cache folder .* cannot be written.*KMT_CACHE"
    ):
        fetch(url, tmp_path / "file" / "model.pth", **WHOLE)
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if not os.access(folder, os.W_OK):
        with pytest.raises(PresetError, match="cannot be written"):
            fetch(url, folder / "model.pth", **WHOLE)
    folder.chmod(stat.S_IRWXU)
    assert requests == []


def test_two_processes_download_once(serve, target):
    def slow(server, n):
        time.sleep(1.5)  # long enough for the other process to come
        server.answer()

    url, requests = serve(slow)
    code = (
        "import json, sys; from keras_musictag.hub.download import fetch; "
        "url, path, whole = sys.argv[1:]; "
        "print(fetch(url, path, **json.loads(whole)))"
    )
    command = [sys.executable, "-c", code, url, str(target), json.dumps(WHOLE)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    printed = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [text.decode().strip() for text in printed] == [str(target)] * 2
    assert target.read_bytes() == BODY
    assert len(requests) == 1


def test_progress_is_shown_on_a_terminal_only(serve, target):
    url, _ = serve(lambda server, n: server.answer())
    code = (
        "import sys; from keras_musictag.hub.download import fetch; "
        "fetch(sys.argv[1], sys.argv[2])"
    )
    command = [sys.executable, "-c", code, url]
    plain = subprocess.run([*command, str(target)], capture_output=True, check=True)
    assert plain.stdout == plain.stderr == b""
    pty = pytest.importorskip("pty")
    primary, secondary = pty.openpty()
    subprocess.run([*command, f"{target}2"], stderr=secondary, check=True)
    os.close(secondary)
    shown = os.read(primary, 100_000)
    os.close(primary)
    assert b"model.pth2" in shown and b"MB" in shown
