"""Scores of beats and of keys, by `mir_eval`.

References:
    - Raffel et al., "mir_eval: a transparent implementation of common MIR metrics",
      ISMIR 2014.
    - Davies, Degara, Plumbley, "Evaluation methods for musical audio beat tracking
      algorithms", Queen Mary University of London, 2009: what the scores mean.
"""

import numpy as np

from keras_musictag.beats.sequence import BeatSequence
from keras_musictag.chords.analysis import Key
from keras_musictag.chords.harte import ROOTS_SHARP, note_pitch_class
from keras_musictag.chords.keys import parse_key
from keras_musictag.errors import LabelError
from keras_musictag.metrics.tracks import TrackScores, pairs

# MIREX does not judge the first seconds, in which a tracker may still be listening.
TRIM = 5.0
# A tempo is right within this share of the right one.
TEMPO_TOLERANCE = 0.04
# How the scores here are called, and in mir_eval.
NAMES = {
    "f_measure": "F-measure",
    "cemgil": "Cemgil",
    "p_score": "P-score",
    "cml_c": "Correct Metric Level Continuous",
    "cml_t": "Correct Metric Level Total",
    "aml_c": "Any Metric Level Continuous",
    "aml_t": "Any Metric Level Total",
    "information_gain": "Information gain",
}


def beat_scores(reference, estimate, *, trim: float = TRIM) -> TrackScores:
    """Compare estimated beats with the right ones.

    Args:
        reference: The right beats: a `BeatSequence`, a list of them, or a dict from
            track names to them.
        estimate: The estimated ones in the same form.
        trim: Beats before this time, in seconds, do not count. Of a track that has
            none after it, all count.

    Returns:
        `TrackScores`, 1 is best for all. `f_measure` (within 70 ms), `cemgil`,
        `p_score`, `cml_c`, `cml_t`, `aml_c`, `aml_t` (the longest correct stretch, or
        all of them, at the right tempo or also at twice, half, or off the beat),
        `information_gain`; `downbeat_f_measure`, NaN where one of the two does not
        know bars; `tempo` and `tempo_octave`: whether the tempo is within 4 %, or
        within 4 % of it, its half, double, third or triple, NaN for fewer than 2
        beats.

    Raises:
        ConfigError: If both do not have the same tracks.
        LabelError: If a reference has no beat.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    right = kmt.beats.BeatSequence(np.arange(5, 20, 0.5))
    late = kmt.beats.BeatSequence(right.times + 0.05)
    print(kmt.metrics.beat_scores(right, late)["f_measure"])  # 1.0
    ```
    """
    return TrackScores(
        {
            name: _score_track(right, guess, trim)
            for name, right, guess in pairs(
                reference, estimate, BeatSequence, "BeatSequences"
            )
        }
    )


def key_scores(reference, estimate) -> TrackScores:
    """Compare estimated keys with the right ones.

    Args:
        reference: The right keys: `chords.Key`s or their names, such as `"Bb:maj"`,
            `"C# minor"` or `"8A"`; one, a list, or a dict from track names to them.
        estimate: The estimated ones in the same form.

    Returns:
        `TrackScores`: `weighted`, MIREX's score as mir_eval has it: 1 for the right
        key, 0.5 for the one a fifth above it (not below: mir_eval counts one way), 0.3
        for the relative and 0.2 for the parallel one; and `correct`, 0 or 1. Keys are
        compared as they sound: Cb major, which mir_eval refuses, is B major.

    Raises:
        ConfigError: If both do not have the same tracks.
        LabelError: If something names no key.

    Example:

    ```python
    import keras_musictag as kmt

    scores = kmt.metrics.key_scores({"a": "C:maj", "b": "Am"}, {"a": "G", "b": "8A"})
    print(scores.mean)  # {'weighted': 0.75, 'correct': 0.5}
    ```
    """
    from mir_eval import key as mir_eval_key

    rows = {}
    for name, right, guess in pairs(reference, estimate, (str, Key), "keys"):
        both = _sounding(right), _sounding(guess)
        score = float(mir_eval_key.weighted_score(*both))
        rows[name] = {"weighted": score, "correct": float(both[0] == both[1])}
    return TrackScores(rows)


def _sounding(key) -> str:
    """Write a key with sharps, the way that mir_eval reads all of them."""
    tonic, mode = parse_key(key.label if isinstance(key, Key) else key)
    word = "minor" if mode == "min" else "major"
    return f"{ROOTS_SHARP[note_pitch_class(tonic)]} {word}"


def _score_track(reference, estimate, trim):
    from mir_eval import beat

    if not len(reference):
        raise LabelError(
            "A reference without beats cannot be compared with.",
            received="a BeatSequence of 0 beats",
            advice="Leave the track out.",
        )
    if not (reference.times >= trim).any():
        trim = 0.0
    right, guess = (beat.trim_beats(s.times, trim) for s in (reference, estimate))
    if len(guess):
        values = beat.evaluate(right, guess, min_beat_time=0.0)
        scores = {name: float(values[long]) for name, long in NAMES.items()}
    else:
        scores = dict.fromkeys(NAMES, 0.0)
    return {**scores, **_bars(reference, estimate, trim), **_tempo(reference, estimate)}


def _bars(reference, estimate, trim):
    from mir_eval import beat

    score = float("nan")
    if reference.positions is not None and estimate.positions is not None:
        both = [beat.trim_beats(s.downbeats, trim) for s in (reference, estimate)]
        if len(both[0]):
            score = float(beat.f_measure(*both)) if len(both[1]) else 0.0
    return {"downbeat_f_measure": score}


def _tempo(reference, estimate):
    if len(reference) < 2:
        return dict.fromkeys(("tempo", "tempo_octave"), float("nan"))
    ratio = estimate.tempo / reference.tempo
    near = [
        abs(ratio / level - 1) <= TEMPO_TOLERANCE for level in (1, 2, 1 / 2, 3, 1 / 3)
    ]
    return {"tempo": float(near[0]), "tempo_octave": float(np.any(near))}
