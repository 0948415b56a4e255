"""The bar pointer: beats and bars as the likeliest path of a hidden Markov model."""

import numpy as np

# Weights of transitions from here down are none (the resolution of float64).
LEAST_WEIGHT = np.finfo("float64").eps
# A beat sounds in the first part of its interval, one of so many.
PARTS = 16


class BarPointer:
    """Tempo and place in the bar as hidden states, frame by frame.

    A state is a beat of the bar, the interval from this beat to the next in whole
    frames, and how much of it is over. Only a beat's end changes the interval, the
    less likely the larger the change. The most probable path is found beat by beat
    instead of state by state: a beat of `n` frames that ends in a frame began `n`
    frames earlier, and all frames closer together than the shortest interval are
    computed at once.

    Args:
        meters: Beats to the bar that are tried; a path keeps one.
        intervals: The shortest and the longest interval between beats, in frames.
        change: How unlikely changes of tempo are: an interval changes with weight
            `exp(-change * |ratio - 1|)`.
        prior: float array `(intervals,)`: natural logarithm of a weight for each beat
            of each interval; `None` for none.

    References:
        - Krebs, Böck, Widmer, "An efficient state-space model for joint tempo and
          meter tracking", ISMIR 2015.
    """

    def __init__(self, meters, intervals, change, prior=None):
        self.meters = tuple(meters)
        self.intervals = np.arange(intervals[0], intervals[1] + 1)
        self.weights = _transitions(self.intervals, change)
        self.prior = np.zeros(len(self.intervals)) if prior is None else prior

    def decode(self, beat: np.ndarray, downbeat: np.ndarray | None = None):
        """Find the most probable path.

        Args:
            beat: float array `(frames,)`: the probability of a beat; of one that is
                no downbeat if `downbeat` is given.
            downbeat: The same of downbeats; `None` treats all beats alike.

        Returns:
            Frames of the beats, int array `(beats,)`, and their numbers in the bar
            from 0, int array `(beats,)`.
        """
        log = _log_densities(beat, downbeat)
        paths = [self._path(meter, *log) for meter in self.meters]
        starts, spans, numbers, _ = max(paths, key=lambda path: path[-1])
        loudest = beat if downbeat is None else np.maximum(beat, downbeat)
        beats = []
        for start, span, number in zip(starts, spans, numbers, strict=True):
            first, end = max(start, 0), start - (-span // PARTS)
            if end > first:
                beats.append((first + int(loudest[first:end].argmax()), number))
        frames, numbers = np.array(beats, dtype=int).reshape(-1, 2).T
        return frames, numbers

    def _path(self, meter, log_first, log_other, log_none):
        """Return starts, intervals and numbers of the beats, and the logarithm."""
        spans, columns = self.intervals, np.arange(len(self.intervals))
        # Silent frames around the track: a path may begin and end within a beat.
        pad, step = int(spans[-1]), int(spans[0])
        rows = pad + len(log_none)
        sums = [
            np.concatenate([np.zeros(pad + 1), np.cumsum(log), np.full(pad, log.sum())])
            for log in (log_first, log_other, log_none)
        ]
        # The best path to a beat, by its number, start and interval; of the last
        # frames only. At the start every state is as likely: beats that began before.
        begins = np.arange(pad + 1)[:, None]
        recent = np.where(begins + spans > pad, 0.0, -np.inf)[None].repeat(meter, 0)
        origin = np.zeros((meter, rows, len(spans)), dtype=np.int16)
        moves = np.empty((meter, step, len(spans), len(spans)))
        for start in range(pad + 1, rows, step):
            now = np.arange(start, min(start + step, rows))
            begun = now[:, None] - spans
            ended = recent[:, begun - start, columns] + self._scores(begun, meter, sums)
            # (beats, frames, to, from)
            part = np.add(ended[:, :, None], self.weights.T, out=moves[:, : len(now)])
            chosen = part.argmax(axis=-1)
            reached = np.take_along_axis(part, chosen[..., None], axis=-1)[..., 0]
            origin[:, now] = chosen[np.arange(meter) - 1]
            reached = reached[np.arange(meter) - 1]
            recent = np.concatenate([recent[:, len(now) :], reached], axis=1)
        # The last beat goes on beyond the end.
        begins = np.arange(rows - pad - 1, rows)[:, None]
        last = recent + self._scores(begins.repeat(len(spans), 1), meter, sums)
        last[:, begins + spans < rows] = -np.inf
        beat, row, column = np.unravel_index(int(last.argmax()), last.shape)
        total = float(last[beat, row, column]) - np.log(meter * spans.sum())
        frame, path = int(begins[row, 0]), []
        while True:
            path.append((frame - pad, int(spans[column]), int(beat)))
            if frame <= pad:
                break
            column, beat = origin[beat, frame, column], (beat - 1) % meter
            frame -= int(spans[column])
        starts, lengths, numbers = zip(*path[::-1], strict=True)
        return starts, lengths, numbers, total

    def _scores(self, begun, meter, sums):
        """What each beat of a bar says that begins in a frame and lasts an interval.

        Args:
            begun: int array `(frames, intervals)`.
            meter: Beats to the bar.
            sums: Of the logarithms of first beats, others and none up to each frame.

        Returns:
            float64 `(meter, frames, intervals)`.
        """
        head, none = begun - (-self.intervals // PARTS), sums[2]
        rest = none[begun + self.intervals] - none[head] + self.prior
        first, other = (heads[head] - heads[begun] + rest for heads in sums[:2])
        return np.stack([first] + [other] * (meter - 1))


def _transitions(spans, change):
    """Natural logarithms `(from, to)`, rows normalised."""
    weights = np.exp(-change * np.abs(spans / spans[:, None] - 1))
    weights[weights <= LEAST_WEIGHT] = 0
    with np.errstate(divide="ignore"):
        return np.log(weights / weights.sum(axis=1, keepdims=True))


def _log_densities(beat, downbeat):
    """Logarithms of what each frame says: of first beats, of others, of none."""
    beat = np.asarray(beat, dtype="float64")
    every = beat if downbeat is None else beat + downbeat
    first = beat if downbeat is None else np.asarray(downbeat, dtype="float64")
    none = (1 - every) / (PARTS - 1)
    tiny = np.finfo("float64").tiny
    return tuple(np.log(np.maximum(p, tiny)) for p in (first, beat, none))
