"""Pictures of keys over time."""

import colorsys
from typing import Any

import numpy as np

from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.plotting.axes import new_axes

LABEL_POINTS = 10.0  # size of a key's name
# Lightness and saturation of major and minor keys: black text is easy to read on both.
TINTS = ((0.84, 0.7), (0.73, 0.6))
UNHEARD = "#e7ebef"


def key_colour(number: int) -> str:
    """Return the colour of a key, in which black text can be read.

    The circle of fifths becomes a circle of colours: keys that share most of their
    notes look alike, minor ones are darker.

    Args:
        number: Place in `keys.KEYS`: 0 to 11 for C major to B major, 12 to 23 for C
            minor to B minor.

    Returns:
        The colour as `"#rrggbb"`.
    """
    hue = (number % 12) * 7 % 12 / 12
    rgb = colorsys.hls_to_rgb(hue, *TINTS[number // 12])
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def plot_keys(intervals, labels, numbers, *, duration=None, ax=None) -> Any:
    """Draw the keys of a song as one band, each key in a colour of its own.

    Where no key was heard the band is light grey. A name is left out where the region
    is too short for it.

    Args:
        intervals: Start and end of each region in seconds, shape `(regions, 2)`.
        labels: Name of each region's key, as it shall be written.
        numbers: Which key it is, int `(regions,)`: 0 to 11 for C major to B major, 12
            to 23 for C minor to B minor, as in `keys.KEYS`.
        duration: Length of the song in seconds; `None` for the last end.
        ax: Matplotlib axes to draw into; a new figure if `None`.

    Returns:
        The matplotlib axes.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        ConfigError: If the shapes do not fit each other, or there is no such key.

    Example:

    ```python
    from keras_musictag import plotting

    ax = plotting.plot_keys([[0, 90], [90, 120]], ["C 8B", "D 10B"], [0, 2])
    ax.figure.savefig("keys.png")
    ```
    """
    import_extra("matplotlib", "plot", "plot_keys()")
    intervals = np.asarray(intervals, dtype="float64").reshape(-1, 2)
    numbers = np.asarray(numbers, dtype=int)
    if not len(intervals) == len(labels) == len(numbers):
        raise ConfigError(
            "A picture of keys needs as many labels and numbers as intervals.",
            received=f"{len(intervals)} intervals, {len(labels)} labels, "
            f"{len(numbers)} numbers",
            advice="Give one of each for every region.",
        )
    if ((numbers < 0) | (numbers > 23)).any():
        raise ConfigError(
            "Keys are numbered from 0 to 23.",
            received=f"numbers={numbers.tolist()}",
            advice="Give 0 to 11 for major keys from C up, 12 to 23 for minor ones.",
        )
    ax = new_axes(1) if ax is None else ax
    last = float(intervals[-1, 1]) if len(intervals) else 1.0
    end = float(duration or last)
    ax.barh(0, end, height=1.0, color=UNHEARD)
    ax.barh(
        np.zeros(len(intervals)),
        np.diff(intervals)[:, 0],
        left=intervals[:, 0],
        height=1.0,
        color=[key_colour(number) for number in numbers],
        edgecolor="0.3",
        linewidth=0.6,
    )
    ax.set(xlim=(0.0, end), ylim=(-0.5, 0.5), xlabel="time (s)", yticks=[])
    _name_keys(ax, intervals, labels, end)
    return ax


def _name_keys(ax, intervals, labels, end):
    width = ax.get_window_extent().width * 72 / ax.figure.dpi  # in points
    for (start, stop), label in zip(intervals, labels, strict=True):
        needed = 0.65 * LABEL_POINTS * (len(label) + 1)
        if (stop - start) * width / end >= needed:
            middle = (start + stop) / 2
            names = {"ha": "center", "va": "center", "fontsize": LABEL_POINTS}
            ax.text(middle, 0, label, color="black", **names)
