"""Pictures of plain arrays."""

import numpy as np
import pytest

from keras_musictag import plotting

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
