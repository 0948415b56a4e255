"""The key of a song from its chords, as a keygram."""

from collections.abc import Iterable, Iterator

import numpy as np

from keras_musictag.checks import check_positive
from keras_musictag.chords.analysis import key_fits
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.keys.keygram import Keygram
from keras_musictag.keys.recognition import KeyRecognition
from keras_musictag.tracks.inference import TrackError

# Seconds of chords that a window holds, and from one window to the next.
WINDOW, HOP = 20.0, 5.0
# What makes probabilities of correlations: their factor in the exponent. It makes the
# right keys of 80 rendered songs, whose chords a network heard, most probable.
SHARPNESS = 20.0


def keygram_of_chords(
    chords: ChordSequence,
    *,
    window: float = WINDOW,
    hop: float = HOP,
    profile: str = "mean",
) -> Keygram:
    """Say how well the chords of a song fit each key, overall and in windows.

    A key is the more probable the better its profile resembles the pitch classes of
    the chords, as in `chords.estimate_key`.

    Args:
        chords: The chords.
        window: How many seconds of chords are looked at at once.
        hop: Seconds from one window to the next.
        profile: `"mean"`, `"temperley"` or `"krumhansl"`, see `chords.estimate_key`.

    Returns:
        The `Keygram`, with rows of zeros where no chord sounds.

    Raises:
        ConfigError: If a length is not above 0, the profile is unknown, or the
            sequence has no duration.

    References:
        - Krumhansl, "Cognitive Foundations of Musical Pitch", 1990.

    Example:

    ```python
    import keras_musictag as kmt

    chords = kmt.ChordSequence([[0, 4], [4, 6], [6, 8]], ["Bb:maj", "Eb:maj", "F:7"])
    print(kmt.keys.keygram_of_chords(chords).decode().key)  # Bb major
    ```
    """
    check_positive(window, name="window")
    check_positive(hop, name="hop")
    duration = check_positive(chords.duration, name="duration")
    count = 1 + max(0, int(np.ceil((duration - window) / hop - 1e-9)))
    starts = np.arange(count) * hop
    intervals = np.stack([starts, np.minimum(starts + window, duration)], axis=1)
    rows = [key_chances(chords.between(*pair), profile) for pair in intervals]
    return Keygram(np.stack(rows), intervals, key_chances(chords, profile), duration)


def key_chances(chords: ChordSequence, profile: str = "mean") -> np.ndarray:
    """Return the probability of each of `keys.KEYS`, float64 `(24,)`; or zeros."""
    fits = key_fits(chords, profile=profile)
    if fits is None:
        return np.zeros(24)
    chances = np.exp(SHARPNESS * (fits - fits.max()))
    return chances / chances.sum()


class KeyFromChords(KeyRecognition):
    """The key of a song from the chords that a recogniser of chords hears.

    Args:
        chords: Any recogniser of chords.
        profile: As in `keygram_of_chords`.

    Attributes:
        chords, profile: The same.
        sample_rate: Of arrays without a rate, in Hz: that of `chords`.
    """

    def __init__(self, chords, *, profile: str = "mean"):
        self.chords, self.profile = chords, profile
        self.sample_rate = chords.sample_rate
        # Whatever is wrong with the profile is said before any music is decoded.
        keygram_of_chords(ChordSequence([[0, 1]], ["C:maj"]), profile=profile)

    def iter_keygrams(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[Keygram | TrackError]:
        for outcome in self.chords.iter_chords(tracks, sample_rate):
            if isinstance(outcome, ChordSequence):
                yield keygram_of_chords(outcome, profile=self.profile)
            else:
                yield outcome
