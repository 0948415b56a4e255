"""Beat trackers: whole tracks, saving, what is refused."""

import keras
import numpy as np
import pytest

import keras_musictag as kmt
from keras_musictag.engines import whole_beats
from keras_musictag.errors import AudioError, AudioWarning, ConfigError, LabelError


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(1)
    return kmt.BeatNetTracker(nets=2, units=6)


@pytest.fixture(scope="module")
def model():
    return kmt.BeatTracker.from_pretrained()


def drums(tempo, seconds=16.0, rate=22050, meter=4):
    """Decaying noise on each beat, and a low tone with the first of a bar."""
    rng = np.random.default_rng(5)
    track = np.zeros(int(seconds * rate), "float32")
    ramp = np.arange(int(0.12 * rate)) / rate
    for i, time in enumerate(np.arange(0.5, seconds - 0.2, 60 / tempo)):
        hit = 0.3 * rng.normal(size=len(ramp)) * np.exp(-ramp / 0.02)
        if i % meter == 0:
            hit += np.sin(2 * np.pi * 60 * ramp) * np.exp(-ramp / 0.06)
        at = int(time * rate)
        track[at : at + len(hit)] += hit.astype("float32")
    return track


@pytest.mark.parametrize("tempo", [84, 126])
def test_drums_have_their_tempo(model, tempo):
    beats = model.track(drums(tempo))
    assert beats.tempo == pytest.approx(tempo, rel=0.01)
    right = np.arange(0.5, 15.8, 60 / tempo)
    gaps = np.abs(beats.times[:, None] - right).min(axis=1)
    assert np.median(gaps) < 0.03


def test_blocks_give_what_the_whole_gives(small, monkeypatch):
    """Longer than two blocks of the front-end; the state goes on."""
    monkeypatch.setattr(whole_beats, "BLOCK_FRAMES", 64)
    cut = kmt.BeatNetTracker.from_config(small.get_config())
    cut.set_weights(small.get_weights())
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, 150 * 441 + 100).astype("float32")
    whole = keras.ops.convert_to_numpy(small(samples[None]))[0]
    found = cut.beatgram(samples)
    assert len(found.beat) == 151 == len(whole)
    np.testing.assert_allclose(found.beat, whole[:, 0], atol=1e-5)
    np.testing.assert_allclose(found.downbeat, whole[:, 1], atol=1e-5)


def test_saved_trackers_come_back(small, tmp_path):
    folder = small.save_pretrained(tmp_path / "saved")
    again = kmt.BeatTracker.from_pretrained(folder)
    assert type(again) is kmt.BeatNetTracker
    assert again.get_config() == small.get_config()
    samples = drums(100, 3.0)
    np.testing.assert_array_equal(
        again.beatgram(samples).beat, small.beatgram(samples).beat
    )
    card = (folder / "README.md").read_text("utf-8")
    assert "kmt.BeatTracker.from_pretrained" in card and "beat-tracking" in card


def test_every_part_learns(small):
    copy = kmt.BeatNetTracker.from_config(small.get_config())
    before = [keras.ops.convert_to_numpy(v.value) for v in copy.trainable_variables]
    samples = np.stack([drums(100, 1.0), drums(120, 1.0)])
    targets = np.arange(100).reshape(2, 50) % 3
    history = copy.fit(samples, targets, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    for variable, old in zip(copy.trainable_variables, before, strict=True):
        new = keras.ops.convert_to_numpy(variable.value)
        assert not np.array_equal(new, old), variable.path


def test_silence_has_no_beats(model):
    beats = model.track(np.zeros(22050, "float32"))
    assert len(beats) == 0 and beats.tempo == 0 and beats.duration == 1.0


def test_bad_input(small, tmp_path):
    bad = tmp_path / "no.mp3"
    bad.write_bytes(b"no music at all")
    with pytest.raises(AudioError):
        small.track(bad)
    with pytest.warns(AudioWarning, match="item 1"):
        results = small.track([drums(100, 2.0), str(bad)])
    assert results[1] is None and results[0].duration == 2.0
    with pytest.raises(ConfigError, match="`meters`"):
        small.track(str(bad), meters=(0,))
    with pytest.raises(TypeError, match="colour"):
        small.track(drums(100, 1.0), colour=1)
    with pytest.raises(ConfigError, match="no option `colour`"):
        kmt.BeatNetTracker(colour=1)
    with pytest.raises(ConfigError, match="`nets`"):
        kmt.BeatNetTracker(nets=0)
    with pytest.raises(LabelError, match="no labels"):
        kmt.BeatTracker.from_pretrained(labels=["a"])


def test_a_stream_tells_the_beats_that_a_drummer_plays(model):
    samples = drums(126)
    blocks = [samples[i : i + 1000] for i in range(0, len(samples), 1000)]
    told = list(model.stream([np.zeros(0, "float32"), *blocks]))
    right = np.arange(0.5, 15.8, 60 / 126)
    times = np.array([beat.time for beat in told])
    assert (np.diff(times) > 0.3).all()
    gaps = np.abs(times[:, None] - right).min(axis=1)
    assert np.median(gaps) < 0.03 and len(times) > 0.9 * len(right)
    assert {beat.position for beat in told} == {1, 2, 3, 4}


@pytest.mark.parametrize("samples", [1, 441, 5000, 11025, 50000])
def test_a_stream_has_the_spectra_of_the_whole(small, samples):
    noise = np.random.default_rng(0).normal(0, 0.1, samples).astype("float32")
    blocks = [noise[i : i + 11025] for i in range(0, samples, 11025)]
    found = np.concatenate(list(small._stream_spectra(blocks)))
    whole = keras.ops.convert_to_numpy(small.frontend(noise[None]))[0]
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_streams_refuse_what_cannot_work(small):
    with pytest.raises(ConfigError, match="`latency`"):
        list(small.stream([np.zeros(100)], window=3))
    with pytest.raises(AudioError):
        list(small.stream([np.full(100, np.nan)]))
    assert list(small.stream([])) == []
