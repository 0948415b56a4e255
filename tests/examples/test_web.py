"""The page of `examples/web` in headless Chromium, cut off from every network."""

import contextlib
import csv
import functools
import importlib.util
import io
import json
import re
import shutil
import threading
import time
import urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.chords import ChordSequence

for package in ("onnx", "tf2onnx", "onnxruntime", "tensorflow"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm (Node.js)"),
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="the page is the same on each"
    ),
]

BUILD = Path(__file__).resolve().parents[2] / "examples" / "web" / "build.py"
# What is left is the low-pass. Some Vorbis streams come out of the browser as other
# samples than out of libsndfile: docs/export.md has the differences of such clips.
TOLERANCE = 2e-3
KINDS = (".wav", ".flac", ".mp3", ".ogg")
RECOGNIZER = "chords_small"
RATE = 22050


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    spec = importlib.util.spec_from_file_location("build_web", BUILD)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    try:
        build.fetch_runtime(folder / "vendor")
    except SystemExit as error:
        pytest.skip(f"needs what npm fetches: {error}")
    build.build(folder, "musicnn_msd", RECOGNIZER)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def page(address, chromium):
    with opened(address, chromium) as page:
        yield page


@contextlib.contextmanager
def opened(address, chromium, about=None):
    """Open the page; with another `about` of its recogniser, if one is given."""
    refused = []

    def only_here(route):
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            return route.continue_()
        refused.append(route.request.url)
        return route.abort()

    context = chromium.new_context()
    context.route("**/*", only_here)
    if about is not None:
        context.route("**/about.json", lambda route: route.fulfill(json=about))
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda line: complaints.append(line.text) if line.type == "error" else None,
    )
    # Who begins to listen just before a key is pressed may be too late: Chromium then
    # opens a dialog of its own, and no event comes.
    page.on("filechooser", lambda chooser: None)
    page.goto(address)
    page.get_by_text("Ready.").wait_for(timeout=60_000)
    yield page
    context.close()
    assert (refused, complaints) == ([], [])


def give(page, *, name, data, says):
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    page.locator("#file").set_input_files(file)
    page.locator("#status").get_by_text(says).wait_for(timeout=120_000)


def saved_chords(page):
    with page.expect_download() as download:
        page.locator("#save-chords").click()
    return ChordSequence.from_lab(download.value.path())


def saved_scores(page):
    with page.expect_download() as download:
        page.locator("#save").click()
    text = download.value.path().read_text("utf-8")
    return {row["label"]: row for row in csv.DictReader(io.StringIO(text))}


def wav(samples, rate=16000):
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.fixture(scope="module")
def tagger():
    return kmt.MusicTagger.from_pretrained("musicnn_msd")


def test_the_page_gives_the_packages_scores(page, tagger, corpus):
    files = sorted(p for p in (corpus / "real").iterdir() if p.suffix in KINDS)
    first_of_kind = {path.suffix: path for path in reversed(files)}.values()
    for path in first_of_kind:
        (expected,) = tagger.predict([path])
        give(page, name=path.name, data=path.read_bytes(), says="Done:")
        assert page.locator("#title").inner_text() == path.name
        found = saved_scores(page)
        assert {k: v["group"] for k, v in found.items()} == dict(
            zip(tagger.labels, tagger.labels.groups, strict=True)
        )
        scores = np.array([float(found[label]["score"]) for label in tagger.labels])
        np.testing.assert_allclose(scores, expected, atol=TOLERANCE)
        best = [tagger.labels[i] for i in np.argsort(-scores)[:3]]
        assert page.locator("#best li").all_inner_texts() == best


@pytest.fixture(scope="module")
def recognizer():
    return kmt.ChordRecognizer.from_pretrained(RECOGNIZER)


def compare(found, expected, recognizer):
    frame = recognizer.hop_length / recognizer.sample_rate
    assert found.labels == expected.labels
    np.testing.assert_allclose(found.intervals, expected.intervals, atol=2 * frame)


PLAYED = ["C:maj", "A:min", "F:maj"] * 2  # two seconds each, from 0.5 s on


def test_the_page_hears_the_packages_chords(page, recognizer, cadence):
    clip = kmt.audio.demo_path()
    give(page, name=clip.name, data=clip.read_bytes(), says="Done:")
    compare(saved_chords(page), recognizer.recognize(clip), recognizer)
    # After half a second of silence alone, both are in two minds about its end.
    later = np.concatenate([np.zeros(RATE, "float32"), cadence])
    give(page, name="cadence.wav", data=wav(later, RATE), says="Done:")
    found = saved_chords(page)
    compare(found, recognizer.recognize(later, sample_rate=RATE), recognizer)
    assert found.sample(np.arange(2.5, 13, 2)) == PLAYED


def test_the_chord_follows_the_sound(page, cadence):
    give(page, name="cadence.wav", data=wav(cadence, RATE), says="Done:")
    lanes = page.locator("#lanes")
    for number, name in enumerate(("C", "Am", "F", "C")):
        at = 1.5 + 2 * number
        width = lanes.bounding_box()["width"]
        lanes.click(position={"x": at / 12.5 * width, "y": 9})
        page.locator("#chord").get_by_text(name, exact=True).wait_for()
        now = page.evaluate("document.getElementById('player').currentTime")
        assert now == pytest.approx(at, abs=0.05)
        # The page draws it with its next picture.
        page.wait_for_function(
            """share => {
              const [line, lanes] = ["playhead", "lanes"].map((name) =>
                document.getElementById(name).getBoundingClientRect());
              return Math.abs((line.x + 1 - lanes.x) / lanes.width - share) < 0.01;
            }""",
            arg=at / 12.5,
        )
    # What is drawn there is one colour a chord; the same chord is the same one.
    colours = page.evaluate(
        """() => {
          const canvas = document.getElementById("strip");
          const pen = canvas.getContext("2d");
          return [0, 1, 2, 3, 4, 5].map((i) => {
            const x = ((2.3 + 2 * i) / 12.5) * canvas.width;
            return pen.getImageData(x, canvas.height - 2, 1, 1).data.join();
          });
        }"""
    )
    assert colours[:3] == colours[3:] and len(set(colours)) == 3


def test_chords_take_a_tenth_of_the_song(page, cadence):
    song = np.tile(cadence, 10)
    give(page, name="song.wav", data=wav(song, RATE), says="Listening for chords")
    began = time.perf_counter()
    page.locator("#status").get_by_text("Done:").wait_for(timeout=120_000)
    rate = len(song) / RATE / (time.perf_counter() - began)
    print(f"chords at {rate:.0f} times real time")
    assert rate > 10


def test_music_that_is_out_of_tune(address, chromium, recognizer, cadence):
    sharp = kmt.audio.resample(cadence, round(RATE * 2 ** (0.4 / 12)), RATE)
    with urllib.request.urlopen(f"{address}chords/about.json") as answer:
        about = {**json.load(answer), "tuning": "auto"}
    recognizer.tuning = "auto"
    expected = recognizer.recognize(sharp, sample_rate=RATE)
    recognizer.tuning = 0.0
    with opened(address, chromium, about) as page:
        give(page, name="sharp.wav", data=wav(sharp, RATE), says="Done:")
        compare(saved_chords(page), expected, recognizer)
    shrunk = 2 ** (-0.4 / 12)
    assert expected.sample(shrunk * np.arange(1.5, 12, 2)) == PLAYED


def test_a_short_clip_is_tagged_with_a_warning(page, tagger):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 9000).astype("float32")
    give(page, name="short.wav", data=wav(samples), says="Do not trust")
    found = saved_scores(page)
    (expected,) = tagger.predict([samples])
    scores = [float(found[label]["score"]) for label in tagger.labels]
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("lie.mp3", b"this is a text\n" * 99, "no audio that this browser can decode"),
        ("empty.wav", b"", "is empty"),
        ("none.wav", wav(np.zeros(0)), "(holds no sound|can decode)"),
        ("still.wav", wav(np.zeros(99000)), "is silent"),
        ("head.flac", b"fLaC", "can decode"),
    ],
    # Not their bytes: a WAV of floats holds the time when it was written.
    ids=["text", "empty", "no samples", "silence", "a head alone"],
)
def test_bad_files_get_a_sentence(page, name, data, says):
    give(page, name=name, data=data, says=re.compile(says))
    assert page.locator("#status").get_attribute("data-kind") == "error"
    assert not page.locator("#results").is_visible()


def test_the_keyboard_reaches_the_file_chooser(page):
    page.locator("body").click(position={"x": 1, "y": 1})
    page.keyboard.press("Tab")
    with page.expect_file_chooser():
        page.keyboard.press("Enter")
