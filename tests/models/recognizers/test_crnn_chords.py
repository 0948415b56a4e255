"""The chord recognisers that were trained on rendered music."""

import keras
import numpy as np
import pytest

from keras_musictag import chords
from keras_musictag.errors import ConfigError
from keras_musictag.metrics import chord_scores
from keras_musictag.models.recognizer import ChordRecognizer
from keras_musictag.models.recognizers.crnn_chords import CRNNChordRecognizer

# On songs with grooves and a soundfont that were not trained on.
LEAST = [
    ("crnn_majmin_rendered", {"root": 0.93, "majmin": 0.95}),
    (
        "chords_small",
        {"root": 0.91, "majmin": 0.93, "sevenths": 0.87, "tetrads": 0.83},
    ),
    ("crnn_170_rendered", {"majmin": 0.95, "sevenths": 0.88, "tetrads": 0.86}),
]
SMALL = {"channels": (4, 4, 8), "units": 8}


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "least"), LEAST)
def test_the_preset_recognises_rendered_songs(corpus, preset, least):
    model = ChordRecognizer.from_pretrained(preset)
    labs = sorted((corpus / "chords").glob("*.lab"))
    assert labs, "the corpus has no songs"
    truth = {lab.stem: chords.ChordSequence.from_lab(lab) for lab in labs}
    found = model.recognize([lab.with_suffix(".ogg") for lab in labs])
    scores = chord_scores(truth, dict(zip(truth, found, strict=True)))
    for comparison, score in least.items():
        assert scores[comparison] >= score, comparison


@pytest.mark.parametrize(
    ("variant", "frames"), [("strong", 40), ("strong", 41), ("tutorial", 41)]
)
def test_filling_changes_no_frame(variant, frames):
    model = CRNNChordRecognizer(variant=variant, patch_frames=32, **SMALL)
    rng = np.random.default_rng(0)
    for weight in model.backbone.weights:
        # Offsets that are not zero, or filling could hide behind them.
        noise = rng.uniform(0, 0.3, weight.shape).astype("float32")
        weight.assign(keras.ops.convert_to_numpy(weight.value) + noise)
    bins = model.backbone.inputs[0].shape[-1]
    magnitudes = rng.uniform(0.001, 1, (frames, bins)).astype("float32")
    alone = model.whole_track.predict(magnitudes, fixed=False)["chord"]
    filled = model.whole_track.predict(magnitudes, fixed=True)["chord"]
    np.testing.assert_allclose(filled, alone, atol=1e-5)
    assert alone.std() > 1e-3


@pytest.mark.parametrize("variant", ["strong", "tutorial"])
@pytest.mark.parametrize("recurrent", ["gru", "lstm"])
def test_config_round_trip(variant, recurrent):
    model = CRNNChordRecognizer(
        "tetrads", variant=variant, recurrent=recurrent, patch_frames=64, **SMALL
    )
    again = CRNNChordRecognizer.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    shapes = [tuple(weight.shape) for weight in model.weights]
    assert [tuple(weight.shape) for weight in again.weights] == shapes


def test_a_fresh_model_gives_probabilities_for_every_frame():
    model = CRNNChordRecognizer("sevenths", **SMALL)
    audio = np.random.default_rng(0).normal(0, 0.1, 3 * 22050).astype("float32")
    chordogram = model.chordogram(audio)
    times, probabilities = chordogram.times, chordogram.probabilities()
    assert probabilities.shape == (3 * 22050 // 1024, 61)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.diff(times), 1024 / 22050)


def test_details_are_summed():
    fine = CRNNChordRecognizer("crema170", **SMALL)
    coarse = CRNNChordRecognizer("majmin", detail="crema170", **SMALL)
    coarse.set_weights(fine.get_weights())
    rng = np.random.default_rng(0)
    magnitudes = rng.uniform(0.001, 1, (50, 252)).astype("float32")
    p = fine.whole_track.predict(magnitudes)["chord"]
    wanted = chords.reduce_probabilities(p, "crema170", "majmin", outside="root")
    found = coarse.whole_track.predict(magnitudes)["chord"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    again = CRNNChordRecognizer.from_config(coarse.get_config())
    assert again.get_config() == coarse.get_config()


def test_silence_is_no_chord():
    model = CRNNChordRecognizer(**SMALL)
    found = model.recognize(np.zeros(5 * 22050, "float32"))
    assert list(found.labels) == ["N"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"variant": "stronk"}, "variant"), ({"recurrent": "rnn"}, "recurrent")],
)
def test_unknown_choices_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        CRNNChordRecognizer(**wrong)
