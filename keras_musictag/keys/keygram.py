"""`Keygram`: how likely each key is in each window of a track."""

import dataclasses

import numpy as np

from keras_musictag.checks import check_positive
from keras_musictag.chords.analysis import MODES, key_label
from keras_musictag.errors import ConfigError
from keras_musictag.keys.sequence import KeySequence

# All keys: the major ones from C up, then the minor ones.
KEYS = tuple(key_label(tonic, mode) for mode in MODES for tonic in range(12))
# Natural logarithms: what the windows must say together for a change of key.
CHANGE = 3.0
# A key of no more probability is none: noise.
LEAST = 0.25
# Probabilities below this are this: no window alone rules a key out.
TINY = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class Keygram:
    """What a key recogniser says about one track, window by window.

    Args:
        probabilities: Of each of `KEYS` (the major keys from C up, then the minor
            ones) in each window, float array `(windows, 24)`; a row of zeros where
            nothing was heard.
        intervals: Start and end of the windows in seconds, `(windows, 2)`, rising;
            they may overlap.
        overall: Of each key in the whole track, float array `(24,)`; `None` for the
            mean over the windows in which something was heard.
        duration: Length of the recording in seconds.

    Raises:
        ConfigError: If the arrays do not fit each other, or the duration is not above
            0.

    Example:

    ```python
    import keras_musictag as kmt

    recognizer = kmt.ChordKeyRecognizer.from_pretrained()
    keygram = recognizer.keygram(kmt.audio.demo_path())
    print(keygram.decode())
    print(keygram.decode(change=1.0))  # follows each turn of the harmony
    ```
    """

    probabilities: np.ndarray
    intervals: np.ndarray
    overall: np.ndarray | None
    duration: float

    def __post_init__(self):
        check_positive(self.duration, name="duration")
        rows, pairs = np.shape(self.probabilities), np.shape(self.intervals)
        whole = (24,) if self.overall is None else np.shape(self.overall)
        if rows != (len(self.intervals), 24) or pairs != (rows[0], 2) or whole != (24,):
            raise ConfigError(
                "A keygram needs 24 probabilities for each window.",
                received=f"shapes {rows}, {pairs} and {whole}",
                advice="Give arrays (windows, 24), (windows, 2) and (24,).",
            )
        if self.overall is None:
            heard = self.probabilities[np.any(self.probabilities > 0, axis=1)]
            mean = heard.mean(axis=0) if len(heard) else np.zeros(24)
            # A frozen dataclass is filled in this way.
            object.__setattr__(self, "overall", mean)

    def decode(self, *, change: float = CHANGE, least: float = LEAST) -> KeySequence:
        """Find the key of the song, and the regions of other keys.

        The key of the song is the one with the largest probability overall. The
        regions are the most probable path through the windows (Viterbi's algorithm);
        a window counts by the share of it that no other window hears. If the path has
        one key only, that is the key of the song. Regions without a probable key are
        left out; where all are, and no key is probable overall, there is none.

        Args:
            change: How unlikely a change of key is, as a natural logarithm: higher
                gives fewer and longer regions.
            least: A key whose probability is not above this is no key.

        Returns:
            The `KeySequence`; without a key and with the confidence 0 where no key is
            probable enough. Music in several keys has one of low confidence.

        Raises:
            ConfigError: If an option is out of range.
        """
        check_decoding(change, least)
        overall = np.asarray(self.overall)
        best = int(overall.argmax())
        sure = min(float(overall[best]), 1.0)
        regions = [r for r in self._regions(best, change) if r[3] > least]
        if not regions and sure > least:
            regions = [(0.0, self.duration, KEYS[best], sure)]
        columns = list(zip(*regions, strict=True)) or [()] * 4
        intervals = np.array(columns[:2], dtype="float64").T
        return KeySequence(
            intervals,
            *columns[2:],
            key=KEYS[best] if regions else None,
            confidence=sure if regions else 0.0,
            duration=self.duration,
        )

    def _regions(self, best: int, change: float) -> list[tuple]:
        """Return start, end, key and confidence of the regions of the best path.

        Args:
            best: The key of the song, which a path of one key has.
            change: See `decode`.
        """
        rows = np.asarray(self.probabilities, dtype="float64")
        heard = np.any(rows > 0, axis=1)
        if not heard.any():
            return []
        bounds, path = self._bounds(), self._path(rows, heard, change)
        if len(set(path[heard])) == 1:
            path = np.full(len(path), best)
        # Where the key changes, and where music begins or ends.
        turns = np.flatnonzero((np.diff(path) != 0) | (np.diff(heard * 1) != 0)) + 1
        starts, ends = np.append(0, turns), np.append(turns, len(path))
        return [
            (bounds[i], bounds[j], KEYS[path[i]], min(rows[i:j, path[i]].mean(), 1.0))
            for i, j in zip(starts, ends, strict=True)
            if heard[i]
        ]

    def _bounds(self) -> np.ndarray:
        """Where one window ends to speak and the next begins, `(windows + 1,)`."""
        centres = np.mean(self.intervals, axis=1)
        between = (centres[1:] + centres[:-1]) / 2
        return np.concatenate([[0.0], between, [self.duration]])

    def _path(self, rows, heard, change: float) -> np.ndarray:
        """Return the most probable key of each window, int array `(windows,)`."""
        lengths = np.diff(self.intervals, axis=1)[:, 0]
        shares = np.minimum(np.diff(self._bounds()) / lengths, 1.0)
        logs = np.log(np.maximum(rows, TINY)) * (shares * heard)[:, None]
        score, origin = logs[0], np.zeros((len(rows), 24), dtype=int)
        for i in range(1, len(rows)):
            best = int(score.argmax())
            changed = score[best] - change
            stays = score >= changed
            origin[i] = np.where(stays, np.arange(24), best)
            score = np.where(stays, score, changed) + logs[i]
        path = np.zeros(len(rows), dtype=int)
        path[-1] = score.argmax()
        for i in range(len(rows) - 1, 0, -1):
            path[i - 1] = origin[i, path[i]]
        return path


def check_decoding(change: float = CHANGE, least: float = LEAST) -> None:
    """Refuse options of `Keygram.decode` that cannot work.

    Raises:
        ConfigError: If `change` is not above 0, or `least` is not from 0 to below 1.
    """
    check_positive(change, name="change")
    if isinstance(least, bool) or not 0 <= least < 1:
        raise ConfigError(
            "`least` must be a probability from 0 to below 1.",
            received=f"least={least!r}",
            advice="0 takes whatever is most probable for the key.",
        )


def mean_of_logarithms(rows) -> np.ndarray:
    """Average probabilities as logarithms.

    Args:
        rows: float array `(n, 24)`; rows of zeros do not count.

    Returns:
        float64 `(24,)` of sum 1; zeros if no row counts.
    """
    rows = np.asarray(rows, dtype="float64")
    heard = rows[np.any(rows > 0, axis=1)]
    if len(heard) < 2:
        return heard.sum(axis=0)
    logs = np.log(np.maximum(heard, np.finfo("float32").tiny)).mean(axis=0)
    chances = np.exp(logs - logs.max())
    return chances / chances.sum()
