"""Fixtures that every test may use: shared music, references, a browser."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# One core for each process: threads of several that share the cores spin while they
# wait for one another, and twice the time is gone.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
# The Hub's client reads it when it is imported: no test asks the real Hub.
os.environ["HF_HUB_OFFLINE"] = "1"

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KMT_SHARED", ROOT.parent / "shared"))
# The small part of the references, which comes along; its README says what it is.
BUNDLED = Path(__file__).parent / "reference"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Compile librosa once, before processes that do it at the same time spoil it."""
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
