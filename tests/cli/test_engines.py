"""Commands that start quickly, once an earlier run has made an engine."""

import json
import os
import subprocess
import sys
import time

import pytest

import keras_musictag as kmt
from keras_musictag.cli import engines
from keras_musictag.engines import files

for package in engines.PACKAGES:
    pytest.importorskip(package)
pytestmark = pytest.mark.slow

CODE = """
import sys
from keras_musictag.cli import app
try:
    app(["tag", "--demo", "--format", "json", *sys.argv[1:]])
except SystemExit as end:
    assert not end.code
print("keras" in sys.modules, file=sys.stderr)
"""


def tag(cache, *arguments, **variables):
    """Run the command; give what it prints, and whether it took Keras."""
    env = {**os.environ, "KMT_CACHE": str(cache), "KMT_ENGINE": "", **variables}
    command = [sys.executable, "-c", CODE, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (song,) = json.loads(done.stdout)
    return song, done.stderr.strip().endswith("True")


def wait_for(path, seconds=300):
    for _ in range(seconds):
        if path.is_file():
            return
        time.sleep(1)
    raise AssertionError(engines.log_of(path).read_text("utf-8"))


def test_the_second_run_needs_no_keras(tmp_path, monkeypatch):
    monkeypatch.setenv("KMT_CACHE", str(tmp_path))
    path = files.engine_path("musicnn_mtt")
    preset = ("--preset", "musicnn_mtt")
    assert files.engine_path("musicnn_msd") != path
    first, took_keras = tag(tmp_path, *preset)
    assert took_keras
    wait_for(path)
    second, took_keras = tag(tmp_path, *preset)
    assert not took_keras
    scores = [
        {r["label"]: r["score"] for r in song["tags"]} for song in (first, second)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=2e-5) and len(scores[0]) > 3
    assert kmt.export.read_metadata(path)["parity"]["tolerance"] == 1e-5
    assert not engines.log_of(path).exists()
    # What the user asks for wins, and damage is no end.
    assert tag(tmp_path, *preset, "--engine", "keras")[1]
    assert tag(tmp_path, *preset, KMT_ENGINE="keras")[1]
    path.write_bytes(path.read_bytes()[:1000])
    monkeypatch.setenv("KMT_ENGINE", "auto")
    assert files.ready_engine("musicnn_mtt") is None and not path.exists()


def test_a_failure_is_kept_and_not_repeated_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("KMT_CACHE", str(tmp_path))
    monkeypatch.setenv("KMT_ENGINE", "auto")
    path = files.engine_path("musicnn_mtt")
    path.parent.mkdir()
    engines.log_of(path).write_text("no room\n", "utf-8")
    assert not engines.prepare_engine("musicnn_mtt")
    assert files.ready_engine("musicnn_mtt") is None
