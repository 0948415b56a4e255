"""Beat This against the original: `beat-this` 1.1.0 with random weights.

`data/beat_this/` (see `data/make_beat_this.py`) holds what the original says.
"""

import functools
import http.server
import shutil
import threading
from pathlib import Path
from urllib.parse import urlsplit

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.beats import pick_peaks
from keras_musictag.conversion import convert_checkpoint
from keras_musictag.errors import PresetError
from keras_musictag.models.loading.upstream import converted_weights
from keras_musictag.presets import records
from keras_musictag.presets.weights import load_weights

FOLDER = Path(__file__).parent / "data" / "beat_this"
TINY = {"stem_channels": 8, "head_dim": 8, "units": 32, "blocks": 2}
# Measured with the full network and 70 s: 2.5e-5, 1.1e-5 and 1.9e-5.
FEATURES = 1e-4
NETWORK = 3e-5
PROBABILITIES = 1e-4


@pytest.fixture(scope="module")
def original():
    return np.load(FOLDER / "outputs.npz")


@pytest.fixture(scope="module")
def model():
    return convert_checkpoint(FOLDER / "random.ckpt", kmt.BeatThisTracker, **TINY)


def expected(original):
    """Probabilities of a beat that is no downbeat, and of a downbeat."""
    beat, downbeat = (1 / (1 + np.exp(-original[n])) for n in ("beat", "downbeat"))
    return np.maximum(beat, downbeat) - downbeat, downbeat


def samples_of(original):
    return original["waveform_int16"].astype("float32") / 32768


def test_features_are_those_of_torchaudio(model, original):
    bands = keras.ops.convert_to_numpy(model.frontend(samples_of(original)[None]))[0]
    np.testing.assert_allclose(bands, original["spectrogram"], atol=FEATURES)


def test_the_network_is_the_original_one(model, original):
    values = model._probabilities(original["spectrogram"])
    for ours, theirs in zip(values.T, expected(original), strict=False):
        np.testing.assert_allclose(ours, theirs, atol=NETWORK)
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-6)


def test_tracks_have_the_probabilities_and_beats_of_the_original(model, original):
    found = model.beatgram(samples_of(original))
    for ours, theirs in zip(
        (found.beat, found.downbeat), expected(original), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=PROBABILITIES)
    beats = model.track(samples_of(original))
    np.testing.assert_allclose(beats.times, original["beats"], atol=1e-9)
    np.testing.assert_allclose(beats.downbeats, original["downbeats"], atol=1e-9)


def test_pieces_of_30_s_overlap_as_in_the_original(model):
    """Each frame has what the piece says that is the first to have it inside."""
    bands = np.random.default_rng(0).uniform(0, 3, (3100, 128)).astype("float32")
    values = model._probabilities(bands)
    first = np.pad(bands[:1494], [(6, 0), (0, 0)])
    heard = model.backbone.predict_on_batch(first[None])[0]
    np.testing.assert_allclose(values[:1488], heard[6:-6], atol=1e-6)
    last = np.pad(bands[-1494:], [(0, 6), (0, 0)])
    heard = model.backbone.predict_on_batch(last[None])[0]
    np.testing.assert_allclose(values[2976:], heard[-130:-6], atol=1e-6)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server that has the random checkpoint where the authors have theirs."""
    url = records.preset_info("beat_this_small")["weights"]["url"]
    place = tmp_path / "site" / urlsplit(url).path.lstrip("/")
    place.parent.mkdir(parents=True)
    shutil.copy(FOLDER / "random.ckpt", place)
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=tmp_path / "site"
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        monkeypatch.setenv("KMT_UPSTREAM", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("KMT_CACHE", str(tmp_path / "cache"))
        yield
        server.shutdown()


def test_a_checkpoint_is_fetched_and_must_fit(served, model):
    with pytest.raises(PresetError, match="does not fit"):
        kmt.BeatThisTracker.from_pretrained("beat_this_small")  # which is larger
    tiny = {**records.preset_info("beat_this_small"), "name": "tiny", "config": TINY}
    path, _ = converted_weights(kmt.BeatThisTracker, tiny)
    again = kmt.BeatThisTracker(**TINY)
    load_weights(path, again.weights)
    for ours, theirs in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(ours.value),
            keras.ops.convert_to_numpy(theirs.value),
        )


def test_peaks_keep_their_downbeats_near():
    beat = np.full(200, 0.01)
    beat[[20, 45, 70, 95, 120]] = 0.8
    downbeat = np.full(200, 0.005)
    downbeat[[47, 122]] = 0.6  # two frames late
    downbeat[30] = 0.45  # not likely enough
    beats = pick_peaks(beat, downbeat)
    np.testing.assert_allclose(beats.times, np.array([20, 45, 70, 95, 120]) / 50)
    np.testing.assert_array_equal(beats.positions, [3, 1, 2, 3, 1])


def test_peaks_without_a_downbeat_have_no_bars():
    beat = np.full(100, 0.01)
    beat[10::20] = 0.9
    beats = pick_peaks(beat, np.zeros(100))
    assert len(beats) == 5 and beats.positions is None
    assert len(pick_peaks(np.zeros(50), np.zeros(50))) == 0
