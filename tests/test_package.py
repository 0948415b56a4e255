"""The package as a whole: names, imports, the lazy stub."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import keras_musictag as kmt

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    "keras tensorflow jax torch librosa matplotlib pandas soundfile numpy scipy "
    "sklearn huggingface_hub typer"
).split()
NO_BACKEND = [name for name in HEAVY if name != "numpy"]


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def test_importing_is_light():
    code = (
        "import sys, json, keras_musictag\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    assert json.loads(run(code)) == []


def test_importing_is_fast():
    code = (
        "import time; t = time.process_time(); import keras_musictag\n"
        "print(time.process_time() - t)"
    )
    assert min(float(run(code)) for _ in range(3)) < 0.3


def test_presets_need_no_backend():
    code = (
        "import sys, json, keras_musictag as kmt\n"
        "kmt.preset_info(kmt.list_presets()[0])\n"
        f"print(json.dumps([m for m in {NO_BACKEND!r} if m in sys.modules]))"
    )
    assert json.loads(run(code)) == []


def test_every_public_name_is_there_and_documented():
    for name in kmt.__all__:
        assert getattr(kmt, name).__doc__, name


@pytest.mark.parametrize("tool", ["generate_api.py", "floors.py"])
def test_what_tools_write_is_fresh(tool):
    command = [sys.executable, ROOT / "tools" / tool, "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == kmt.__version__
    assert citation["authors"] == [{"name": "The keras_musictag authors"}]
    assert {"message", "title"} <= set(citation)
    newest = (ROOT / "CHANGELOG.md").read_text("utf-8").split("\n## ")[1]
    assert newest.startswith(kmt.__version__)
    kinds = {line[4:] for line in newest.splitlines() if line.startswith("### ")}
    allowed = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert kinds and kinds <= allowed
