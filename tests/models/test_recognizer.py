"""Chord recognisers: blocks, padding, vocabularies, bad input, training, saving."""

import itertools
import json
import warnings

import keras
import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.chords import Vocabulary, get_vocabulary
from keras_musictag.chords.chordogram import with_bass
from keras_musictag.engines.whole_track import BLOCK_FRAMES
from keras_musictag.errors import (
    AudioError,
    AudioWarning,
    ConfigError,
    LabelError,
    PresetError,
)
from keras_musictag.models.recognizer import ChordRecognizer
from keras_musictag.models.recognizers.crema import CremaChordRecognizer
from keras_musictag.models.running.keras_track import padded_length
from keras_musictag.presets.records import read_folder

RATE, HOP = 44100, 4096
SMALL = {"conv_filters": 8, "recurrent_units": 8}


@pytest.fixture(scope="module")
def crema():
    return ChordRecognizer.from_pretrained("crema")


@pytest.fixture(scope="module")
def small():
    """The same network, narrow and untrained, with random statistics."""
    keras.utils.set_random_seed(0)
    model = CremaChordRecognizer(**SMALL)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if "bn" in variable.path:
            value = rng.uniform(0.5, 1.5, variable.shape)
            variable.assign(value.astype("float32"))
    return model


def triad(seconds, frequencies=(261.63, 329.63, 392.0)):
    t = np.arange(int(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * f * k * t) / k for f in frequencies for k in (1, 2, 3)]
    return (0.1 * sum(tones)).astype("float32")


# === Blocks and padding ===


def test_blocks_equal_the_whole_file(small):
    """The layer on the whole waveform is the oracle; three blocks, two seams."""
    rng = np.random.default_rng(1)
    samples = 2 * BLOCK_FRAMES * HOP + 50000
    y = rng.normal(0, 0.1, samples).astype("float32") + triad(samples / RATE)[:samples]
    whole = keras.ops.convert_to_numpy(small.frontend(y[None]))[0]
    blocks = small.whole_track.track_magnitudes(y)
    assert blocks.shape == (samples // HOP, 216, 2)
    scale = whole.max()
    np.testing.assert_allclose(blocks / scale, whole[:-1] / scale, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 40])
def test_padding_never_changes_a_result(small, frames):
    rng = np.random.default_rng(2)
    magnitudes = rng.uniform(0, 1, (frames, 216, 2)).astype("float32") ** 4
    filled = small.whole_track.predict(magnitudes, fixed=True)
    plain = small.whole_track.predict(magnitudes, fixed=False)
    for name, values in plain.items():
        assert values.shape[0] == frames
        np.testing.assert_allclose(filled[name], values, atol=1e-5, err_msg=name)


def test_calling_the_model_is_recognising_a_whole_track(small):
    y = triad(2.0)
    called = small(y[None])
    stepped = small.whole_track.predict(small.whole_track.track_magnitudes(y))
    assert set(called) == {"chord", "pitch", "root", "bass"}
    for name, values in stepped.items():
        got = keras.ops.convert_to_numpy(called[name])[0]
        np.testing.assert_allclose(got, values, atol=1e-4, err_msg=name)


def test_padded_lengths_are_few_and_near():
    lengths = {padded_length(n) for n in range(1, 40000)}
    assert len(lengths) < 20
    assert all(n <= padded_length(n) <= max(128, 1.5 * n) for n in range(1, 40000))


# === Chords ===


def test_a_triad_is_recognised(crema):
    chords = crema.recognize(triad(10.0))
    assert chords.labels == ["C:maj"]
    assert chords.intervals.tolist() == [[0.0, 10.0]]
    sure = crema.chordogram(triad(10.0)).probabilities()[
        :, crema.vocabulary.index("C:maj")
    ]
    assert sure.mean() > 0.8  # the original says 0.927
    assert chords.confidences[0] > 0.7


def test_silence_is_no_chord(crema):
    y = np.zeros(3 * RATE, "float32")
    chords = crema.recognize(y)
    assert [tuple(s) for s in chords] == [(0.0, 3.0, "N", 1.0)]
    assert crema.recognize(y, vocabulary="majmin").labels == ["N"]
    for output, wanted in (("pitch", 0.0), ("root", 1.0), ("bass", 1.0)):
        values = crema.chordogram(y).probabilities(output)
        np.testing.assert_array_equal(values[:, -1], wanted)


def test_silence_then_a_triad(crema):
    y = np.concatenate([np.zeros(5 * RATE, "float32"), triad(5.0)])
    chords = crema.recognize(y)
    assert chords.labels == ["N", "C:maj"]
    assert chords.intervals[0, 1] == pytest.approx(5.0, abs=0.15)


def test_chordogram(crema):
    chordogram = crema.chordogram(triad(2.0))
    times, p = chordogram.times, chordogram.probabilities()
    assert p.shape == (2 * RATE // HOP, 170)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(times, np.arange(len(p)) * HOP / RATE)
    root = crema.chordogram(triad(2.0)).probabilities("root")
    assert root.shape == (len(p), 13)
    assert np.bincount(root.argmax(axis=1)).argmax() == 0  # C


@pytest.mark.parametrize("name", ["majmin", "sevenths", "tetrads", "crema170"])
def test_vocabulary_is_chosen_when_recognising(crema, name):
    chords = crema.recognize(kmt.audio.demo_path(), vocabulary=name)
    assert set(chords.labels) <= set(get_vocabulary(name).labels)
    assert chords.duration == pytest.approx(10.0)
    assert chords.intervals[-1, 1] == pytest.approx(chords.duration)


def test_decoder_is_chosen_when_recognising(crema):
    smooth = crema.recognize(kmt.audio.demo_path())
    rough = crema.recognize(kmt.audio.demo_path(), decoder="argmax")
    long = crema.recognize(kmt.audio.demo_path(), min_duration=2.0)
    assert len(rough) >= len(smooth) >= len(long)
    assert np.diff(long.intervals).min() > 2.0 - HOP / RATE


@pytest.mark.parametrize(
    ("label", "bass", "wanted"),
    [
        ("C:maj", 0, "C:maj"),
        ("C:maj", 4, "C:maj/3"),
        ("C:maj", 2, "C:maj"),
        ("C:maj", 12, "C:maj"),
        ("A:min7", 7, "A:min7/b7"),
        ("B:dim7", 8, "B:dim7/6"),
        ("G:sus4", 0, "G:sus4/4"),
        ("N", 3, "N"),
        ("X", 3, "X"),
    ],
)
def test_bass_becomes_an_inversion_only_if_it_is_a_chord_tone(label, bass, wanted):
    assert with_bass(label, bass) == wanted


# === Lists and bad input ===


def test_a_list_gives_a_list_and_loses_only_the_bad(crema, tmp_path):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.mp3"
    soundfile.write(good, triad(1.0), RATE)
    bad.write_text("no music")
    short = np.zeros(HOP - 1, "float32")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = crema.recognize([str(good), str(bad), short, triad(1.0)])
    assert [r and r.labels for r in results] == [["C:maj"], None, None, ["C:maj"]]
    ours = [str(w.message) for w in caught if issubclass(w.category, AudioWarning)]
    assert len(ours) == 2
    assert ours[0].startswith("item 1") and "bad.mp3" in ours[0]
    assert ours[1].startswith("item 2") and "shorter than one frame" in ours[1]
    with pytest.raises(AudioError, match=r"bad\.mp3"):
        crema.recognize([str(good), str(bad)], on_error="raise")
    assert crema.recognize([]) == []


def test_a_stream_names_chords_soon_after_they_sound(crema):
    y = np.concatenate([triad(4.0), triad(4.0, (174.61, 220.0, 261.63)), triad(3.3)])
    given = 0.0

    def blocks():
        nonlocal given
        for start in range(0, len(y), 5000):
            yield np.stack([y[start : start + 5000]] * 2)
            given = min(start + 5000, len(y)) / RATE

    segments, late = [], []
    for segment in crema.stream(blocks(), latency=1.0, window=6.0, vocabulary="majmin"):
        segments.append(segment)
        late.append(given - segment.start)
    assert segments[0].start == 0
    for one, other in itertools.pairwise(segments):
        assert other.start == pytest.approx(one.end, abs=1e-6) and one.start < one.end
    assert segments[-1].end == pytest.approx(len(y) / RATE, abs=1e-6)
    # A second of latency, one from step to step, and the block that was on its way.
    assert max(late[:-4]) < 2 + 2 * 5000 / RATE
    right = sum(
        min(s.end, end) - max(s.start, start)
        for s in segments
        for start, end, label in (
            (0, 4, "C:maj"),
            (4, 8, "F:maj"),
            (8, 12, "C:maj"),
        )
        if s.label == label and min(s.end, end) > max(s.start, start)
    )
    assert right > 0.95 * len(y) / RATE
    assert list(crema.stream([])) == []


def test_what_cannot_stream_says_so(crema):
    whole = kmt.ChordStructureRecognizer(nets=1)
    with pytest.raises(ConfigError, match="whole tracks only"):
        next(whole.stream([triad(1.0)]))
    for wrong in ({"latency": -1}, {"window": 2.5}, {"window": float("inf")}):
        with pytest.raises(ConfigError, match="window"):
            next(crema.stream([triad(1.0)], **wrong))
    with pytest.raises(AudioError, match="sample rate"):
        next(crema.stream([triad(1.0)], 0))


def test_a_second_recogniser_says_where_it_differs(crema, small, tmp_path):
    path = tmp_path / "triad.wav"
    soundfile.write(path, triad(3), RATE)
    tracks = [triad(3), tmp_path / "missing.wav", path]
    with pytest.warns(AudioWarning, match="missing"):
        marked = crema.recognize(tracks, vocabulary="majmin", agreement=small)
    other = small.recognize(tracks[0], vocabulary="majmin")
    assert marked[1] is None and marked[0].agreed_share == marked[2].agreed_share
    assert marked[2] == crema.recognize(path, vocabulary="majmin").compared_with(other)
    named = crema.recognize(tracks[0], agreement="crema")
    assert named.agreed_share == 1.0
    with pytest.raises(PresetError, match="no such preset"):
        crema.recognize(path, agreement="nobody")


def test_curves_of_confidence_belong_to_the_weights(small, tmp_path):
    curves = {"crema170": (1.2, 0.3)}
    model = CremaChordRecognizer(**SMALL, calibration=curves)
    model.save_pretrained(tmp_path / "saved")
    again = ChordRecognizer.from_pretrained(tmp_path / "saved")
    assert again.calibration == curves and small.calibration == {}
    assert again.chordogram(triad(1)).calibration == curves
    with pytest.raises(ConfigError, match="a slope above 0"):
        CremaChordRecognizer(**SMALL, calibration={"crema170": 1.2})


def test_one_frame_is_enough_and_less_is_refused(crema):
    assert crema.recognize(triad(1.0)[:HOP]).duration == pytest.approx(HOP / RATE)
    with pytest.raises(AudioError, match=f"{HOP - 1} samples.*at least {HOP}"):
        crema.recognize(triad(1.0)[: HOP - 1])
    with pytest.raises(AudioError, match="shorter than one frame"):
        crema.chordogram(np.zeros(1, "float32"))


def test_wrong_names_are_said_before_decoding_music(crema):
    with pytest.raises(ConfigError, match="majmin"):
        crema.recognize("missing.mp3", vocabulary="majmn")
    with pytest.raises(ConfigError, match="viterbi"):
        crema.recognize("missing.mp3", decoder="viterby")
    with pytest.raises(ConfigError, match="transition matrix"):
        crema.recognize("missing.mp3", decoder="hmm")
    with pytest.raises(ConfigError, match="pitch"):
        crema.chordogram(triad(0.2)).probabilities("pich")
    with pytest.raises(ConfigError, match="raise"):
        crema.recognize(triad(0.2), on_error="ignore")
    with pytest.raises(AudioError, match=r"missing\.mp3"):
        crema.recognize("missing.mp3")


def test_presets_of_taggers_are_refused():
    with pytest.raises(PresetError, match="MusicnnTagger"):
        ChordRecognizer.from_pretrained("musicnn_mtt")
    with pytest.raises(LabelError, match="vocabulary"):
        ChordRecognizer.from_pretrained(labels=["a", "b"])


# === Training and saving ===


def test_fit_needs_no_compile(small):
    curves = {"crema170": (1.2, 0.3)}
    config = {**small.get_config(), "calibration": curves}
    model = CremaChordRecognizer.from_config(config)
    frames = 3
    x = np.stack([triad(frames * HOP / RATE + 0.01) for _ in range(2)])
    classes = np.zeros((2, frames), "int32")
    targets: dict = dict.fromkeys(("chord", "root", "bass"), classes)
    targets["pitch"] = np.zeros((2, frames, 12), "float32")
    before = [keras.ops.convert_to_numpy(v.value) for v in model.trainable_variables]
    history = model.fit(x, targets, batch_size=2, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert model.calibration == {}  # it was fitted to the weights before
    after = [keras.ops.convert_to_numpy(v.value) for v in model.trainable_variables]
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert np.mean(changed) > 0.9


def test_saved_folder_brings_back_the_same(small, tmp_path):
    folder = small.save_pretrained(tmp_path / "saved")
    again = ChordRecognizer.from_pretrained(folder)
    assert type(again) is CremaChordRecognizer
    assert again.get_config() == small.get_config()
    magnitudes = small.whole_track.track_magnitudes(triad(1.0))
    for name, values in small.whole_track.predict(magnitudes).items():
        got = again.whole_track.predict(magnitudes)[name]
        np.testing.assert_array_equal(got, values, err_msg=name)


def test_saved_models_say_their_task(small, tmp_path):
    folder = small.save_pretrained(tmp_path / "saved")
    record = json.loads((folder / "config.json").read_text("utf-8"))
    assert record.pop("task") == small.task == "chords"
    (folder / "config.json").write_text(json.dumps(record))  # as they were before
    assert read_folder(folder)["task"] == "chords"
    assert type(ChordRecognizer.from_pretrained(folder)) is CremaChordRecognizer


def test_an_unknown_option_is_named_with_those_there_are(small):
    with pytest.raises(ConfigError, match="has no option `labels`") as caught:
        CremaChordRecognizer(labels=["a"], **SMALL)
    possible = caught.value.advice.removeprefix("It takes ").rstrip(".").split(", ")
    assert sorted(possible) == sorted(small.get_config())


def test_vocabulary_of_ones_own(tmp_path):
    own = Vocabulary("blues", ("A:7", "D:7", "E:7", "N"))
    model = CremaChordRecognizer(own, **SMALL)
    again = ChordRecognizer.from_pretrained(model.save_pretrained(tmp_path / "own"))
    assert again.vocabulary == own
    assert set(again.recognize(triad(0.5), vocabulary=own).labels) <= set(own.labels)


def test_half_precision_stays_close(small):
    config = {**small.get_config(), "dtype": "mixed_bfloat16"}
    half = CremaChordRecognizer.from_config(config)
    for variable, other in zip(half.weights, small.weights, strict=True):
        variable.assign(keras.ops.convert_to_numpy(other.value))
    magnitudes = small.whole_track.track_magnitudes(triad(1.0))
    wanted = small.whole_track.predict(magnitudes)
    for name, values in half.whole_track.predict(magnitudes).items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, wanted[name], atol=0.06, err_msg=name)
