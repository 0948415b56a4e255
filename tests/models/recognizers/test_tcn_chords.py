"""The small chord recogniser without recurrence."""

import keras
import numpy as np
import pytest

from keras_musictag import chords
from keras_musictag.chords.structure import CHOICES
from keras_musictag.engines import whole_track
from keras_musictag.errors import ConfigError
from keras_musictag.models.recognizers.tcn_chords import TCNChordRecognizer

SMALL = {"channels": (4, 4), "units": 8, "dilations": (1, 4)}
ROOTS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
TONES = {"maj": (0, 4, 7), "min": (0, 3, 7)}


def noisy(rng):
    """A network whose offsets are not zero, or filling could hide behind them."""
    model = TCNChordRecognizer(**SMALL)
    for weight in model.backbone.weights:
        noise = rng.uniform(0, 0.3, weight.shape).astype("float32")
        weight.assign(keras.ops.convert_to_numpy(weight.value) + noise)
    return model


@pytest.mark.parametrize("frames", [40, 41])
def test_filling_changes_no_frame(frames):
    rng = np.random.default_rng(0)
    model = noisy(rng)
    magnitudes = rng.uniform(0.001, 1, (frames, 252)).astype("float32")
    alone = model.whole_track.predict(magnitudes, fixed=False)
    filled = model.whole_track.predict(magnitudes, fixed=True)
    for name in ("chord", *CHOICES):
        np.testing.assert_allclose(filled[name], alone[name], atol=1e-5)
        assert alone[name].std() > 1e-3


@pytest.mark.parametrize("frames", [79, 80, 81, 127, 128, 129, 300])
@pytest.mark.parametrize("loudest", [0, 90, -1])
def test_pieces_of_a_long_track_are_those_of_the_whole(frames, loudest, monkeypatch):
    monkeypatch.setattr(whole_track, "PIECE_FRAMES", 48)
    rng = np.random.default_rng(0)
    model = noisy(rng)
    magnitudes = rng.uniform(0.001, 0.1, (frames, 252)).astype("float32")
    magnitudes[min(loudest, frames - 1), 100] = 1.0
    whole = model.whole_track.predict(magnitudes)
    called, predict = [], model.whole_track.predict
    monkeypatch.setattr(
        model.whole_track, "predict", lambda x: called.append(len(x)) or predict(x)
    )
    pieces = model.whole_track.outputs(magnitudes)
    assert len(called) == (1 if frames <= 80 else -(-frames // 48))
    for name in ("chord", *CHOICES):
        np.testing.assert_allclose(pieces[name], whole[name], atol=1e-5)


def test_a_frame_hears_as_far_as_is_said():
    rng = np.random.default_rng(0)
    model = noisy(rng)
    reach = model.whole_track.reach
    magnitudes = rng.uniform(0.001, 0.1, (101, 252)).astype("float32")
    magnitudes[0, 0] = 1.0
    other = magnitudes.copy()
    other[50] = rng.uniform(0.001, 0.1, 252)
    changed = np.abs(
        model.whole_track.predict(other)["triad"]
        - model.whole_track.predict(magnitudes)["triad"]
    ).max(axis=1)
    heard = np.flatnonzero(changed > 1e-7)
    assert reach == 16  # of two frames each: 1 + 1 + 4 steps; and the first kernel
    assert heard[0] == 50 - reach + 2 and heard[-1] == 50 + reach - 1


def test_config_round_trip():
    model = TCNChordRecognizer("majmin", **SMALL, dropout=0.3)
    again = TCNChordRecognizer.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    shapes = [tuple(weight.shape) for weight in model.weights]
    assert [tuple(weight.shape) for weight in again.weights] == shapes


@pytest.mark.parametrize("wrong", [{"units": 0}, {"dilations": (1, 2.5)}])
def test_sizes_are_whole_numbers(wrong):
    with pytest.raises(ConfigError, match="units"):
        TCNChordRecognizer(**{**SMALL, **wrong})


def test_a_call_names_the_six_choices_and_the_chords_composed_of_them():
    model = TCNChordRecognizer("sevenths", **SMALL)
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 22050)).astype("float32")
    outputs = model.predict(audio, verbose=0)
    for name, classes in {"chord": 61, **CHOICES}.items():
        assert outputs[name].shape == (2, 22050 // 1024, classes)
        np.testing.assert_allclose(outputs[name].sum(axis=-1), 1, atol=1e-5)


def played(rng, labels, seconds=2.0, rate=22050):
    """Chords of decaying tones."""
    parts = []
    time = np.arange(round(seconds * rate)) / rate
    for label in labels:
        chord = chords.parse(label)
        notes = [48 + chord.root + tone for tone in TONES[chord.quality]]
        tones = [
            np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * k * time) / k
            for note in notes
            for k in range(1, rng.integers(3, 6))
        ]
        parts.append(np.sum(tones, axis=0) * np.exp(-time) * 0.1)
    return np.concatenate(parts).astype("float32")


@pytest.mark.slow
def test_it_learns_chords_from_a_folder(tmp_path):
    import soundfile

    rng = np.random.default_rng(0)
    for number in range(6):
        roots, kinds = rng.integers(0, 12, 8), rng.choice(["maj", "min"], 8)
        labels = [
            f"{ROOTS[root]}:{kind}" for root, kind in zip(roots, kinds, strict=True)
        ]
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, played(rng, labels), 22050)
        intervals = [[2.0 * i, 2.0 * i + 2] for i in range(8)]
        chords.ChordSequence(intervals, labels).to_lab(path.with_suffix(".lab"))
    keras.utils.set_random_seed(1)
    model = TCNChordRecognizer(
        "majmin", channels=(8, 16), units=32, dilations=(1, 2), dropout=0.0
    )
    settings = {**model.default_compile(), "optimizer": keras.optimizers.Adam(4e-3)}
    model.compile(**settings)
    model.fit(tmp_path, epochs=60, batch_size=6, crop_seconds=8, seed=1, verbose=0)
    labels = [f"{root}:{kind}" for kind in TONES for root in ("D", "F#", "Bb", "G")]
    found = model.recognize(played(rng, labels), sample_rate=22050, decoder="viterbi")
    heard = found.sample([2.0 * i + 1 for i in range(8)])
    majmin = chords.get_vocabulary("majmin")
    right = majmin.indices(heard) == majmin.indices(labels)
    assert right.sum() >= 6, heard


def test_the_preset_hears_no_chord_in_silence_and_noise():
    model = TCNChordRecognizer.from_pretrained()
    noise = np.random.default_rng(0).normal(0, 0.05, 5 * 22050).astype("float32")
    for sound in (np.zeros(5 * 22050, "float32"), noise):
        assert set(model.recognize(sound, sample_rate=22050).labels) == {"N"}
