"""Fixtures that every test may use: shared music, references, a browser."""

import contextlib
import functools
import gc
import getpass
import http.server
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

# One core for each process: threads of several that share the cores spin while they
# wait for one another, and twice the time is gone.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
# Graphs of models are many small objects that live long: Python looks through them
# again and again, for 9 of the 110 s of contract/test_models.py; so it is 4.5.
gc.set_threshold(50_000, 20, 100)
# No command leaves a process behind that makes an engine; the test of engines lets it.
os.environ.setdefault("KMT_ENGINE", "keras")
# What JAX has compiled for one model it need not for the next, here or in another
# process: tests make many of one kind.
COMPILED = Path(tempfile.gettempdir()) / f"keras_musictag_jax_{getpass.getuser()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
# The Hub's client reads it when it is imported: no test asks the real Hub.
os.environ["HF_HUB_OFFLINE"] = "1"

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KMT_SHARED", ROOT.parent / "shared"))
# The small part of the references, which comes along; its README says what it is.
BUNDLED = Path(__file__).parent / "reference"


# Rooms whose files take longest: they start first, so that at the end no process is
# left alone with one of them.
LONG = {
    *("beets", "cli", "contract", "demo", "distribution", "examples", "export", "hub"),
    *("library", "models", "parity"),
}


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.isdisjoint(item.nodeid.split("/")))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Compile librosa once, before processes that do it at the same time spoil it."""
    librosa = importlib.util.find_spec("librosa")
    last = "__pycache__/guf-beat.__dp_backtrack-*.nbi"  # what it compiles at the end
    if librosa is None or any(Path(librosa.origin).parent.glob(last)):
        return
    program = "from keras_musictag.errors import import_librosa as i; i('Tests')"
    subprocess.run([sys.executable, "-c", program], stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def _skipped_without_shared_data():
    """Skip what asks for a reference that is not in the bundled part."""
    try:
        yield
    except FileNotFoundError as error:
        if not Path(error.filename or "").is_relative_to(BUNDLED):
            raise
        name = Path(error.filename).relative_to(BUNDLED)
        pytest.skip(f"needs reference/{name} of the shared data (set KMT_SHARED)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    with _skipped_without_shared_data():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    with _skipped_without_shared_data():
        return (yield)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder that holds `reference/` and `corpus/`."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data (set KMT_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def reference() -> Path:
    """Outputs of the original systems: all that is shared, or the bundled part."""
    whole = SHARED / "reference"
    return whole if whole.is_dir() else BUNDLED


@pytest.fixture(scope="session")
def cadence() -> np.ndarray:
    """C, A minor, F, C, A minor, F with drums at 22050 Hz: 24 beats at 120 a minute.

    The first one is at 0.5 s; each fourth begins a bar, with a chord for all of it.
    """
    rate, rng = 22050, np.random.default_rng(5)
    time = np.arange(2 * rate) / rate
    parts = [np.zeros(rate // 2)]
    for pitches in ((60, 64, 67), (57, 60, 64), (53, 57, 60)) * 2:
        hz = [440 * 2 ** ((pitch - 69) / 12) for pitch in pitches]
        tones = [np.sin(2 * np.pi * f * k * time) / k for f in hz for k in (1, 2, 3)]
        parts.append(0.03 * np.sum(tones, axis=0))
    music = np.concatenate(parts)
    ramp = np.arange(int(0.12 * rate)) / rate
    for beat in range(24):
        hit = 0.3 * rng.normal(size=len(ramp)) * np.exp(-ramp / 0.02)
        if beat % 4 == 0:
            hit += np.sin(2 * np.pi * 60 * ramp) * np.exp(-ramp / 0.06)
        at = round((0.5 + 0.5 * beat) * rate)
        music[at : at + len(hit)] += hit
    return music.astype("float32")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real and rendered music."""
    path = SHARED / "corpus"
    if not path.is_dir():
        pytest.skip("needs corpus/ of the shared data (set KMT_SHARED)")
    return path


@pytest.fixture(scope="session")
def rendered_labels() -> Path:
    """The folder of the rendered songs' exact chords, `.lab` files."""
    whole = SHARED / "corpus" / "chords"
    return whole if whole.is_dir() else BUNDLED / "chords"


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="session")
def key_mirror(reference, tmp_path_factory):
    """The environment with a server of the key recognisers' weights, and a cache."""
    from keras_musictag import preset_info

    root = tmp_path_factory.mktemp("key_mirror")
    for name in ("skey", "keynet"):
        weights = reference / name / f"{name}.pt"
        weights.stat()  # without it there is nothing to test
        link = root / urlsplit(preset_info(name)["weights"]["url"]).path.lstrip("/")
        link.parent.mkdir(parents=True)
        link.symlink_to(weights)
    handler = functools.partial(_Silent, directory=root)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    cache = str(tmp_path_factory.mktemp("key_cache"))
    address = f"http://127.0.0.1:{server.server_port}"
    yield {"KMT_UPSTREAM": address, "KMT_CACHE": cache}
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def key_models(key_mirror):
    """S-KEY and KeyNet by name, fetched and converted."""
    from keras_musictag import KeyRecognizer

    with pytest.MonkeyPatch.context() as patch:
        for name, value in key_mirror.items():
            patch.setenv(name, value)
        names = ("skey", "keynet")
        return {name: KeyRecognizer.from_pretrained(name) for name in names}


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, driven by Playwright; one for all tests of a process."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
