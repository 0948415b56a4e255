"""Fixtures that every test may use: where the shared music and references lie."""

import os
from pathlib import Path

import pytest

# The Hub's client reads it when it is imported: no test asks the real Hub.
os.environ["HF_HUB_OFFLINE"] = "1"

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KMT_SHARED", ROOT.parent / "shared"))


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
