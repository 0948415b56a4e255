"""Pictures of what a model hears: saliency, embeddings, robustness."""

import numpy as np
import pytest

from keras_musictag import plotting
from keras_musictag.errors import ConfigError

pytest.importorskip("matplotlib")


def in_grey(figure, path):
    """Save 600 pixels wide and return the lightness of each pixel."""
    from matplotlib.image import imread

    figure.savefig(path, dpi=600 / figure.get_size_inches()[0])
    picture = imread(path)
    assert picture.shape[1] in (599, 600)
    return picture[..., :3] @ [0.2126, 0.7152, 0.0722]


def saliency_data():
    times, frequencies = np.arange(120) * 0.05, np.geomspace(50, 8000, 64)
    levels = np.random.default_rng(0).random((120, 64))
    values = np.zeros((120, 64))
    values[40:60, 20:30] = 1.0  # from 2 s to 3 s
    values[80:100, 40:50] = -0.5  # from 4 s to 5 s
    return levels, values, times, frequencies


def test_saliency_outlines_what_speaks_for_the_tag(tmp_path):
    levels, values, times, frequencies = saliency_data()
    top, below = plotting.plot_saliency(levels, values, times, frequencies)
    heights = [bar.get_height() for bar in below.patches]
    np.testing.assert_allclose(heights, [0, 0, 200, 0, -100, 0])
    lines = top.collections[-1]
    ends = np.concatenate([path.vertices for path in lines.get_paths()])
    assert ends[:, 0].min() > 1.9 and ends[:, 0].max() < 3.1
    low, high = frequencies[[18, 31]]
    assert low < ends[:, 1].min() and ends[:, 1].max() < high
    grey = in_grey(top.figure, tmp_path / "s.png")
    assert grey.min() < 0.2 and grey.max() > 0.95


def test_saliency_of_nothing_is_a_picture_too():
    levels, values, times, frequencies = saliency_data()
    top, below = plotting.plot_saliency(levels, 0 * values, times, frequencies)
    assert len(top.collections) == 1  # the spectrogram alone
    assert {bar.get_height() for bar in below.patches} == {0}
    with pytest.raises(ConfigError, match=r"\(119, 64\), \(120, 64\)"):
        plotting.plot_saliency(levels, values[1:], times, frequencies)


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_a_map_keeps_groups_together(method, tmp_path):
    generator = np.random.default_rng(0)
    centres = generator.normal(0, 1, (3, 50))
    group = np.arange(60) % 3
    # Cosine similarity: how long an embedding is does not matter.
    lengths = generator.uniform(1, 9, (60, 1))
    embeddings = lengths * (centres[group] + generator.normal(0, 0.2, (60, 50)))
    names = [f"group {i}" for i in group]
    ax = plotting.plot_embedding_map(embeddings, names, method=method)
    drawn = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections}
    assert sorted(drawn) == [f"group {i} (20)" for i in range(3)]
    points = np.concatenate([drawn[f"group {i} (20)"] for i in range(3)])
    gaps = np.linalg.norm(points[:, None] - points, axis=2) + 1e9 * np.eye(60)
    assert np.mean(gaps.argmin(axis=1) // 20 == np.arange(60) // 20) == 1
    in_grey(ax.figure, tmp_path / "m.png")
    again = plotting.plot_embedding_map(embeddings, names, method=method)
    np.testing.assert_array_equal(
        again.collections[0].get_offsets(), ax.collections[0].get_offsets()
    )


def test_points_are_drawn_where_they_are_and_rare_labels_in_grey():
    points = np.arange(12.0).reshape(6, 2)
    names = ["rock", "rock", "jazz", None, "folk", "jazz"]
    ax = plotting.plot_embedding_map(points, names, n_shown=2)
    drawn = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections}
    np.testing.assert_array_equal(drawn["others"], points[[3, 4]])
    np.testing.assert_array_equal(drawn["rock (2)"], points[:2])
    np.testing.assert_array_equal(drawn["jazz (2)"], points[[2, 5]])
    with pytest.raises(ConfigError, match=r"6 tracks and 5 labels"):
        plotting.plot_embedding_map(points, names[1:])
    with pytest.raises(ConfigError, match="method='umap'"):
        plotting.plot_embedding_map(points, names, method="umap")
    points[0] = np.nan
    with pytest.raises(ConfigError, match="finite embedding"):
        plotting.plot_embedding_map(points, names)


def test_robustness_has_a_dot_for_each_change_and_a_line_for_none(tmp_path):
    values = {"ROC-AUC": [0.85, 0.8], "PR-AUC": [0.4, 0.3]}
    clean = {"ROC-AUC": 0.9, "PR-AUC": 0.45}
    names = ["noise, 0.1", "noise, 0.4"]
    left, right = plotting.plot_robustness(names, values, clean)
    for ax, (name, row) in zip((left, right), values.items(), strict=True):
        np.testing.assert_allclose(ax.collections[-1].get_offsets()[:, 0], row)
        assert ax.lines[0].get_xdata()[0] == clean[name]
    assert [t.get_text() for t in left.get_yticklabels()] == names
    in_grey(left.figure, tmp_path / "r.png")
    with pytest.raises(ConfigError, match="2 names, values of"):
        plotting.plot_robustness(names, {"ROC-AUC": [0.85]}, {"ROC-AUC": 0.9})
