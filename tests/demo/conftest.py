"""One server for the tests of the page, a song with known chords, browser windows."""

import contextlib
import sys
from urllib.parse import urlsplit

import keras
import numpy as np
import pytest
import soundfile

import keras_musictag as kmt

RATE = 22050
HERE = ("127.0.0.1", "localhost", "::1")


@pytest.fixture(scope="session")
def asked():
    """What this process asks other machines for; the page must ask for nothing."""
    places: list[str] = []

    def watch(event, arguments):
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            place = str(arguments[1][0])
        elif event == "socket.getaddrinfo":
            place = str(arguments[0])
        else:
            return
        if place not in HERE:
            places.append(place)

    sys.addaudithook(watch)
    return places


def chord(notes, seconds=3.0):
    """Tones with overtones: float32 `(samples,)`."""
    time = np.arange(round(seconds * RATE)) / RATE
    tones = [
        np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * k * time) / k**2
        for note in notes
        for k in (1, 2, 3, 4)
    ]
    return (np.sum(tones, axis=0) * 0.08).astype("float32")


C_MAJOR, F_MAJOR = (48, 60, 64, 67), (41, 60, 65, 69)


@pytest.fixture(scope="session")
def song(tmp_path_factory):
    """Twelve seconds: C, F, C, F."""
    path = tmp_path_factory.mktemp("songs") / "four chords.wav"
    y = np.concatenate([chord(notes) for notes in (C_MAJOR, F_MAJOR) * 2])
    soundfile.write(path, y, RATE)
    return path


@pytest.fixture(scope="session")
def beaten_song(tmp_path_factory):
    """56 seconds with drums, 120 beats per minute in four: in C major, then in E."""
    path = tmp_path_factory.mktemp("songs") / "two keys.ogg"
    kick = np.sin(2 * np.pi * 60 * np.arange(4000) / RATE) * np.linspace(0.7, 0, 4000)
    noise = np.random.default_rng(0).normal(0, 0.2, 2000) * np.linspace(1, 0, 2000)
    bars = []
    for lift in (0, 4):
        for root in (0, 5, 7, 0) * 3 + (7, 0):
            tones = (
                48 + lift + root,
                60 + lift + root,
                64 + lift + root,
                67 + lift + root,
            )
            bar = chord(tones, 2.0)
            for beat in range(4):
                at = beat * RATE // 2
                bar[at : at + len(noise)] += noise
                if beat == 0:
                    bar[at : at + len(kick)] += kick
            bars.append(bar)
    with soundfile.SoundFile(path, "w", RATE, 1) as file:  # long writes overflow it
        for bar in bars:
            file.write(bar / 2)
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory, song, asked):
    """A running page, with a library of two clips."""
    for module in ("gradio", "duckdb", "pyarrow"):
        pytest.importorskip(module)
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the page is the same on each backend")
    from keras_musictag import demo

    library = tmp_path_factory.mktemp("library")
    kmt.library.build([kmt.audio.demo_path(), song], library)
    asked.clear()
    # Elsewhere, because Gradio trusts the working folder.
    with (
        contextlib.chdir(tmp_path_factory.mktemp("elsewhere")),
        # CREMA is quick, and names pure tones from the first frame on.
        demo.running(
            chords=["crema"],
            port=0,
            library=library,
            segments={"electronic": 0.425, "vocals": 1.0},
            max_mb=2,
            max_minutes=1,
        ) as address,
    ):
        yield address
    assert asked == []


@pytest.fixture
def window(chromium, address):
    """Opens the page in windows of their own; errors and forbidden requests fail."""
    contexts, wrong = [], []

    def guard(route):
        place = urlsplit(route.request.url)
        if place.scheme in ("blob", "data") or place.hostname in HERE:
            return route.continue_()
        wrong.append(route.request.url)
        return route.abort()

    def opened(width=1200, height=900, **options):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, **options
        )
        contexts.append(context)
        context.route("**", guard)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        for part in ("#kmt-song input[type=file]", ".kmt"):  # .kmt is made last
            page.locator(part).wait_for(state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
