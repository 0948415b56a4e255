"""Pictures of plain arrays; needs the extra `plot`."""

import numpy as np

from keras_musictag.errors import ConfigError, import_extra

# Rows of a chord picture from the bottom; the one above them is for no chord.
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
LABEL_POINTS = 8.5  # size of a chord's name
# Told apart without colour.
LINE_STYLES = ("--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)))


def plot_taggram(times, labels, scores, *, ax=None):
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
        ax = _new_axes(len(labels))
    step = times[1] - times[0] if len(times) > 1 else 3.0
    edges = np.append(times, times[-1] + step)
    rows = np.arange(len(labels) + 1) - 0.5
    mesh = ax.pcolormesh(edges, rows, scores.T, vmin=0.0, vmax=1.0, cmap="magma")
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    ax.set_xlabel("time (s)")
    ax.figure.colorbar(mesh, ax=ax, label="score")
    return ax


def plot_spectrogram(
    levels, frequencies, frame_seconds, *, notes=True, label="level", ax=None
):
    """Draw a mel, CQT or harmonic spectrogram over seconds and pitch.

    Args:
        levels: What to draw, shape `(frames, bins)`: this package's order, the
            transpose of librosa's.
        frequencies: Centre of each bin in Hz, shape `(bins,)`, rising.
        frame_seconds: Time from one frame to the next, in seconds.
        notes: Whether to mark the Cs (`C1`, `C2`, ...) rather than frequencies.
        label: Of the colour bar.
        ax: Matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The matplotlib axes; frequency is logarithmic.

    Raises:
        ConfigError: If the shapes do not fit each other.
        MissingExtraError: If matplotlib is not installed.

    Example:

    ```python
    import numpy as np
    from keras_musictag import plotting

    frequencies = 32.7 * 2 ** (np.arange(84) / 12)
    ax = plotting.plot_spectrogram(np.random.rand(100, 84), frequencies, 0.02)
    ax.figure.savefig("cqt.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_spectrogram()")
    levels, frequencies = np.asarray(levels), np.asarray(frequencies, "float64")
    if levels.ndim != 2 or frequencies.shape != levels.shape[1:]:
        raise ConfigError(
            "`levels` must be (frames, bins), with one frequency for each bin.",
            received=f"shapes {levels.shape} and {frequencies.shape}",
            advice="Pass one item without its batch axis; transpose what librosa made.",
        )
    if ax is None:
        ax = _new_axes(10)
    frames = np.arange(len(levels) + 1) - 0.5  # a frame is centred on its time
    shown = frequencies > 0  # a logarithmic axis has no place for 0 Hz
    edges = _edges(frequencies[shown])
    picture = levels[:, shown].T
    mesh = ax.pcolormesh(frames * frame_seconds, edges, picture, cmap="magma")
    ax.set_yscale("log")
    ax.minorticks_off()
    ticks, names = _pitch_ticks(edges[0], edges[-1], notes)
    ax.set_yticks(ticks, names)
    ax.set_xlabel("time (s)")
    ax.set_ylabel("pitch" if notes else "frequency (Hz)")
    ax.figure.colorbar(mesh, ax=ax, label=label)
    return ax


def plot_filters(kernels, sample_rate, *, n_shown=6, axes=None):
    """Draw learned filters of a waveform front-end in time and in frequency.

    Args:
        kernels: Filters of `SincConv` (`.filters()`) or of a `Conv1D` on a waveform
            (`kernel[:, 0, :].T`), shape `(filters, taps)`.
        sample_rate: Of the waveform, in Hz.
        n_shown: Filters in the left picture, spread evenly over all of them.
        axes: Two matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The two axes: some of the filters over milliseconds, and the frequency
        response of all of them in dB below each one's maximum, sorted by the
        frequency that each one passes best.

    Raises:
        ConfigError: If `kernels` is not `(filters, taps)`.
        MissingExtraError: If matplotlib is not installed.

    References:
        - Ravanelli and Bengio, "Speaker recognition from raw waveform with SincNet",
          SLT 2018.

    Example:

    ```python
    import numpy as np
    from keras_musictag import plotting

    left, right = plotting.plot_filters(np.random.randn(40, 251), 22050)
    left.figure.savefig("filters.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_filters()")
    kernels = np.asarray(kernels, "float64")
    if kernels.ndim != 2 or not kernels.size:
        raise ConfigError(
            "`kernels` must be (filters, taps).",
            received=f"shape {kernels.shape}",
            advice="For a Conv1D layer pass `layer.kernel[:, 0, :].T`.",
        )
    if axes is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 4.5), layout="constrained")
        axes = figure.subplots(1, 2, width_ratios=(2, 3))
    points = max(1024, kernels.shape[1])
    response = np.abs(np.fft.rfft(kernels, points))
    order = np.argsort(response.argmax(axis=1), kind="stable")
    kernels, response = kernels[order], response[order]
    left, right = axes
    _draw_waves(left, kernels, sample_rate, n_shown)
    peaks = np.maximum(response.max(axis=1, keepdims=True), 1e-12)
    decibels = 20 * np.log10(np.maximum(response / peaks, 1e-3))
    hertz = np.linspace(0, sample_rate / 2, response.shape[1])
    rows = np.arange(len(kernels) + 1) + 0.5
    mesh = right.pcolormesh(
        _edges(hertz, log=False), rows, decibels, vmin=-60, vmax=0, cmap="magma"
    )
    right.set_xlabel("frequency (Hz)")
    right.set_ylabel("filter, by centre frequency")
    right.figure.colorbar(mesh, ax=right, label="response (dB)")
    return left, right


def _draw_waves(ax, kernels, sample_rate, n_shown: int) -> None:
    taps = kernels.shape[1]
    milliseconds = (np.arange(taps) - (taps - 1) / 2) * 1000 / sample_rate
    count = min(n_shown, len(kernels))
    chosen = np.unique(np.linspace(0, len(kernels) - 1, count).round().astype(int))
    for row, number in enumerate(chosen):
        wave = kernels[number] / max(np.abs(kernels[number]).max(), 1e-12)
        ax.plot(milliseconds, row + 0.45 * wave, color="black", linewidth=0.8)
    ax.set_yticks(range(len(chosen)), [str(number + 1) for number in chosen])
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("filter")


def _edges(centres, *, log: bool = True) -> np.ndarray:
    """Borders half-way between centres, on a logarithmic or linear axis."""
    values = np.log(centres) if log else np.asarray(centres, "float64")
    if len(values) == 1:
        middle, first, last = values[:0], values[0] - 0.03, values[0] + 0.03
    else:
        middle = (values[1:] + values[:-1]) / 2
        first = values[0] - (middle[0] - values[0])
        last = values[-1] + (values[-1] - middle[-1])
    edges = np.concatenate([[first], middle, [last]])
    return np.exp(edges) if log else edges


def _pitch_ticks(low: float, high: float, notes: bool) -> tuple[list, list[str]]:
    if notes:  # C4 is middle C, 261.63 Hz
        ticks = {f"C{octave}": 261.6256 * 2.0 ** (octave - 4) for octave in range(11)}
    else:
        steps = [a * 10**b for b in range(1, 5) for a in (1, 2, 5)]
        ticks = {str(hertz): float(hertz) for hertz in steps}
    inside = {name: hertz for name, hertz in ticks.items() if low <= hertz <= high}
    return list(inside.values()), list(inside)


def _new_axes(n_rows: int):
    from matplotlib.figure import Figure

    # A Figure of its own, not pyplot's: no global state, no display needed.
    figure = Figure(figsize=(9, 1.2 + 0.28 * n_rows), layout="constrained")
    return figure.add_subplot()


def plot_chords(
    intervals, labels, roots, *, filled=None, chroma=None, times=None, ax=None
):
    """Draw chords over time: a bar on the row of each chord's root, names above.

    The row tells the root and the filling the kind of chord, so that the picture reads
    without colour. A name is left out where the one before leaves no room for it.

    Args:
        intervals: Start and end of each chord in seconds, shape `(segments, 2)`.
        labels: Name of each chord, as it shall be written.
        roots: Pitch class of each root, 0 for C to 11 for B; -1 for no chord.
        filled: For each chord whether its bar is filled or open; `None` for filled.
        chroma: Drawn in grey behind the chords, array `(frames, 12)` from C to B, not
            negative: the transpose of librosa's.
        times: Start of each frame of `chroma` in seconds; `None`: evenly spaced from
            0 to the last end.
        ax: Matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The matplotlib axes.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        ConfigError: If the shapes do not fit each other.

    Example:

    ```python
    from keras_musictag import plotting

    ax = plotting.plot_chords([[0, 2], [2, 4]], ["C", "Am"], [0, 9])
    ax.figure.savefig("chords.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_chords()")
    intervals = np.asarray(intervals, dtype="float64").reshape(-1, 2)
    roots = np.asarray(roots, dtype=int)
    filled = np.ones(len(roots), bool) if filled is None else np.asarray(filled, bool)
    if not len(intervals) == len(labels) == len(roots) == len(filled):
        raise ConfigError(
            "A picture of chords needs as many labels and roots as intervals.",
            received=f"{len(intervals)} intervals, {len(labels)} labels, "
            f"{len(roots)} roots, {len(filled)} flags",
            advice="Give one of each for every chord.",
        )
    ax = _new_axes(11) if ax is None else ax
    end = float(intervals[-1, 1]) if len(intervals) else 1.0
    if chroma is not None:
        _draw_chroma(ax, chroma, times, end)
    rows = np.where(roots < 0, 12, roots)
    fills = np.where(roots < 0, "0.8", np.where(filled, "#1f5a8a", "white"))
    ax.barh(
        rows,
        np.diff(intervals)[:, 0],
        left=intervals[:, 0],
        height=0.62,
        color=fills,
        edgecolor="black",
        linewidth=1.0,
        zorder=3,
    )
    ax.set_yticks(range(13), [*PITCH_CLASSES, "none"], fontsize=8)
    ax.set_ylim(-0.6, 12.6)
    ax.set_xlim(0.0, end)
    ax.set_xlabel("time (s)")
    ax.set_ylabel("root")
    ax.set_axisbelow(True)
    ax.grid(axis="y", color="0.85", linewidth=0.6)
    _name_chords(ax, intervals, labels, end)
    return ax


def _draw_chroma(ax, chroma, times, end):
    chroma = np.asarray(chroma, dtype="float64")
    if times is None:
        times = np.arange(len(chroma)) * (end / max(1, len(chroma)))
    times = np.asarray(times, dtype="float64")
    if chroma.ndim != 2 or chroma.shape[1] != 12 or len(times) != len(chroma):
        raise ConfigError(
            "`chroma` must have 12 columns, and one row for each of `times`.",
            received=f"shape {chroma.shape}, {len(times)} times",
            advice="Give (frames, 12) from C to B; transpose librosa's chroma.",
        )
    peak = max(chroma.max(initial=0.0), 1e-9)
    edges = np.append(times, max(end, times[-1] + 1e-3))
    # The darkest grey stays light enough for bars and edges to stand out.
    ax.pcolormesh(
        edges, np.arange(13) - 0.5, (chroma / peak).T, cmap="Greys", vmin=0, vmax=1.6
    )


def _name_chords(ax, intervals, labels, end):
    width = ax.get_window_extent().width * 72 / ax.figure.dpi  # in points
    free = -np.inf
    for (start, stop), label in zip(intervals, labels, strict=True):
        middle = (start + stop) / 2 * width / end
        if middle - free >= LABEL_POINTS * 1.15:
            ax.annotate(
                label,
                ((start + stop) / 2, 12.6),
                xytext=(0, 3),
                textcoords="offset points",
                rotation=90,
                ha="center",
                va="bottom",
                fontsize=LABEL_POINTS,
            )
            free = middle


def plot_curves(targets, scores, labels, *, axes=None):
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


def plot_confusion(matrix, labels, *, normalize: bool = True, ax=None):
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
):
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
    ax = _new_axes(len(labels)) if ax is None else ax
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
