"""Pictures of chords over time."""

from typing import Any

import numpy as np

from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.plotting.axes import new_axes

# Rows of a chord picture from the bottom; the one above them is for no chord.
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
LABEL_POINTS = 8.5  # size of a chord's name


def plot_chords(
    intervals, labels, roots, *, filled=None, chroma=None, times=None, ax=None
) -> Any:
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
    ax = new_axes(11) if ax is None else ax
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
