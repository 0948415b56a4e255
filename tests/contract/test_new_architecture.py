"""Adding an architecture touches one file: the one that CONTRIBUTING.md shows."""

import importlib.util
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.models import registry

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from contributing import code


@pytest.fixture(scope="module")
def toy_class(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "loudness.py"
    path.write_text(code("Adding an architecture"))
    spec = importlib.util.spec_from_file_location("loudness", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LoudnessTagger


def test_one_file_is_enough(toy_class, tmp_path):
    assert registry()["LoudnessTagger"] is toy_class
    keras.utils.set_random_seed(0)
    toy = toy_class(["quiet", "loud"])
    tone = np.sin(np.arange(16000 * 2) / 9).astype("float32")
    quiet_and_loud = np.stack([tone * 0.01, tone])
    toy.compile(keras.optimizers.Adam(0.05))
    losses = toy.fit(quiet_and_loud, np.eye(2), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    folder = toy.save_pretrained(tmp_path / "toy")
    again = kmt.MusicTagger.from_pretrained(folder)
    assert type(again) is toy_class
    tracks = list(quiet_and_loud)
    np.testing.assert_array_equal(again.predict(tracks), toy.predict(tracks))
    assert {label for label, _ in again.tag(tone, sample_rate=16000)} == {*toy.labels}
    assert again.taggram(tone, sample_rate=16000).scores.shape == (2, 2)
    assert again.embed(tone, layer="levels").shape == (16,)
