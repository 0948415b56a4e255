"""The page of `examples/web` in headless Chromium, cut off from every network."""

import csv
import functools
import importlib.util
import io
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import keras
import numpy as np
import pytest

import keras_musictag as kmt

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
    build.build(folder, "musicnn_msd")

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
    refused = []

    def only_here(route):
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            return route.continue_()
        refused.append(route.request.url)
        return route.abort()

    context = chromium.new_context()
    context.route("**/*", only_here)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda line: complaints.append(line.text) if line.type == "error" else None,
    )
    page.goto(address)
    page.get_by_text("Ready.").wait_for(timeout=60_000)
    yield page
    context.close()
    assert (refused, complaints) == ([], [])


def give(page, *, name, data, says):
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    page.locator("#file").set_input_files(file)
    page.locator("#status").get_by_text(says).wait_for(timeout=60_000)


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
