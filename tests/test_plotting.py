"""Pictures of plain arrays."""

import numpy as np
import pytest

from keras_musictag import plotting
from keras_musictag.errors import ConfigError

pytest.importorskip("matplotlib")


def test_a_taggram_picture_shows_its_numbers(tmp_path):
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    ax = plotting.plot_taggram([0.0, 3.0, 6.0], ["rock", "piano"], scores)
    mesh = ax.collections[0]
    np.testing.assert_allclose(np.ravel(mesh.get_array()), scores.T.ravel())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["rock", "piano"]
    assert ax.get_xlim() == (0.0, 9.0)
    ax.figure.savefig(tmp_path / "t.png")
    assert (tmp_path / "t.png").stat().st_size > 5000


def test_it_draws_into_given_axes():
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert plotting.plot_taggram([0.0], ["a"], np.array([[0.5]]), ax=ax) is ax


def test_a_spectrogram_has_musical_axes():
    frequencies = 32.70320 * 2 ** (np.arange(36) / 12)
    levels = np.arange(20 * 36, dtype="float32").reshape(20, 36)
    ax = plotting.plot_spectrogram(levels, frequencies, 0.5)
    np.testing.assert_array_equal(
        np.ravel(ax.collections[0].get_array()), levels.T.ravel()
    )
    assert [t.get_text() for t in ax.get_yticklabels()] == ["C1", "C2", "C3"]
    np.testing.assert_allclose(ax.get_yticks(), frequencies[::12], rtol=1e-4)
    assert ax.get_xlim() == (-0.25, 9.75)
    hertz = plotting.plot_spectrogram(levels, frequencies, 0.5, notes=False)
    assert [t.get_text() for t in hertz.get_yticklabels()] == ["50", "100", "200"]
    with pytest.raises(ConfigError, match=r"\(20, 36\) and \(35,\)"):
        plotting.plot_spectrogram(levels, frequencies[1:], 0.5)


def test_filters_are_sorted_by_what_they_pass():
    times = np.arange(-100, 101) / 8000
    hertz = np.array([3000.0, 500.0, 1500.0])
    kernels = np.cos(2 * np.pi * hertz[:, None] * times) * np.hanning(201)
    left, right = plotting.plot_filters(kernels, 8000, n_shown=2)
    assert len(left.lines) == 2
    decibels = np.asarray(right.collections[0].get_array()).reshape(3, -1)
    peaks = decibels.argmax(axis=1) / (decibels.shape[1] - 1) * 4000
    np.testing.assert_allclose(peaks, np.sort(hertz), atol=10)
    assert decibels.max() == 0
    assert decibels.min() == pytest.approx(-60)
    with pytest.raises(ConfigError, match=r"filters, taps.*shape \(5,\)"):
        plotting.plot_filters(np.ones(5), 8000)
