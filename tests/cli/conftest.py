"""A recogniser that commands open at once, for tests of what they do with chords."""

import gzip
from pathlib import Path

import pytest

NETWORK = Path(__file__).parents[1] / "export" / "data" / "tag_output.onnx.gz"


@pytest.fixture(scope="session")
def exported_chords(tmp_path_factory):
    """A narrow, random network in ONNX, which needs neither Keras nor a backend."""
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("exported") / "chords.onnx"
    path.write_bytes(gzip.decompress(NETWORK.read_bytes()))
    return path
