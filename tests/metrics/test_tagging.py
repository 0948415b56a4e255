"""Scores of tags and classes, against scikit-learn, brute force and hand counts."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from keras_musictag import metrics
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.metrics import bootstrap

NAMES = ["rock", "piano", "sad", "fast"]


def make(n_tracks=120, n_labels=4, seed=0, digits=1):
    """Targets and scores that have to do with each other, with ties in the scores."""
    generator = np.random.default_rng(seed)
    targets = (generator.random((n_tracks, n_labels)) < 0.3).astype(float)
    scores = np.clip(0.3 * targets + 0.7 * generator.random(targets.shape), 0, 1)
    return targets, scores.round(digits)


# === Figures ===


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_summary_is_scikit_learns(average):
    targets, scores = make()
    report = metrics.tagging_scores(targets, scores, NAMES, thresholds=0.6)
    given = scores >= 0.6
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        targets, given, average=average
    )
    wanted = {
        "roc_auc": sk.roc_auc_score(targets, scores, average=average),
        "average_precision": sk.average_precision_score(
            targets, scores, average=average
        ),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
    for name, value in wanted.items():
        assert report.summary[f"{name}_{average}"] == pytest.approx(value, abs=1e-12)
    assert report.undefined == {}


def test_each_label_is_counted_by_brute_force():
    targets, scores = make(n_tracks=40)
    report = metrics.tagging_scores(targets, scores, NAMES)
    for j in range(4):
        up, down = scores[targets[:, j] == 1, j], scores[targets[:, j] == 0, j]
        wins = [(a > b) + 0.5 * (a == b) for a in up for b in down]
        assert report.per_label["roc_auc"][j] == pytest.approx(np.mean(wins))
        # Mean precision at each positive, those of one score taken together.
        levels = [np.mean(targets[scores[:, j] >= a, j]) for a in up]
        wanted = np.mean(levels)
        assert report.per_label["average_precision"][j] == pytest.approx(wanted)
        specificity = np.mean(down < 0.5)
        assert report.per_label["specificity"][j] == pytest.approx(specificity)
        assert report.per_label["positives"][j] == len(up)


def test_closed_forms():
    targets = np.array([[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]])
    scores = np.array([[4, 1, 0], [3, 2, 0], [2, 3, 0], [1, 4, 0]]) / 5
    report = metrics.tagging_scores(targets, scores, ["right", "wrong", "flat"])
    np.testing.assert_allclose(report.per_label["roc_auc"], [1, 0, 0.5])
    # Reversed: the positives come third (1 of 3) and fourth (2 of 4).
    np.testing.assert_allclose(
        report.per_label["average_precision"], [1, (1 / 3 + 2 / 4) / 2, 0.5]
    )
    # `flat` is never given: no precision, all negatives rejected.
    np.testing.assert_allclose(report.per_label["precision"], [1, 0, 0])
    np.testing.assert_allclose(report.per_label["specificity"], [1, 0, 1])


def test_labels_without_positives_or_negatives_are_named():
    targets, scores = make()
    targets[:, 0], targets[:, 1], targets[:, 2] = 0, 1, np.nan
    report = metrics.tagging_scores(targets, scores, NAMES)
    assert report.undefined == {
        "rock": "no positives",
        "piano": "no negatives",
        "sad": "no known targets",
    }
    np.testing.assert_array_equal(
        np.isnan(report.per_label["roc_auc"]), [True, True, True, False]
    )
    np.testing.assert_array_equal(
        np.isnan(report.per_label["recall"]), [True, False, True, False]
    )
    np.testing.assert_array_equal(
        np.isnan(report.per_label["specificity"]), [False, True, True, False]
    )
    wanted = sk.roc_auc_score(targets[:, 3], scores[:, 3])
    assert report.summary["roc_auc_macro"] == pytest.approx(wanted)
    known = [0, 1, 3]
    micro = sk.roc_auc_score(targets[:, known].ravel(), scores[:, known].ravel())
    assert report.summary["roc_auc_micro"] == pytest.approx(micro)
    text = report.to_text()
    assert "Undefined for 3 of 4 labels" in text
    assert "rock (no positives)" in text


def test_unknown_targets_are_left_out_label_by_label():
    targets, scores = make()
    targets[::3, 0], targets[5:50, 1] = np.nan, np.nan
    report = metrics.tagging_scores(targets, scores, NAMES)
    for j in range(4):
        known = ~np.isnan(targets[:, j])
        truth, values = targets[known, j], scores[known, j]
        figures = {name: values[j] for name, values in report.per_label.items()}
        assert figures["targets"] == known.sum()
        assert figures["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, values))
        assert figures["f1"] == pytest.approx(sk.f1_score(truth, values >= 0.5))
        assert figures["recall"] == pytest.approx(sk.recall_score(truth, values >= 0.5))


def test_targets_in_another_order_are_put_right():
    targets, scores = make()
    wanted = metrics.tagging_scores(targets, scores, NAMES).summary
    mixed = metrics.tagging_scores(
        targets[:, [2, 0, 3, 1]],
        scores,
        NAMES,
        target_labels=["sad", "rock", "fast", "piano"],
    )
    assert mixed.summary == wanted
    with pytest.raises(LabelError, match=r"missing \['sad'\], unknown \['happy'\]"):
        metrics.tagging_scores(
            targets, scores, NAMES, target_labels=["rock", "piano", "happy", "fast"]
        )


# === Thresholds ===


@pytest.mark.parametrize("digits", [1, 8])
def test_tuned_thresholds_reach_the_best_f1_of_all(digits):
    targets, scores = make(n_tracks=40, digits=digits)
    thresholds = metrics.tune_thresholds(targets, scores)
    report = metrics.tagging_scores(targets, scores, NAMES, thresholds=thresholds)
    for j in range(4):
        candidates = [
            sk.f1_score(targets[:, j], scores[:, j] >= t)
            for t in np.unique(scores[:, j])
        ]
        assert report.per_label["f1"][j] == pytest.approx(max(candidates))
        assert thresholds[j] not in scores[:, j]
    np.testing.assert_array_equal(report.per_label["threshold"], thresholds)


def test_a_label_that_cannot_be_tuned_is_named():
    targets, scores = make()
    targets[:, 1] = 0
    targets[::2, 0] = np.nan
    with pytest.warns(UserWarning, match=r"1 such labels: \['piano'\]. They get 0.3"):
        tuned = metrics.tune_thresholds(targets, scores, labels=NAMES, default=0.3)
    assert tuned[1] == 0.3
    known = ~np.isnan(targets[:, 0])
    alone = metrics.tune_thresholds(targets[known, :1], scores[known, :1])
    assert tuned[0] == alone[0]


# === Chunks ===


@pytest.mark.parametrize("method", ["mean", "max"])
def test_chunks_become_tracks(method):
    generator = np.random.default_rng(1)
    index = generator.permutation(np.repeat(np.arange(30), [1, 2, 3] * 10))
    scores = generator.random((60, 4))
    found = metrics.aggregate_chunks(scores, index, method=method)
    wanted = [getattr(scores[index == i], method)(axis=0) for i in range(30)]
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_track_level_and_chunk_level_are_both_reported():
    targets, _ = make(n_tracks=50)
    index = np.repeat(np.arange(50), 3)
    generator = np.random.default_rng(2)
    scores = 0.3 * targets[index] + 0.7 * generator.random((150, 4))
    report = metrics.tagging_scores(targets, scores, NAMES, track_index=index)
    means = scores.reshape(50, 3, 4).mean(axis=1)
    track, chunk = (
        report.summary["roc_auc_macro"],
        report.chunk_summary["roc_auc_macro"],
    )
    assert track == pytest.approx(sk.roc_auc_score(targets, means))
    assert chunk == pytest.approx(sk.roc_auc_score(targets[index], scores))
    assert "of chunks" in report.to_text()
    np.testing.assert_allclose(report.scores, means)


# === Classes ===


def test_classes_are_scikit_learns():
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 4, 200)
    scores = generator.random((200, 4)) + np.eye(4)[truth] * 0.4
    guess = scores.argmax(axis=1)
    report = metrics.class_scores(truth, scores, NAMES)
    precision, recall, f1, support = sk.precision_recall_fscore_support(truth, guess)
    np.testing.assert_array_equal(report.confusion, sk.confusion_matrix(truth, guess))
    np.testing.assert_allclose(report.per_label["precision"], precision)
    np.testing.assert_allclose(report.per_label["recall"], recall)
    np.testing.assert_allclose(report.per_label["f1"], f1)
    np.testing.assert_array_equal(report.per_label["targets"], support)
    assert report.summary["accuracy"] == pytest.approx(sk.accuracy_score(truth, guess))
    balanced = sk.balanced_accuracy_score(truth, guess)
    assert report.summary["recall_macro"] == pytest.approx(balanced)
    assert report.calibration is None  # scores above 1
    assert "No calibration" in report.to_text()
    hot = metrics.class_scores(np.eye(4)[truth], scores, NAMES)
    assert hot.summary == report.summary


def test_classes_without_tracks_and_unknown_tracks():
    truth = np.array([0, 0, 1, 1, np.nan])
    scores = np.array([[5, 1, 0], [1, 5, 0], [1, 5, 0], [0, 1, 5], [1, 1, 1]]) / 6
    report = metrics.class_scores(truth, scores, ["a", "b", "c"])
    assert report.undefined == {"c": "no tracks"}
    assert report.summary["accuracy"] == 0.5
    assert report.summary["recall_macro"] == 0.5
    np.testing.assert_array_equal(report.confusion, [[1, 1, 0], [0, 1, 1], [0, 0, 0]])
    rows = np.repeat(np.arange(5), 2)
    chunked = metrics.class_scores(
        truth, scores[rows], ["a", "b", "c"], track_index=rows
    )
    assert chunked.summary == report.summary
    assert chunked.chunk_summary["accuracy"] == 0.5


# === Bootstrap ===


def test_weighted_areas_are_scikit_learns():
    targets, scores = make(n_tracks=60)
    weights = next(iter(bootstrap.draw(60, 8, 0)))
    assert weights.shape == (60, 8)
    np.testing.assert_array_equal(weights.sum(axis=0), 60)
    for j in range(4):
        truth, values = targets[:, j], scores[:, j]
        auc, average = bootstrap.areas(
            weights, bootstrap.rank(truth, values, np.arange(60))
        )
        for r, weight in enumerate(weights.T):
            kept = {"sample_weight": weight}
            assert auc[r] == pytest.approx(sk.roc_auc_score(truth, values, **kept))
            wanted = sk.average_precision_score(truth, values, **kept)
            assert average[r] == pytest.approx(wanted)


def test_intervals_are_those_of_rows_drawn_one_by_one():
    targets, scores = make(n_tracks=50)
    targets[::5, 1] = np.nan
    targets[:, 2] = 0
    targets[0, 2] = 1  # a third of the resamples do not have it
    report = metrics.tagging_scores(targets, scores, NAMES, bootstrap=20, seed=3)
    weights = np.concatenate(list(bootstrap.draw(50, 20, 3)), axis=1)
    values = {name: [] for name in report.resampled}
    single = []
    for weight in weights.T:
        rows = np.repeat(np.arange(50), weight.astype(int))
        drawn = metrics.tagging_scores(targets[rows], scores[rows], NAMES)
        single.append(drawn.per_label["roc_auc"])
        for name, kept in values.items():
            kept.append(drawn.summary[name])
    assert np.isnan(np.array(single)[:, 2]).any()
    for name, wanted in values.items():
        np.testing.assert_allclose(report.resampled[name], wanted, rtol=1e-9)
        np.testing.assert_allclose(
            report.intervals[name], np.quantile(wanted, [0.025, 0.975]), rtol=1e-9
        )
    np.testing.assert_allclose(
        report.label_intervals["roc_auc"],
        np.nanquantile(single, [0.025, 0.975], axis=0).T,
        rtol=1e-9,
    )


def test_the_interval_of_an_accuracy_is_the_binomial_one():
    generator = np.random.default_rng(4)
    truth = generator.integers(0, 3, 400)
    guess = np.where(generator.random(400) < 0.8, truth, (truth + 1) % 3)
    report = metrics.class_scores(truth, np.eye(3)[guess], NAMES[:3], bootstrap=2000)
    share = report.summary["accuracy"]
    error = 1.96 * np.sqrt(share * (1 - share) / 400)
    wanted = [share - error, share + error]
    np.testing.assert_allclose(report.intervals["accuracy"], wanted, atol=0.005)
    low, high = report.intervals["recall_macro"]
    assert low < report.summary["recall_macro"] < high


def test_the_same_seed_gives_the_same_intervals():
    targets, scores = make()
    first, again, other = (
        metrics.tagging_scores(targets, scores, NAMES, bootstrap=50, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.intervals == again.intervals
    assert first.intervals != other.intervals


def test_a_comparison_pairs_the_tracks():
    targets, scores = make()
    generator = np.random.default_rng(5)
    worse = np.clip(scores + generator.normal(0, 0.5, scores.shape), 0, 1)
    good, bad = (
        metrics.tagging_scores(targets, values, NAMES, bootstrap=200)
        for values in (scores, worse)
    )
    wanted = sk.roc_auc_score(targets, scores) - sk.roc_auc_score(targets, worse)
    middle, low, high = good.compare(bad)["roc_auc_macro"]
    assert middle == pytest.approx(wanted)
    assert 0 < low < middle < high
    assert set(good.compare(good).values()) == {(0.0, 0.0, 0.0)}
    reseeded = metrics.tagging_scores(targets, worse, NAMES, bootstrap=200, seed=9)
    with pytest.raises(ConfigError, match="same tracks and resamples"):
        good.compare(reseeded)
    renamed = metrics.tagging_scores(targets, worse, list("abcd"), bootstrap=200)
    with pytest.raises(LabelError, match="not shared"):
        good.compare(renamed)


# === Calibration ===


def test_calibration_is_scikit_learns():
    targets, scores = make(n_tracks=400, digits=4)
    found = metrics.calibration(targets, scores, bins=8)
    truth, values = targets.ravel(), scores.ravel()
    rates, means = calibration_curve(truth, values, n_bins=8)
    used = found.counts > 0
    np.testing.assert_allclose(found.positive_rates[used], rates)
    np.testing.assert_allclose(found.mean_scores[used], means)
    shares = found.counts[used] / truth.size
    assert found.error == pytest.approx(np.sum(shares * np.abs(rates - means)))
    assert found.n_scores == truth.size
    alone = metrics.calibration(targets[:, :1], scores[:, :1], bins=8)
    assert found.label_errors[0] == pytest.approx(alone.error)


def test_calibration_by_hand():
    # Two bins: 0.2 three times with no positive, 0.9 twice with one positive.
    targets = np.array([[0], [0], [0], [1], [0], [np.nan]])
    scores = np.array([[0.2], [0.2], [0.2], [0.9], [0.9], [0.9]])
    found = metrics.calibration(targets, scores, bins=2)
    assert found.error == pytest.approx(3 / 5 * 0.2 + 2 / 5 * 0.4)
    np.testing.assert_array_equal(found.counts, [3, 2])
    with pytest.raises(ConfigError, match=r"scores from 0.4 to 1.8.*sigmoid"):
        metrics.calibration(targets, 2 * scores)


# === Files ===


@pytest.fixture
def report():
    targets, scores = make(n_tracks=20)
    targets[:, 3] = 0
    targets[0, 0] = np.nan
    labels = ["rock|pop", "piano", "sad, slow", "never"]
    tracks = [f"{i}, ü.mp3" for i in range(20)]
    return metrics.tagging_scores(targets, scores, labels, tracks=tracks, bootstrap=20)


def test_tables_have_every_label(report):
    text, table = report.to_text(), report.to_markdown()
    for label in report.labels:
        assert f"\n{label} " in text
    for line in table.splitlines():
        if line.startswith("|"):
            cells = line.replace("\\|", "/").split("|")[1:-1]
            assert len(cells) in (3, 12)
    shown = f"{report.summary['roc_auc_macro']:.3f}"
    assert f"| ROC-AUC (macro) | {shown} | [" in table
    assert "rock\\|pop" in table


def test_csv_has_averages_and_labels(report, tmp_path):
    report.to_csv(tmp_path / "r.csv")
    with open(tmp_path / "r.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["macro", "micro", "overall"] + [
        "label"
    ] * 4
    assert [row["label"] for row in rows[3:]] == list(report.labels)
    assert float(rows[0]["roc_auc"]) == report.summary["roc_auc_macro"]
    assert float(rows[1]["f1_high"]) == report.intervals["f1_micro"][1]
    assert float(rows[2]["calibration_error"]) == report.calibration.error
    assert float(rows[4]["roc_auc"]) == report.per_label["roc_auc"][1]
    assert rows[6]["roc_auc"] == ""
    assert rows[6]["undefined"] == "no positives"
    assert rows[3]["targets"] == "19"


def test_json_is_strict(report, tmp_path):
    report.to_json(tmp_path / "r.json")

    def refuse(constant):
        raise AssertionError(constant)

    text = (tmp_path / "r.json").read_text("utf-8")
    record = json.loads(text, parse_constant=refuse)
    assert record["summary"] == report.summary
    assert record["labels"]["never"]["roc_auc"] is None
    assert record["labels"]["piano"]["recall"] == report.per_label["recall"][1]
    assert record["undefined"] == {"never": "no positives"}
    assert record["bootstrap"] == {"resamples": 20, "confidence": 0.95, "seed": 0}
    assert sum(record["calibration"]["counts"]) == 79


def test_the_hub_reads_the_model_index(report):
    from huggingface_hub import ModelCard, ModelCardData

    index = report.model_index(
        "my-tagger", dataset_name="MagnaTagATune", dataset_type="mtt", split="won test"
    )
    # Through YAML and back, by the Hub's own client.
    card = ModelCard(f"---\n{ModelCardData(**index, tags=['music'])}\n---\n# Card\n")
    assert card.data.model_name == "my-tagger"
    results = {
        (r.metric_type, (r.metric_args or {}).get("average")): r
        for r in card.data.eval_results
    }
    auc = results["roc_auc", "macro"]
    assert auc.metric_value == report.summary["roc_auc_macro"]
    assert auc.metric_name == "ROC-AUC (macro)"
    assert auc.task_type == "audio-classification"
    assert (auc.dataset_name, auc.dataset_type) == ("MagnaTagATune", "mtt")
    assert auc.dataset_split == "won test"
    assert len(results) == len(report.summary)


def test_predictions_are_kept(report, tmp_path):
    report.save_predictions(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["scores"], report.scores)
        np.testing.assert_array_equal(arrays["targets"], report.targets)
        assert arrays["tracks"].tolist() == report.tracks
        assert arrays["labels"].tolist() == list(report.labels)
    report.save_predictions(tmp_path / "p.csv")
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["track"] for row in rows] == report.tracks
    assert [float(row["score: piano"]) for row in rows] == report.scores[:, 1].tolist()
    assert rows[0]["target: rock|pop"] == ""
    assert rows[1]["target: never"] == "0"
    with pytest.raises(ConfigError, match=r"\.npz or \.csv.*p\.txt"):
        report.save_predictions(tmp_path / "p.txt")


def test_pictures_come_from_the_report(report):
    pytest.importorskip("matplotlib")
    assert len(report.plot_bars().patches) == 4
    assert report.plot_bars("f1").get_xlabel() == "F1"
    assert len(report.plot_curves()) == 2
    with pytest.raises(ConfigError, match="exclude each other"):
        report.plot_confusion()
    with pytest.raises(ConfigError, match="'auc'.*roc_auc"):
        report.plot_bars("auc")
    classes = metrics.class_scores([0, 1, 1], np.eye(2)[[0, 1, 0]], ["a", "b"])
    assert classes.plot_confusion().get_ylabel() == "target"
    assert len(classes.plot_bars().patches) == 2


# === Bad input ===

ONES = np.ones((4, 2))
HALF = np.full((4, 2), 0.5)
MIXED = np.eye(2)[[0, 1, 0, 1]]
WITH_NAN = np.where(np.arange(8).reshape(4, 2) == 5, np.nan, 0.5)


@pytest.mark.parametrize(
    ("targets", "scores", "labels", "more", "error", "message"),
    [
        (MIXED[:3], HALF, "ab", {}, ConfigError, r"\(3, 2\) for scores \(4, 2\)"),
        (MIXED, HALF[:, 0], "ab", {}, ConfigError, r"shape \(4,\).*one label"),
        (MIXED, HALF[:0], "ab", {}, ConfigError, "at least one of each"),
        (MIXED, WITH_NAN, "ab", {}, ConfigError, "1 of 8 are not.*row 2, column 1"),
        (MIXED, [[1, 2], [3]], "ab", {}, ConfigError, "array of numbers.*list"),
        (MIXED, HALF, "abc", {}, LabelError, "3 labels for 2 columns"),
        (MIXED, HALF, "aa", {}, LabelError, "only once"),
        (MIXED * 0, HALF, "ab", {}, LabelError, "0 positives among 8 known.*matched"),
        (ONES, HALF, "ab", {}, LabelError, "8 positives among 8 known"),
        (ONES * np.nan, HALF, "ab", {}, LabelError, "among 0 known"),
        (MIXED * 2, HALF, "ab", {}, LabelError, "2 in row 0.*column 0 .'a'"),
        (MIXED, HALF, "ab", {"tracks": "xyzx"}, ConfigError, r"repeated: \['x'\]"),
        (MIXED, HALF, "ab", {"tracks": "xyz"}, ConfigError, "3 names for 4 tracks"),
        (MIXED, HALF, "ab", {"thresholds": [1, 2, 3]}, ConfigError, "for 2 labels"),
        (MIXED, HALF, "ab", {"thresholds": "x"}, ConfigError, "thresholds.*numbers"),
        (MIXED, HALF, "ab", {"bootstrap": -1}, ConfigError, "`bootstrap` must be"),
        (
            *(MIXED, HALF, "ab", {"bootstrap": 5, "confidence": 95}),
            *(ConfigError, "between 0 and 1.*95"),
        ),
        (
            *(MIXED, HALF, "ab", {"track_index": [0, 1, 1, 3]}),
            *(ConfigError, r"1 tracks without chunks \[2\]"),
        ),
        (
            *(MIXED[:2], HALF, "ab", {"track_index": [0, 1, 1, 2]}),
            *(ConfigError, "highest index 2 for 2 tracks"),
        ),
        (
            *(MIXED, HALF, "ab", {"track_index": [0.0, 1, 2, 3]}),
            *(ConfigError, "float64 of shape"),
        ),
        (
            *(MIXED, HALF, "ab", {"track_index": [0, 1, 2, 3], "aggregate": "sum"}),
            *(ConfigError, "'sum'.*'mean', 'max'"),
        ),
    ],
)
def test_bad_input_is_refused(targets, scores, labels, more, error, message):
    with pytest.raises(error, match=message) as caught:
        metrics.tagging_scores(targets, scores, list(labels), **more)
    assert "Received: " in str(caught.value)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        ([0, 1, 2, 0], LabelError, "1 tracks with another target.* 2.* in row 2"),
        ([0, 1, 0.5, 0], LabelError, "0.5 in row 2"),
        ([0, 1, -1, 0], LabelError, "index from 0 to 1"),
        ([0, 1, 0], ConfigError, "3 targets for 4 tracks"),
        ([np.nan] * 4, LabelError, "no known target"),
        (["a", "b", "a", "b"], LabelError, "labels.index"),
        (np.ones((4, 2)), LabelError, r"4 tracks.*\[1.0, 1.0\] in row 0"),
        (np.ones((4, 3)), ConfigError, r"\(4, 3\) for scores \(4, 2\)"),
    ],
)
def test_bad_classes_are_refused(targets, error, message):
    with pytest.raises(error, match=message):
        metrics.class_scores(targets, HALF, ["a", "b"])


def test_importing_the_room_is_light():
    code = (
        "import sys, keras_musictag.metrics as m; m.tagging_scores; "
        "print({'sklearn', 'keras', 'matplotlib', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
