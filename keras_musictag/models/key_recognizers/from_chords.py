"""The key from the chords that a chord recogniser hears."""

from typing import Self

from keras_musictag.keys.from_chords import KeyFromChords
from keras_musictag.models.recognizer import ChordRecognizer


class ChordKeyRecognizer(KeyFromChords):
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
