"""LinearChainCRF against all sequences counted one by one; masks, training, saving."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_musictag.errors import ConfigError
from keras_musictag.layers import LinearChainCRF

BATCH, FRAMES, CLASSES = 3, 5, 3
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1]], bool)


def values(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture
def layer():
    crf = LinearChainCRF()
    crf.build((None, None, CLASSES))
    crf.set_weights([values(w.shape, seed) for seed, w in enumerate(crf.get_weights())])
    return crf


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def all_paths(crf, scores):
    """Every sequence for `(frames, classes)`, and its score in float64."""
    change, start, end = (w.astype("float64") for w in crf.get_weights())
    scores = scores.astype("float64")
    paths = np.array(list(itertools.product(range(CLASSES), repeat=len(scores))))
    totals = start[paths[:, 0]] + end[paths[:, -1]]
    totals = totals + scores[np.arange(len(scores)), paths].sum(axis=1)
    return paths, totals + change[paths[:, :-1], paths[:, 1:]].sum(axis=1)


def log_sum(x):
    return np.log(np.exp(x).sum())


def each_item(scores, mask):
    """Yield each item's number, its frames that count, and their places."""
    for i in range(BATCH):
        kept = np.arange(FRAMES) if mask is None else np.flatnonzero(mask[i])
        yield i, scores[i, kept], kept


@pytest.mark.parametrize("mask", [None, MASK])
def test_sums_and_best_path_are_those_of_all_sequences(layer, mask):
    scores = values((BATCH, FRAMES, CLASSES), 7)
    partition = numpy(layer.log_partition(scores, mask))
    marginals = numpy(layer(scores, mask=mask))
    decoded = numpy(layer.decode(scores, mask))
    assert decoded.dtype == "int32"
    for i, item, kept in each_item(scores, mask):
        paths, totals = all_paths(layer, item)
        assert partition[i] == pytest.approx(log_sum(totals), abs=1e-4)
        shares = np.exp(totals - log_sum(totals))
        wanted = np.zeros((FRAMES, CLASSES))
        for place, states in zip(kept, paths.T, strict=True):
            wanted[place] = np.bincount(states, shares, minlength=CLASSES)
        np.testing.assert_allclose(marginals[i], wanted, atol=1e-5)
        best = np.full(FRAMES, -1)
        best[kept] = paths[totals.argmax()]
        np.testing.assert_array_equal(decoded[i], best)


def test_likelihood_of_known_and_of_partly_known_targets(layer):
    scores = values((BATCH, FRAMES, CLASSES), 8)
    random = np.random.default_rng(9)
    targets = random.integers(0, CLASSES, size=(BATCH, FRAMES)).astype("int32")
    known = numpy(layer.negative_log_likelihood(scores, targets, MASK))
    sets = random.random((BATCH, FRAMES, CLASSES)) < 0.5
    sets[sets.sum(axis=-1) == 0] = True
    partly = numpy(layer.negative_log_likelihood(scores, sets, MASK))
    for i, item, kept in each_item(scores, MASK):
        paths, totals = all_paths(layer, item)
        right = (paths == targets[i, kept]).all(axis=1)
        assert known[i] == pytest.approx(log_sum(totals) - totals[right][0], abs=1e-4)
        agree = sets[i, kept][np.arange(len(kept)), paths].all(axis=1)
        wanted = log_sum(totals) - log_sum(totals[agree])
        assert partly[i] == pytest.approx(wanted, abs=1e-4)


def test_negative_targets_leave_frames_out(layer):
    scores = values((BATCH, FRAMES, CLASSES), 10)
    targets = np.random.default_rng(11).integers(0, CLASSES, size=(BATCH, FRAMES))
    wanted = numpy(layer.negative_log_likelihood(scores, targets, MASK))
    marked = np.where(MASK, targets, -1)
    got = numpy(layer.negative_log_likelihood(scores, marked))
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    loss = numpy(layer.loss(marked, ops.convert_to_tensor(scores)))
    np.testing.assert_allclose(loss, wanted / MASK.sum(axis=1), atol=1e-5)
    nothing = numpy(layer.negative_log_likelihood(scores, np.full_like(targets, -1)))
    np.testing.assert_array_equal(nothing, 0.0)


def test_long_sequences_stay_finite_and_decode_as_numpy(layer):
    from keras_musictag.chords import viterbi

    scores = 100 * values((1, 200, CLASSES), 12)
    targets = scores.argmin(axis=-1)
    nll = numpy(layer.negative_log_likelihood(scores, targets))
    assert np.isfinite(nll).all() and nll[0] > 5000
    change, start, end = layer.get_weights()
    scores_with_end = scores[0].copy()
    scores_with_end[-1] += end
    wanted = viterbi(scores_with_end, change, start)
    np.testing.assert_array_equal(numpy(layer.decode(scores))[0], wanted)


def noisy_circle(songs=64, frames=12, seed=0):
    """Sequences that go 0, 1, 2, 0, ..., seen through noise."""
    random = np.random.default_rng(seed)
    targets = (np.arange(frames) + random.integers(0, 3, size=(songs, 1))) % 3
    x = np.eye(3)[targets] + 0.9 * random.normal(size=(songs, frames, 3))
    return x.astype("float32"), targets.astype("int32")


@pytest.mark.parametrize("output", ["scores", "marginals"])
def test_learns_which_class_follows_which(output):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 3))
    crf = LinearChainCRF(output)
    model = keras.Model(inputs, crf(keras.layers.Dense(3)(inputs)))
    loss = crf.loss if output == "scores" else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.2), loss=loss)
    x, targets = noisy_circle()
    history = model.fit(x, targets, batch_size=64, epochs=20, verbose=0)
    assert history.history["loss"][-1] < 0.6 * history.history["loss"][0]
    assert all(np.abs(w).max() > 0 for w in crf.get_weights()[:2])
    change = crf.get_weights()[0]
    # From a class to the one after it rather than to the one before it.
    assert all(change[i, (i + 1) % 3] > change[i, (i + 2) % 3] for i in range(3))
    x, targets = noisy_circle(seed=1)
    out = model.predict(x, verbose=0)
    found = numpy(crf.decode(out)) if output == "scores" else out.argmax(-1)
    alone = (x.argmax(axis=-1) == targets).mean()
    assert alone < 0.75 and (found == targets).mean() > 0.9


def test_masks_of_other_layers_arrive(layer):
    scores = values((2, FRAMES, CLASSES), 13)
    scores[1, 3:] = 0.0
    inputs = keras.Input((None, CLASSES))
    model = keras.Model(inputs, layer(keras.layers.Masking()(inputs)))
    got = model.predict(scores, verbose=0)
    np.testing.assert_allclose(got[1, :3], numpy(layer(scores[1:, :3]))[0], atol=1e-6)
    np.testing.assert_array_equal(got[1, 3:], 0.0)


def test_half_precision_policy_computes_in_float32(layer):
    half = LinearChainCRF(dtype="mixed_float16")
    half.build((None, None, CLASSES))
    half.set_weights(layer.get_weights())
    scores = values((BATCH, FRAMES, CLASSES), 14).astype("float16")
    wanted = numpy(layer(scores.astype("float32")))
    got = half(scores)
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    np.testing.assert_allclose(numpy(got), wanted, atol=1e-6)


def test_saves_and_loads_alone(tmp_path):
    inputs = keras.Input((None, CLASSES))
    crf = LinearChainCRF("marginals", transition_initializer="identity", name="crf")
    model = keras.Model(inputs, crf(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = values((BATCH, FRAMES, CLASSES), 15)
    np.testing.assert_array_equal(
        again.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    np.testing.assert_array_equal(again.layers[-1].get_weights()[0], np.eye(CLASSES))
    paths = [weight.path for weight in again.weights]
    assert paths == ["crf/transitions", "crf/start", "crf/end"]
    assert crf.compute_output_shape((None, None, 3)) == (None, None, 3)


def test_xla_is_left_out_where_it_has_no_gradient():
    inputs = keras.Input((12, CLASSES))
    model = keras.Model(inputs, LinearChainCRF()(inputs))
    model.compile("sgd", loss="mse", jit_compile="auto")
    if keras.backend.backend() == "tensorflow":
        assert model.jit_compile is False
    elif keras.backend.backend() == "jax":
        assert model.jit_compile is True


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="Unknown `output`.*'marginals', 'scores'"):
        LinearChainCRF("path")
    with pytest.raises(ConfigError, match=r"one score for each frame.*\(2, 12\)"):
        LinearChainCRF().build((2, 12))
