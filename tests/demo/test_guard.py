"""What stands between visitors and the server: bounds, broken uploads, the queue.

These tests also tell when Gradio changes what the guard relies on.
"""

import os
import re
import threading
import time
from pathlib import Path

import pytest

import keras_musictag as kmt
from keras_musictag.demo import shelf
from keras_musictag.demo.guard import STREAM_SECONDS
from keras_musictag.demo.page import WAITING
from keras_musictag.demo.shelf import MB, NoRoom, Shelf

httpx = pytest.importorskip("httpx")  # comes with Gradio
CHOICES = ["musicnn_msd", "crema", "majmin", "viterbi"]
CLIP = kmt.audio.demo_path().read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A page of its own with narrow bounds: its address and folder."""
    pytest.importorskip("gradio")
    from keras_musictag import demo

    before = os.environ.get("GRADIO_TEMP_DIR")
    bounds = {"max_mb": 1, "max_visitor_mb": 2, "max_total_mb": 8}
    # No models at the start: most of these tests need none.
    with demo.running(presets=[], chords=[], port=0, **bounds) as address:
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        yield f"{address}gradio_api/", folder
    assert not folder.exists()
    assert os.environ.get("GRADIO_TEMP_DIR") == before


@pytest.fixture
def client():
    with httpx.Client(timeout=240) as client:
        yield client


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def soon(holds, seconds=60):
    """Wait until something holds; return whether it does."""
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    return holds()


def broken_off(api, started):
    """Send a part of a file, and hang up."""

    def body():
        yield b"--x\r\nContent-Disposition: form-data; "
        yield b'name="files"; filename="song.wav"\r\n\r\n'
        yield bytes(300_000)
        assert soon(started)
        raise EOFError

    kind = {"content-type": "multipart/form-data; boundary=x"}
    with pytest.raises(EOFError):
        httpx.post(f"{api}upload", content=body(), headers=kind)


def upload(client, api, data, name="song.ogg"):
    return client.post(f"{api}upload", files={"files": (name, data)})


def heard(client, api, path):
    """Have a song heard; the last view of it."""
    song = path and {"path": path, "meta": {"_type": "gradio.FileData"}}
    call = client.post(f"{api}call/listen", json={"data": [song, *CHOICES]})
    event = call.raise_for_status().json()["event_id"]
    return client.get(f"{api}call/listen/{event}").text


def test_a_broken_off_upload_leaves_nothing(server):
    api, folder = server
    before = files(folder)

    def is_there():
        return sum(p.stat().st_size for p in files(folder) if p not in before) > 2e5

    broken_off(api, is_there)
    assert soon(lambda: files(folder) == before)


def test_uploads_are_bounded_in_all(server, client):
    api, folder = server
    before = files(folder)
    large = upload(client, api, bytes(MB + 2**17))
    assert (large.status_code, large.text) == (413, "The file is larger than 1 MB.")
    first = [upload(client, api, os.urandom(700_000)) for _ in range(2)]
    assert [answer.status_code for answer in first] == [200, 200]
    third = upload(client, api, os.urandom(700_000))
    assert third.status_code == 413
    assert "fill the 2 MB that one visitor may have" in third.text
    kept = {Path(answer.json()[0]) for answer in first}
    assert {path.resolve() for path in files(folder)} - set(before) == kept
    for path in kept:  # makes room for the other tests
        path.unlink()


def test_places_in_the_queue_that_nobody_listens_for_expire(server, client):
    api, folder = server
    (path,) = upload(client, api, CLIP).json()
    song = {"path": path, "meta": {"_type": "gradio.FileData"}}
    before = [file for file in files(folder) if file.stat().st_size]
    for _ in range(WAITING + 1):
        call = client.post(f"{api}call/listen", json={"data": [song, *CHOICES]})
        assert call.status_code in (200, 503)  # it is full

    def waiting():
        return client.get(f"{api}queue/status").json()["queue_size"]

    assert soon(lambda: waiting() == 0, 10 * STREAM_SECONDS)
    # The song was heard for none of them, and the queue goes on.
    assert [file for file in files(folder) if file.stat().st_size] == before
    assert '"state": "empty"' in heard(client, api, None)
    assert [file for file in files(folder) if file.stat().st_size] == before


@pytest.mark.slow
def test_a_song_stays_until_its_page_is_closed(server, client, monkeypatch):
    api, folder = server
    monkeypatch.setattr(shelf, "AWAY_SECONDS", 1)
    (path,) = upload(client, api, CLIP).json()
    assert '"state": "done"' in heard(client, api, path)
    assert Path(path).is_file()
    assert [file for file in files(folder) if file.suffix == ".mid"]
    assert soon(lambda: not Path(path).exists(), 60)
    assert not [file for file in files(folder) if file.suffix == ".mid"]


@pytest.mark.slow
def test_answers_hold_no_internals(server, client):
    api, _ = server
    root = api.removesuffix("gradio_api/")
    config = client.get(f"{root}config")
    texts = [config.text, client.get(root).text, client.get(f"{api}info").text]
    (path,) = upload(client, api, CLIP).json()
    song = {"path": path, "meta": {"_type": "gradio.FileData"}}
    inputs = ([], [song, *CHOICES], ["?"] * 9)
    for number, event in enumerate(config.json()["dependencies"]):
        for data in inputs:
            body = {"fn_index": event["id"], "session_hash": f"s{number}"}
            body |= {"data": data, "event_data": {"tag": "rock", "place": 0}}
            if not event["queue"]:
                texts.append(client.post(f"{api}run/predict", json=body).text)
                continue
            join = client.post(f"{api}queue/join", json=body)
            session = {"session_hash": f"s{number}"}
            data = client.get(f"{api}queue/data", params=session)
            texts += [join.text, data.text]
    assert any('"seconds":' in text for text in texts)  # which made a tag
    for text in texts:
        assert not re.search(r"0x[0-9a-f]{6}|<(function|bound|class)|Traceback", text)
        assert str(Path(kmt.__file__).parent) not in text


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/process_recording",
        "gradio_api/component_server",
        "gradio_api/deep_link",
        "gradio_api/dev/reload",
        "gradio_api/proxy=x",
        "monitoring",
        "openapi.json",
    ],
)
def test_the_page_offers_only_what_it_needs(server, client, path):
    root = server[0].removesuffix("gradio_api/")
    for answer in (client.get(root + path), client.post(root + path)):
        assert (answer.status_code, answer.text) == (404, "Not found.")


def test_calls_are_bounded(server, client):
    call = {"data": ["x" * MB, *CHOICES]}
    assert client.post(f"{server[0]}call/listen", json=call).status_code == 413


# === The shelf by itself ===


def put(folder, name, size=100):
    path = folder / name / "song"
    path.parent.mkdir()
    path.write_bytes(bytes(size))
    return str(path)


def test_a_song_of_two_pages_goes_with_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "AWAY_SECONDS", 0)
    songs = Shelf(tmp_path, 1, 1)
    first, second = put(tmp_path, "first"), put(tmp_path, "second")
    for visitor in "ab":  # two visitors bring the same
        songs.ended(visitor, 0, [first])
    songs.hold("one", first, only=True)
    songs.ended("a", 0, [second])
    songs.hold("one", second, only=True)
    assert Path(first).exists()  # the other one has not come yet
    songs.hold("two", first, only=True)
    songs.leave("one")
    songs.tidy()
    assert Path(first).exists() and not Path(second).exists()
    songs.hold("two", first)  # it was not closed
    songs.leave("two")
    songs.hold("two", first)
    songs.tidy()
    assert Path(first).exists()
    songs.leave("two")
    songs.tidy()
    assert list(tmp_path.iterdir()) == []


def test_songs_that_nobody_uses_go(tmp_path, monkeypatch):
    songs = Shelf(tmp_path, 1, 1)
    songs.ended("a", 0, [put(tmp_path, "unheard")])
    used = put(tmp_path, "used")
    songs.hold("page", used)
    results = songs.results("page", "choice").folder
    (results / "tags.json").write_text("{}")
    elsewhere = put(tmp_path.parent, f"{tmp_path.name}-library")
    songs.hold("page", elsewhere)
    clock = time.monotonic() + shelf.UNHEARD_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    songs.sweep()
    assert {path.name for path in tmp_path.iterdir()} == {"used", results.name}
    clock += shelf.KEPT_SECONDS
    songs.sweep()
    assert list(tmp_path.iterdir()) == []
    assert Path(elsewhere).exists()


def test_links_that_a_page_has_shown_work_for_a_while(tmp_path, monkeypatch):
    clock = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    songs = Shelf(tmp_path, 1, 1)
    first = songs.results("page", "first choice")
    assert songs.made("page", "first choice") is None  # its files are being written
    first.view = {"state": "done"}
    second = songs.results("page", "second choice")
    clock += shelf.REPLACED_SECONDS - 1
    songs.tidy()
    assert first.folder.is_dir()
    assert songs.made("page", "first choice") == first.view  # chosen again
    assert songs.made("other page", "first choice") is None
    clock += shelf.REPLACED_SECONDS + 1
    songs.tidy()
    assert first.folder.is_dir() and not second.folder.exists()
    clock += shelf.KEPT_SECONDS
    songs.tidy()
    assert list(tmp_path.iterdir()) == []
    assert songs.made("page", "first choice") is None


def test_there_is_room_again_when_songs_are_gone(tmp_path):
    songs = Shelf(tmp_path, visitor_mb=1, total_mb=2)
    song = put(tmp_path, "song", MB)
    songs.receive("a", MB)
    with pytest.raises(NoRoom, match="one visitor"):
        songs.receive("a", 1)
    songs.ended("a", MB + 1, [song])
    with pytest.raises(NoRoom, match="one visitor"):
        songs.check("a", 1)
    songs.check("b", MB - 1)
    with pytest.raises(NoRoom, match="The page is full"):
        songs.check("b", MB + 1)
    songs.hold("page", song)
    songs.hold("page", put(tmp_path, "other"), only=True)
    songs.check("a", MB)


def test_many_threads_agree(tmp_path, monkeypatch):
    songs = Shelf(tmp_path, 10, 10)
    ready = threading.Barrier(8)

    def visitor(number):
        ready.wait()
        for turn in range(50):
            path = put(tmp_path, f"{number}-{turn}")
            songs.receive(f"{number}", 100)
            songs.ended(f"{number}", 100, [path])
            songs.hold(f"page {number}", path, only=True)
            songs.results(f"page {number}", turn % 3)

    threads = [threading.Thread(target=visitor, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files(tmp_path)) == 8
    assert sum(path.is_dir() for path in tmp_path.iterdir()) == 8 * 51
    clock = time.monotonic() + shelf.REPLACED_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    songs.sweep()
    assert sum(path.is_dir() for path in tmp_path.iterdir()) == 8 * 2
