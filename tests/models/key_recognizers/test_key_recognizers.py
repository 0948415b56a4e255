"""Key recognisers: whole tracks, saving, what is refused; with random weights."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_musictag as kmt
from keras_musictag.errors import AudioError, AudioWarning, ConfigError, LabelError
from keras_musictag.keys import KEYS, recognition
from keras_musictag.models.key_recognizers.skey import EdgePadding2D

RATE = 22050


@pytest.fixture(scope="module")
def skey():
    keras.utils.set_random_seed(1)
    return kmt.SKeyRecognizer()


@pytest.fixture(scope="module")
def keynet():
    keras.utils.set_random_seed(2)
    return kmt.KeyNetRecognizer()


def music(seconds, seed=0, rate=RATE):
    """Tones that come and go."""
    rng, time = np.random.default_rng(seed), np.arange(int(seconds * rate)) / rate
    pitches = 110.0 * 2.0 ** (rng.integers(0, 36, 12) / 12)
    swells = [np.sin(np.pi * rng.uniform(0.1, 0.5) * time) for _ in pitches]
    tones = [
        s * np.sin(2 * np.pi * p * time) for s, p in zip(swells, pitches, strict=True)
    ]
    return (0.05 * np.sum(tones, axis=0)).astype("float32")


def test_a_short_track_is_heard_as_a_whole(skey, keynet):
    for model in (skey, keynet):
        samples = music(6.0, rate=model.sample_rate)
        whole = ops.convert_to_numpy(model(samples[None]))[0]
        assert whole.shape == (24,) and whole.sum() == pytest.approx(1, abs=1e-5)
        found = model.keygram(samples)
        order = [model.labels.index(key) for key in KEYS]
        np.testing.assert_allclose(found.overall, whole[order], atol=1e-6)
        np.testing.assert_allclose(found.intervals, [[0, 6]])
        assert found.duration == pytest.approx(6.0)


def test_long_tracks_are_heard_in_pieces_and_windows(skey, monkeypatch):
    monkeypatch.setattr(recognition, "PIECE", 8.0)
    monkeypatch.setattr(recognition, "WINDOW", 4.0)
    monkeypatch.setattr(recognition, "HOP", 2.0)
    samples = music(19.0)

    def hear(start, end):
        part = samples[round(start * RATE) : round(end * RATE)]
        row = ops.convert_to_numpy(skey(part[None]))[0]
        return row[[skey.labels.index(key) for key in KEYS]]

    found = skey.keygram(samples)
    # Pieces from 0, 8 and, moved back to end with the track, 11.
    starts = [0, 2, 4, 8, 10, 11, 12, 13, 15]
    np.testing.assert_allclose(found.intervals[:, 0], starts)
    for row, start in zip(found.probabilities, starts, strict=True):
        np.testing.assert_allclose(row, hear(start, start + 4), atol=1e-5)
    logs = np.log([hear(0, 8), hear(8, 16), hear(11, 19)]).mean(axis=0)
    expected = np.exp(logs) / np.exp(logs).sum()
    np.testing.assert_allclose(found.overall, expected, atol=1e-5)


def test_saved_recognisers_come_back(skey, tmp_path):
    folder = skey.save_pretrained(tmp_path / "saved")
    again = kmt.KeyRecognizer.from_pretrained(folder)
    assert type(again) is kmt.SKeyRecognizer
    samples = music(4.0)
    np.testing.assert_array_equal(
        again.keygram(samples).overall, skey.keygram(samples).overall
    )
    card = (folder / "README.md").read_text("utf-8")
    assert "kmt.KeyRecognizer.from_pretrained" in card and "key-recognition" in card
    assert "24 major and minor keys" in card
    skey.save(tmp_path / "model.keras")
    file = kmt.KeyRecognizer.from_pretrained(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        file.keygram(samples).overall, skey.keygram(samples).overall
    )


def test_every_part_of_the_networks_learns(skey, keynet):
    for model in (skey, keynet):
        copy = type(model).from_config(model.get_config())
        frozen = [v.path for v in copy.non_trainable_variables]
        assert all("frontend" in p or "norm" in p or "seed" in p for p in frozen)
        before = [ops.convert_to_numpy(v.value) for v in copy.trainable_variables]
        samples = np.stack([music(3.0, s, model.sample_rate) for s in (1, 2)])
        history = copy.fit(samples, np.array([3, 14]), verbose=0)
        assert np.isfinite(history.history["loss"][0])
        for variable, old in zip(copy.trainable_variables, before, strict=True):
            new = ops.convert_to_numpy(variable.value)
            assert not np.array_equal(new, old), variable.path


def test_edges_are_repeated():
    x = np.arange(24, dtype="float32").reshape(1, 3, 4, 2)
    found = ops.convert_to_numpy(EdgePadding2D(2)(x))
    expected = np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)], mode="edge")
    np.testing.assert_array_equal(found, expected)


def test_what_has_no_key(skey, keynet):
    """Silence, and tracks of less than the network needs: no error."""
    for model in (skey, keynet):
        rate = model.sample_rate
        for samples in (np.zeros(5 * rate, "float32"), music(1.0, rate=rate)):
            found = model.recognize(samples)
            assert found.key is None and found.confidence == 0 and len(found) == 0
            assert found.duration == pytest.approx(len(samples) / rate)
        least = music(3.5, rate=rate)[: model.least_samples]
        assert model.keygram(least).overall.sum() == pytest.approx(1, abs=1e-5)
        assert model.keygram(least[:-1]).overall.sum() == 0


def test_chords_have_a_key():
    chords = kmt.CRNNChordRecognizer.from_pretrained("crnn_majmin_rendered")
    recognizer = kmt.ChordKeyRecognizer(chords)
    time = np.arange(RATE * 2) / RATE
    cadence = [(57, 61, 64), (62, 66, 69), (64, 68, 71), (57, 61, 64)] * 2
    parts = [
        sum(np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * time) for p in pitches)
        for pitches in cadence
    ]
    samples = (0.1 * np.concatenate(parts)).astype("float32")
    found = recognizer.recognize(samples, RATE)
    assert found.key.label == "A:maj" and found.confidence > 0.5
    silent = recognizer.recognize(np.zeros(RATE, "float32"), RATE)
    assert silent.key is None and silent.confidence == 0


def test_bad_input(skey, tmp_path):
    bad = tmp_path / "no.mp3"
    bad.write_bytes(b"no music at all")
    with pytest.raises(AudioError):
        skey.recognize(bad)
    with pytest.warns(AudioWarning, match="item 1"):
        results = skey.recognize([music(4.0), str(bad)])
    assert results[1] is None and results[0].duration == pytest.approx(4.0)
    with pytest.raises(ConfigError, match="`change`"):
        skey.recognize(str(bad), change=-1)
    with pytest.raises(TypeError, match="colour"):
        skey.recognize(music(4.0), colour=1)
    with pytest.raises(ConfigError, match="no option `colour`"):
        kmt.KeyNetRecognizer(colour=1)
    with pytest.raises(LabelError, match="names the 24 keys"):
        kmt.KeyRecognizer.from_pretrained("skey", labels=["a"])
    with pytest.raises(ConfigError, match="profile"):
        kmt.ChordKeyRecognizer.from_pretrained("crnn_majmin_rendered", profile="x")
