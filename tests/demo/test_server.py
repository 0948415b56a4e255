"""The server by itself: what it refuses to fetch, and errors of the command."""

import shutil
import socket
import sys

import pytest
from typer.testing import CliRunner

import keras_musictag as kmt
from keras_musictag.cli import app
from keras_musictag.errors import ConfigError

demo_arguments = ["demo", "--no-browser"]


def run(*arguments):
    result = CliRunner().invoke(app, [*demo_arguments, *arguments])
    return result.exit_code, result.output


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, output = run("--port", str(port))
    assert code == 2
    assert "the port is in use" in output and f"--port {port}" in output


def test_a_library_without_embeddings(tmp_path):
    pytest.importorskip("duckdb")
    kmt.library.build(kmt.audio.demo_path(), tmp_path, embeddings=False)
    code, output = run("--port", "0", "--library", str(tmp_path))
    assert code == 2
    assert "no embeddings" in output and "--no-embeddings" in output


def test_no_library_at_all(tmp_path):
    code, output = run("--port", "0", "--library", str(tmp_path))
    assert code == 2
    assert "There is no library" in output


def test_without_gradio(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    code, output = run("--port", "0")
    assert code == 2
    assert 'pip install "keras-musictag[demo]"' in output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--preset", "crema"), "Use: --chords crema"),
        (("--chords", "musicnn_mtt"), "Use: --preset musicnn_mtt"),
        (("--preset", "musicnn_mdt"), "musicnn_mtt"),
        (("--max-mb", "0"), "max_mb"),
        (("--max-minutes", "-1"), "max_minutes"),
        (("--max-visitor-mb", "0"), "max_visitor_mb"),
        (("--host", "192.0.2.1"), "not one of this machine"),
    ],
)
def test_arguments_that_cannot_work(arguments, says):
    code, output = run("--port", "0", *arguments)
    assert code == 2
    assert says in output


def test_a_kind_of_file_that_needs_an_extra(monkeypatch, tmp_path):
    from keras_musictag.demo.listener import Listener
    from keras_musictag.demo.page import Page
    from keras_musictag.demo.shelf import Shelf

    monkeypatch.setitem(sys.modules, "av", None)
    song = tmp_path / "song.m4a"
    song.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(99))
    page = Page(Listener(["musicnn_msd"], ["crema"], 1), None, Shelf(tmp_path, 1, 1))
    choice = ("musicnn_msd", "crema", "majmin", "viterbi")
    *_, last = page.listen("visit", str(song), *choice)
    assert last["state"] == "error"
    assert "lacks a package" in last["message"]


def test_a_clip_of_the_library_that_is_gone(tmp_path):
    pytest.importorskip("duckdb")
    from keras_musictag.demo.listener import Listener
    from keras_musictag.demo.page import Page
    from keras_musictag.demo.shelf import Shelf
    from keras_musictag.demo.similar import Similar

    clip = shutil.copy(kmt.audio.demo_path(), tmp_path / "clip.ogg")
    kmt.library.build(clip, tmp_path / "library")
    similar = Similar(tmp_path / "library")
    similar.load(kmt.MusicTagger.from_pretrained(similar.preset))
    page = Page(Listener([], ["crema"], 1), similar, Shelf(tmp_path, 1, 1))
    assert page.clip(0) == str(clip)
    clip.unlink()
    for place in (0, 1, -1):
        with pytest.raises(ConfigError, match="no longer where the library found it"):
            page.clip(place)


def test_nothing_is_shared_with_the_world():
    code, output = run("--share")
    assert code == 2
    assert "No such option" in output
