"""What commands open at once: engines of the package, an exported recogniser."""

import gzip
from pathlib import Path

import pytest

NETWORK = Path(__file__).parents[1] / "export" / "data" / "tag_output.onnx.gz"


@pytest.fixture(scope="module", autouse=True)
def engines_of_the_package(tmp_path_factory):
    """Let commands start with the engines in the package, and make none.

    Presets that have none there start Keras. Tests of what Keras does with the others,
    at least one for each command, ask for `through_keras`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KMT_ENGINE", "ready")
        patch.setenv("KMT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def through_keras(monkeypatch):
    """Let Keras compute in all commands."""
    monkeypatch.setenv("KMT_ENGINE", "keras")


@pytest.fixture(scope="session")
def exported_chords(tmp_path_factory):
    """A narrow, random network in ONNX, which needs neither Keras nor a backend."""
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("exported") / "chords.onnx"
    path.write_bytes(gzip.decompress(NETWORK.read_bytes()))
    return path
