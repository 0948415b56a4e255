"""Scores of chord sequences, by `mir_eval`.

Each comparison asks of every moment whether two chords agree in some respect, and its
score is the share of the time for which they do. Chords that a comparison does not
know (a suspended chord in `majmin`) are left out of its time. The names are those of
`mir_eval.chord`; with `_inv` the bass must agree as well.

References:
    - Raffel et al., "mir_eval: a transparent implementation of common MIR metrics",
      ISMIR 2014.
    - Pauwels and Peeters, "Evaluating automatically estimated chord sequences",
      ICASSP 2013.
    - Harte, "Towards automatic extraction of harmony information from music signals",
      PhD thesis, Queen Mary University of London, 2010: the segmentation scores.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_musictag.checks import check_positive
from keras_musictag.chords.harte import parse
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.chords.vocabulary import get_vocabulary
from keras_musictag.errors import ConfigError, LabelError, import_extra
from keras_musictag.metrics.tables import markdown, shown
from keras_musictag.metrics.tracks import pairs

COMPARISONS = (
    *("root", "thirds", "thirds_inv", "majmin", "majmin_inv", "triads", "triads_inv"),
    *("tetrads", "tetrads_inv", "sevenths", "sevenths_inv", "mirex"),
)
SEGMENTATION = ("overseg", "underseg", "seg")
OTHER = "other"  # row or column of a confusion matrix for chords outside a vocabulary
TUTORIAL_FRAME = 512 / 22050


@dataclass(frozen=True)
class ChordScores:
    """Scores of one track or many.

    `scores["majmin"]` is the mean over tracks weighted by their durations, as MIREX
    does; of one track it is simply its score.

    Args:
        tracks: For each track by name its scores, with `duration` in seconds. NaN
            where the track has no chord that the comparison knows.
        evaluated: For each track by name and comparison, how many seconds it judged.

    Example:

    ```python
    import keras_musictag as kmt

    reference = kmt.chords.ChordSequence([[0, 2], [2, 4]], ["C:maj", "A:min"])
    estimate = kmt.chords.ChordSequence([[0, 3], [3, 4]], ["C:maj", "A:min7"])
    scores = kmt.metrics.chord_scores(reference, estimate)
    print(scores["majmin"])  # 0.75
    print(scores.to_markdown())
    ```
    """

    tracks: dict[str, dict[str, float]]
    evaluated: dict[str, dict[str, float]]

    def __getitem__(self, name: str) -> float:
        if name not in (*COMPARISONS, *SEGMENTATION):
            raise ConfigError(
                "There is no chord score of that name.",
                received=repr(name),
                advice=f"Choose from {', '.join((*COMPARISONS, *SEGMENTATION))}.",
            )
        return self.weighted[name]

    @property
    def duration(self) -> float:
        """Seconds of all references together."""
        return sum(track["duration"] for track in self.tracks.values())

    @property
    def weighted(self) -> dict[str, float]:
        """Each score as the mean over tracks, weighted by duration."""
        names = (*COMPARISONS, *SEGMENTATION)
        return {name: self._mean(name, self._weights("duration")) for name in names}

    @property
    def mean(self) -> dict[str, float]:
        """Each score as the plain mean over tracks."""
        names = (*COMPARISONS, *SEGMENTATION)
        return {name: self._mean(name, np.ones(len(self.tracks))) for name in names}

    @property
    def pooled(self) -> dict[str, float]:
        """Each comparison over all time that it judges, as if there were one track."""
        return {name: self._mean(name, self._weights(name)) for name in COMPARISONS}

    def _weights(self, name):
        rows = self.tracks if name == "duration" else self.evaluated
        return np.array([rows[track][name] for track in self.tracks])

    def _mean(self, name, weights):
        values = np.array([track[name] for track in self.tracks.values()])
        known = ~np.isnan(values)
        total = weights[known].sum()
        return float(values[known] @ weights[known] / total) if total else float("nan")

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame` with one row per track."""
        pandas = import_extra("pandas", "train", "ChordScores.to_dataframe()")
        return pandas.DataFrame.from_dict(self.tracks, orient="index")

    def to_markdown(self, *, per_track: bool = True, digits: int = 3) -> str:
        """Return a table as Markdown text.

        Args:
            per_track: Whether each track has a row; means are below it in any case.
            digits: Decimals.

        Returns:
            The text, with a dash where a score does not exist.
        """
        names = (*COMPARISONS, *SEGMENTATION)
        rows = dict(self.tracks) if per_track else {}
        if len(self.tracks) > 1 or not per_track:
            rows["**mean by duration**"] = self.weighted
            rows["**plain mean**"] = self.mean
            rows["**all time pooled**"] = self.pooled
        cells = [
            [track, *(shown(row.get(name), digits) for name in names)]
            for track, row in rows.items()
        ]
        return markdown(["track", *names], cells) + "\n"


def chord_scores(reference, estimate) -> ChordScores:
    """Compare estimated chords with the right ones.

    The numbers are those of `mir_eval.chord.evaluate`: the estimate is cut or filled
    with `N` to the span of the reference. Where there is a gap between segments, `N`
    is put in (mir_eval alone would let the chord before it go on). A comparison that
    knows no chord of the reference gives NaN (mir_eval: 0 with a warning), which the
    means leave out.

    Args:
        reference: The right chords: a `ChordSequence`, a list of them, or a dict from
            track names to them.
        estimate: The estimated ones in the same form: a list in the same order, a
            dict with the same names.

    Returns:
        `ChordScores`: `root`, `thirds`, `majmin`, `triads`, `tetrads`, `sevenths`, each
        but `root` also as `..._inv`; `mirex`, at least three tones in common;
        `overseg`, `underseg` and `seg`, their minimum: 1 is best for all.

    Raises:
        ConfigError: If both do not have the same tracks.
        LabelError: If a reference has no segment.

    Example:

    ```python
    import keras_musictag as kmt

    songs = {
        "a": kmt.chords.ChordSequence([[0, 4]], ["C:maj7"]),
        "b": kmt.chords.ChordSequence([[0, 2]], ["D:min"]),
    }
    guess = {name: song.transpose(0) for name, song in songs.items()}
    print(kmt.metrics.chord_scores(songs, guess).weighted["tetrads"])  # 1.0
    ```
    """
    tracks, evaluated = {}, {}
    for name, right, guess in pairs(
        reference, estimate, ChordSequence, "ChordSequences"
    ):
        tracks[name], evaluated[name] = _score_track(right, guess)
    return ChordScores(tracks, evaluated)


def _score_track(reference, estimate):
    from mir_eval import chord

    reference, estimate = _aligned(reference, estimate)
    right, guess = _readable(reference.labels), _readable(estimate.labels)
    segments = _segmentation(reference.intervals, right, estimate.intervals, guess)
    starts, seconds = _common_grid(reference, estimate)
    right = _readable(reference.sample(starts))
    guess = _readable(estimate.sample(starts))
    scores = {"duration": float(seconds.sum())}
    evaluated = {}
    for name in COMPARISONS:
        agrees = getattr(chord, name)(right, guess)
        known = agrees >= 0
        evaluated[name] = float(seconds[known].sum())
        agreeing = float(agrees[known] @ seconds[known])
        scores[name] = agreeing / evaluated[name] if known.any() else float("nan")
    return {**scores, **segments}, evaluated


def _segmentation(right_intervals, right, guess_intervals, guess):
    from mir_eval import chord

    merged = chord.merge_chord_intervals(right_intervals, right)
    guessed = chord.merge_chord_intervals(guess_intervals, guess)
    over = float(chord.overseg(merged, guessed))
    under = float(chord.underseg(merged, guessed))
    return {"overseg": over, "underseg": under, "seg": min(over, under)}


def _aligned(reference, estimate):
    """Fill gaps of both with `N`, over the span of the reference's segments."""
    if not len(reference):
        raise LabelError(
            "A reference without chords cannot be compared with.",
            received="a ChordSequence of 0 segments",
            advice="Leave the track out, or label silence as 'N'.",
        )
    start, end = reference.intervals[0, 0], reference.intervals[-1, 1]
    return reference.filled(start, end), estimate.filled(start, end)


def _common_grid(reference, estimate):
    """Return where either of two aligned sequences changes, and for how long."""
    bounds = np.unique(np.concatenate([reference.intervals, estimate.intervals]))
    return bounds[:-1], np.diff(bounds)


def _readable(labels):
    # Rewrites the few legal labels that mir_eval has no tones for.
    return [parse(label).label() for label in labels]


class ChordConfusion(NamedTuple):
    """How long each chord of a reference was taken for which.

    Args:
        labels: Names of the rows and columns.
        seconds: float64 array `(classes, classes)`: reference by estimate.
    """

    labels: tuple[str, ...]
    seconds: np.ndarray

    def normalized(self) -> np.ndarray:
        """Return shares of each row; NaN for a chord that never occurs."""
        total = self.seconds.sum(axis=1, keepdims=True)
        empty = np.full_like(self.seconds, np.nan)
        return np.divide(self.seconds, total, out=empty, where=total > 0)

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame`: rows are the reference."""
        pandas = import_extra("pandas", "train", "ChordConfusion.to_dataframe()")
        return pandas.DataFrame(self.seconds, index=self.labels, columns=self.labels)


def chord_confusion(reference, estimate, *, vocabulary="majmin") -> ChordConfusion:
    """Measure for how long each chord was taken for which.

    Args:
        reference: As in `chord_scores`; the times of all tracks are added.
        estimate: As in `chord_scores`.
        vocabulary: The classes, a `Vocabulary` or its name. A chord outside it counts
            as its class `X`, or as a last class `"other"` if it has none.

    Returns:
        `ChordConfusion`, whose entries sum to the duration of the references.

    Raises:
        ConfigError: If both do not have the same tracks, or there is no such
            vocabulary.
    """
    vocabulary = get_vocabulary(vocabulary)
    labels = tuple(vocabulary.labels)
    labels = labels if "X" in labels else (*labels, OTHER)
    seconds = np.zeros((len(labels), len(labels)))
    for _, right, guess in pairs(reference, estimate, ChordSequence, "ChordSequences"):
        right, guess = _aligned(right, guess)
        starts, lengths = _common_grid(right, guess)
        rows = vocabulary.indices(right.sample(starts))
        columns = vocabulary.indices(guess.sample(starts))
        # Class -1, outside, is the last row or column.
        np.add.at(seconds, (rows, columns), lengths)
    return ChordConfusion(labels, seconds)


def frame_scores(
    reference,
    estimate,
    *,
    vocabulary="majmin",
    frame_period: float = TUTORIAL_FRAME,
) -> dict[str, float]:
    """Score frame by frame, as the tutorial of Peeters et al. does.

    Frame `i` stands at `i * frame_period`. Frames that no segment of the reference
    covers do not count (the tutorial's own code counts them as its first class), nor
    do those whose chord lies outside the vocabulary.

    Args:
        reference: As in `chord_scores`; the frames of all tracks are put together.
        estimate: As in `chord_scores`.
        vocabulary: The classes, a `Vocabulary` or its name.
        frame_period: In seconds; the default is 512 samples at 22050 Hz.

    Returns:
        dict with `accuracy`, the share of right frames; `macro_recall`, the mean over
        the chords that occur in the reference of the share of their frames that is
        right; and `frames`, how many counted. NaN if none did.

    Raises:
        ConfigError: If both do not have the same tracks, or there is no such
            vocabulary.

    References:
        - Peeters et al., "Deep Learning 101 for Audio-based MIR", ISMIR 2024 tutorial.
    """
    vocabulary = get_vocabulary(vocabulary)
    period = check_positive(frame_period, name="frame_period")
    rows, columns = [], []
    for _, one, other in pairs(reference, estimate, ChordSequence, "ChordSequences"):
        times = np.arange(int(np.ceil(one.duration / period))) * period
        times = times[_covered(one.intervals, times)]
        rows.append(vocabulary.indices(one.sample(times)))
        columns.append(vocabulary.indices(other.sample(times)))
    right, guess = np.concatenate(rows), np.concatenate(columns)
    known = right >= 0
    right, hits = right[known], (right == guess)[known]
    if not len(right):
        return {"accuracy": float("nan"), "macro_recall": float("nan"), "frames": 0}
    recalls = [hits[right == label].mean() for label in np.unique(right)]
    return {
        "accuracy": float(hits.mean()),
        "macro_recall": float(np.mean(recalls)),
        "frames": len(right),
    }


def _covered(intervals, times):
    begun = np.searchsorted(intervals[:, 0], times, side="right")
    ended = np.searchsorted(intervals[:, 1], times, side="right")
    return begun > ended
