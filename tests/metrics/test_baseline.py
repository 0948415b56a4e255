"""The hand-crafted baseline, against librosa and scikit-learn called directly."""

import csv
import json
import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from keras_musictag import data, metrics
from keras_musictag.errors import AudioError, ConfigError, LabelError

librosa = pytest.importorskip("librosa")

NAMES = ["rough", "loud"]


def waves(count, seed):
    """Noise that is rough or smooth, loud or soft, with what it is."""
    generator = np.random.default_rng(seed)
    targets = generator.random((count, 2)) < 0.5
    tracks = []
    for rough, loud in targets:
        noise = generator.normal(0, 0.1, generator.integers(9000, 16000))
        noise = noise if rough else np.convolve(noise, np.ones(3) / 3, "same")
        tracks.append((noise * (2 if loud else 1)).astype("float32"))
    return tracks, targets.astype(float)


def by_hand(tracks):
    found = [librosa.feature.mfcc(y=y, sr=16000, n_mfcc=20) for y in tracks]
    return np.array([[*m.mean(axis=1), *m.std(axis=1)] for m in found])


def test_scores_are_those_of_librosa_and_scikit_learn():
    (train, targets), (test, _) = waves(24, 0), waves(7, 1)
    targets[3, 1] = np.nan
    scores = metrics.mfcc_baseline(train, targets, test)
    scaler = StandardScaler().fit(by_hand(train))
    for column in range(2):
        rows = ~np.isnan(targets[:, column])
        model = LogisticRegression(C=0.1, max_iter=1000)
        model.fit(scaler.transform(by_hand(train))[rows], targets[rows, column])
        wanted = model.predict_proba(scaler.transform(by_hand(test)))[:, 1]
        np.testing.assert_allclose(scores[:, column], wanted, atol=1e-5)
    described = [metrics.mfcc_statistics(tracks) for tracks in (train, test)]
    np.testing.assert_allclose(described[0], by_hand(train), atol=1e-4)
    again = metrics.mfcc_baseline(described[0], targets, described[1])
    np.testing.assert_array_equal(again, scores)


def test_a_label_without_both_kinds_is_scored_by_its_share():
    (train, targets), (test, _) = waves(8, 0), waves(3, 1)
    extra = np.array([np.ones(8), np.zeros(8), np.full(8, np.nan)]).T
    scores = metrics.mfcc_baseline(train, np.hstack([targets, extra]), test)
    np.testing.assert_array_equal(scores[:, 2:], [[1, 0, 0.5]] * 3)


def test_bad_input_is_named(tmp_path):
    tracks, targets = waves(4, 0)
    with pytest.raises(ConfigError, match=r"targets \(3, 2\) for scores \(4, 2\)"):
        metrics.mfcc_baseline(tracks, targets[:3], tracks)
    with pytest.raises(LabelError, match="0 or 1, or NaN.*first one 7"):
        metrics.mfcc_baseline(tracks, targets + 7, tracks)
    with pytest.raises(ConfigError, match="no tracks to describe"):
        metrics.mfcc_baseline(tracks, targets, [])
    with pytest.raises(AudioError, match=r"gone\.wav"):
        metrics.mfcc_statistics([tmp_path / "gone.wav"])


@pytest.mark.slow
def test_it_reproduces_the_figures_of_the_rendered_tags(corpus):
    table = corpus / "tags" / "tags.csv"
    text = (corpus / "README.md").read_text("utf-8")
    found = re.search(r"\| test \| \**([\d.]+)\**\s*\| \**([\d.]+)\** \|", text)
    if not table.is_file() or not found:
        pytest.skip("needs tags/ and the figures of its baseline in README.md")
    tracks = data.from_csv(table)
    train, test = tracks.split("train"), tracks.split("test")
    scores = metrics.mfcc_baseline(
        [track.path for track in train], train.targets, [track.path for track in test]
    )
    report = metrics.tagging_scores(test.targets, scores, test.labels)
    figures = ("roc_auc_macro", "average_precision_macro")
    for key, published in zip(figures, found.groups(), strict=True):
        assert report.summary[key] == pytest.approx(float(published), abs=1e-3)


# === Beside a result ===


def reports(**options):
    targets = np.arange(40)[:, None] % [2, 3] == 0
    generator = np.random.default_rng(0)
    better, worse = (targets * s + generator.random(targets.shape) for s in (0.6, 0.2))
    better, worse = better / 2, worse / 2
    report = metrics.tagging_scores(targets, better, NAMES, baseline=worse, **options)
    return report, targets, worse


def test_a_report_shows_the_baseline_in_every_form(tmp_path):
    report, targets, worse = reports(bootstrap=50)
    area = roc_auc_score(targets, worse, average="macro")
    each = average_precision_score(targets, worse, average=None)
    lines = report.to_text().splitlines()
    assert lines[2].split() == ["figure", "value", "interval", "baseline"]
    assert lines[3].endswith(f"{area:.3f}") and lines[3].startswith("ROC-AUC (macro)")
    assert f"{roc_auc_score(targets[:, 1], worse[:, 1]):.3f}" in report.to_markdown()
    report.to_json(tmp_path / "r.json")
    saved = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert saved["baseline"]["summary"]["roc_auc_macro"] == pytest.approx(area)
    report.to_csv(tmp_path / "r.csv")
    with open(tmp_path / "r.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["roc_auc_baseline"]) == pytest.approx(area)
    found = [float(row["average_precision_baseline"]) for row in rows[-2:]]
    np.testing.assert_allclose(found, each)
    difference, low, high = report.compare(report.baseline)["roc_auc_macro"]
    wanted = report.summary["roc_auc_macro"] - area
    assert difference == pytest.approx(wanted)
    assert low < difference < high


def test_bars_have_a_diamond_for_the_baseline():
    pytest.importorskip("matplotlib")
    report, targets, worse = reports()
    ax = report.plot_bars()
    order = [t.get_text() for t in ax.get_yticklabels()]
    values = dict(zip(NAMES, roc_auc_score(targets, worse, average=None), strict=True))
    drawn = ax.collections[-1].get_offsets()[:, 0]
    np.testing.assert_allclose(drawn, [values[name] for name in order])


def test_classes_have_a_baseline_too():
    targets, generator = np.arange(30) % 3, np.random.default_rng(0)
    scores, worse = np.eye(3)[targets], generator.dirichlet(np.ones(3), 30)
    report = metrics.class_scores(targets, scores, ["a", "b", "c"], baseline=worse)
    share = np.mean(worse.argmax(axis=1) == targets)
    assert report.baseline.summary["accuracy"] == pytest.approx(share)
    assert f"| accuracy | 1.000 | {share:.3f} |" in report.to_markdown()


def test_a_baseline_of_other_tracks_or_labels_is_refused():
    report, targets, worse = reports()
    again = metrics.tagging_scores(targets, worse, NAMES, baseline=report)
    assert again.baseline is report
    for other, message in (
        (worse[:-1], r"shape \(39, 2\) for \(40, 2\)"),
        (metrics.tagging_scores(~targets, worse, NAMES), "other tracks, labels"),
        (metrics.tagging_scores(targets, worse, NAMES[::-1]), "other tracks, labels"),
    ):
        with pytest.raises(ConfigError, match=message):
            metrics.tagging_scores(targets, worse, NAMES, baseline=other)
