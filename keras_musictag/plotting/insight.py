"""Pictures of what a model hears: saliency, embeddings, robustness."""

from typing import Any

import numpy as np

from keras_musictag.checks import check_choice
from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.plotting.spectra import plot_spectrogram

# Told apart by shape and by lightness, so that they also are in grey.
MARKERS = "osD^vPX*<>hp"
COLOURS = ("#0b3c5d", "#d9a441", "#7d9cba", "#a63d2f", "#6aa84f", "#b9b9b9")
CHANGED = {"s": 42, "facecolor": "#7d9cba", "edgecolor": "black", "zorder": 3}


def plot_saliency(levels, values, times, frequencies, *, axes=None) -> Any:
    """Draw where a tag comes from, over the spectrogram and second by second.

    The spectrogram is grey; on it, outlined, the places that hold half and four fifths
    of what speaks for the tag. Bars below show what each second does for the score,
    those below zero speak against it.

    Args:
        levels: Spectrogram, shape `(frames, bins)`: the transpose of librosa's.
        values: What the score owes to each place, the same shape.
        times: Centre of each frame in seconds, shape `(frames,)`, evenly spaced.
        frequencies: Centre of each bin in Hz, shape `(bins,)`, rising.
        axes: Two matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The two axes: the spectrogram, and the bars below.

    Raises:
        ConfigError: If the shapes do not fit each other.
        MissingExtraError: If matplotlib is not installed.

    Example:

    ```python
    import numpy as np
    from keras_musictag import plotting

    levels = np.random.rand(200, 64)
    times, frequencies = np.arange(200) * 0.05, np.geomspace(50, 8000, 64)
    top, below = plotting.plot_saliency(levels, levels - 0.5, times, frequencies)
    top.figure.savefig("saliency.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_saliency()")
    levels, values = np.asarray(levels), np.asarray(values, "float64")
    times = np.asarray(times, "float64")
    if values.shape != levels.shape or times.shape != levels.shape[:1]:
        raise ConfigError(
            "A picture of saliency needs a value for each place of the spectrogram.",
            received=f"shapes {values.shape}, {levels.shape} and {times.shape}",
            advice="Give `values` and `levels` as (frames, bins), and a time for each "
            "frame.",
        )
    if axes is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    ax, below = axes
    step = times[1] - times[0] if len(times) > 1 else 1.0
    plot_spectrogram(levels, frequencies, step, notes=False, ax=ax)
    picture = ax.collections[-1]
    picture.set_cmap("Greys")
    # The darkest grey stays light enough for outlines to stand out.
    low, high = np.quantile(levels, [0.02, 0.999])
    picture.set_clim(low, low + 1.8 * max(high - low, 1e-9))
    picture.colorbar.remove()
    _outline(ax, values, step, frequencies)
    ax.set_xlabel("")
    _draw_seconds(below, values.sum(axis=1), times)
    return ax, below


def _outline(ax, values, step, frequencies):
    import_extra("scipy", "plot", "plot_saliency()")
    from scipy.ndimage import gaussian_filter

    shown = np.asarray(frequencies) > 0
    # A tenth of a second and a few bins: single cells say little.
    widths = (0.1 / step, max(1.0, values.shape[1] / 48))
    smooth = np.maximum(gaussian_filter(values, widths), 0.0)[:, shown]
    if not smooth.any() or min(smooth.shape) < 2:
        return
    ranked = np.sort(smooth, axis=None)[::-1]
    held = np.cumsum(ranked) / ranked.sum()
    limits = sorted({ranked[np.searchsorted(held, part)] for part in (0.8, 0.5)})
    x, y = np.arange(len(values)) * step, np.asarray(frequencies)[shown]
    top = ranked[0] * (1 + 1e-6)
    ax.contourf(x, y, smooth.T, [*limits, top], colors=["#e8a33d"] * 2, alpha=0.3)
    ax.contour(x, y, smooth.T, limits, colors=["#b3541e", "black"][-len(limits) :])


def _draw_seconds(ax, totals, times):
    seconds = np.floor(times).astype(int)
    numbers = np.arange(seconds[-1] + 1)
    heights = np.bincount(seconds, totals, len(numbers))
    colours = np.where(heights > 0, "#e8a33d", "white")
    ax.bar(numbers + 0.5, heights, width=0.9, color=colours, edgecolor="black")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xlim(0, times[-1])
    ax.set_xlabel("time (s)")
    ax.set_ylabel("for the tag")


def plot_embedding_map(
    points, labels, *, method: str = "tsne", seed: int = 0, n_shown: int = 10, ax=None
) -> Any:
    """Draw tracks as points of a plane, with a colour and a shape for each label.

    Args:
        points: Embeddings `(tracks, units)`, brought down to a plane by `method`, or
            ready points `(tracks, 2)`.
        labels: One name for each track; `None` where there is none.
        method: `"tsne"`, which puts what is alike side by side, or `"pca"`, which
            keeps large distances; both of scikit-learn, on embeddings of length 1.
        seed: Of t-SNE.
        n_shown: Labels with a shape of their own, the most frequent ones; other
            tracks are small grey dots.
        ax: Matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The matplotlib axes.

    Raises:
        ConfigError: If the shapes do not fit each other, or there is no such method.
        MissingExtraError: If matplotlib is not installed.

    References:
        - van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008.

    Example:

    ```python
    import numpy as np
    from keras_musictag import plotting

    embeddings = np.random.default_rng(0).normal(size=(40, 200))
    ax = plotting.plot_embedding_map(embeddings, ["rock", "piano"] * 20)
    ax.figure.savefig("map.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_embedding_map()")
    names = list(labels)
    points = lay_out(points, method=method, seed=seed)
    if len(points) != len(names):
        raise ConfigError(
            "A map needs a label for each track.",
            received=f"{len(points)} tracks and {len(names)} labels",
            advice="Give one of each, None where a track has no label.",
        )
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(8, 6), layout="constrained").add_subplot()
    counts: dict = {}
    for name in names:
        counts[name] = counts.get(name, 0) + (name is not None)
    ranked = sorted(counts, key=lambda name: (-counts[name], str(name)))
    shown = [n for n in ranked if n is not None][: min(n_shown, len(MARKERS))]
    rest = [i for i, name in enumerate(names) if name not in shown]
    if rest:
        ax.scatter(*points[rest].T, s=9, color="0.75", zorder=2, label="others")
    for place, name in enumerate(shown):
        rows = [i for i, own in enumerate(names) if own == name]
        ax.scatter(
            *points[rows].T,
            s=55,
            marker=MARKERS[place],
            facecolor=COLOURS[place % len(COLOURS)],
            edgecolor="black",
            linewidth=0.6,
            zorder=3,
            label=f"{name} ({len(rows)})",
        )
    # Distances mean something, places do not.
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


def lay_out(points, *, method: str = "tsne", seed: int = 0) -> np.ndarray:
    """Bring embeddings down to a plane.

    Args:
        points: Embeddings `(tracks, units)`, of three tracks or more; points of a
            plane `(tracks, 2)` stay as they are.
        method: `"tsne"` or `"pca"`, as in `plot_embedding_map`.
        seed: Of t-SNE.

    Returns:
        float64 array `(tracks, 2)`.

    Raises:
        ConfigError: If these are no embeddings, or there is no such method.

    Example:

    ```python
    import numpy as np
    from keras_musictag import plotting

    embeddings = np.random.default_rng(0).normal(size=(40, 200))
    print(plotting.lay_out(embeddings, method="pca").shape)  # (40, 2)
    ```
    """
    points = np.asarray(points, "float64")
    check_choice(method, ("tsne", "pca"), name="method")
    wide = points.ndim == 2 and points.shape[1] >= 2 and len(points) >= 3
    if not wide or not np.isfinite(points).all():
        raise ConfigError(
            "A map needs a finite embedding for each of three tracks or more.",
            received=f"points {points.shape}",
            advice="Give (tracks, units), without the tracks that could not be read.",
        )
    if points.shape[1] == 2:
        return points
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    # Cosine similarity, as searches have it, is the distance at length 1.
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.maximum(length, 1e-12)
    if method == "pca":
        return PCA(2).fit_transform(points)
    near = min(30.0, (len(points) - 1) / 3)
    return TSNE(2, perplexity=near, init="pca", random_state=seed).fit_transform(points)


def plot_robustness(names, values, clean, *, axes=None) -> Any:
    """Draw scores on changed tracks, each beside that on the clean ones.

    Args:
        names: Of the changes, the first one on top.
        values: For each figure, by its name, a value for each change.
        clean: For each figure its value on clean tracks: a line.
        axes: One matplotlib axes for each figure; new ones if `None`.

    Returns:
        A list of the matplotlib axes.

    Raises:
        ConfigError: If the shapes do not fit each other.
        MissingExtraError: If matplotlib is not installed.

    Example:

    ```python
    from keras_musictag import plotting

    left, right = plotting.plot_robustness(
        ["noise, 0.1", "noise, 0.4"],
        {"ROC-AUC": [0.85, 0.8], "PR-AUC": [0.4, 0.3]},
        {"ROC-AUC": 0.9, "PR-AUC": 0.45},
    )
    left.figure.savefig("robustness.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_robustness()")
    sizes = {len(row) for row in values.values()}
    if sizes != {len(names)} or set(values) != set(clean):
        raise ConfigError(
            "Each figure needs a value for each change, and one for clean tracks.",
            received=f"{len(names)} names, values of {sorted(sizes)} for "
            f"{list(values)}, clean values for {list(clean)}",
            advice="Give lists of the length of `names` under the same keys.",
        )
    if axes is None:
        from matplotlib.figure import Figure

        size = (9, 1.4 + 0.32 * len(names))
        figure = Figure(figsize=size, layout="constrained")
        axes = list(np.atleast_1d(figure.subplots(1, len(values), sharey=True)))
    rows = np.arange(len(names))
    for ax, (figure_name, row) in zip(axes, values.items(), strict=True):
        middle = clean[figure_name]
        ax.axvline(middle, color="black", linewidth=1.2, label=f"clean {middle:.3f}")
        ax.hlines(rows, middle, row, color="0.45", linewidth=2)
        ax.scatter(row, rows, **CHANGED)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_yticks(rows, names)
        ax.set_xlabel(f"{figure_name} (macro)")
        ax.grid(axis="x", color="0.85", linewidth=0.6)
        ax.set_axisbelow(True)
        ax.margins(x=0.12)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return axes
