"""Decoders against brute force, librosa and CREMA's stored paths."""

import itertools
import time

import librosa
import numpy as np
import pytest

from keras_musictag.chords import (
    DECODERS,
    Vocabulary,
    decode,
    estimate_transitions,
    get_vocabulary,
    pool_beats,
    transition_matrix,
    viterbi,
)
from keras_musictag.errors import ConfigError, LabelError

THREE = Vocabulary("three", ["C:maj", "A:min", "N"])


def probabilities(frames, classes, seed=0, sharpness=0.3):
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(classes, sharpness), size=frames)


def score_of(path, scores, change, start):
    total = start[path[0]] + sum(scores[t, c] for t, c in enumerate(path))
    return total + sum(change[a, b] for a, b in itertools.pairwise(path))


def runs(path):
    return [len(list(group)) for _, group in itertools.groupby(path)]


def best_by_trying_all(scores, change, start, min_steps=1):
    """The best of all paths whose runs are long enough."""
    frames, n = scores.shape
    paths = itertools.product(range(n), repeat=frames)
    least = min(min_steps, frames)
    paths = [p for p in paths if min(runs(p)) >= least]
    values = [score_of(p, scores, change, start) for p in paths]
    return np.array(paths[int(np.argmax(values))]), max(values)


@pytest.mark.parametrize("kind", ["free", "uniform", "clingy", "forbidden"])
@pytest.mark.parametrize("min_steps", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 2, 5, 7])
def test_viterbi_is_the_best_of_all_paths(kind, min_steps, frames):
    for seed in range(5):
        random = np.random.default_rng(seed)
        scores, start = random.normal(size=(frames, 3)), random.normal(size=3)
        change = {
            "free": random.normal(size=(3, 3)),
            "uniform": np.log(transition_matrix(3, 0.6)),
            "clingy": np.log(transition_matrix(3, 0.1)),
            "forbidden": np.array([[0, -np.inf, 1], [0, 0, 0], [0, 1, -1.0]]),
        }[kind]
        wanted, value = best_by_trying_all(scores, change, start, min_steps)
        got = viterbi(scores, change, start, min_steps=min_steps)
        np.testing.assert_array_equal(got, wanted)
        assert score_of(got, scores, change, start) == pytest.approx(value)


@pytest.mark.parametrize("change", ["alike", "not alike"])
def test_of_equal_paths_the_lower_class_wins_where_they_last_differ(change):
    costs = np.full((3, 3), -1.0)
    np.fill_diagonal(costs, 0.0)
    if change == "not alike":
        costs[0, 2] = -2.0
    for seed in range(20):
        scores = np.random.default_rng(seed).integers(0, 2, (6, 3)).astype(float)
        paths = list(itertools.product(range(3), repeat=6))
        values = np.array([score_of(p, scores, costs, np.zeros(3)) for p in paths])
        best = [p for p, v in zip(paths, values, strict=True) if v == values.max()]
        assert viterbi(scores, costs).tolist() == [*min(p[::-1] for p in best)][::-1]


def test_a_class_that_may_not_stay_is_left():
    change = np.array([[-np.inf, 0.0], [0.0, -np.inf]])
    got = viterbi(np.array([[1.0, 0], [1, 0], [1, 0]]), change)
    assert got.tolist() == [0, 1, 0]


@pytest.mark.parametrize("classes", [2, 170])
@pytest.mark.parametrize("uniform", [True, False])
def test_viterbi_equals_librosa(classes, uniform):
    p = probabilities(200, classes)
    random = np.random.default_rng(1)
    matrix = (
        transition_matrix(classes, 0.9)
        if uniform
        else random.dirichlet(np.ones(classes), size=classes)
    )
    start = random.dirichlet(np.ones(classes))
    wanted = librosa.sequence.viterbi(p.T, matrix, p_init=start)
    got = viterbi(np.log(p + 1e-300), np.log(matrix), np.log(start))
    np.testing.assert_array_equal(got, wanted)


def test_hmm_with_a_prior_equals_librosa():
    vocabulary, random = get_vocabulary("majmin"), np.random.default_rng(2)
    p, prior = probabilities(300, 25), random.dirichlet(np.full(25, 5.0))
    matrix = random.dirichlet(np.ones(25), size=25)
    wanted = librosa.sequence.viterbi_discriminative(
        p.T, matrix, p_state=prior, p_init=prior
    )
    got = decode(p, vocabulary, decoder="hmm", transition=matrix, prior=prior)
    np.testing.assert_array_equal(got, wanted)
    matrix = transition_matrix(25, 0.8)
    wanted = librosa.sequence.viterbi_discriminative(p.T, matrix)
    got = decode(p, vocabulary, self_transition=0.8)
    np.testing.assert_array_equal(got, wanted)


def test_crema_paths_are_reproduced(reference):
    stored = np.load(reference / "crema" / "decoder.npz")
    matrix = transition_matrix(170, float(stored["p_self"]))
    np.testing.assert_allclose(matrix, stored["transition"], rtol=1e-12)
    files = sorted((reference / "crema").glob("features_*.npz"))
    assert files
    for file in files:
        with np.load(file) as arrays:
            p, path = arrays["chord_tag"], arrays["viterbi"]
            best = arrays["argmax"]
        frame = 4096 / 44100
        for settings in (
            {"self_transition": float(stored["p_self"])},
            {},
            {"frame_period": frame},
            {"decoder": "hmm", "transition": stored["transition"]},
            {"decoder": "crf", "transition": np.log(stored["transition"])},
        ):
            np.testing.assert_array_equal(decode(p, "crema170", **settings), path)
        got = decode(p, "crema170", decoder="argmax")
        np.testing.assert_array_equal(got, best)


def test_frame_rate_keeps_the_mean_duration():
    p = probabilities(150, 25, sharpness=0.2)
    # CREMA's chance to stay, after as many of its frames as fit into 0.2 s.
    stays = 0.957154635467057 ** (0.2 * 44100 / 4096)
    np.testing.assert_array_equal(
        decode(p, "majmin", frame_period=0.2),
        decode(p, "majmin", self_transition=stays),
    )


@pytest.mark.parametrize("decoder", DECODERS)
def test_least_duration_holds_and_is_best(decoder):
    p = probabilities(9, 3, sharpness=0.5)
    matrix = np.random.default_rng(3).dirichlet(np.ones(3), size=3)
    settings = {"transition": matrix} if decoder in ("hmm", "crf") else {}
    change = {
        "argmax": np.zeros((3, 3)),
        "viterbi": np.log(transition_matrix(3, 0.7)),
        "penalty": np.eye(3) - 1.0,
        "hmm": np.log(matrix),
        "crf": matrix,
    }[decoder]
    if decoder == "viterbi":
        settings["self_transition"] = 0.7
    start = np.zeros(3)
    if decoder == "penalty":
        settings["penalty"] = 1.0
        start[:2] = -np.inf  # it begins with N
    got = decode(
        p, THREE, decoder=decoder, min_duration=0.3, frame_period=0.1, **settings
    )
    wanted, _ = best_by_trying_all(np.log(p), change, start, 3)
    np.testing.assert_array_equal(got, wanted)
    assert min(runs(got)) >= 3
    short = decode(p[:2], THREE, min_duration=5, frame_period=0.1)
    assert len(set(short)) == 1


def test_pooling_averages_log_probabilities_between_beats():
    p = probabilities(10, 3, sharpness=2.0)
    # The beat at 0.3 s falls on frame 3, the one at 0.55 s between frames 5 and 6;
    # two beats within one frame and beats outside give no interval of their own.
    pooled, bounds = pool_beats(p, [-1, 0.3, 0.55, 0.59, 5], frame_period=0.1)
    assert bounds.tolist() == [0, 3, 6, 10]
    for row, start, end in zip(pooled, bounds, bounds[1:], strict=False):
        mean = np.prod(p[start:end], axis=0) ** (1 / (end - start))
        np.testing.assert_allclose(row, mean / mean.sum(), rtol=1e-6)
    everything, bounds = pool_beats(p, [], frame_period=0.1)
    assert everything.shape == (1, 3) and bounds.tolist() == [0, 10]


def test_chords_change_on_beats_only():
    p = probabilities(400, 25)
    beats = np.arange(0.25, 40, 0.5)
    pooled, bounds = pool_beats(p, beats, frame_period=0.1)
    for settings in (
        {"decoder": "argmax"},
        {"self_transition": 0.5},
        {"self_transition": 0.5, "min_duration": 1.0},
    ):
        got = decode(p, "majmin", beats=beats, frame_period=0.1, **settings)
        changes = np.flatnonzero(np.diff(got)) + 1
        assert len(changes) and set(changes) <= set(bounds)
    np.testing.assert_array_equal(
        decode(p, "majmin", decoder="argmax", beats=beats, frame_period=0.1),
        np.repeat(pooled.argmax(axis=1), np.diff(bounds)),
    )


@pytest.mark.parametrize("decoder", ["viterbi", "penalty", "hmm", "crf"])
def test_a_beat_says_as_much_as_all_of_its_frames(decoder):
    # C, then A minor, for a beat of six frames each; each frame 4 to 1.
    p = np.tile([0.8, 0.2, 0.2], (12, 1))
    p[6:] = [0.2, 0.8, 0.2]
    change = np.where(np.eye(3), 0.98, 0.01)
    options = {
        "viterbi": {"self_transition": 0.98},
        "penalty": {"penalty": 4.5},
        "hmm": {"transition": change},
        "crf": {"transition": np.log(change)},
    }
    # A change costs 4.6, the beat brings 6 * log(4) = 8.3, its mean frame 1.4.
    path = decode(
        p, THREE, beats=[0.6], frame_period=0.1, decoder=decoder, **options[decoder]
    )
    assert path.tolist() == [0] * 6 + [1] * 6


def test_estimated_transitions_count_in_all_keys():
    songs = [["C:maj", "F:maj", "G:7", "C:maj", "C:maj"], ["N", "D:maj", "Eb:sus4"]]
    matrix = estimate_transitions(songs, "majmin", self_transition=0.9, smoothing=0.5)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)
    np.testing.assert_allclose(matrix.diagonal(), 0.9)
    index = get_vocabulary("majmin").index
    # By hand: from major on C up a fourth twice, up a second once; 24 targets. The
    # chord outside and the repeated one count nothing. N to D counts for all roots.
    total = 3 + 24 * 0.5
    for before, after, count in [
        *[("C", "F", 2), ("C", "D", 1), ("C", "G", 0), ("A", "D", 2), ("Bb", "C", 1)],
        *[("C", "A:min", 0), ("Db", "Gb", 2)],
    ]:
        wanted = 0.1 * (count + 0.5) / total
        assert matrix[index(before), index(after)] == pytest.approx(wanted)
    out_of_n = np.delete(matrix[index("N")], index("N"))
    np.testing.assert_allclose(out_of_n[:12], 0.1 * 1.5 / (12 + 24 * 0.5))
    with pytest.raises(LabelError, match="cannot be transposed"):
        estimate_transitions(songs, THREE)


def test_ten_minutes_take_well_under_a_second():
    p = probabilities(6500, 170)
    matrix = np.random.default_rng(4).dirichlet(np.ones(170), size=170)
    for settings in ({}, {"decoder": "hmm", "transition": matrix}):
        times = []
        for _ in range(2):
            begin = time.process_time()
            path = decode(p, "crema170", **settings)
            times.append(time.process_time() - begin)
        assert len(path) == 6500 and min(times) < 1.0, times


@pytest.mark.parametrize("decoder", ["argmax", "viterbi"])
def test_no_frames_and_one_frame(decoder):
    empty = decode(np.zeros((0, 25)), "majmin", decoder=decoder)
    assert empty.shape == (0,) and empty.dtype.kind == "i"
    one = decode(np.eye(25)[[7]], "majmin", decoder=decoder)
    assert one.tolist() == [7]
    none = decode(np.zeros((0, 25)), "majmin", beats=[1.0], frame_period=0.1)
    assert none.shape == (0,)


UNIFORM = np.full((4, 25), 1 / 25)
BAD = [
    ({"decoder": "viterby"}, "no chord decoder.*Did you mean 'viterbi'"),
    ({"decoder": "?"}, "Choose from 'argmax', 'viterbi', 'penalty', 'hmm', 'crf'"),
    ({"vocabulary": "majminn"}, "no chord vocabulary.*Did you mean 'majmin'"),
    ({"vocabulary": "crema170"}, r"shape \(4, 25\) for 170 classes"),
    ({"probabilities": -UNIFORM}, "finite and not negative"),
    ({"probabilities": UNIFORM * np.nan}, "finite and not negative"),
    ({"decoder": "hmm"}, r'decoder "hmm" needs a transition matrix of \(25, 25\)'),
    ({"decoder": "crf", "transition": np.eye(3)}, r"shape \(3, 3\)"),
    ({"decoder": "hmm", "transition": -np.eye(25)}, "may not be negative"),
    ({"transition": np.eye(25)}, 'has no part in the decoder "viterbi"'),
    ({"self_transition": 1.5}, r"lie in \(0, 1\].*1.5"),
    ({"prior": np.ones(3)}, r"prior of shape \(3,\) for 25 classes"),
    ({"prior": np.zeros(25)}, "The prior must hold"),
    ({"min_duration": 1.0}, "least duration needs"),
    ({"min_duration": -1.0, "frame_period": 1.0}, "`min_duration` must be a number"),
    ({"frame_period": 0}, "`frame_period` must be a number above 0"),
    ({"beats": [1.0]}, "Beats need to know when"),
    ({"beats": [2.0, 1.0], "frame_period": 0.1}, "list of rising times"),
    ({"beats": "auto", "frame_period": 0.1}, "list of times here.*'auto'"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_arguments_are_refused(settings, message):
    settings = {"probabilities": UNIFORM, "vocabulary": "majmin", **settings}
    with pytest.raises(ConfigError, match=message):
        decode(settings.pop("probabilities"), settings.pop("vocabulary"), **settings)


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"\(4, 3\), \(2, 2\), \(3,\)"):
        viterbi(np.zeros((4, 3)), np.zeros((2, 2)))
