"""Pictures of spectrograms and of learned filters."""

from typing import Any

import numpy as np

from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.plotting.axes import new_axes


def plot_spectrogram(
    levels, frequencies, frame_seconds, *, notes=True, label="level", ax=None
) -> Any:
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
        ax = new_axes(10)
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


def plot_filters(kernels, sample_rate, *, n_shown=6, axes=None) -> Any:
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
