"""Confidences: curves fitted as scikit-learn fits them, and where they are used."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from keras_musictag.chords import Vocabulary, get_vocabulary
from keras_musictag.chords.chordogram import Chordogram
from keras_musictag.chords.confidence import (
    calibrated,
    check_calibration,
    fit_calibration,
)
from keras_musictag.errors import ConfigError


def test_the_curve_is_a_logistic_regression_of_the_logit():
    rng = np.random.default_rng(0)
    said = rng.uniform(0.01, 0.99, 4000)
    right = rng.uniform(size=4000) < said**2
    slope, offset = fit_calibration(said, right)
    logit = np.log(said / (1 - said))[:, None]
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(logit, right)
    assert slope == pytest.approx(oracle.coef_[0, 0], rel=1e-4)
    assert offset == pytest.approx(oracle.intercept_[0], rel=1e-4)
    expected = oracle.predict_proba(logit)[:, 1]
    np.testing.assert_allclose(calibrated(said, slope, offset), expected, atol=1e-4)
    assert calibrated([0.0, 1.0], slope, offset).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "given", [3, {"majmin": 1}, {"majmin": (0, 1)}, {"majmin": (1, np.inf)}, [1, 2]]
)
def test_what_is_no_curve_is_refused(given):
    with pytest.raises(ConfigError, match="a slope above 0 and an offset"):
        check_calibration(given)


def test_a_chordogram_uses_the_curve_of_its_vocabulary(tmp_path):
    majmin = get_vocabulary("majmin")
    p = np.full((20, 25), 0.01, "float32")
    p[:10, 0], p[10:, 9] = 0.76, 0.76
    raw = Chordogram({"chord": p}, majmin, 0.1, 0.0, 2.0)
    curves = {"majmin": (1.5, -0.5)}
    song = Chordogram({"chord": p}, majmin, 0.1, 0.0, 2.0, calibration=curves)
    before, after = raw.decode(), song.decode()
    assert after.labels == before.labels
    logits = 1.5 * np.log(before.confidences / (1 - before.confidences)) - 0.5
    np.testing.assert_allclose(after.confidences, 1 / (1 + np.exp(-logits)))
    other = Vocabulary("mine", ("C:maj", "A:min", "N"))
    same = song.decode(other).confidences
    np.testing.assert_array_equal(same, raw.decode(other).confidences)
    song.to_npz(tmp_path / "song.npz")
    assert Chordogram.from_npz(tmp_path / "song.npz").decode() == after
