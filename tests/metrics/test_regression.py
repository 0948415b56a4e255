"""Scores of predicted numbers, against scikit-learn and SciPy."""

import csv
import json

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn import metrics as sk

from keras_musictag import metrics
from keras_musictag.errors import ConfigError, LabelError

NAMES = ["arousal", "valence", "tempo"]


def make(n_tracks=60, seed=0):
    generator = np.random.default_rng(seed)
    targets = generator.normal([0.0, 5.0, 1000.0], [1.0, 0.1, 30.0], (n_tracks, 3))
    noise = generator.normal(0, [0.5, 0.2, 10.0], targets.shape)
    return targets, targets + noise


def by_hand(truth, guess):
    return {
        "r2": sk.r2_score(truth, guess),
        "rmse": np.sqrt(sk.mean_squared_error(truth, guess)),
        "mae": sk.mean_absolute_error(truth, guess),
        "pearson": pearsonr(truth, guess).statistic,
    }


def test_figures_are_those_of_scikit_learn_and_scipy():
    targets, scores = make()
    targets[::7, 1] = np.nan
    report = metrics.regression_scores(targets, scores, NAMES)
    wanted = []
    for column, name in enumerate(NAMES):
        rows = ~np.isnan(targets[:, column])
        wanted.append(by_hand(targets[rows, column], scores[rows, column]))
        for figure, value in wanted[-1].items():
            found = report.per_label[figure][column]
            assert found == pytest.approx(value, rel=1e-9), (name, figure)
    for figure in wanted[0]:
        mean = np.mean([row[figure] for row in wanted])
        assert report.summary[f"{figure}_macro"] == pytest.approx(mean)
    assert report.per_label["targets"].tolist() == [60, 51, 60]


def test_intervals_are_those_of_explicit_resamples():
    from keras_musictag.metrics import bootstrap

    targets, scores = make(30)
    report = metrics.regression_scores(targets, scores, NAMES, bootstrap=40, seed=3)
    values = []
    for weights in bootstrap.draw(30, 40, 3):
        for times in weights.T.astype(int):
            rows = np.repeat(np.arange(30), times)
            truth, guess = targets[rows].T, scores[rows].T
            values.append(
                [
                    list(by_hand(*pair).values())
                    for pair in zip(truth, guess, strict=True)
                ]
            )
    values = np.array(values)
    bounds = np.quantile(values, [0.025, 0.975], axis=0)
    for place, figure in enumerate(("r2", "rmse", "mae", "pearson")):
        np.testing.assert_allclose(
            report.label_intervals[figure].T, bounds[:, :, place], rtol=1e-8
        )
        low, high = np.quantile(values[:, :, place].mean(axis=1), [0.025, 0.975])
        assert report.intervals[f"{figure}_macro"] == pytest.approx((low, high))


def test_what_has_no_spread_is_undefined():
    targets, scores = make(10)
    targets[:, 0], scores[:, 1] = 3.0, 5.0
    report = metrics.regression_scores(targets, scores, NAMES)
    assert np.isnan(report.per_label["r2"]).tolist() == [True, False, False]
    assert np.isnan(report.per_label["pearson"]).tolist() == [True, True, False]
    assert np.isfinite(report.per_label["rmse"]).all()
    assert np.isfinite(report.summary["r2_macro"])
    assert report.to_text().splitlines()[3].split()[:3] == ["arousal", "10", "–"]


def test_files_hold_the_figures(tmp_path):
    targets, scores = make()
    report = metrics.regression_scores(targets, scores, NAMES, bootstrap=20)
    report.to_csv(tmp_path / "r.csv")
    with open(tmp_path / "r.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [*NAMES, "mean"]
    assert float(rows[1]["mae"]) == report.per_label["mae"][1]
    assert float(rows[3]["r2_low"]) == report.intervals["r2_macro"][0]
    report.to_json(tmp_path / "r.json")
    saved = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert saved["labels"]["valence"]["rmse"] == report.per_label["rmse"][1]
    table = report.to_markdown().splitlines()
    assert table[2].startswith("| label | tracks | R2 | interval | RMSE |")
    assert len(table) == 8


def test_bad_input_is_named():
    targets, scores = make(5)
    with pytest.raises(ConfigError, match=r"targets \(4, 3\) for scores \(5, 3\)"):
        metrics.regression_scores(targets[1:], scores, NAMES)
    with pytest.raises(LabelError, match="2 labels for 3 columns"):
        metrics.regression_scores(targets, scores, NAMES[1:])
    with pytest.raises(LabelError, match="no known target"):
        metrics.regression_scores(targets * np.nan, scores, NAMES)
    targets[3, 1] = np.inf
    with pytest.raises(LabelError, match="inf in row 3, 'valence'"):
        metrics.regression_scores(targets, scores, NAMES)


def test_predictions_are_kept(tmp_path):
    targets, scores = make(8)
    targets[3, 1] = np.nan
    report = metrics.regression_scores(targets, scores, NAMES)
    report.save_predictions(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["scores"], scores)
        np.testing.assert_array_equal(arrays["targets"], targets)
        assert arrays["labels"].tolist() == NAMES
    report.save_predictions(tmp_path / "p.csv")
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["score: tempo"]) for row in rows] == scores[:, 2].tolist()
    assert rows[3]["target: valence"] == ""
    with pytest.raises(ConfigError, match=r"\.npz or \.csv.*p\.txt"):
        report.save_predictions(tmp_path / "p.txt")
