"""Fixtures that every test may use: shared music, references, a browser."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# The Hub's client reads it when it is imported: no test asks the real Hub.
os.environ["HF_HUB_OFFLINE"] = "1"

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KMT_SHARED", ROOT.parent / "shared"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Compile librosa once, before processes that do it at the same time spoil it."""
    program = "from keras_musictag.errors import import_librosa as i; i('Tests')"
    subprocess.run([sys.executable, "-c", program], stderr=subprocess.DEVNULL)


def _folder(name: str) -> Path:
    path = SHARED / name
    if not path.is_dir():
        pytest.skip(f"needs {name}/ of the shared data (set KMT_SHARED)")
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder that holds `reference/` and `corpus/`."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data (set KMT_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def reference() -> Path:
    """Outputs of the original systems."""
    return _folder("reference")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real and rendered music."""
    return _folder("corpus")


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
