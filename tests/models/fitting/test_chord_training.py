"""Training chord recognisers on folders of audio with chords."""

import warnings

import keras
import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.chords import ChordSequence, Vocabulary
from keras_musictag.errors import AudioError, AudioWarning, ConfigError
from keras_musictag.metrics import chord_scores
from keras_musictag.models.fitting.chord_crops import ChordCrops
from keras_musictag.models.recognizer import ChordRecognizer
from keras_musictag.models.recognizers.crema import CremaChordRecognizer
from keras_musictag.models.recognizers.crnn_chords import CRNNChordRecognizer

RATE = 22050
SMALL = {"channels": (4, 8, 16), "units": 16}
SMALL_CREMA = {"conv_filters": 8, "recurrent_units": 8}


def triad(seconds, semitones=0, minor=False):
    """A triad on C4 or so many semitones above, with overtones."""
    t = np.arange(int(seconds * RATE)) / RATE
    roots = 261.63 * 2 ** ((np.array([0, 3 if minor else 4, 7]) + semitones) / 12)
    tones = [np.sin(2 * np.pi * f * k * t) / k for f in roots for k in (1, 2, 3)]
    return (0.1 * sum(tones)).astype("float32")


def write_song(folder, name, audio, segments):
    soundfile.write(folder / f"{name}.wav", audio, RATE)
    lines = ["\t".join(map(str, segment)) for segment in segments]
    (folder / f"{name}.lab").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Two short songs; the second has a suspended chord and an unlabelled end."""
    folder = tmp_path_factory.mktemp("songs")
    first = np.concatenate([triad(3), triad(3, 9, minor=True)])
    write_song(folder, "one", first, [(0, 3, "C:maj"), (3, 6, "A:min")])
    second = [(0, 1, "C:maj"), (1, 2, "C:sus4"), (2, 3, "C:maj/3")]
    write_song(folder, "two", triad(4), second)
    return folder


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return CRNNChordRecognizer(**SMALL)


def test_crops_cover_each_track_once(model, songs):
    crops = ChordCrops(model, songs, crop_seconds=2.5, position="all", batch_size=8)
    period, frames = model.frame_period, round(2.5 / model.frame_period)
    (values, mask), targets, weights = crops[0]
    assert crops.num_batches == 1
    assert values.shape == (5, frames, 252) and mask.shape == targets.shape == (
        5,
        frames,
    )
    lengths = [int(6 * RATE) // 1024, int(4 * RATE) // 1024]
    assert mask.sum() == sum(lengths)
    assert (values[~mask] == -80).all() and (weights[~mask] == 0).all()
    one, two = targets[:3][mask[:3]], targets[3:][mask[3:]]
    times = np.arange(lengths[0]) * period
    wanted = ["C:maj" if t < 3 else "A:min" for t in times]
    labels = model.vocabulary.labels
    assert [labels[i] for i in one] == wanted
    # Neither the suspended chord nor what comes after the last segment counts.
    times = np.arange(lengths[1]) * period
    counted = (times < 1) | ((times >= 2) & (times < 3))
    np.testing.assert_array_equal(weights[3:][mask[3:]], counted)
    assert {labels[i] for i in two[counted]} == {"C:maj"}


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.5])
def test_recognition_has_the_times_that_were_taught(shift, model, songs, monkeypatch):
    """Answers as they should be put a change where it is, to half a frame."""
    monkeypatch.setattr(model, "boundary_shift", shift)
    crops = ChordCrops(model, songs, crop_seconds=60, position="all")
    (_, mask), targets, _ = crops[0]
    path = np.asarray(targets[0])[mask[0]]
    offset, period = shift * model.frame_period, model.frame_period
    chords = kmt.chords.ChordSequence.from_frames(
        path, None, model.vocabulary, frame_period=period, offset=offset
    )
    assert chords.labels[:2] == ["C:maj", "A:min"]
    assert chords.intervals[1, 0] == pytest.approx(3.0, abs=0.51 * period)


def test_crops_are_the_features_of_the_whole_track(model, songs):
    """The decibels of the recording are computed here anew."""
    crops = ChordCrops(model, songs, crop_seconds=60, position="all")
    magnitudes = model.whole_track.track_magnitudes(songs / "one.wav")
    wanted = 20 * np.log10(np.maximum(magnitudes / magnitudes.max(), 1e-4))
    (values, mask), _, _ = crops[0]
    np.testing.assert_allclose(values[0][mask[0]], wanted, atol=0.05)


def test_other_crops_in_each_epoch_and_the_same_with_the_same_seed(model, songs):
    options = {"crop_seconds": 1.0, "transpose": True, "batch_size": 4}
    crops = ChordCrops(model, songs, seed=3, **options)
    first = crops[0]
    crops.on_epoch_end()
    assert not np.array_equal(crops[0][0][0], first[0][0])
    again = ChordCrops(model, songs, seed=3, **options)
    other = ChordCrops(model, songs, seed=4, **options)
    np.testing.assert_array_equal(again[0][0][0], first[0][0])
    np.testing.assert_array_equal(again[0][1], first[1])
    assert not np.array_equal(other[0][0][0], first[0][0])
    # All batches have one size, and there are as many crops as fill the tracks.
    sizes = [len(crops[i][1]) for i in range(crops.num_batches)]
    assert set(sizes) == {4} and crops.num_batches == int(np.ceil(len(crops.items) / 4))


def test_a_transposed_crop_is_a_crop_of_a_transposed_recording(model, tmp_path):
    """The oracle is the same chord played in all the other keys."""
    write_song(tmp_path, "c", triad(2), [(0, 2, "C:maj")])
    crops = ChordCrops(
        model, tmp_path, crop_seconds=2, transpose=True, seed=0, batch_size=1
    )
    seen = set()
    for _ in range(8):
        (values, _), targets, _ = crops[0]
        label = model.vocabulary.labels[targets[0, 20]]
        semitones = (model.vocabulary.roots[targets[0, 20]] + 6) % 12 - 6
        played = model.whole_track.track_magnitudes(triad(2, semitones))
        wanted = 20 * np.log10(np.maximum(played / played.max(), 1e-4))
        assert label.endswith(":maj")
        loud = wanted[20] > -25
        np.testing.assert_allclose(values[0, 20][loud], wanted[20][loud], atol=1.5)
        seen.add(int(semitones))
        crops.on_epoch_end()
    assert len(seen) > 2


LABELS = ("C:maj", "F#:min7/b3", "Bb:hdim7", "G:sus4/4", "D:aug/#5", "E:maj6/3", "N")


@pytest.mark.parametrize("label", LABELS)
def test_structured_targets_are_those_of_mir_eval(label):
    from mir_eval import chord

    model = CremaChordRecognizer(**SMALL_CREMA)
    targets = model.chord_targets([label])
    root, tones, bass = chord.encode(label)
    assert targets["root"][0] == (12 if root < 0 else root)
    assert targets["bass"][0] == (12 if root < 0 else (root + bass) % 12)
    wanted = np.zeros(12) if root < 0 else np.roll(tones, root)
    np.testing.assert_array_equal(targets["pitch"][0], wanted)
    assert targets["chord"][0] == model.vocabulary.index(label)


def test_structured_targets_follow_a_transposition(songs):
    model = CremaChordRecognizer(**SMALL_CREMA)
    crops = ChordCrops(model, songs, crop_seconds=2, transpose=True, seed=1)
    (values, mask), targets, weights = crops[0]
    assert values.shape[2:] == (216, 2) and values.shape[:2] == mask.shape
    assert set(targets) == {"chord", "pitch", "root", "bass"}
    roots = model.vocabulary.roots[targets["chord"]]
    counted = (weights > 0) & (roots >= 0)
    np.testing.assert_array_equal(targets["root"][counted], roots[counted])
    pitch = targets["pitch"][counted]
    sounding = np.take_along_axis(pitch, targets["bass"][counted][:, None], axis=1)
    assert counted.any() and (pitch.sum(axis=1) == 3).all() and sounding.all()


@pytest.mark.slow
def test_crema_learns_from_a_folder(songs):
    keras.utils.set_random_seed(1)
    model = CremaChordRecognizer(**SMALL_CREMA)
    history = model.fit(songs, crop_seconds=1, epochs=4, seed=0, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert set(model.recognize(songs / "one.wav").labels)  # it still works


@pytest.mark.slow
def test_a_network_learns_real_songs_by_heart(corpus, tmp_path):
    keras.utils.set_random_seed(2)
    labs = sorted((corpus / "chords").glob("majmin*.lab"))[:2]
    assert labs, "the corpus has no songs"
    tracks = kmt.data.TrackList(
        kmt.data.Track(lab.stem, lab.with_suffix(".ogg"), annotation=lab)
        for lab in labs
    )
    model = CRNNChordRecognizer(**SMALL, dropout=0.0)
    model.compile(keras.optimizers.Adam(5e-3))
    truth = {track.id: track.chords() for track in tracks}

    def score(recognizer):
        found = recognizer.recognize(tracks.paths)
        return chord_scores(truth, dict(zip(truth, found, strict=True)))["majmin"]

    before = score(model)
    crops = ChordCrops(model, tracks, crop_seconds=10, batch_size=10, seed=0)
    history = model.fit(crops, validation_data=tracks, epochs=45, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert len(history["val_loss"]) == 45 and history["val_accuracy"][-1] > 0.3
    after = score(model)
    assert after > before + 0.2
    again = ChordRecognizer.from_pretrained(model.save_pretrained(tmp_path / "saved"))
    assert score(again) == pytest.approx(after, abs=1e-6)


def test_a_bad_track_never_loses_the_others(model, songs, tmp_path):
    write_song(tmp_path, "good", triad(2), [(0, 2, "C:maj")])
    write_song(tmp_path, "short", triad(0.01), [(0, 2, "C:maj")])
    write_song(tmp_path, "odd", triad(2), [(0, 2, "C:nonsense")])
    (tmp_path / "fake.wav").write_text("no music")
    (tmp_path / "fake.lab").write_text("0 2 C:maj\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        crops = ChordCrops(model, tmp_path)
    (message,) = [
        str(w.message) for w in caught if issubclass(w.category, AudioWarning)
    ]
    assert message.startswith("3 of 4 tracks")
    assert all(f"{name}: " in message for name in ("fake", "odd", "short"))
    assert len(crops.songs) == 1
    (tmp_path / "good.wav").unlink()
    (tmp_path / "good.lab").unlink()
    with pytest.raises(AudioError, match="3 of 3 tracks"):
        model.fit(tmp_path, verbose=0)


@pytest.mark.slow
def test_frozen_layers_stay_and_the_optimizer_goes_on(songs):
    keras.utils.set_random_seed(3)
    model = CRNNChordRecognizer(**SMALL)
    head = model.backbone.get_layer("head")
    for layer in model.backbone.layers:
        layer.trainable = layer is head
    before = [keras.ops.convert_to_numpy(w.value) for w in model.weights]
    kernel = keras.ops.convert_to_numpy(head.kernel)
    model.fit(songs, epochs=1, crop_seconds=2, seed=0, verbose=0)
    steps = int(model.optimizer.iterations)
    model.fit(songs, epochs=1, crop_seconds=2, seed=0, verbose=0)
    assert int(model.optimizer.iterations) == 2 * steps > 0
    assert not np.array_equal(keras.ops.convert_to_numpy(head.kernel), kernel)
    frozen = [
        np.array_equal(keras.ops.convert_to_numpy(w.value), old)
        for w, old in zip(model.weights, before, strict=True)
        if not w.path.startswith("backbone/head") and "head" not in w.path
    ]
    assert frozen and all(frozen)


def test_wrong_arguments_are_explained(model, songs):
    with pytest.raises(ConfigError, match="validation_split"):
        model.fit(songs, validation_split=0.1)
    with pytest.raises(ConfigError, match="crop_seconds"):
        model.fit(songs, crop_seconds=0)
    blues = CRNNChordRecognizer(Vocabulary("blues", ("A:7", "N")), **SMALL)
    with pytest.raises(ConfigError, match="transpose=False"):
        blues.fit(songs)
    uneven = CRNNChordRecognizer(n_bins=70, bins_per_octave=14, **SMALL)
    with pytest.raises(ConfigError, match="bins_per_octave=14"):
        uneven.fit(songs)


def test_chords_may_be_in_memory(model):
    chords = ChordSequence([[0, 5]], ["C:maj"])
    track = kmt.data.Track("demo", kmt.audio.demo_path(), annotation=chords)
    crops = ChordCrops(model, kmt.data.TrackList([track]), position="all")
    _, targets, weights = crops[0]
    assert weights.sum() == np.ceil(5 / model.frame_period)
    assert set(targets[weights > 0]) == {model.vocabulary.index("C:maj")}
