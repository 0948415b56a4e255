"""Pictures of plain arrays; needs the extra `plot`."""

import numpy as np

from keras_musictag.errors import import_extra


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


def _new_axes(n_rows: int):
    from matplotlib.figure import Figure

    # A Figure of its own, not pyplot's: no global state, no display needed.
    figure = Figure(figsize=(9, 1.2 + 0.28 * n_rows), layout="constrained")
    return figure.add_subplot()
