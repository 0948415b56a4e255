"""The path of highest score through a table of scores (Viterbi)."""

import numpy as np

from keras_musictag.errors import ConfigError

# Frames whose scores are in double precision at once.
BLOCK_FRAMES = 4096


def viterbi(
    log_probabilities, log_transition, log_initial=None, *, min_steps: int = 1
) -> np.ndarray:
    """Find the path of highest score.

    Takes a short cut where all changes cost the same, so that hundreds of classes and
    thousands of frames take a fraction of a second.

    Args:
        log_probabilities: Array `(frames, classes)`: score of a class in a frame.
        log_transition: Array `(classes, classes)`: score of going from the row's
            class to the column's from one frame to the next. `-inf` forbids it.
        log_initial: Array `(classes,)`: score of the first frame's class; `None`
            for zeros.
        min_steps: Each class that the path enters is kept for at least so many
            frames, or to the end where there are fewer frames in all.

    Returns:
        int array `(frames,)`. Of paths with equal scores, the one that comes from the
        lower class at the last frame where they differ.

    Raises:
        ConfigError: If the shapes do not fit together.

    Reference: Viterbi, "Error bounds for convolutional codes and an asymptotically
        optimum decoding algorithm", IEEE Transactions on Information Theory, 1967.
    """
    scores, change, start = _check_scores(
        log_probabilities, log_transition, log_initial
    )
    frames, n = scores.shape
    if frames == 0:
        return np.zeros(0, dtype=int)
    steps = min(min_steps, frames)
    stay = np.diag(change).copy()
    alike = _alike(change)
    if steps == 1 and alike is not None and (stay > alike).all():
        return _path_of_alike(scores, start, stay, alike)
    find_best = _best_change(change, alike)
    held = stay * (steps - 1) if steps > 1 else np.zeros(n)
    best = start + scores[:steps].sum(axis=0) + held
    # Where the best path to (frame, class) comes from: the class itself, or the
    # class before a run of `steps` frames.
    came_from = np.tile(np.arange(n, dtype=np.int32), (frames, 1))
    waiting: list[np.ndarray] = [best]
    for t in range(steps, frames):
        kept = best + stay + scores[t]
        # `waiting` holds the best scores of the frames t - steps to t - 1.
        if t - steps >= steps - 1:
            entered, source = find_best(waiting.pop(0))
            entered = entered + scores[t - steps + 1 : t + 1].sum(axis=0) + held
            # Equal scores: the lower class.
            wins = (entered > kept) | ((entered == kept) & (source < came_from[t]))
            kept = np.where(wins, entered, kept)
            came_from[t] = np.where(wins, source, came_from[t])
        best = kept
        waiting.append(best)
    return _trace_back(came_from, int(best.argmax()), steps)


def steady_path(scores, penalty: float, first: int | None = None) -> np.ndarray:
    """Find the path of highest score where every change costs the same.

    As `viterbi` with changes that are all alike, in memory and time that grow with
    the number of classes, not with its square.

    Args:
        scores: Array `(frames, classes)`.
        penalty: What a change costs, above 0.
        first: The class that every path begins in; `None` for any.

    Returns:
        int array `(frames,)`. Of equal scores, the lower class.
    """
    n = scores.shape[1]
    start = np.zeros(n)
    if first is not None:
        start[np.arange(n) != first] = -np.inf
    return _path_of_alike(scores, start, np.zeros(n), -penalty)


def _path_of_alike(scores, start, stay, change) -> np.ndarray:
    """The best path where any change costs the same and more than to stay.

    Every class but the best one is then entered from the best one, if at all.
    """
    frames, n = scores.shape
    total = start + np.asarray(scores[0], "float64")
    wins, entered, stays = np.empty(n, bool), np.zeros(n, int), stay.any()
    # For each frame: the best class of the frame before, and when it was entered.
    before, since = np.zeros((2, frames), int)
    for first in range(0, frames, BLOCK_FRAMES):
        block = np.asarray(scores[first : first + BLOCK_FRAMES], "float64")
        for t, frame in enumerate(block, first):
            if t == 0:
                continue
            best = total.argmax()
            before[t], since[t] = best, entered[best]
            came = total[best] + change
            if stays:
                total += stay
            # Equal scores: the lower class.
            np.less(total[:best], came, out=wins[:best])
            np.less_equal(total[best:], came, out=wins[best:])
            np.copyto(entered, t, where=wins)
            np.maximum(total, came, out=total)
            total += frame
    path = np.empty(frames, int)
    state = total.argmax()
    begin, end = entered[state], frames
    while True:
        path[begin:end] = state
        if begin == 0:
            return path
        state, begin, end = before[begin], since[begin], begin


def _trace_back(came_from, last, steps):
    frames = len(came_from)
    path = np.empty(frames, dtype=int)
    t, state = frames - 1, last
    while t >= 0:
        source = int(came_from[t, state])
        length = 1 if source == state else steps
        path[max(0, t - length + 1) : t + 1] = state
        t, state = t - length, source
    return path


def _alike(change) -> float | None:
    """Return what each change costs if all cost the same."""
    others = change[~np.eye(len(change), dtype=bool)]
    return others[0] if len(others) and (others == others[0]).all() else None


def _best_change(change, alike: float | None):
    """Return a function: scores of all classes -> best entry into each, and from where.

    Staying is left out.
    """
    n = len(change)
    classes = np.arange(n)
    if alike is not None:

        def from_the_top_two(best):
            # Every class is entered from the best one, and that one from the second.
            top = int(best.argmax())
            rest = best.copy()
            rest[top] = -np.inf
            source = np.full(n, top)
            source[top] = rest.argmax()
            return best[source] + alike, source

        return from_the_top_two
    into = change.T.copy()
    np.fill_diagonal(into, -np.inf)
    candidates = np.empty_like(into)

    def from_all(best):
        np.add(into, best, out=candidates)
        source = candidates.argmax(axis=1)
        return candidates[classes, source], source

    return from_all


def _check_scores(log_probabilities, log_transition, log_initial):
    scores = np.asarray(log_probabilities, dtype="float64")
    change = np.asarray(log_transition, dtype="float64")
    n = scores.shape[-1] if scores.ndim else 0
    start = np.zeros(n) if log_initial is None else np.asarray(log_initial, "float64")
    if scores.ndim != 2 or change.shape != (n, n) or start.shape != (n,) or n == 0:
        raise ConfigError(
            "The scores of frames, changes and start do not fit together.",
            received=f"shapes {scores.shape}, {change.shape}, {start.shape}",
            advice="Give (frames, classes), (classes, classes) and (classes,).",
        )
    return scores, change, start
