"""From activations to beats: the most probable path of tempo and place in the bar."""

import numpy as np

from keras_musictag.beats.bar_pointer import BarPointer
from keras_musictag.beats.bars import check_meters
from keras_musictag.beats.sequence import BeatSequence
from keras_musictag.checks import check_positive
from keras_musictag.errors import ConfigError

# Whatever is quieter before the first and after the last beat is no music.
THRESHOLD = 0.05
LONGEST_INTERVAL = 1000


def decode(
    beat,
    downbeat=None,
    *,
    frame_rate: float = 50.0,
    meters=(3, 4),
    tempo: tuple[float, float] = (55.0, 215.0),
    steadiness: float = 100.0,
    usual_tempo: float | None = None,
    duration: float | None = None,
) -> BeatSequence:
    """Find the beats, and which of them begin bars, in what a network says of frames.

    With its defaults and `meters=(2, 3, 4)` it gives the beats of madmom's
    `DBNDownBeatTrackingProcessor`, which BeatNet uses.

    Args:
        beat: Probability of a beat in each frame, array `(frames,)`; of one that is no
            downbeat if `downbeat` is given.
        downbeat: The same for downbeats; `None` if the network does not tell them:
            the beats then have no positions in the bar.
        frame_rate: Frames per second; the first frame is at 0.
        meters: How many beats a bar may have; a track keeps one.
        tempo: Slowest and fastest tempo in beats per minute.
        steadiness: How unlikely changes of tempo are, from one beat to the next: a
            change of 1 % divides the likelihood by `exp(steadiness / 100)`.
        usual_tempo: Half and double of a tempo explain beats almost as well as the
            tempo itself: in doubt, the one nearer to this, in beats per minute.
            `None` for no preference.
        duration: Length of the recording in seconds; `None` for that of the frames.

    Returns:
        A `BeatSequence`, empty if no frame has a probability of at least 0.05. The
        confidence of a beat is the probability of a beat where it is.

    Raises:
        ConfigError: If the arrays are no probabilities of one shape, or an argument is
            out of range.

    References:
        - Krebs, Böck, Widmer, "An efficient state-space model for joint tempo and
          meter tracking", ISMIR 2015.
        - Böck, Krebs, Widmer, "Joint beat and downbeat tracking with recurrent neural
          networks", ISMIR 2016.

    Example:

    ```python
    import numpy as np
    from keras_musictag import beats

    activation = np.full(500, 0.01)
    activation[::25] = 0.9  # each half second
    found = beats.decode(activation)
    print(len(found), round(found.tempo))  # 20 120
    ```
    """
    beat, downbeat = check_activations(beat, downbeat)
    frame_rate = check_positive(frame_rate, name="frame_rate")
    intervals = _check_tempo(tempo, frame_rate)
    meters = check_meters(meters)
    steadiness = check_positive(steadiness, name="steadiness")
    every = beat if downbeat is None else beat + downbeat
    length = len(every) / frame_rate if duration is None else duration
    loudest = beat if downbeat is None else np.maximum(beat, downbeat)
    loud = np.flatnonzero(loudest >= THRESHOLD)
    if not len(loud):
        return BeatSequence([], duration=length)
    part = slice(loud[0], loud[-1] + 1)
    pointer = BarPointer(
        meters if downbeat is not None else (1,),
        intervals,
        steadiness,
        _preference(usual_tempo, intervals, frame_rate),
    )
    frames, numbers = pointer.decode(
        beat[part], None if downbeat is None else downbeat[part]
    )
    frames = frames + loud[0]
    return BeatSequence(
        frames / frame_rate,
        None if downbeat is None else numbers + 1,
        confidences=every[frames],
        duration=max(length, len(every) / frame_rate),
    )


# Natural logarithm per beat and squared octave. Chosen on 37 rendered songs.
PREFERENCE = 10.0


def _preference(usual_tempo, intervals, frame_rate):
    if usual_tempo is None:
        return None
    usual = check_positive(usual_tempo, name="usual_tempo")
    tempi = 60 * frame_rate / np.arange(intervals[0], intervals[1] + 1)
    return -PREFERENCE * np.log2(tempi / usual) ** 2


def check_activations(beat, downbeat) -> tuple[np.ndarray, np.ndarray | None]:
    """Return probabilities as float64 arrays; their sum is at most 1."""
    try:
        arrays = [
            np.asarray(values, dtype="float64")
            for values in (beat, downbeat)
            if values is not None
        ]
    except (TypeError, ValueError):
        arrays = []
    alike = len({a.shape for a in arrays}) == 1
    total: np.ndarray = np.sum(arrays, axis=0) if alike else np.zeros(())
    usable = np.ndim(total) == 1 and np.isfinite(total).all() and (total < 1.001).all()
    if not usable or any((array < 0).any() for array in arrays):
        shapes = [np.shape(values) for values in (beat, downbeat)]
        raise ConfigError(
            "Beats are found in probabilities: one for each frame, from 0 to 1, and "
            "no more than 1 for beat and downbeat together.",
            received=f"beat of shape {shapes[0]}, downbeat of shape {shapes[1]}",
            advice="Give arrays (frames,), a softmax's or sigmoid's output.",
        )
    # A sum of rounded probabilities may be above 1 by a rounding.
    scale = 1 / np.maximum(total, 1)
    scaled = [array * scale for array in arrays]
    return scaled[0], scaled[1] if len(scaled) > 1 else None


def _check_tempo(tempo, frame_rate):
    try:
        slowest, fastest = (check_positive(value, name="tempo") for value in tempo)
    except TypeError:
        slowest = fastest = 0.0
    if not 0 < slowest < fastest:
        raise ConfigError(
            "`tempo` must be a slowest and a fastest tempo.",
            received=f"tempo={tempo!r}",
            advice="Give beats per minute, such as (55, 215).",
        )
    shortest, longest = (round(60 * frame_rate / bpm) for bpm in (fastest, slowest))
    if shortest < 2 or longest > LONGEST_INTERVAL:
        raise ConfigError(
            "The tempi do not fit the frames: a beat must last from 2 to "
            f"{LONGEST_INTERVAL} of them.",
            received=f"tempo={tempo!r} at {frame_rate:g} frames per second, "
            f"{shortest} to {longest} frames",
            advice="Give another range.",
        )
    return shortest, longest
