"""Vocabularies against mir_eval's comparisons and CREMA's stored vocabulary."""

import json
import re

import mir_eval.chord
import numpy as np
import pytest

from keras_musictag.chords import (
    VOCABULARIES,
    Vocabulary,
    get_vocabulary,
    reduce_probabilities,
)
from keras_musictag.errors import ConfigError, LabelError

SIZES = {"majmin": 25, "sevenths": 61, "tetrads": 169, "crema170": 170}
SIZES["inversions"] = 602
# As in the program of Jiang et al., without the states that its networks cannot name.
SIZES |= {"submission": 301, "ismir2017": 169, "extended": 301, "full": 2737}
LABELS = [
    f"{root}:{quality}{rest}"
    for root in ("C", "Bb", "F#")
    for quality in sorted(set(mir_eval.chord.QUALITIES) - {""})
    for rest in ("", "/3", "/b3", "/5", "/b7", "/2", "(9)", "(2)", "(*5)", "(b7)")
]
LABELS += ["N", "X", "C", "D:(1,5)", "D:(1,3,5)", "D:(1,b3,5,b7)/b3", "Eb/3"]


@pytest.fixture(scope="module")
def crema(reference):
    return json.loads((reference / "crema" / "vocabulary.json").read_text("utf-8"))


@pytest.mark.parametrize("name", VOCABULARIES)
def test_classes_find_themselves(name):
    vocabulary = get_vocabulary(name)
    assert len(vocabulary) == SIZES[name] == len(set(vocabulary))
    np.testing.assert_array_equal(
        vocabulary.indices(vocabulary), np.arange(len(vocabulary))
    )
    assert get_vocabulary(vocabulary) is vocabulary
    assert vocabulary.index("N") == vocabulary.labels.index("N")
    outside = vocabulary.labels.index("X") if "X" in vocabulary.labels else -1
    assert vocabulary.index("X") == outside
    for i, label in enumerate(vocabulary):
        root, _, bass = mir_eval.chord.encode(label)
        assert vocabulary.roots[i] == root
        assert vocabulary.basses[i] == (-1 if root < 0 else (root + bass) % 12)
        assert vocabulary.qualities[i] in (label, mir_eval.chord.split(label)[1])


def test_majmin_is_in_the_agreed_order():
    roots = "C C# D D# E F F# G G# A A# B".split()
    wanted = [f"{r}:{q}" for q in ("maj", "min") for r in roots]
    assert list(get_vocabulary("majmin")) == [*wanted, "N"]


def test_crema_is_in_the_stored_order(crema):
    vocabulary = get_vocabulary("crema170")
    assert list(vocabulary) == crema["classes"]
    np.testing.assert_array_equal(vocabulary.roots, crema["class_root_pitch_class"])
    assert (
        len(get_vocabulary("inversions")) == crema["final_vocabulary_with_inversions"]
    )


def reduced_by_crema(label, crema):
    """CREMA's reduction as its README tells it, with mir_eval's tones."""
    label = re.sub(r"\(.*\)|/.*", "", label).removesuffix(":")
    if label in ("N", "X"):
        return label
    root, bitmap, _ = mir_eval.chord.encode(label)
    rule = crema["training_label_reduction"]
    mask = [int(digit) for digit in rule["mask_over_semitones_0_to_11"]]
    pattern = "".join(str(b & m) for b, m in zip(bitmap, mask, strict=True))
    quality = rule["pattern_to_quality"].get(pattern)
    return f"{crema['pitch_class_names'][root]}:{quality}" if quality else "X"


@pytest.mark.parametrize("name", ["crema170", "inversions"])
def test_labels_are_reduced_as_crema_does(name, crema):
    vocabulary = get_vocabulary(name)
    for label in LABELS:
        got = vocabulary[vocabulary.index(label)].split("/")[0]
        assert got == reduced_by_crema(label, crema), label


def test_inversions_keep_a_bass_that_belongs_to_the_chord(crema):
    vocabulary = get_vocabulary("inversions")
    for root, quality in ((0, q) for q in crema["qualities_sorted"]):
        tones = crema["quality_semitones_from_root"][quality]
        for semitones, degree in enumerate(crema["scale_degree_of_bass_interval"]):
            label = vocabulary[vocabulary.index(f"C:{quality}/{degree}")]
            kept = semitones in tones and semitones > 0
            assert label == f"C:{quality}" + (f"/{degree}" if kept else ""), root


@pytest.mark.parametrize(
    ("name", "compare"),
    [
        ("majmin", mir_eval.chord.majmin),
        ("sevenths", mir_eval.chord.sevenths),
        ("tetrads", mir_eval.chord.tetrads),
    ],
)
def test_labels_belong_where_mir_eval_sees_equality(name, compare):
    vocabulary = get_vocabulary(name)
    classes = list(vocabulary)
    for label in LABELS:
        equal = np.flatnonzero(compare([label] * len(classes), classes) == 1)
        index = vocabulary.index(label)
        assert equal.tolist() == ([] if index < 0 else [index]), label


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("semitones", [-3, 0, 1, 7])
def test_transposition_moves_the_root_only(name, semitones):
    vocabulary = get_vocabulary(name)
    move = vocabulary.transpose_index(semitones)
    assert sorted(move) == list(range(len(vocabulary)))
    for old, new in enumerate(move):
        before, after = (mir_eval.chord.encode(vocabulary[i]) for i in (old, new))
        assert (
            after[0] == (before[0] + semitones) % 12 if before[0] >= 0 else old == new
        )
        np.testing.assert_array_equal(before[1], after[1])
        assert before[2] == after[2]


def test_own_vocabularies():
    mine = Vocabulary("mine", ["A:7", "C:maj/3", "C:maj", "N"], rule="shorthand")
    assert [mine.index(c) for c in ("A:9", "C:maj/3", "C:maj/5", "D")] == [0, 1, 2, -1]
    with pytest.raises(LabelError, match="cannot be transposed"):
        mine.transpose_index(1)
    with pytest.raises(LabelError, match="same class.*'Db' and 'C#:maj'"):
        Vocabulary("twice", ["Db", "C#:maj"])
    with pytest.raises(LabelError, match="malformed"):
        Vocabulary("bad", ["H:maj"])
    with pytest.raises(LabelError, match="at least one label"):
        Vocabulary("empty", [])
    with pytest.raises(ConfigError, match="Unknown `rule`.*'tones'"):
        Vocabulary("mine", ["C"], rule="sound")


def test_unknown_names_give_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'majmin'"):
        get_vocabulary("maj_min")
    with pytest.raises(ConfigError, match="Choose from 'majmin', 'sevenths'"):
        get_vocabulary("zzz")


def put(source, **shares):
    values = np.zeros(len(get_vocabulary(source)))
    for label, share in shares.items():
        values[get_vocabulary(source).labels.index(label.replace("_", ":"))] = share
    return values


def test_sums_win_over_the_single_best_class():
    p = put("crema170", C_maj7=0.2, C_7=0.2, C_maj=0.2, E_min=0.3, N=0.1)
    wanted = put("majmin", C_maj=0.6, E_min=0.3, N=0.1)
    np.testing.assert_allclose(reduce_probabilities(p, "crema170", "majmin"), wanted)


@pytest.mark.parametrize("name", ["majmin", "sevenths", "tetrads", "inversions"])
@pytest.mark.parametrize("outside", ["rescale", "root", "drop"])
def test_sums_over_the_classes_mir_eval_puts_together(name, outside):
    p = np.random.default_rng(0).dirichlet(np.ones(170), size=5)
    got = reduce_probabilities(p, "crema170", name, outside=outside)
    source, target = get_vocabulary("crema170"), get_vocabulary(name)
    assert got.shape == (5, len(target))
    if outside != "drop":
        np.testing.assert_allclose(got.sum(axis=1), 1.0)
    elif name != "inversions":
        # In sevenths, what mir_eval holds for no seventh goes to its triad.
        kept = np.zeros((5, len(target)))
        for i, label in enumerate(source):
            exact = target.index(label)
            if exact < 0 and name == "sevenths":
                equal = mir_eval.chord.majmin([label] * len(target), list(target))
                exact = int(np.argmax(equal == 1)) if (equal == 1).any() else -1
            if exact >= 0:
                kept[:, exact] += p[:, i]
        np.testing.assert_allclose(got, kept)


def test_the_rest_goes_where_it_is_told():
    p = put("crema170", G_sus4=0.6, X=0.2, C_maj=0.2)
    rescaled = reduce_probabilities(p, "crema170", "majmin")
    np.testing.assert_allclose(rescaled, put("majmin", C_maj=1.0))
    by_root = reduce_probabilities(p, "crema170", "majmin", outside="root")
    wanted = put("majmin", C_maj=0.25, G_maj=0.375, G_min=0.375)
    np.testing.assert_allclose(by_root, wanted)
    dropped = reduce_probabilities(p, "crema170", "majmin", outside="drop")
    np.testing.assert_allclose(dropped, put("majmin", C_maj=0.2))
    nothing = reduce_probabilities(put("crema170", X=1.0), "crema170", "majmin")
    np.testing.assert_allclose(nothing, 1 / 25)


def test_bad_probabilities_are_refused():
    with pytest.raises(ConfigError, match=r"one column.*shape \(4, 25\), 170 classes"):
        reduce_probabilities(np.ones((4, 25)), "crema170", "majmin")
    with pytest.raises(ConfigError, match="Unknown `outside`"):
        reduce_probabilities(np.ones(25), "majmin", "majmin", outside="away")
