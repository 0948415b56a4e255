"""Which engines are taken and made, and which ones go."""

import os
import time

import filelock
import pytest

import keras_musictag as kmt
from keras_musictag.cli import engines
from keras_musictag.engines import files


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KMT_CACHE", str(tmp_path))
    monkeypatch.setenv("KMT_ENGINE", "auto")
    return tmp_path / "engines"


def test_what_the_variable_may_say(monkeypatch):
    for package in engines.PACKAGES:
        pytest.importorskip(package)
    monkeypatch.setenv("KMT_ENGINE", "ready")
    assert files.ready_engine("musicnn_msd").labels  # in the package
    assert files.ready_engine("vgg_mtt") is None
    assert not engines.prepare_engine("vgg_mtt")
    monkeypatch.setenv("KMT_ENGINE", "keras")
    assert files.ready_engine("musicnn_msd") is None
    assert not engines.prepare_engine("vgg_mtt")
    monkeypatch.setenv("KMT_ENGINE", "onnx")
    with pytest.raises(kmt.errors.ConfigError, match="auto, ready or keras"):
        files.ready_engine("musicnn_msd")


def test_engines_of_earlier_versions_go_when_nobody_opens_them(cache, tmp_path):
    cache.mkdir()
    own = files.engine_path("vgg_mtt")
    names = {
        name: own.with_name(f"{name}{own.suffix}")
        for name in (
            *(f"vgg_mtt-{digit * 16}" for digit in "0123"),
            "vgg_mtt_of_mine-" + 16 * "0",
            "vgg_mtt-of-mine",
        )
    }
    old, locked, recent, folder, *others = names.values()
    folder = folder.with_suffix("")
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    for path in (own, old, locked, recent, *others):
        path.write_bytes(b"0")
    files.log_of(old).write_text("no room")
    long_ago = time.time() - files.UNUSED_SECONDS - 60
    for path in cache.iterdir():
        if path != recent:
            os.utime(path, (long_ago, long_ago))
    with filelock.FileLock(files.lock_of(locked)):  # somebody makes it anew
        assert set(files.remove_unused("vgg_mtt")) == {old, folder}
    assert set(cache.iterdir()) - {files.lock_of(locked)} == {
        *(own, locked, recent),
        *others,
    }


def test_an_engine_that_was_opened_counts_as_used(cache):
    pytest.importorskip("onnxruntime")
    path = files.engine_path("musicnn_msd")
    cache.mkdir()
    path.write_bytes(files.bundled_engine("musicnn_msd").read_bytes())
    os.utime(path, (0, 0))
    assert files.ready_engine("musicnn_msd").labels
    assert time.time() - path.stat().st_mtime < 60
