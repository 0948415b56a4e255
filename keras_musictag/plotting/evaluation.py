"""Pictures of how good predictions are."""

from typing import Any

import numpy as np

from keras_musictag.errors import ConfigError, import_extra

# Told apart without colour.
LINE_STYLES = ("--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)))


def plot_curves(targets, scores, labels, *, axes=None) -> Any:
    """Draw the ROC and the precision-recall curve of each label, and their means.

    The mean is vertical: over the labels, at each false-positive rate (at each recall).
    Up to five labels have lines of their own; of more, all are thin and grey, and those
    with the best and the worst area are named.

    Args:
        targets: 0, 1 or NaN for unknown, shape `(tracks, n_labels)`.
        scores: Shape `(tracks, n_labels)`.
        labels: Names, one for each column. Labels without positives or without
            negatives have no curve; the title counts them.
        axes: Two matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The two axes.

    Raises:
        ConfigError: If the shapes do not fit, or no label has a curve.
        MissingExtraError: If matplotlib is not installed.

    References:
        - Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters,
          2006: vertical averaging.

    Example:

    ```python
    import numpy as np
    from keras_musictag import plotting

    targets = np.arange(100)[:, None] % [2, 5] == 0
    left, right = plotting.plot_curves(
        targets, targets + np.random.randn(100, 2), ["rock", "piano"]
    )
    left.figure.savefig("curves.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_curves()")
    targets, scores = np.asarray(targets, "float64"), np.asarray(scores, "float64")
    if targets.shape != scores.shape or targets.shape[1:] != (len(labels),):
        raise ConfigError(
            "Curves need targets and scores of shape (tracks, n_labels).",
            received=f"{targets.shape}, {scores.shape} and {len(labels)} labels",
            advice="Give both in the same order of tracks and labels.",
        )
    curves = _label_curves(targets, scores, labels)
    if not curves:
        raise ConfigError(
            "No label has both positives and negatives: there is no curve to draw.",
            received=f"{np.nansum(targets):g} positives of {len(labels)} labels",
            advice="Check that the tags of the data were matched to these labels.",
        )
    if axes is None:
        from matplotlib.figure import Figure

        lines = len(curves) + 1 if len(curves) <= len(LINE_STYLES) else 3
        size = (9, 5.2 + 0.27 * lines)
        axes = Figure(figsize=size, layout="constrained").subplots(1, 2)
    roc, pr = ({name: curve[part] for name, curve in curves.items()} for part in (0, 1))
    left, right = axes
    left.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":")
    _draw_curves(left, roc, step=None)
    _draw_curves(right, pr, step="post")
    left.set(xlabel="false-positive rate", ylabel="true-positive rate", title="ROC")
    right.set(xlabel="recall", ylabel="precision", title="precision and recall")
    missing = len(labels) - len(curves)
    if missing:
        left.set_title(f"ROC ({missing} of {len(labels)} labels undefined)")
    for ax in axes:
        ax.set(xlim=(0, 1), ylim=(0, 1.02))
        ax.set_box_aspect(1)
        ax.set_anchor("N")  # leaves the room below to the legend
        ax.grid(color="0.9", linewidth=0.6)
        ax.set_axisbelow(True)
    return left, right


def _label_curves(targets, scores, labels):
    """For each label its ROC and precision-recall curve, each `(x, y, area)`."""
    from sklearn.metrics import (
        auc,
        average_precision_score,
        precision_recall_curve,
        roc_curve,
    )

    curves = {}
    for name, truth, values in zip(labels, targets.T, scores.T, strict=True):
        known = ~np.isnan(truth)
        truth, values = truth[known], values[known]
        if truth.size and truth.min() < truth.max():
            false, true, _ = roc_curve(truth, values)
            precision, recall, _ = precision_recall_curve(truth, values)
            average = average_precision_score(truth, values)
            # Rising recall, with the precision that holds up to it.
            falling = (recall[::-1], precision[::-1], average)
            curves[name] = ((false, true, auc(false, true)), falling)
    return curves


def _draw_curves(ax, curves, *, step):
    ranked = sorted(curves, key=lambda name: curves[name][2])
    few = len(curves) <= len(LINE_STYLES)
    named = list(curves) if few else [ranked[-1], ranked[0]]
    drawstyle = "steps-pre" if step else "default"
    if not few:
        for x, y, _ in curves.values():
            ax.plot(x, y, color="0.75", linewidth=0.6, drawstyle=drawstyle)
    grid = np.linspace(0, 1, 501)
    heights = [_heights(curve, grid, step) for curve in curves.values()]
    mean = np.mean([area for _, _, area in curves.values()])
    if len(curves) > 1:
        ax.plot(
            grid,
            np.mean(heights, axis=0),
            "k",
            lw=2.4,
            label=f"mean of labels {mean:.3f}",
        )
    for number, name in enumerate(named):
        x, y, area = curves[name]
        role = "" if few else "best: " if number == 0 else "worst: "
        ax.plot(
            x,
            y,
            color=str(0.15 + 0.1 * number),
            linestyle=LINE_STYLES[number],
            linewidth=1.3,
            drawstyle=drawstyle,
            label=f"{role}{name} {area:.3f}",
        )
    # Below, since precision-recall curves may run anywhere.
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.15)}
    ax.legend(**below, fontsize=10, title="area", title_fontsize=10)


def _heights(curve, grid, step):
    x, y, _ = curve
    if not step:
        return np.interp(grid, x, y)
    return y[np.minimum(np.searchsorted(x, grid - 1e-12), len(y) - 1)]


def plot_confusion(matrix, labels, *, normalize: bool = True, ax=None) -> Any:
    """Draw a confusion matrix: rows are targets, columns are guesses.

    Args:
        matrix: Counts (or seconds) of each pair, shape `(classes, classes)`.
        labels: Names of the classes.
        normalize: Whether to draw shares of each row in percent rather than counts; a
            class that never occurs stays empty.
        ax: Matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The matplotlib axes. Cells have numbers up to 25 classes.

    Raises:
        ConfigError: If the shapes do not fit.
        MissingExtraError: If matplotlib is not installed.

    Example:

    ```python
    from keras_musictag import plotting

    ax = plotting.plot_confusion([[8, 2], [1, 9]], ["jazz", "rock"])
    ax.figure.savefig("confusion.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_confusion()")
    matrix = np.asarray(matrix, "float64")
    if matrix.shape != (len(labels), len(labels)) or not len(labels):
        raise ConfigError(
            "A confusion matrix needs a row and a column for each label.",
            received=f"shape {matrix.shape} for {len(labels)} labels",
            advice="Give counts of target by guess, and the names in the same order.",
        )
    size = 2.6 + 0.42 * max(6, len(labels))
    if ax is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(size + 0.6, size), layout="constrained")
        ax = figure.add_subplot()
    shown, top, legend = matrix, max(matrix.max(), 1e-9), "count"
    if normalize:
        total = matrix.sum(axis=1, keepdims=True)
        empty = np.full_like(matrix, np.nan)
        shown = 100 * np.divide(matrix, total, out=empty, where=total > 0)
        top, legend = 100.0, "share of row (%)"
    image = ax.imshow(shown, cmap="Greys", vmin=0, vmax=top)
    ax.set_xticks(range(len(labels)), labels, rotation=90)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_xlabel("guess")
    ax.set_ylabel("target")
    if len(labels) <= 25:
        for (row, column), value in np.ndenumerate(shown):
            if value > 0:
                colour = "white" if value > 0.55 * top else "black"
                text = f"{value:.0f}"
                ax.text(column, row, text, ha="center", va="center", color=colour)
    ax.figure.colorbar(image, ax=ax, label=legend, shrink=0.8)
    return ax


def plot_history(history, *, best: float | None = None, axes=None) -> Any:
    """Draw training curves: a panel for each figure, training beside validation.

    Args:
        history: What `fit` returns (its `.history`), a dict of lists by the name of the
            figure, or a list with a dict for each epoch, such as `TrainingRun.history`.
            `x` and `val_x` share a panel; an entry `epoch` numbers the epochs.
        best: Number of the epoch to mark, as on the horizontal axis.
        axes: As many matplotlib axes as panels; a new figure if `None`.

    Returns:
        The matplotlib axes, one for each figure, in the order of the history.

    Raises:
        ConfigError: If there are no epochs, or not as many axes as panels.
        MissingExtraError: If matplotlib is not installed.

    Example:

    ```python
    from keras_musictag import plotting

    history = {"loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.7]}
    (ax,) = plotting.plot_history(history, best=2)
    ax.figure.savefig("training.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_history()")
    epochs, curves = _epochs(history)
    panels = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    if axes is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 0.5 + 2.4 * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    if len(axes) != len(panels):
        raise ConfigError(
            "Training curves need an axis for each figure.",
            received=f"{len(axes)} axes for {', '.join(panels)}",
            advice="Give as many, or leave `axes` out.",
        )
    looks = {"": ("training", "0.55", "--"), "val_": ("validation", "black", "-")}
    for ax, panel in zip(axes, panels, strict=True):
        for prefix, (role, colour, style) in looks.items():
            values = curves.get(prefix + panel)
            if values is not None:
                options = {"color": colour, "linestyle": style, "marker": "."}
                ax.plot(epochs, values, label=role, **options)
        if best is not None:
            ax.axvline(best, color="0.3", linewidth=0.8, linestyle=":", label="best")
        ax.set_ylabel(panel.replace("_", " "))
        ax.grid(color="0.9", linewidth=0.6)
        ax.locator_params(axis="x", integer=True)
    axes[0].legend(loc="upper right", bbox_to_anchor=(1, 1.2), ncols=3, frameon=False)
    axes[-1].set_xlabel("epoch")
    return axes


def _epochs(history) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the number of each epoch, and the values of each figure (NaN: none)."""
    history = getattr(history, "history", history)
    if not isinstance(history, dict):
        names = dict.fromkeys(name for row in history for name in row)
        history = {n: [row.get(n, np.nan) for row in history] for n in names}
    curves = {name: np.asarray(v, "float64") for name, v in history.items()}
    numbers = curves.pop("epoch", None)
    lengths = {len(values) for values in curves.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise ConfigError(
            "Training curves need one value of each figure for each epoch.",
            received=f"{sorted(lengths)} values of {', '.join(curves) or 'nothing'}",
            advice="Give `fit(...).history`, or the `history` of a `TrainingRun`.",
        )
    return (np.arange(1, lengths.pop() + 1) if numbers is None else numbers), curves
