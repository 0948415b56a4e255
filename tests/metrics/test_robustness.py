"""The robustness study, against librosa and scikit-learn called directly."""

import csv

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

from keras_musictag import metrics
from keras_musictag.augmentation import Deformation, deformations
from keras_musictag.errors import ConfigError, LabelError

RATE = 8000
NAMES = ["high", "loud"]


def tones(count=12):
    """Tones of two pitches and two levels in noise, with what they are."""
    generator = np.random.default_rng(0)
    targets = np.stack([np.arange(count) % 2, np.arange(count) // 2 % 2], axis=1)
    times = np.arange(RATE) / RATE
    tracks = []
    for high, loud in targets:
        hertz = (500 if high else 480) * generator.uniform(0.98, 1.02)
        level = (0.2 if loud else 0.15) * generator.uniform(0.7, 1.3)
        tone = level * np.sin(2 * np.pi * hertz * times)
        tracks.append((tone + generator.normal(0, 0.01, RATE)).astype("float32"))
    return tracks, targets


def judge(waveforms, sample_rate):
    """Score pitch by the peak of the spectrum, level by the mean square."""
    rows = []
    for y in waveforms:
        peak = np.abs(np.fft.rfft(y)).argmax() * sample_rate / len(y)
        rows.append([peak / sample_rate, np.sqrt(np.mean(np.square(y)))])
    return np.array(rows)


def study(**options):
    settings = {"labels": NAMES, "sample_rate": RATE} | options
    return metrics.robustness(judge, *tones(), **settings)


def test_each_deformation_is_scored_as_by_hand():
    librosa = pytest.importorskip("librosa")
    tracks, targets = tones()
    changes = deformations(time_stretch=(1.5,), pitch_shift=(2.0,), white_noise=(0.3,))
    report = study(deformations=changes, seed=4)
    by_hand = {
        ("clean", ""): tracks,
        ("time stretch", "1.50x"): [
            librosa.effects.time_stretch(y, rate=1.5) for y in tracks
        ],
        ("pitch shift", "+2 semitones"): [
            librosa.effects.pitch_shift(y, sr=RATE, n_steps=2) for y in tracks
        ],
    }
    rows = {row[:2]: row[2:] for row in report.rows()}
    assert list(rows) == [
        ("clean", ""),
        *((change.name, change.strength) for change in changes),
    ]
    clean = roc_auc_score(targets, judge(tracks, RATE), average="macro")
    for case, changed in by_hand.items():
        scores = judge(changed, RATE)
        area = roc_auc_score(targets, scores, average="macro")
        precision = average_precision_score(targets, scores, average="macro")
        assert rows[case][0] == pytest.approx(area)
        assert rows[case][2] == pytest.approx(precision)
        if case != ("clean", ""):
            assert rows[case][1] == pytest.approx(area - clean)
    noisy = report.deformed["white noise", "0.3"].scores
    # Noise adds up to the power of what is left of the tone.
    assert noisy[:, 1].mean() > report.clean.scores[:, 1].mean() * 0.7
    assert not np.array_equal(noisy, report.clean.scores)


def test_noise_depends_on_the_seed_and_the_track_alone():
    both = deformations(time_stretch=(), pitch_shift=(), compression=())
    whole, shorter = study(deformations=both), study(deformations=both[1:])
    other = study(deformations=both[1:], seed=1)
    case = ("white noise", both[1].strength)
    scores = whole.deformed[case].scores
    np.testing.assert_array_equal(scores, shorter.deformed[case].scores)
    assert not np.array_equal(scores, other.deformed[case].scores)


def test_many_tracks_are_done_in_blocks(monkeypatch):
    import importlib

    module = importlib.import_module("keras_musictag.metrics.robustness")

    noises = deformations(time_stretch=(), pitch_shift=(), compression=())
    at_once = study(deformations=noises)
    monkeypatch.setattr(module, "BLOCK", 5)
    in_blocks = study(deformations=noises)
    for case, report in at_once.deformed.items():
        np.testing.assert_array_equal(report.scores, in_blocks.deformed[case].scores)


def test_tables_have_a_row_for_each_case(tmp_path):
    silent = Deformation("silence", "all", lambda y, rate, generator: 0 * y)
    report = study(deformations=[silent])
    table = report.to_markdown().splitlines()
    header = ["deformation", "strength", "ROC-AUC", "change", "PR-AUC", "change"]
    assert [cell.strip() for cell in table[0].strip("|").split("|")] == header
    clean, area = report.clean.summary["roc_auc_macro"], 0.5
    assert table[2].startswith(f"| clean |  | {clean:.3f} | – |")
    assert table[3].startswith(f"| silence | all | {area:.3f} | {area - clean:+.3f} |")
    report.to_csv(tmp_path / "r.csv")
    with open(tmp_path / "r.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["roc_auc_macro_change"] for row in rows] == ["", str(area - clean)]


def test_a_classifier_is_judged_by_its_accuracy():
    class Classifier:
        problem_type, labels, sample_rate = "single_label_classification", "ab", RATE

        def predict(self, tracks, sample_rate):
            loud = judge(tracks, sample_rate)[:, 1] > 0.1
            return np.eye(2)[loud.astype(int)]

    tracks, targets = tones()
    halved = Deformation("gain", "0.7", lambda y, rate, generator: 0.7 * y)
    report = metrics.robustness(
        Classifier(), tracks, targets[:, 1], deformations=[halved]
    )
    guesses = [judge([0.7 * y], RATE)[0, 1] > 0.1 for y in tracks]
    wanted = accuracy_score(targets[:, 1], guesses)
    assert list(report.figures) == ["accuracy", "F1"]
    assert report.rows()[1][2] == pytest.approx(wanted)


def test_a_tagger_is_judged_on_some_of_its_labels():
    import keras_musictag as kmt

    tagger = kmt.MusicnnTagger(["rock", "calm", "fast"], sample_rate=16000)
    generator = np.random.default_rng(0)
    tracks = list(generator.normal(0, 0.1, (4, 50000)).astype("float32"))
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    turned = Deformation("polarity", "-1", lambda y, rate, generator: -y)
    report = metrics.robustness(
        tagger,
        tracks,
        targets,
        labels=["fast", "rock"],
        deformations=[turned],
        batch_size=4,
    )
    scores = tagger.predict(tracks)[:, [2, 0]]
    np.testing.assert_allclose(report.clean.scores, scores, atol=1e-6)
    # A power spectrum does not know the sign.
    changed = report.deformed["polarity", "-1"].scores
    np.testing.assert_allclose(changed, scores, atol=1e-6)


def test_bad_input_is_refused_before_the_work():
    def fail(*_):
        raise AssertionError("nothing may be scored")

    tracks, targets = tones()
    options = {"labels": NAMES, "sample_rate": RATE, "deformations": []}
    with pytest.raises(ConfigError, match=r"targets \(11, 2\) for scores \(12, 2\)"):
        metrics.robustness(fail, tracks, targets[1:], **options)
    with pytest.raises(ConfigError, match="sample rate of the tracks is not known"):
        metrics.robustness(fail, tracks, targets, labels=NAMES)
    with pytest.raises(LabelError, match="Pass `labels`"):
        metrics.robustness(fail, tracks, targets, sample_rate=RATE)
    twice = deformations(time_stretch=(2, 2))
    with pytest.raises(ConfigError, match="'time stretch' at '2.00x' twice"):
        metrics.robustness(fail, tracks, targets, **options | {"deformations": twice})
    fail.labels = NAMES
    with pytest.raises(LabelError, match=r"\['low'\] \(1 of 2\)"):
        metrics.robustness(
            fail, tracks, targets, **options | {"labels": ["high", "low"]}
        )


def test_the_picture_has_a_dot_for_each_case():
    pytest.importorskip("matplotlib")
    noises = deformations(time_stretch=(), pitch_shift=(), compression=())
    report = study(deformations=noises)
    left, right = report.plot()
    for ax, key in ((left, "roc_auc_macro"), (right, "average_precision_macro")):
        drawn = ax.collections[-1].get_offsets()[:, 0]
        wanted = [case.summary[key] for case in report.deformed.values()]
        np.testing.assert_allclose(drawn, wanted)
    names = [t.get_text() for t in left.get_yticklabels()]
    assert names == ["white noise, 0.1", "white noise, 0.4"]
