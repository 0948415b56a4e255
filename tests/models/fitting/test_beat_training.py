"""Beat trackers learn from folders of songs with beats."""

import keras
import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.errors import AudioError, AudioWarning, ConfigError, LabelError
from keras_musictag.metrics import beat_scores
from keras_musictag.models.fitting.beat_crops import BeatCrops

RATE = 22050


def write_song(folder, name, bpm, meter, seconds=12.0, seed=0):
    """Noise bursts on beats, a low tone on downbeats; and the .beats file."""
    times = np.arange(0.3, seconds - 0.3, 60 / bpm)
    positions = np.arange(len(times)) % meter + 1
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 1e-3, round(seconds * RATE))
    ramp = np.arange(2000) / RATE
    for time, position in zip(times, positions, strict=True):
        burst = rng.normal(0, 0.2, 2000)
        if position == 1:
            burst = burst * 0.1 + 0.6 * np.sin(2 * np.pi * 110 * ramp)
        start = round(time * RATE)
        samples[start : start + 2000] += burst * np.exp(-ramp / 0.02)
    soundfile.write(folder / f"{name}.wav", samples.clip(-1, 1), RATE)
    rows = [f"{t:.4f}\t{p}" for t, p in zip(times, positions, strict=True)]
    (folder / f"{name}.beats").write_text("\n".join(rows) + "\n", "utf-8")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    for i, (bpm, meter) in enumerate([(92, 4), (120, 3), (133, 4), (150, 4)]):
        write_song(folder, f"song{i}", bpm, meter, seed=i)
    return folder


def test_a_folder_teaches_beats(songs, tmp_path):
    keras.utils.set_random_seed(0)
    model = kmt.BeatNetTracker(nets=1, units=16)
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    tracks = kmt.data.beat_folder(songs)
    assert [t.id for t in tracks] == ["song0", "song1", "song2", "song3"]
    history = model.fit(
        kmt.data.TrackList(tracks[:3]),
        validation_data=kmt.data.TrackList(tracks[3:]),
        epochs=8,
        batch_size=2,
        crop_seconds=4,
        seed=0,
        verbose=0,
    )
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]
    assert "val_loss" in history.history
    unseen = tracks[3]
    again = kmt.BeatTracker.from_pretrained(model.save_pretrained(tmp_path / "mine"))
    scores = beat_scores(unseen.beats, again.track(unseen.path, meters=(4,)))
    assert scores["f_measure"] > 0.95


def test_what_a_crop_is(songs):
    model = kmt.BeatNetTracker(nets=1, units=4)
    crops = BeatCrops(model, songs, crop_seconds=50, position="all")
    (features, classes, weights), track = crops[0], kmt.data.beat_folder(songs)[0]
    assert features.shape == (4, 600, 136) and crops.num_batches == 1
    frames = np.round(track.beats.times * 50).astype(int)
    assert list(np.flatnonzero(classes[0] != 2)) == list(frames)
    np.testing.assert_array_equal(classes[0][frames] == 1, track.beats.positions == 1)
    unsure = np.flatnonzero(weights[0] == 0)
    assert set(unsure) == {f + d for f in frames for d in (-1, 1)}
    # Energy lies where the classes say.
    loud = features[0].sum(axis=1)
    assert loud[frames].mean() > 3 * np.median(loud)


def test_folders_that_do_not_fit(songs, tmp_path):
    write_song(tmp_path, "good", 100, 4, seconds=3)
    write_song(tmp_path, "bad", 100, 4, seconds=3)
    (tmp_path / "bad.beats").write_text("1.0 1\n0.5 2\n", "utf-8")
    with pytest.warns(AudioWarning, match="bad.beats"):
        tracks = kmt.data.beat_folder(tmp_path)
    assert [t.id for t in tracks] == ["good"]
    (tmp_path / "good.beats").write_text("no\n", "utf-8")
    with pytest.raises(LabelError, match="No file of beats can be read"):
        kmt.data.beat_folder(tmp_path)
    model = kmt.BeatNetTracker(nets=1, units=4)
    with pytest.raises(ConfigError, match="bring their own targets"):
        model.fit(songs, np.zeros(3))
    plain = kmt.data.Track("plain", songs / "song0.wav")
    with pytest.raises(AudioError, match="1 of 1 tracks"):
        model.fit(kmt.data.TrackList([plain]))
