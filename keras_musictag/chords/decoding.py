"""From chord probabilities per frame to one chord per frame."""

import math

import numpy as np

from keras_musictag.checks import check_positive
from keras_musictag.chords.beat_frames import pool_beats
from keras_musictag.chords.paths import steady_path, viterbi
from keras_musictag.chords.vocabulary import TINY, get_vocabulary, unknown_name
from keras_musictag.errors import ConfigError

DECODERS = ("argmax", "viterbi", "penalty", "hmm", "crf")
# How CREMA was trained: the chance that a chord stays for another frame, in frames
# of 4096 samples at 44.1 kHz. A chord then lasts 2.2 s on average.
CREMA_SELF_TRANSITION = 0.957154635467057
CREMA_FRAME_PERIOD = 4096 / 44100
# What a change costs in the ISMIR 2019 recogniser, in nats.
PENALTY = 30.0


def decode(
    probabilities,
    vocabulary,
    *,
    decoder: str = "viterbi",
    self_transition: float | None = None,
    transition=None,
    prior=None,
    penalty: float | None = None,
    first: str | None = None,
    min_duration: float | None = None,
    frame_period: float | None = None,
    beats=None,
) -> np.ndarray:
    """Choose one chord class for each frame.

    Args:
        probabilities: Array `(frames, classes)`, not negative.
        vocabulary: Vocabulary of the columns, or its name.
        decoder: `"argmax"`: the most probable class of each frame by itself.
            `"viterbi"`: the best path when a chord stays with the probability
            `self_transition` and all changes are alike, which is CREMA's decoder.
            `"penalty"`: the best path when each change costs `penalty`, which is that
            of the ISMIR 2019 recogniser.
            `"hmm"`: the best path with the probabilities of `transition`, a matrix
            that may know which chord follows which (`estimate_transitions`).
            `"crf"`: the same with the scores of `transition`, which need not be
            probabilities: the weights of a trained `LinearChainCRF`.
        self_transition: For `"viterbi"`, in (0, 1). Per frame, or with `beats` per
            beat. `None` for CREMA's 0.957, converted to `frame_period` or to the
            mean beat so that chords keep their mean duration.
        transition: For `"hmm"` and `"crf"`: array `(classes, classes)` from the row's
            class to the column's.
        prior: For `"viterbi"` and `"hmm"`: how frequent each class was in training,
            array `(classes,)`. Probabilities are divided by it, and the first frame
            is weighed with it. `None` for all alike.
        penalty: For `"penalty"`: what a change costs in nats, above 0; evidence adds
            up frame by frame. `None` for 30.
        first: For `"penalty"`: the chord that the path begins in, whatever sounds; the
            ISMIR 2019 recogniser has `"N"` there. `None` for any.
        min_duration: No chord is shorter than this, in seconds (the best such path,
            not a repair afterwards). A recording shorter than this gets one chord.
            Needs `frame_period`.
        frame_period: Seconds from one frame to the next; frame `t` stands at
            `t * frame_period`.
        beats: Times of the beats in seconds, rising. Chords then change only on beats:
            log probabilities are summed between them. Needs `frame_period`.

    Returns:
        int array `(frames,)` of classes.

    Raises:
        ConfigError: If a name is unknown, an argument is missing or cannot work, or
            `probabilities` has the wrong shape, negative or non-finite values.

    Example:

    ```python
    import numpy as np
    from keras_musictag.chords import decode, get_vocabulary

    p = np.full((6, 25), 0.01)
    p[:, 0] = [0.7, 0.7, 0.2, 0.7, 0.7, 0.7]
    p[2, 9] = 0.5
    print(decode(p, "majmin", decoder="argmax"))  # [0 0 9 0 0 0]
    print(decode(p, "majmin", self_transition=0.9))  # [0 0 0 0 0 0]
    ```
    """
    vocabulary = get_vocabulary(vocabulary)
    if decoder not in DECODERS:
        raise unknown_name("decoder", decoder, DECODERS)
    values = _check_probabilities(probabilities, len(vocabulary), decoder)
    if penalty is not None:
        _check_penalty(penalty, decoder)
    if first is not None:
        _check_first(first, decoder, vocabulary)
    if frame_period is not None:
        frame_period = check_positive(frame_period, name="frame_period")
    period, lengths = frame_period, None
    if beats is not None:
        values, bounds = pool_beats(values, beats, frame_period=frame_period)
        lengths = np.diff(bounds)
        period = frame_period * lengths.mean() if len(lengths) else frame_period
    if len(values) == 0:
        return np.zeros(0, dtype=int)
    steps = _steps(min_duration, period)
    if decoder == "argmax" and steps == 1:
        path = values.argmax(axis=1)
        return path if lengths is None else np.repeat(path, lengths)
    # Of a long track this is much memory: nothing is copied but what is the caller's.
    own = None if np.may_share_memory(values, probabilities) else values
    values = np.add(values, values.dtype.type(TINY), out=own)
    scores = np.log(values, out=values)
    if decoder == "penalty":
        cost = PENALTY if penalty is None else float(penalty)
        begun = None if first is None else vocabulary.labels.index(first)
        path = _penalty_path(scores, cost, begun, lengths, steps)
    else:
        scores, change, start = _model(
            scores, decoder, self_transition, transition, prior, period
        )
        path = viterbi(_by_length(scores, lengths), change, start, min_steps=steps)
    return path if lengths is None else np.repeat(path, lengths)


def _by_length(scores, lengths):
    """A beat says as much as all of its frames; `None` for frames themselves."""
    return scores if lengths is None else scores * lengths[:, None]


def _penalty_path(scores, cost, first, lengths, steps):
    """The best path where each change costs the same."""
    scores = _by_length(scores, lengths)
    if steps == 1:
        return steady_path(scores, cost, first)
    n = scores.shape[1]
    change = np.full((n, n), -cost)
    np.fill_diagonal(change, 0.0)
    start = np.zeros(n)
    if first is not None:
        start[np.arange(n) != first] = -np.inf
    return viterbi(scores, change, start, min_steps=steps)


def _model(scores, decoder, self_transition, transition, prior, period):
    """Scores of frames, of changes and of the start, for the best path."""
    n = scores.shape[1]
    if decoder == "argmax":
        return scores, np.zeros((n, n)), np.zeros(n)
    if decoder == "crf":
        return scores, _check_matrix(transition, n, decoder), np.zeros(n)
    if decoder == "hmm":
        matrix = _check_matrix(transition, n, decoder)
        if (matrix < 0).any():
            raise ConfigError(
                "Transition probabilities may not be negative.",
                received=f"smallest value {matrix.min():g}",
                advice='Use decoder="crf" for scores, or give probabilities.',
            )
    else:
        if transition is not None:
            raise ConfigError(
                '`transition` has no part in the decoder "viterbi".',
                received=f"transition of shape {np.shape(transition)}",
                advice='Use decoder="hmm" for transition probabilities.',
            )
        if self_transition is None:
            frames = 1.0 if period is None else period / CREMA_FRAME_PERIOD
            self_transition = max(CREMA_SELF_TRANSITION**frames, 1.0 / n)
        matrix = transition_matrix(n, self_transition)
    weights = np.log(_check_prior(prior, n) + TINY)
    scores -= weights
    return scores, np.log(matrix + TINY), weights


def transition_matrix(n: int, self_probability: float) -> np.ndarray:
    """Return transitions where a class stays with one probability.

    Args:
        n: Number of classes.
        self_probability: Probability that a class stays, in (0, 1]; the rest is
            shared evenly by the others.

    Returns:
        float64 array `(n, n)` whose rows sum to 1.

    Raises:
        ConfigError: If the probability is not in (0, 1].
    """
    if not 0.0 < self_probability <= 1.0:
        raise ConfigError(
            "The probability that a chord stays must lie in (0, 1].",
            received=f"{self_probability!r}",
            advice="Give a number such as 0.95.",
        )
    matrix = np.full((n, n), (1.0 - self_probability) / max(1, n - 1))
    np.fill_diagonal(matrix, self_probability if n > 1 else 1.0)
    return matrix


def estimate_transitions(
    sequences,
    vocabulary,
    *,
    self_transition: float = CREMA_SELF_TRANSITION,
    smoothing: float = 1.0,
) -> np.ndarray:
    """Count in annotations which chord follows which.

    A change counts in all twelve transpositions, so that the matrix knows no key.
    Chords outside the vocabulary interrupt a sequence.

    Args:
        sequences: For each song its chord labels in order, or an object with
            `.labels` such as a `ChordSequence`.
        vocabulary: Vocabulary, or its name. It needs each quality on all twelve roots.
        self_transition: Probability that a chord stays for another frame, in (0, 1].
        smoothing: Added to the count of each change, so that what was never seen
            stays possible. Above 0.

    Returns:
        float64 array `(classes, classes)` for `decode(..., decoder="hmm")`: rows sum to
        1, the diagonal is `self_transition`.

    Raises:
        LabelError: If a label is malformed, or the vocabulary cannot be transposed.
        ConfigError: If the vocabulary is unknown or a number cannot work.

    Example:

    ```python
    from keras_musictag.chords import estimate_transitions, get_vocabulary

    songs = [["C:maj", "F:maj", "G:maj", "C:maj"], ["A:min", "D:min", "A:min"]]
    matrix = estimate_transitions(songs, "majmin")
    d, g, e = map(get_vocabulary("majmin").index, ("D:maj", "G:maj", "E:min"))
    print(matrix[d, g] > matrix[d, e])  # True: up a fourth, as from C to F
    ```
    """
    vocabulary = get_vocabulary(vocabulary)
    smoothing = check_positive(smoothing, name="smoothing")
    n = len(vocabulary)
    counts = np.zeros((n, n))
    for sequence in sequences:
        path = vocabulary.indices(getattr(sequence, "labels", sequence))
        before, after = path[:-1], path[1:]
        counted = (before >= 0) & (after >= 0) & (before != after)
        np.add.at(counts, (before[counted], after[counted]), 1.0)
    moves = [vocabulary.transpose_index(s) for s in range(12)]
    counts = np.sum([counts[np.ix_(move, move)] for move in moves], axis=0) + smoothing
    np.fill_diagonal(counts, 0.0)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), TINY)
    matrix = shares * (1.0 - self_transition)
    np.fill_diagonal(matrix, transition_matrix(n, self_transition).diagonal())
    return matrix


def _check_penalty(penalty, decoder):
    check_positive(penalty, name="penalty")
    if decoder != "penalty":
        raise ConfigError(
            f'`penalty` has no part in the decoder "{decoder}".',
            received=f"penalty={penalty!r}",
            advice='Use decoder="penalty".',
        )


def _check_first(first, decoder, vocabulary):
    if decoder != "penalty" or first not in vocabulary.labels:
        raise ConfigError(
            "The chord that a path begins in must be one of the vocabulary, and the "
            'decoder "penalty".',
            received=f"first={first!r}, decoder={decoder!r}",
            advice='Use first="N" with decoder="penalty", or leave it out.',
        )


def _check_probabilities(probabilities, n, decoder):
    values = np.asarray(probabilities)
    # Its vocabularies are large: half the memory.
    if decoder != "penalty" or values.dtype != np.float32:
        values = values.astype("float64")
    if values.ndim != 2 or values.shape[1] != n:
        raise ConfigError(
            "Probabilities must have one row per frame and one column per class.",
            received=f"shape {values.shape} for {n} classes",
            advice="Give (frames, classes), with the vocabulary they are for.",
        )
    if not np.isfinite(values).all() or (values < 0).any():
        raise ConfigError(
            "Probabilities must be finite and not negative.",
            received=f"values from {values.min()} to {values.max()}",
            advice="Apply a softmax to logits first.",
        )
    return values


def _check_matrix(transition, n, decoder):
    matrix = np.asarray([] if transition is None else transition, dtype="float64")
    if matrix.shape != (n, n) or np.isnan(matrix).any():
        got = "None" if transition is None else f"shape {matrix.shape}"
        raise ConfigError(
            f'The decoder "{decoder}" needs a transition matrix of ({n}, {n}) numbers.',
            received=f"transition={got}" if transition is None else got,
            advice="Make one by `estimate_transitions`, or take a trained CRF's.",
        )
    return matrix


def _check_prior(prior, n):
    if prior is None:
        return np.full(n, 1.0 / n)
    values = np.asarray(prior, dtype="float64")
    if values.shape != (n,) or not (values >= 0).all() or not values.any():
        raise ConfigError(
            "The prior must hold one number for each class, none of them negative.",
            received=f"prior of shape {values.shape} for {n} classes",
            advice="Give the share of training frames of each class.",
        )
    return values / values.sum()


def _steps(min_duration, period):
    if min_duration is None:
        return 1
    min_duration = check_positive(min_duration, name="min_duration")
    if period is None:
        raise ConfigError(
            "A least duration needs to know how long a frame is.",
            received=f"min_duration={min_duration}, frame_period=None",
            advice="Give `frame_period`, the seconds from one frame to the next.",
        )
    return max(1, math.ceil(min_duration / period - 1e-6))
