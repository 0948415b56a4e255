"""Transforms of audiomentations as functions with seeds of their own."""

import numpy as np
import pytest

from keras_musictag.augmentation import from_audiomentations
from keras_musictag.errors import ConfigError


def test_a_transform_of_audiomentations_is_repeatable_by_its_generator():
    audiomentations = pytest.importorskip("audiomentations")
    gain = audiomentations.Gain(min_gain_db=-12, max_gain_db=12, p=1.0)
    augment = from_audiomentations(gain, sample_rate=16000)
    wave = np.linspace(-0.1, 0.1, 1600, dtype="float32")
    np.random.seed(5)
    one, two, other = (augment(wave, np.random.default_rng(s)) for s in (1, 1, 2))
    left_alone = np.random.random()
    np.random.seed(5)
    assert left_alone == np.random.random()
    np.testing.assert_array_equal(one, two)
    factor = one[-1] / wave[-1]
    np.testing.assert_allclose(one, factor * wave, atol=1e-7)
    assert 10 ** (-12 / 20) <= factor <= 10 ** (12 / 20)
    assert abs(other[-1] - one[-1]) > 1e-6


def test_what_is_no_function_or_gives_no_waveform_is_refused():
    with pytest.raises(ConfigError, match="must be a function"):
        from_audiomentations("PitchShift", sample_rate=16000)
    stereo = from_audiomentations(lambda y, rate: np.stack([y, y]), sample_rate=16000)
    with pytest.raises(ConfigError, match="must give a waveform"):
        stereo(np.zeros(10, "float32"))
