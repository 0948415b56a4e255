"""Two devices train as one does: `MirroredStrategy`, and `DataParallel` on JAX."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_musictag as kmt

SCRIPT = Path(__file__).with_name("training.py")
TRAININGS = ["crops", "short batch", "short batch of tf.data", "files", "rates"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", params=["tensorflow", "jax"])
def folder(request, tmp_path_factory):
    pytest.importorskip(request.param)
    path = tmp_path_factory.mktemp(request.param)
    done = subprocess.run(
        [sys.executable, SCRIPT, path],
        env=os.environ | {"KERAS_BACKEND": request.param},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return path


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize("name", TRAININGS)
def test_losses_and_weights_are_those_of_one_device(results, name):
    found = results[name]
    assert len(found["one"]) == 4
    np.testing.assert_allclose(found["two"], found["one"], atol=1e-4)
    assert found["weights"] < 1e-4
    assert max(found["one"]) - min(found["one"]) > 0.01  # something was learned


@pytest.mark.parametrize("items", ["8", "7", "1"])
def test_evaluate_counts_each_item_once(results, items):
    one, two = results["evaluate"][items]
    assert one.keys() == two.keys() == {"loss", "roc_auc", "pr_auc"}
    for name, value in one.items():
        assert two[name] == pytest.approx(value, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("what", ["tracks", "set"])
def test_predict_gives_each_item_once(results, what):
    one, two, difference = results["predict"][what]
    assert one == two == [7, 3]
    assert difference < 1e-5


def test_a_saved_tagger_needs_one_device(folder):
    stored = np.load(folder / "scores.npz")
    tagger = kmt.MusicTagger.from_pretrained(folder / "two")
    np.testing.assert_allclose(tagger.predict(stored["x"]), stored["scores"], atol=1e-5)


def test_a_batch_size_that_devices_cannot_share_is_refused(results):
    assert (
        "Received: batch_size=5 for 2 devices. Pass batch_size=6" in results["refused"]
    )


def test_a_backup_is_taken_up(results):
    assert results["resumed"] == [1, 2]


def test_without_synchronized_statistics_the_loss_is_another(results):
    if "plain" not in results:
        pytest.skip("on JAX statistics are of the whole batch anyway")
    apart = np.abs(np.subtract(results["crops"]["one"], results["plain"]))
    assert apart.max() > 0.01
