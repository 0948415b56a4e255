"""Pictures of tags: over time, and one figure for each."""

from typing import Any

import numpy as np

from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.plotting.axes import new_axes


def plot_taggram(times, labels, scores, *, ax=None) -> Any:
    """Draw scores over time as a heat map, one row per label.

    Args:
        times: Start of each chunk in seconds, shape `(chunks,)`, evenly spaced.
        labels: Label names, the first one drawn on top.
        scores: Scores in [0, 1], shape `(chunks, n_labels)`.
        ax: Matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The matplotlib axes.

    Raises:
        MissingExtraError: If matplotlib is not installed.

    Example:

    ```python
    import numpy as np
    from keras_musictag import plotting

    ax = plotting.plot_taggram([0.0, 3.0], ["rock", "piano"], np.eye(2))
    ax.figure.savefig("taggram.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_taggram()")
    times, scores = np.asarray(times), np.asarray(scores)
    if ax is None:
        ax = new_axes(len(labels))
    step = times[1] - times[0] if len(times) > 1 else 3.0
    edges = np.append(times, times[-1] + step)
    rows = np.arange(len(labels) + 1) - 0.5
    mesh = ax.pcolormesh(edges, rows, scores.T, vmin=0.0, vmax=1.0, cmap="magma")
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    ax.set_xlabel("time (s)")
    ax.figure.colorbar(mesh, ax=ax, label="score")
    return ax


def plot_tag_bars(
    labels,
    values,
    *,
    intervals=None,
    baseline=None,
    name: str = "score",
    baseline_name: str = "baseline",
    chance: float | None = None,
    ax=None,
) -> Any:
    """Draw one figure of each label as bars, best first.

    Args:
        labels: Names, one for each value.
        values: Shape `(n_labels,)`; NaN for undefined, written as such at the end.
        intervals: Low and high of each value, shape `(n_labels, 2)`.
        baseline: Values of something to compare with, shape `(n_labels,)`: drawn as
            open diamonds.
        name: Of the figure.
        baseline_name: For the legend.
        chance: Value of guessing, drawn as a line; `None` for none.
        ax: Matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The matplotlib axes.

    Raises:
        ConfigError: If the shapes do not fit.
        MissingExtraError: If matplotlib is not installed.

    Example:

    ```python
    from keras_musictag import plotting

    ax = plotting.plot_tag_bars(["rock", "piano"], [0.91, 0.84], name="ROC-AUC")
    ax.figure.savefig("bars.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_tag_bars()")
    values = np.asarray(values, "float64")
    shapes = [values.shape]
    if intervals is not None:
        intervals = np.asarray(intervals, "float64")
        shapes.append(intervals.shape[:1] if intervals.shape[1:] == (2,) else ())
    if baseline is not None:
        baseline = np.asarray(baseline, "float64")
        shapes.append(baseline.shape)
    if set(shapes) != {(len(labels),)} or not len(labels):
        raise ConfigError(
            "Bars need one value for each label.",
            received=f"shapes {shapes} for {len(labels)} labels",
            advice="Give `values` (n_labels,), and `intervals` (n_labels, 2).",
        )
    order = np.argsort(-values, kind="stable")  # NaN goes to the end
    values, rows = values[order], np.arange(len(labels))
    ax = new_axes(len(labels)) if ax is None else ax
    ax.barh(rows, values, height=0.66, color="#7d9cba", edgecolor="0.25", linewidth=0.5)
    if intervals is not None:
        low, high = intervals[order].T
        ax.hlines(rows, low, high, color="black", linewidth=1.4, zorder=4)
    if baseline is not None:
        ax.scatter(
            baseline[order],
            rows,
            marker="D",
            s=26,
            facecolor="white",
            edgecolor="black",
            zorder=5,
            label=baseline_name,
        )
    if chance is not None:
        ax.axvline(chance, color="black", linewidth=1, linestyle="--", label="chance")
    _write_values(ax, rows, values)
    ax.set_yticks(rows, [labels[i] for i in order])
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    ax.set_xlabel(name)
    if baseline is not None or chance is not None:
        # Above the bars, where it hides nothing whatever their number.
        above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        ax.legend(**above, ncols=2, frameon=False)
    return ax


def _write_values(ax, rows, values):
    # In a column of their own, where neither intervals nor diamonds reach.
    for row, value in zip(rows, values, strict=True):
        text = "undefined" if np.isnan(value) else f"{value:.3f}"
        place = (1.01, row)
        ax.annotate(text, place, xycoords=ax.get_yaxis_transform(), va="center")
