"""The linear probe: what scikit-learn trained is what the tagger answers."""

import csv

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import keras_musictag as kmt
from keras_musictag.models.fitting.probe import embed_tracks, embedding_cache_name

LABELS = ["low", "loud"]


@pytest.fixture(scope="module")
def waves():
    """Tones low and high, loud and quiet: 24 tracks of exactly one chunk."""
    rng = np.random.default_rng(0)
    time = np.arange(48128) / 16000
    low, loud = rng.integers(0, 2, (2, 24))
    pitch = np.where(low, 150, 1500) * rng.uniform(0.8, 1.2, 24)
    gain = np.where(loud, 0.3, 0.02) * rng.uniform(0.7, 1.4, 24)
    x = gain[:, None] * np.sin(2 * np.pi * pitch[:, None] * time)
    x = x + rng.normal(0, 0.01, x.shape)
    return x.astype("float32"), np.stack([low, loud], axis=1).astype("float32")


def tagger(labels=LABELS, **options):
    return kmt.MusicnnTagger.from_pretrained("musicnn_mtt", labels=labels, **options)


@pytest.fixture(scope="module")
def embeddings(waves):
    return np.stack(tagger().embed(list(waves[0]))).astype("float64")


def same_as(estimator, features, y):
    """Train scikit-learn's own pipeline with the chosen strength."""
    return make_pipeline(StandardScaler(), estimator).fit(features, y)


def test_scores_are_the_probabilities_of_scikit_learn(waves, embeddings, tmp_path):
    x, y = waves
    model = tagger()
    body = {v.path: np.array(v.value) for v in model.backbone.weights}
    probe = model.probe(list(x), y, strengths=[0.03])
    scores = model.predict(x)
    for i, name in enumerate(LABELS):
        expected = same_as(
            LogisticRegression(C=0.03, max_iter=2000), embeddings, y.T[i]
        )
        expected = expected.predict_proba(embeddings)[:, 1]
        np.testing.assert_allclose(scores[:, i], expected, atol=1e-5)
        own = probe.estimators[name].predict_proba(embeddings)[:, 1]
        np.testing.assert_allclose(scores[:, i], own, atol=1e-5)
    assert ((scores > 0.5) == y).mean() > 0.9
    for variable in model.backbone.weights:
        np.testing.assert_array_equal(np.array(variable.value), body[variable.path])
    saved = kmt.MusicTagger.from_pretrained(model.save_pretrained(tmp_path / "probe"))
    assert saved.labels == LABELS
    np.testing.assert_allclose(saved.predict(x), scores, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_single_label_scores_are_those_of_scikit_learn(waves, embeddings, n_classes):
    x, y = waves
    classes = y[:, 0].astype(int) if n_classes == 2 else y.sum(axis=1).astype(int)
    model = tagger(list("abc")[:n_classes], problem_type="single_label_classification")
    probe = model.probe(embeddings=embeddings, y=classes)
    strength = probe.strengths["a"]
    expected = same_as(
        LogisticRegression(C=strength, max_iter=2000), embeddings, classes
    )
    expected = expected.predict_proba(embeddings)
    np.testing.assert_allclose(model.predict(x), expected, atol=1e-5)


def test_regression_scores_are_those_of_ridge(waves, embeddings):
    x, y = waves
    numbers = 10 * y - 3 + np.random.default_rng(0).normal(0, 1, y.shape)
    model = tagger(problem_type="regression")
    probe = model.probe(embeddings=embeddings, y=numbers)
    for i, name in enumerate(LABELS):
        ridge = Ridge(alpha=1 / probe.strengths[name])
        expected = same_as(ridge, embeddings, numbers[:, i]).predict(embeddings)
        np.testing.assert_allclose(
            model.predict(x)[:, i], expected, rtol=1e-4, atol=1e-4
        )


def test_the_strength_is_the_best_in_cross_validation(waves, embeddings):
    # Targets that have nothing to do with the sound ask for strong regularisation.
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, embeddings.shape[1]))
    clear = (x[:, :1] > 0).astype(float)
    noise = rng.integers(0, 2, (60, 1)).astype(float)
    model = tagger(["one"])
    grid = [1e-4, 1e-2, 1.0, 100.0]
    found = {
        kind: model.probe(embeddings=x, y=y, strengths=grid)
        for kind, y in (("clear", clear), ("noise", noise))
    }
    for kind, y in (("clear", clear), ("noise", noise)):
        parts = StratifiedKFold(5, shuffle=True, random_state=0)
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        choices = {"logisticregression__C": grid}
        search = GridSearchCV(pipeline, choices, scoring="neg_log_loss", cv=parts)
        search.fit(x, y[:, 0])
        losses = found[kind].losses
        expected = dict(zip(grid, -search.cv_results_["mean_test_score"], strict=True))
        assert 2 <= len(losses) <= 4
        for strength, loss in losses.items():
            assert loss == pytest.approx(expected[strength], rel=1e-6)
        best = search.best_params_["logisticregression__C"]
        assert found[kind].strengths["one"] == best
    assert found["clear"].losses[1e-2] < found["noise"].losses[1e-2]


def test_unknown_targets_are_left_out(embeddings, waves):
    y = waves[1].copy()
    y[:8, 0] = np.nan
    model = tagger()
    probe = model.probe(embeddings=embeddings, y=y, strengths=[0.1])
    estimator = LogisticRegression(C=0.1, max_iter=2000)
    expected = same_as(estimator, embeddings[8:], y[8:, 0]).predict_proba(embeddings)
    found = probe.estimators["low"].predict_proba(embeddings)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_labels_of_one_kind_are_named(embeddings, waves):
    model = tagger()
    for value, what in ((0, "positive"), (1, "negative")):
        y = waves[1].copy()
        y[:, 1] = value
        with pytest.raises(kmt.LabelError, match=f"one {what} track.*'loud'"):
            model.probe(embeddings=embeddings, y=y)
    single = tagger(["a", "b", "c"], problem_type="single_label_classification")
    with pytest.raises(kmt.LabelError, match="none for 'b'"):
        single.probe(embeddings=embeddings, y=[0, 2] * 12)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"y": np.zeros((24, 3))}, kmt.LabelError, "2 columns"),
        ({"y": np.zeros((5, 2))}, kmt.LabelError, "5 rows for 24"),
        ({}, kmt.LabelError, "no rows for 24"),
        ({"y": np.full((24, 2), 0.3)}, kmt.LabelError, "regression"),
        ({"embeddings": np.zeros((24, 7))}, kmt.ConfigError, r"tracks, 200"),
        ({"embeddings": np.full((24, 200), np.nan)}, kmt.ConfigError, "finite"),
        ({"folds": 0}, kmt.ConfigError, "folds"),
    ],
)
def test_what_does_not_fit(embeddings, options, error, message):
    with pytest.raises(error, match=message):
        tagger().probe(**{"embeddings": embeddings, **options})


def test_tracks_with_a_bad_one_and_a_cache(waves, tmp_path):
    rows = []
    for i, (wave, (low, loud)) in enumerate(zip(*waves, strict=True)):
        soundfile.write(tmp_path / f"{i}.wav", wave, 16000, subtype="FLOAT")
        tags = [name for name, yes in zip(LABELS, (low, loud), strict=True) if yes]
        rows.append([f"{i}.wav", "|".join(tags)])
    (tmp_path / "bad.wav").write_bytes(b"no audio at all")
    with open(tmp_path / "songs.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "tags"], *rows, ["bad.wav", "low"]])
    tracks = kmt.data.from_csv(tmp_path / "songs.csv", labels=LABELS)
    cached, plain = tagger(), tagger()
    folder = tmp_path / "cache"
    with pytest.warns(kmt.AudioWarning, match="bad.wav"):
        probe = cached.probe(tracks, cache=folder, strengths=[0.1])
    assert probe.n_tracks == 24
    plain.probe(waves[0], waves[1], strengths=[0.1])
    np.testing.assert_allclose(
        np.array(cached.head.weights[0].value),
        np.array(plain.head.weights[0].value),
        atol=1e-3,
    )
    kept = list((folder / embedding_cache_name(cached)).glob("*.npy"))
    assert len(kept) == 24
    # Another backbone has other embeddings; another head has the same.
    assert embedding_cache_name(cached) == embedding_cache_name(tagger(["x"]))
    assert embedding_cache_name(cached) != embedding_cache_name(
        kmt.MusicnnTagger.from_pretrained()
    )
    rows = embed_tracks(cached, tracks[:3], cache=folder)
    np.testing.assert_allclose(rows, cached.embed(tracks.paths[:3]), atol=1e-5)
