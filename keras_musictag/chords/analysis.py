"""What a song is in: its key, from chords or a chroma; its tempo and beats."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_musictag import audio
from keras_musictag.checks import check_choice
from keras_musictag.chords import harte, keys
from keras_musictag.errors import ConfigError, import_librosa

# How much each of the 12 tones from the tonic up belongs to a major and to a minor key.
PROFILES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "krumhansl": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    "temperley": (
        (0.748, 0.06, 0.488, 0.082, 0.67, 0.46, 0.096, 0.715, 0.104, 0.366, 0.057, 0.4),
        (0.712, 0.084, 0.474, 0.618, 0.049, 0.46)
        + (0.105, 0.747, 0.404, 0.067, 0.133, 0.33),
    ),
}
# The mean of the correlations with all of them.
MEAN_PROFILE = "mean"
MODES = ("maj", "min")
BEAT_SAMPLE_RATE = 22050
# Samples from one frame of the beat tracker to the next.
BEAT_HOP = 512
# Where the sound of a beat begins, in seconds from what the tracker says.
BEAT_SEARCH = (-0.065, 0.005)
# Frames that find it: 12 ms long, one each 1.5 ms.
ONSET_WINDOW, ONSET_HOP = 256, 32
# A straight line through fewer beats says less than the tracker's own grid of tempi.
FEWEST_BEATS = 5


@dataclass(frozen=True)
class Key:
    """A key, and how well it fits.

    Args:
        label: The key as `"Bb:maj"` or `"C#:min"`, with the usual accidentals.
        correlation: Pearson's correlation of the song's pitch classes with the key's
            profile, -1 to 1.
        margin: How much lower the correlation of the next best key is.

    Example:

    ```python
    from keras_musictag.chords import Key

    key = Key("A:min")
    print(key.camelot, key.short, key.name)  # 8A Am A minor
    ```
    """

    label: str
    correlation: float = 1.0
    margin: float = 0.0

    @property
    def tonic(self) -> str:
        """The note, such as `"Bb"`."""
        return keys.parse_key(self.label)[0]

    @property
    def mode(self) -> str:
        """`"maj"` or `"min"`."""
        return keys.parse_key(self.label)[1]

    @property
    def camelot(self) -> str:
        """The place on Camelot's wheel, such as `"8A"`."""
        return keys.camelot(self.label)

    @property
    def open_key(self) -> str:
        """In Open Key Notation, such as `"1m"`."""
        return keys.open_key(self.label)

    def notated(self, notation: str) -> str:
        """Write the key in one of the notations that programs show.

        Args:
            notation: `"musical"` (`Am`), `"camelot"` (`8A`) or `"openkey"` (`1m`).

        Returns:
            The key.

        Raises:
            ConfigError: If there is no such notation.
        """
        check_choice(notation, keys.NOTATIONS, name="notation")
        forms = {"camelot": self.camelot, "openkey": self.open_key}
        return forms.get(notation, self.short)

    @property
    def short(self) -> str:
        """As in a chord sheet: `"Am"`, `"C"`."""
        return self.tonic + ("m" if self.mode == "min" else "")

    @property
    def name(self) -> str:
        """In words: `"A minor"`; what `mir_eval.key` reads."""
        return f"{self.tonic} {'minor' if self.mode == 'min' else 'major'}"

    def __str__(self) -> str:
        return self.name


def estimate_key(source, *, profile: str = MEAN_PROFILE) -> Key | None:
    """Find the key of a song: the one whose profile its pitch classes resemble most.

    One key for the whole song: a modulation gives the key of the longer part, or one
    between. The usual mistakes are the relative key (A minor for C major) and the
    fifth.

    Args:
        source: A `ChordSequence`, whose tones count by duration. Or a chroma, array
            `(frames, 12)` or `(12,)` from C to B, not negative: the transpose of
            librosa's.
        profile: `"temperley"`, counted in the Kostka-Payne corpus of tonal music,
            `"krumhansl"`, from listeners' ratings, or `"mean"`: the mean of both
            correlations, which is right more often than either.

    Returns:
        The `Key`; `None` if no pitch sounds, or all sound alike.

    Raises:
        ConfigError: If the profile is unknown or the chroma has another shape.

    References:
        - Krumhansl, "Cognitive Foundations of Musical Pitch", 1990: the method and
          the profiles of Krumhansl and Kessler, 1982.
        - Temperley, "Music and Probability", 2007: the Kostka-Payne profiles.

    Example:

    ```python
    from keras_musictag.chords import ChordSequence, estimate_key

    song = ChordSequence([[0, 4], [4, 6], [6, 8]], ["Bb:maj", "Eb:maj", "F:7"])
    print(estimate_key(song).label)  # Bb:maj
    ```
    """
    fits = key_fits(source, profile=profile)
    if fits is None:
        return None
    first, second = np.argsort(-fits, kind="stable")[:2]
    mode, tonic = divmod(int(first), 12)
    margin = float(fits[first] - fits[second])
    return Key(key_label(tonic, MODES[mode]), float(fits[first]), margin)


def key_fits(source, *, profile: str = MEAN_PROFILE) -> np.ndarray | None:
    """Say of every key how well a song's pitch classes fit it.

    Args:
        source, profile: As in `estimate_key`.

    Returns:
        Pearson's correlations, float64 `(24,)`: the major keys from C up, then the
        minor ones; `None` if no pitch sounds, or all sound alike.

    Raises:
        ConfigError: As `estimate_key`.
    """
    check_choice(profile, (*PROFILES, MEAN_PROFILE), name="profile")
    weights = _pitch_weights(source)
    if np.ptp(weights) <= 1e-9 * np.abs(weights).max():
        return None
    chosen = PROFILES.values() if profile == MEAN_PROFILE else [PROFILES[profile]]
    return np.mean([_correlations(modes, weights) for modes in chosen], axis=0)


def _correlations(modes, weights):
    # Row `mode * 12 + tonic`.
    rows = np.concatenate([[np.roll(mode, k) for k in range(12)] for mode in modes])
    return np.array([np.corrcoef(row, weights)[0, 1] for row in rows])


def key_label(tonic: int, mode: str) -> str:
    """Return the usual name of a key.

    Args:
        tonic: Pitch class, 0 to 11.
        mode: `"maj"` or `"min"`.

    Returns:
        Such as `"Bb:maj"`: of two spellings the one with fewer accidentals.
    """
    # The wheel has each key once, under its usual name.
    code = keys.camelot(f"{harte.ROOTS_SHARP[tonic]}:{mode}")
    return ":".join(keys.parse_key(code))


def _pitch_weights(source):
    if hasattr(source, "intervals"):
        return _chord_weights(source)
    try:
        chroma = np.asarray(source, dtype="float64")
    except (TypeError, ValueError):
        chroma = np.zeros(0)
    usable = chroma.ndim in (1, 2) and chroma.shape[-1] == 12
    if not usable or not np.isfinite(chroma).all() or (chroma < 0).any():
        raise ConfigError(
            "A key needs chords, or a chroma of 12 columns of numbers from 0 up.",
            received=f"shape {np.shape(source)}",
            advice="Give a ChordSequence or (frames, 12); transpose librosa's chroma.",
        )
    return chroma.reshape(-1, 12).sum(axis=0)


def _chord_weights(sequence):
    weights = np.zeros(12)
    for start, end, label, _ in sequence:
        chord = harte.parse(label)
        if chord.root is not None:
            weights += (end - start) * np.array(chord.pitch_classes)
    return weights


class Beats(NamedTuple):
    """The tempo of a song and where its beats lie.

    Args:
        tempo: Beats per minute; 0 if no beat was found.
        times: The beats in seconds, rising, float64 array `(beats,)`.
    """

    tempo: float
    times: np.ndarray


def find_beats(source: Any, sample_rate: int | None = None) -> Beats:
    """Find the tempo and the beats of a song.

    `librosa.beat.beat_track` with its defaults, at 22050 Hz, chooses the beats. It
    says them late, by 20 ms on drums alone and by 50 ms where other music hides the
    start of a sound, and on a grid of 23 ms: each is moved to where the sound rises.

    The tempo is one for the whole song, the slope of a straight line through the
    beats, to 0.1 beats per minute where the playing is even. Half or twice the right
    one is the usual mistake. Fewer than 5 beats give librosa's estimate, which lies
    on a grid of 2 to 6 beats per minute.

    Args:
        source: Path of an audio file, or samples of shape `(samples,)` or
            `(channels, samples)`.
        sample_rate: Rate of the samples in Hz; `None` for 22050. Not for files.

    Returns:
        The `Beats`; its `times` fit the argument `beats` of `decode`.

    Raises:
        AudioError: If the audio cannot be read.
        MissingExtraError: If librosa is not installed.

    References:
        - Ellis, "Beat tracking by dynamic programming", Journal of New Music
          Research 36(1), 2007.

    Example:

    ```python
    import keras_musictag as kmt

    tempo, times = kmt.chords.find_beats(kmt.audio.demo_path())
    ```
    """
    librosa = import_librosa("find_beats()")
    if audio.arrays.is_array(source):
        rate = BEAT_SAMPLE_RATE if sample_rate is None else sample_rate
        samples = audio.resample(source, rate, BEAT_SAMPLE_RATE)
    else:
        samples, _ = audio.load(source, BEAT_SAMPLE_RATE)
    tempo, times = librosa.beat.beat_track(
        y=samples, sr=BEAT_SAMPLE_RATE, hop_length=BEAT_HOP, units="time"
    )
    times = _move_to_onsets(np.asarray(times, dtype="float64"), samples)
    if len(times) < FEWEST_BEATS:
        return Beats(float(np.ravel(tempo)[0]), times)
    return Beats(tempo_of_line(times), times)


def _move_to_onsets(times, samples):
    """Take the tracker's delay and its grid out of the times of beats.

    The tracker compares spectra of 93 ms and names the time at the leading edge of the
    window. A sound is noticed when it is well inside: how far depends on how loud it
    is beside what sounded before, so the delay is measured in each song.
    """
    if not len(times):
        return times
    rises = [_steepest_rise(samples, time) for time in times]
    onsets, heights = np.array(rises).T
    delays = onsets - times
    frame = BEAT_HOP / BEAT_SAMPLE_RATE
    clear = delays[heights >= np.median(heights)]
    delay = np.mean(clear[np.abs(clear - np.median(clear)) <= frame])
    moved = times + delay
    # The tracker's frames explain half a frame more or less; what lies farther is
    # another sound.
    own = np.abs(onsets - moved) <= 0.75 * frame
    return np.maximum(np.where(own, onsets, moved), 0.0)


def _steepest_rise(samples, time):
    """Return where, close to a beat, the spectrum rises most, and how much."""
    first, last = (round((time + s) * BEAT_SAMPLE_RATE) for s in BEAT_SEARCH)
    half = ONSET_WINDOW // 2
    # Silence around the ends: also a song that begins with a beat has a rise there.
    outside = max(0, half - first), max(0, last + half - len(samples))
    part = np.pad(samples[max(0, first - half) : last + half], outside)
    frames = np.lib.stride_tricks.sliding_window_view(part, ONSET_WINDOW)[::ONSET_HOP]
    spectra = np.sqrt(np.abs(np.fft.rfft(frames * np.hanning(ONSET_WINDOW))))
    rises = np.maximum(np.diff(spectra, axis=0), 0.0).sum(axis=1)
    steepest = int(rises.argmax())
    # Frames are centred; a difference lies between two of them.
    at = first + (steepest + 0.5) * ONSET_HOP
    return at / BEAT_SAMPLE_RATE, rises[steepest]


def tempo_of_line(times):
    """Return the beats per minute of a straight line through beats.

    Args:
        times: Two beats or more in seconds, rising, float array `(beats,)`.

    A gap counts as many beats as fit into it. Beats far off the line pull it less:
    weights after Huber, "Robust estimation of a location parameter", 1964.
    """
    intervals = np.diff(times)
    steps = np.maximum(np.rint(intervals / np.median(intervals)), 1)
    counts = np.append(0, np.cumsum(steps))
    weights = np.ones(len(times))
    for _ in range(20):
        x = counts - np.average(counts, weights=weights)
        y = times - np.average(times, weights=weights)
        slope = np.sum(weights * x * y) / np.sum(weights * x * x)
        errors = np.abs(y - slope * x)
        scale = max(2.0 * np.median(errors), 1e-9)
        weights = scale / np.maximum(errors, scale)
    return float(60.0 / slope)
