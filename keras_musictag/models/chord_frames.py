"""What stands between a chord network and a `ChordSequence`: frames, beats, lists."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from keras_musictag.checks import check_choice
from keras_musictag.chords import (
    VOCABULARIES,
    Vocabulary,
    find_beats,
    get_vocabulary,
)
from keras_musictag.chords.decoding import frames_of_beats
from keras_musictag.errors import import_extra
from keras_musictag.tracks.inference import TRACK_ERRORS, TrackError

AUTO_BEATS = "auto"


class FrameOutputs(NamedTuple):
    """What the network says about one track.

    `outputs` maps the name of each output to `(frames, classes)`; `"tag"` holds the
    probabilities of the vocabulary. `duration` is in seconds.
    """

    outputs: dict[str, np.ndarray]
    duration: float


# === Beats ===


def check_beats(beats):
    """Return the beats if they are given; `None` if they are to be found.

    Raises:
        ConfigError: If `beats` is a word other than `"auto"`.
        MissingExtraError: If librosa is needed to find them, and not installed.
    """
    if not isinstance(beats, str):
        return beats
    check_choice(beats, (AUTO_BEATS,), name="beats")
    import_extra("librosa", "chords", 'beats="auto"')
    return None


def with_beats(
    iter_frames: Callable, tracks: Iterable, sample_rate: int, beats
) -> Iterator[tuple[FrameOutputs | TrackError, Any]]:
    """Compute what the network says about tracks, and find their beats beside it.

    Args:
        iter_frames: `ChordRecognizer.iter_frames`.
        tracks: Paths, open files or arrays; may be a generator.
        sample_rate: Of arrays, in Hz.
        beats: `"auto"` to find them; anything else is passed on.

    Yields:
        For each track its `FrameOutputs`, or the error that says why there are none,
        and its beats in seconds; `None` instead of beats if none were found.
    """
    # What is decoded ahead is still needed when its frames come.
    waiting: deque = deque()

    def passed():
        for track in tracks:
            waiting.append(track)
            yield track

    for frames in iter_frames(passed(), sample_rate):
        track, times = waiting.popleft(), beats
        if isinstance(frames, FrameOutputs) and isinstance(beats, str):
            try:
                times = find_beats(track, sample_rate).times
                times = times if len(times) else None
            except TRACK_ERRORS as error:
                frames = error
        yield frames, times


def starts_on_beats(frames: int, frame_period: float, shift: float, beats):
    """Say where frames begin, if the first frame of a beat begins on the beat.

    Args:
        frames: How many there are.
        frame_period: Seconds from one frame to the next.
        shift: Where the other frames begin, in frames from their centres.
        beats: Times in seconds, rising.

    Returns:
        float64 array `(frames,)`, rising, in seconds.
    """
    starts = (np.arange(frames) + shift) * frame_period
    first, times = frames_of_beats(beats, frame_period)
    inside = (first > 0) & (first < frames)
    starts[first[inside]] = times[inside]
    return starts


# === Vocabularies in configurations ===


def vocabulary_from_config(config) -> Vocabulary:
    """Return the vocabulary that a name, a config or itself stands for."""
    if isinstance(config, dict):
        return Vocabulary(**{**config, "labels": tuple(config["labels"])})
    return get_vocabulary(config)


def vocabulary_to_config(vocabulary: Vocabulary):
    """Return a vocabulary as plain JSON values: its name if that says all."""
    if vocabulary.name in VOCABULARIES and vocabulary == get_vocabulary(
        vocabulary.name
    ):
        return vocabulary.name
    return {
        "name": vocabulary.name,
        "labels": list(vocabulary.labels),
        "rule": vocabulary.rule,
    }
