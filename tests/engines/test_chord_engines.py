"""Engines of chord recognisers hear what the Keras models hear."""

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.audio.arrays import resample
from keras_musictag.engines.chords import ChordEngine
from keras_musictag.engines.storage import ABOUT
from keras_musictag.errors import PresetError
from keras_musictag.tracks import sources

for package in ("onnx", "tf2onnx", "onnxruntime", "tensorflow"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="engines are made there"
    ),
]
RATE = 22050


def song(seconds: float, cents: float = 0.0) -> np.ndarray:
    """Triads with overtones and some noise, each for a second."""
    time = np.arange(RATE) / RATE
    random = np.random.default_rng(0)
    chords = []
    for root in random.integers(45, 57, int(np.ceil(seconds))):
        notes = [root, root + random.integers(3, 5), root + 7]
        pitches = 440 * 2 ** ((np.array(notes) + cents / 100 - 69) / 12)
        waves = [
            np.sin(2 * np.pi * k * f * time) / k for f in pitches for k in (1, 2, 3)
        ]
        chords.append(0.1 * sum(waves))
    y = np.concatenate(chords)[: round(seconds * RATE)]
    return (y + 0.001 * random.standard_normal(len(y))).astype("float32")


def make(model, folder):
    from keras_musictag.models.engine_making import make_engine

    make_engine(model, folder)
    return ChordEngine(folder)


@pytest.fixture(scope="module", params=["crema", "crnn", "lstm", "structure", "tcn"])
def both(request, tmp_path_factory):
    keras.utils.set_random_seed(0)
    if request.param == "crema":
        model = kmt.CremaChordRecognizer("majmin", conv_filters=8, recurrent_units=8)
    elif request.param == "structure":
        model = kmt.ChordStructureRecognizer(nets=2)
    elif request.param == "tcn":
        model = kmt.TCNChordRecognizer(channels=(4, 8), units=16, dilations=(1, 8))
    else:
        kind = {"crnn": "gru", "lstm": "lstm"}[request.param]
        model = kmt.CRNNChordRecognizer(recurrent=kind, units=8)
    return model, make(model, tmp_path_factory.mktemp("engines") / "engine")


def test_probabilities_are_those_of_keras(both):
    model, engine = both
    for y in (song(2.0), song(21.3, cents=35.0), np.zeros(RATE, "float32")):
        for tuning in (model.tuning, "auto", -0.4):
            model.tuning = engine.tuning = tuning
            wanted, got = (m.chordogram(y, RATE) for m in (model, engine))
            assert got.duration == wanted.duration
            assert set(got.outputs) == set(wanted.outputs)
            for name in wanted.outputs:
                np.testing.assert_allclose(
                    got.probabilities(name), wanted.probabilities(name), atol=1e-4
                )
    assert engine.recognize(song(5.0), RATE).labels == (
        model.recognize(song(5.0), RATE).labels
    )


def test_a_track_that_a_program_cuts_is_heard_the_same(both):
    _, engine = both
    engine.tuning = "auto"
    y = song(14.0, 30.0)
    samples = resample(y, RATE, engine.sample_rate)
    piece = engine.segment()
    counted = sources.Counted([samples])
    for chunk in sources.cut_with_span(counted, engine.whole_track.plan):
        piece.add(chunk)
    got = piece.chordogram(len(samples)).probabilities()
    wanted = engine.chordogram(samples).probabilities()
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    again = piece.chordogram(len(samples)).probabilities()
    np.testing.assert_array_equal(again, got)


def test_damage_is_named(both, tmp_path):
    with pytest.raises(PresetError, match="no engine"):
        ChordEngine(tmp_path)
    (tmp_path / ABOUT).write_text("{}\n", "utf-8")
    with pytest.raises(PresetError, match="no engine"):
        ChordEngine(tmp_path)
