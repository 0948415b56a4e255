"""Commands that start quickly, once an earlier run has made an engine."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

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
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code
print("keras" in sys.modules, file=sys.stderr)
"""


def run(cache, *arguments, **variables):
    """Run a command; give what it prints, and whether it took Keras."""
    env = {**os.environ, "KMT_CACHE": str(cache), "KMT_ENGINE": "", **variables}
    command = [sys.executable, "-c", CODE, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.strip().endswith("True")


def hear(command, cache, *arguments, **variables):
    """Run a command with the demo clip; give its record, and whether it took Keras."""
    options = ("--demo", "--format", "json", *arguments)
    text, took_keras = run(cache, command, *options, **variables)
    (song,) = json.loads(text)
    return song, took_keras


def tag(cache, *arguments, **variables):
    return hear("tag", cache, *arguments, **variables)


def wait_for(path, seconds=300):
    for _ in range(seconds):
        if path.exists():
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


def test_chords_and_key_need_no_keras_the_second_time(tmp_path, monkeypatch):
    monkeypatch.setenv("KMT_CACHE", str(tmp_path))
    preset = ("--preset", "crnn_majmin_rendered")
    first, took_keras = hear("chords", tmp_path, *preset)
    assert took_keras
    wait_for(files.engine_path("crnn_majmin_rendered"))
    second, took_keras = hear("chords", tmp_path, *preset)
    assert not took_keras
    for a, b in zip(first["segments"], second["segments"], strict=True):
        assert a == pytest.approx(b, abs=1e-4)
    tuned, took_keras = hear("chords", tmp_path, *preset, "--tuning", "auto")
    assert not took_keras and tuned["segments"]
    assert hear("chords", tmp_path, *preset, "--engine", "keras")[1]
    assert not hear("key", tmp_path, *preset)[1]


def test_a_library_does_not_tell_who_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("KMT_CACHE", str(tmp_path / "cache"))
    music = tmp_path / "music"
    music.mkdir()
    samples, rate = kmt.audio.load(kmt.audio.demo_path())
    for number, part in enumerate((samples, samples[rate:], samples[: 4 * rate])):
        soundfile.write(music / f"{number}.wav", part, rate)
    rest = ("--preset", "musicnn_mtt", "--chords", "crnn_majmin_rendered")
    build = ("library", "build", str(music), *rest, "--quiet", "--out")
    assert run(tmp_path / "cache", *build, str(tmp_path / "one"))[1]
    for name in ("musicnn_mtt", "crnn_majmin_rendered"):
        wait_for(files.engine_path(name))
    assert not run(tmp_path / "cache", *build, str(tmp_path / "two"))[1]
    one, two = (kmt.library.Library(tmp_path / name) for name in ("one", "two"))
    assert one.analyses == two.analyses and len(one.analyses) == 2
    for name in one.labels["musicnn_mtt"]:
        scores = [library.tracks().column(name).to_numpy() for library in (one, two)]
        np.testing.assert_allclose(*scores, atol=1e-5)
    embeddings = [library.embeddings()[1] for library in (one, two)]
    np.testing.assert_allclose(*embeddings, atol=1e-4)
    # Keras goes on with what the engines have begun: there is nothing left to do.
    text, _ = run(tmp_path / "cache", *build, str(tmp_path / "two"), KMT_ENGINE="keras")
    assert "3 unchanged" in text
