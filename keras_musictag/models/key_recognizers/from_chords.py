"""The key from the chords that a chord recogniser hears."""

from collections.abc import Iterable, Iterator
from typing import Self

from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.keys.from_chords import keygram_of_chords
from keras_musictag.keys.keygram import Keygram
from keras_musictag.keys.recognition import KeyRecognition
from keras_musictag.models.recognizer import ChordRecognizer
from keras_musictag.tracks.inference import TrackError


class ChordKeyRecognizer(KeyRecognition):
    """The key of a song from its chords; it needs no network of its own.

    A chord recogniser hears the track; the key is the one whose profile the pitch
    classes of its chords resemble most. All weights are in the package: this is the
    recogniser that works offline.

    Args:
        chords: Any recogniser of chords, a `ChordRecognizer` or an exported one.
        profile: `"mean"`, `"temperley"` or `"krumhansl"`, see `chords.estimate_key`.

    Attributes:
        chords, profile: The same.
        sample_rate: Of arrays without a rate, in Hz: that of `chords`.

    References:
        - Krumhansl, "Cognitive Foundations of Musical Pitch", 1990.
        - Temperley, "Music and Probability", 2007.

    Example:

    ```python
    import keras_musictag as kmt

    recognizer = kmt.ChordKeyRecognizer.from_pretrained()
    keys = recognizer.recognize(kmt.audio.demo_path())
    print(keys.key, keys.notated("openkey"))
    ```
    """

    def __init__(self, chords, *, profile: str = "mean"):
        self.chords, self.profile = chords, profile
        self.sample_rate = chords.sample_rate
        # Whatever is wrong with the profile is said before any music is decoded.
        keygram_of_chords(ChordSequence([[0, 1]], ["C:maj"]), profile=profile)

    @classmethod
    def from_pretrained(cls, source=None, *, profile="mean", **options) -> Self:
        """Make one of a pretrained chord recogniser.

        Args:
            source: What `ChordRecognizer.from_pretrained` takes; `None` for its
                default preset, which is in the package.
            profile: See `ChordKeyRecognizer`.
            **options: Of `ChordRecognizer.from_pretrained`.

        Returns:
            The recogniser.

        Raises:
            PresetError: As `ChordRecognizer.from_pretrained`.
            ConfigError: If the profile is unknown.
        """
        return cls(ChordRecognizer.from_pretrained(source, **options), profile=profile)

    def iter_keygrams(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[Keygram | TrackError]:
        for outcome in self.chords.iter_chords(tracks, sample_rate):
            if isinstance(outcome, ChordSequence):
                yield keygram_of_chords(outcome, profile=self.profile)
            else:
                yield outcome
