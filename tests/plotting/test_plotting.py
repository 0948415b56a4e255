"""Pictures of plain arrays."""

import numpy as np
import pytest

from keras_musictag import plotting
from keras_musictag.errors import ConfigError
from keras_musictag.training.run import TrainingRun

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


def test_a_chord_picture_shows_roots_kinds_and_names(tmp_path):
    intervals = [[0.0, 2.0], [2.0, 4.0], [4.0, 6.0], [6.0, 6.1]]
    chroma = np.eye(12)[:6]
    ax = plotting.plot_chords(
        intervals,
        ["C", "F#m", "N.C.", "G"],
        [0, 6, -1, 7],
        filled=[True, False, False, True],
        chroma=chroma,
    )
    boxes = [
        (b.get_x(), b.get_width(), b.get_y() + b.get_height() / 2) for b in ax.patches
    ]
    rows = [0, 6, 12, 7]
    wanted = [(a, b - a, row) for (a, b), row in zip(intervals, rows, strict=True)]
    np.testing.assert_allclose(boxes, wanted)
    greys = [np.mean(patch.get_facecolor()[:3]) for patch in ax.patches]
    assert greys[0] < 0.5 < greys[2] < greys[1]  # tells kinds apart without colour
    assert [text.get_text() for text in ax.texts] == ["C", "F#m", "N.C.", "G"]
    np.testing.assert_allclose(
        np.ravel(ax.collections[0].get_array()), chroma.T.ravel()
    )
    ax.figure.savefig(tmp_path / "c.png", dpi=600 / 9)
    drawn = matplotlib_image(tmp_path / "c.png")
    assert drawn.shape[1] == 600


def test_crowded_chord_names_are_left_out_and_bad_shapes_refused():
    edges = np.linspace(0, 10, 201)
    intervals = np.stack([edges[:-1], edges[1:]], axis=1)
    ax = plotting.plot_chords(intervals, ["C"] * 200, np.zeros(200, int))
    places = sorted(text.xy[0] for text in ax.texts)
    # 10 s are about 560 points wide, and a name is 8.5 points high.
    assert 30 < len(places) < 66
    assert np.diff(places).min() > 10 * 8.5 / 620
    with pytest.raises(ConfigError, match="as many labels and roots"):
        plotting.plot_chords(intervals, ["C"], [0])
    with pytest.raises(ConfigError, match="12 columns.*transpose"):
        plotting.plot_chords([[0, 1]], ["C"], [0], chroma=np.ones((12, 5)))


def test_keys_are_one_band_with_a_colour_for_each():
    from keras_musictag.keys import KeySequence

    regions = [[0, 60], [60, 100], [100, 101], [120, 180]]
    song = KeySequence(regions, ["C:maj", "A:min", "F#:maj", "C:maj"], duration=200)
    ax = song.plot()
    background, *boxes = ax.patches
    assert (background.get_x(), background.get_width()) == (0, 200)
    places = [(box.get_x(), box.get_x() + box.get_width()) for box in boxes]
    np.testing.assert_allclose(places, regions)
    colours = [box.get_facecolor() for box in boxes]
    assert colours[0] == colours[3] and len(set(colours)) == 3
    # There is no room for a name in one second.
    assert [text.get_text() for text in ax.texts] == ["C 8B", "Am 8A", "C 8B"]
    shown = [text.get_text() for text in song.plot("openkey").texts]
    assert shown == ["1d", "1m", "1d"]
    assert song.plot(ax=ax) is ax
    assert not KeySequence([], [], duration=9.0).plot().texts


def test_names_can_be_read_on_the_colours_of_all_keys():
    from matplotlib.colors import to_rgb

    from keras_musictag.plotting.keys import key_colour

    colours = [key_colour(number) for number in range(24)]
    assert len(set(colours)) == 24
    for colour in colours:  # WCAG 2.1: contrast of black text, 7 for small one
        parts = np.array(to_rgb(colour))
        linear = np.where(
            parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4
        )
        assert (linear @ [0.2126, 0.7152, 0.0722] + 0.05) / 0.05 > 7


def test_pictures_of_keys_refuse_what_does_not_fit():
    with pytest.raises(ConfigError, match="as many labels and numbers"):
        plotting.plot_keys([[0, 1]], ["C"], [0, 1])
    with pytest.raises(ConfigError, match="0 to 23"):
        plotting.plot_keys([[0, 1]], ["C"], [24])


def matplotlib_image(path):
    from matplotlib.image import imread

    return imread(path)


def curve_data(n_labels, seed=0):
    generator = np.random.default_rng(seed)
    targets = (generator.random((80, n_labels)) < 0.4).astype(float)
    return targets, targets + generator.normal(0, 1, targets.shape)


def test_curves_enclose_the_areas_of_scikit_learn(tmp_path):
    from sklearn.metrics import average_precision_score, roc_auc_score

    targets, scores = curve_data(3)
    targets[::9, 1] = np.nan
    names = ["rock", "piano", "sad"]
    left, right = plotting.plot_curves(targets, scores, names)
    known = [~np.isnan(column) for column in targets.T]
    for ax, measure in ((left, roc_auc_score), (right, average_precision_score)):
        lines = {line.get_label(): line.get_data() for line in ax.lines}
        wanted = [
            measure(targets[rows, j], scores[rows, j]) for j, rows in enumerate(known)
        ]
        for name, value in zip(names, wanted, strict=True):
            x, y = lines[f"{name} {value:.3f}"]
            if ax is left:
                area = np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)
            else:
                area = np.sum(np.diff(x) * y[1:])
            assert area == pytest.approx(value)
        x, y = lines[f"mean of labels {np.mean(wanted):.3f}"]
        area = np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)
        assert area == pytest.approx(np.mean(wanted), abs=0.005)
    left.figure.savefig(tmp_path / "c.png", dpi=600 / 9)
    assert matplotlib_image(tmp_path / "c.png").shape[1] == 600
    for ax in (left, right):  # legends are on the page, below the curves
        box = ax.get_legend().get_window_extent()
        assert 0 < box.y0 < box.y1 < ax.get_window_extent().y0


def test_many_curves_name_the_best_and_the_worst_and_count_the_undefined():
    targets, scores = curve_data(12)
    targets[:, 4] = 0
    names = [f"tag {i}" for i in range(12)]
    left, _ = plotting.plot_curves(targets, scores, names)
    shown = [text.get_text() for text in left.get_legend().get_texts()]
    assert len(left.lines) == 1 + 11 + 3  # chance, labels, mean and two again
    assert shown[1].startswith("best: tag ") and shown[2].startswith("worst: tag ")
    assert left.get_title() == "ROC (1 of 12 labels undefined)"
    with pytest.raises(ConfigError, match="no curve to draw"):
        plotting.plot_curves(targets * 0, scores, names)
    with pytest.raises(ConfigError, match=r"\(80, 12\), \(80, 11\)"):
        plotting.plot_curves(targets, scores[:, 1:], names)


def test_a_confusion_picture_shows_shares_of_rows():
    matrix = [[6, 2, 0], [1, 3, 0], [0, 0, 0]]
    ax = plotting.plot_confusion(matrix, ["a", "b", "c"])
    wanted = [[75, 25, 0], [25, 75, 0], [np.nan] * 3]
    np.testing.assert_allclose(ax.images[0].get_array().filled(np.nan), wanted)
    assert [text.get_text() for text in ax.texts] == ["75", "25", "25", "75"]
    greys = [text.get_color() for text in ax.texts]
    assert greys == ["white", "black", "black", "white"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    counts = plotting.plot_confusion(matrix, ["a", "b", "c"], normalize=False)
    assert [text.get_text() for text in counts.texts] == ["6", "2", "1", "3"]
    with pytest.raises(ConfigError, match=r"shape \(3, 3\) for 2 labels"):
        plotting.plot_confusion(matrix, ["a", "b"])


def test_tag_bars_are_sorted_and_say_what_is_undefined():
    ax = plotting.plot_tag_bars(
        ["a", "b", "c"],
        [0.6, np.nan, 0.9],
        intervals=[[0.5, 0.7], [np.nan, np.nan], [0.8, 0.95]],
        baseline=[0.65, 0.5, 0.7],
        chance=0.5,
        name="ROC-AUC",
    )
    assert [t.get_text() for t in ax.get_yticklabels()] == ["c", "a", "b"]
    assert [text.get_text() for text in ax.texts] == ["0.900", "0.600", "undefined"]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches][:2], [0.9, 0.6])
    lines, diamonds = ax.collections
    ends = [path.vertices[:, 0].tolist() for path in lines.get_paths()]
    assert ends[:2] == [[0.8, 0.95], [0.5, 0.7]]
    np.testing.assert_allclose(diamonds.get_offsets()[:, 0], [0.7, 0.65, 0.5])
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(shown) == ["baseline", "chance"]
    with pytest.raises(ConfigError, match="one value for each label"):
        plotting.plot_tag_bars(["a", "b"], [0.5])
    with pytest.raises(ConfigError, match=r"intervals.*n_labels, 2"):
        plotting.plot_tag_bars(["a"], [0.5], intervals=[0.1])


def test_training_curves_of_all_kinds_of_history():
    rows = [
        {"epoch": 0, "val_loss": 0.9},
        {"epoch": 1, "loss": 0.8, "val_loss": 0.7, "roc_auc": 0.6},
        {"epoch": 2, "loss": 0.5, "val_loss": 0.8, "roc_auc": 0.7},
    ]
    loss, auc = plotting.plot_history(rows, best=1)
    assert [a.get_ylabel() for a in (loss, auc)] == ["loss", "roc auc"]
    drawn = {line.get_label(): line for line in loss.lines}
    assert list(drawn) == ["training", "validation", "best"]
    np.testing.assert_array_equal(drawn["training"].get_ydata(), [np.nan, 0.8, 0.5])
    np.testing.assert_array_equal(drawn["validation"].get_xdata(), [0, 1, 2])
    assert set(drawn["best"].get_xdata()) == {1}
    run = TrainingRun(None, None, rows, rows[1], "val_loss")
    assert set(run.plot()[0].lines[2].get_xdata()) == {1}
    (ax,) = plotting.plot_history({"accuracy": [0.1, 0.2], "val_accuracy": [0.3, 0.2]})
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [0.3, 0.2])
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), [1, 2])
    with pytest.raises(ConfigError, match="each epoch"):
        plotting.plot_history([])
    with pytest.raises(ConfigError, match="2 axes for loss"):
        plotting.plot_history({"loss": [1.0]}, axes=[ax, ax])
