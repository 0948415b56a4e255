"""Lists of tracks as other programs write them."""

from urllib.parse import quote

import pytest

from keras_musictag.library.scanning import find_tracks


@pytest.fixture
def folder(tmp_path):
    for name in ("Café/Größe 1.mp3", "a/100%.mp3", "a/b c#d.mp3", r"odd\name.mp3"):
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "music"


def tracks(path, content):
    path.write_bytes(content)
    return find_tracks(path)


def test_playlists_of_windows(folder):
    songs = [str(folder / "Café" / "Größe 1.mp3"), str(folder / "a" / "100%.mp3")]
    text = "#EXTM3U\r\nCafé\\Größe 1.mp3\r\na\\100%.mp3\r\n"
    for name, encoding in (
        ("a.m3u", "cp1252"),
        ("b.m3u", "utf-8"),
        ("c.m3u8", "utf-8"),
    ):
        assert tracks(folder / name, text.encode(encoding)) == songs
    assert tracks(folder / "d.m3u", b"\xef\xbb\xbf" + text.encode()) == songs
    # Whatever exists as it is written, is meant.
    odd = str(folder / r"odd\name.mp3")
    assert tracks(folder / "e.m3u", rb"odd\name.mp3") == [odd]
    # What is missing is named as its program wrote it.
    assert tracks(folder / "f.m3u", "Gröse.mp3".encode("cp1252")) == [
        str(folder / "Gröse.mp3")
    ]


def test_names_that_are_no_text(folder):
    name = b"caf\xe9.mp3"
    try:
        path = bytes(folder) + b"/" + name
        open(path, "wb").close()
    except OSError:
        pytest.skip("this file system wants UTF-8")
    assert tracks(folder / "a.m3u", name) == [path.decode("utf-8", "surrogateescape")]


def test_urls_of_files(folder):
    songs = [str(path) for path in sorted(folder.rglob("*.mp3"))]
    urls = [f"file://{quote(song)}" for song in songs]
    urls[0] = urls[0].replace("file://", "FILE://localhost")
    assert tracks(folder / "a.m3u8", "\n".join(urls).encode()) == songs
    plain = [f"file://{song}" for song in songs]  # not encoded, as some programs do
    assert tracks(folder / "b.txt", "\n".join(plain).encode()) == songs
