"""The loss and the metrics of training, against scikit-learn, Keras and NumPy."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.metrics import average_precision_score, roc_auc_score

from keras_musictag import metrics
from keras_musictag.errors import ConfigError, LabelError

# What the metrics promise for 1000 bins and hundreds of tracks.
TOLERANCE = 0.002


def make(n_tracks=400, n_labels=12, seed=0):
    """Targets, the rarest label in 2 % of the tracks, and scores that crowd near 0."""
    generator = np.random.default_rng(seed)
    share = np.linspace(0.02, 0.5, n_labels)
    targets = (generator.random((n_tracks, n_labels)) < share).astype("float32")
    targets[0], targets[1] = 1, 0
    odds = generator.normal(np.log(share / 10), 1.5, targets.shape) + 1.2 * targets
    return targets, (1 / (1 + np.exp(-odds))).astype("float32")


def unknown_at_random(targets, share=0.3, seed=1):
    targets = targets.copy()
    targets[2:][np.random.default_rng(seed).random(targets[2:].shape) < share] = np.nan
    return targets


def crossentropy(targets, scores, weights=1.0, smoothing=0.0):
    """Mean over the known targets, in float64."""
    known = ~np.isnan(targets)
    truth = np.where(known, targets, 0) * (1 - smoothing) + smoothing / 2
    scores = scores.astype("float64")
    losses = -weights * truth * np.log(scores) - (1 - truth) * np.log(1 - scores)
    return losses[known].sum() / known.sum()


# === Loss ===


def test_without_unknown_labels_the_loss_is_keras():
    targets, scores = make()
    for smoothing in (0.0, 0.2):
        loss = metrics.MaskedBinaryCrossentropy(label_smoothing=smoothing)
        expected = keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
        expected = float(expected(targets, scores))
        assert float(loss(targets, scores)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_unknown_labels_do_not_count(smoothing, weighted):
    targets, scores = make()
    targets = unknown_at_random(targets)
    targets[5] = np.nan
    weights = np.linspace(0.5, 20, targets.shape[1]) if weighted else None
    loss = metrics.MaskedBinaryCrossentropy(weights, label_smoothing=smoothing)
    expected = crossentropy(targets, scores, weights if weighted else 1.0, smoothing)
    assert float(loss(targets, scores)) == pytest.approx(expected, rel=1e-5)
    other = np.where(np.isnan(targets), 0.123, scores)
    assert float(loss(targets, other)) == pytest.approx(expected, rel=1e-5)


def test_a_batch_without_any_known_label_costs_nothing():
    loss = metrics.MaskedBinaryCrossentropy()
    assert float(loss(np.full((2, 3), np.nan), np.full((2, 3), 0.3))) == 0


def test_half_precision_scores():
    targets, scores = make()
    targets = unknown_at_random(targets)
    found = metrics.MaskedBinaryCrossentropy()(targets, ops.cast(scores, "float16"))
    assert float(found) == pytest.approx(crossentropy(targets, scores), rel=2e-3)


def test_gradients_are_those_of_the_known_targets():
    """One step of gradient descent on a dense layer, against the closed form."""
    targets, _ = make(n_tracks=32, n_labels=4)
    targets = unknown_at_random(targets)
    targets[3] = np.nan
    weights = np.array([1.0, 3.0, 0.5, 10.0], "float32")
    x = np.random.default_rng(2).normal(0, 1, (32, 5)).astype("float32")
    layer = keras.layers.Dense(4, activation="sigmoid")
    model = keras.Sequential([keras.Input((5,)), layer])
    model.compile(
        keras.optimizers.SGD(0.5), metrics.MaskedBinaryCrossentropy(weights.tolist())
    )
    kernel, bias = (w.astype("float64") for w in layer.get_weights())
    scores = 1 / (1 + np.exp(-(x @ kernel + bias)))
    known = ~np.isnan(targets)
    truth = np.where(known, targets, 0)
    slope = -weights * truth * (1 - scores) + (1 - truth) * scores
    slope = np.where(known, slope, 0) / known.sum()
    model.train_on_batch(x, targets)
    after = layer.get_weights()
    np.testing.assert_allclose(after[0], kernel - 0.5 * x.T @ slope, atol=1e-5)
    np.testing.assert_allclose(after[1], bias - 0.5 * slope.sum(axis=0), atol=1e-5)


def test_sample_weights():
    targets, scores = make(n_tracks=3)
    loss = metrics.MaskedBinaryCrossentropy()
    each = [crossentropy(targets[i : i + 1], scores[i : i + 1]) for i in range(3)]
    found = float(loss(targets, scores, sample_weight=np.array([1.0, 0.0, 2.0])))
    assert found == pytest.approx((each[0] + 2 * each[2]) / 3, rel=1e-5)


def test_the_loss_is_restored_from_its_config():
    loss = metrics.MaskedBinaryCrossentropy(np.array([1, 2.5]), 0.1, name="mine")
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert isinstance(again, metrics.MaskedBinaryCrossentropy)
    assert again.get_config() == loss.get_config()
    targets, scores = make(n_labels=2)
    assert float(again(targets, scores)) == float(loss(targets, scores))


def test_arguments_of_the_loss():
    for options in (
        {"positive_weights": [1, -1]},
        {"positive_weights": [1, np.nan]},
        {"label_smoothing": 1.0},
    ):
        with pytest.raises(ConfigError, match=r"at least 0.*positive_weights\(\)"):
            metrics.MaskedBinaryCrossentropy(**options)
    loss = metrics.MaskedBinaryCrossentropy([1.0, 2.0])
    with pytest.raises(LabelError, match="2 weights for 12 labels"):
        loss(*make())


# === Metrics ===


def by_scikit_learn(area, targets, scores):
    found = []
    for truth, values in zip(targets.T, scores.T, strict=True):
        known = ~np.isnan(truth)
        if len(set(truth[known])) == 2:
            found.append(area(truth[known], values[known]))
    return np.mean(found)


PAIRS = [
    ("MacroROCAUC", roc_auc_score),
    ("MacroPRAUC", average_precision_score),
]


@pytest.mark.parametrize(("name", "area"), PAIRS)
@pytest.mark.parametrize("seed", range(3))
def test_areas_are_those_of_scikit_learn(name, area, seed):
    targets, scores = make(seed=seed)
    targets = unknown_at_random(targets, seed=seed + 10)
    targets[:, 4] = np.nan
    targets[:, 5] = 0
    targets[:, 6] = 1
    metric = getattr(metrics, name)(targets.shape[1])
    for start in range(0, len(targets), 64):
        metric.update_state(targets[start : start + 64], scores[start : start + 64])
    expected = by_scikit_learn(area, targets, scores)
    assert float(metric.result()) == pytest.approx(expected, abs=TOLERANCE)
    metric.reset_state()
    metric.update_state(targets[:100], scores[:100])
    expected = by_scikit_learn(area, targets[:100], scores[:100])
    assert float(metric.result()) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(("name", "area"), PAIRS)
def test_ties_and_extreme_scores(name, area):
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, (200, 3)).astype(float)
    scores = generator.choice([0.0, 1e-9, 0.2, 0.5, 1.0], (200, 3))
    metric = getattr(metrics, name)(3)
    metric.update_state(targets, scores)
    # 0 and 1e-9 are equal here: scores end at 1e-7.
    expected = by_scikit_learn(area, targets, scores.clip(1e-7))
    assert float(metric.result()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("name", "area"), PAIRS)
def test_weights_of_items(name, area):
    targets, scores = make()
    weights = np.random.default_rng(3).integers(0, 3, len(targets))
    metric = getattr(metrics, name)(targets.shape[1])
    metric.update_state(targets, scores, sample_weight=weights)
    rows = np.repeat(np.arange(len(targets)), weights)
    expected = by_scikit_learn(area, targets[rows], scores[rows])
    assert float(metric.result()) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(("name", "area"), PAIRS)
def test_scores_of_frames(name, area):
    targets, scores = make()
    metric = getattr(metrics, name)(targets.shape[1])
    shape = (40, 10, targets.shape[1])
    metric.update_state(targets.reshape(shape), scores.reshape(shape))
    expected = by_scikit_learn(area, targets, scores)
    assert float(metric.result()) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("name", [name for name, _ in PAIRS])
def test_nothing_to_judge_is_undefined(name):
    metric = getattr(metrics, name)(2)
    assert np.isnan(float(metric.result()))
    metric.update_state(np.array([[1, 0], [1, 0]]), np.array([[0.3, 0.4]] * 2))
    assert np.isnan(float(metric.result()))


@pytest.mark.parametrize("name", [name for name, _ in PAIRS])
def test_metrics_are_restored_from_their_config(name):
    metric = getattr(metrics, name)(3, bins=50, name="mine")
    config = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(metric) and again.get_config() == metric.get_config()
    assert again.true_positives.shape == metric.true_positives.shape
    with pytest.raises(ConfigError, match="bins"):
        getattr(metrics, name)(3, bins=0)


def test_metrics_within_fit():
    keras.utils.set_random_seed(0)  # 13 positives: an odd start can be off by .003
    targets, _ = make(n_tracks=640, n_labels=3)
    targets = unknown_at_random(targets)
    x = np.random.default_rng(2).normal(0, 1, (640, 5)).astype("float32")
    model = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(3, activation="sigmoid")]
    )
    model.compile(
        "sgd",
        metrics.MaskedBinaryCrossentropy(),
        metrics=[metrics.MacroROCAUC(3), metrics.MacroPRAUC(3)],
    )
    model.fit(x, targets, batch_size=64, verbose=0)
    logs = model.evaluate(x, targets, batch_size=64, verbose=0, return_dict=True)
    scores = model.predict(x, verbose=0)
    assert logs["loss"] == pytest.approx(crossentropy(targets, scores), rel=0.05)
    for key, area in (("roc_auc", roc_auc_score), ("pr_auc", average_precision_score)):
        expected = by_scikit_learn(area, targets, scores)
        assert logs[key] == pytest.approx(expected, abs=TOLERANCE)


def test_judging_needs_no_backend():
    code = (
        "import sys; sys.modules['keras'] = None\n"  # as if it were not installed
        "import keras_musictag.metrics as m; m.tagging_scores\n"
        "try: m.MacroROCAUC\n"
        "except ImportError as error: print(error.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["keras"], done.stderr
