"""`Beatgram`: how likely a beat is in each frame of a track."""

import dataclasses

import numpy as np

from keras_musictag.beats.decoding import decode
from keras_musictag.beats.peaks import pick_peaks
from keras_musictag.beats.sequence import BeatSequence
from keras_musictag.checks import check_choice, check_positive
from keras_musictag.errors import ConfigError

USUAL_TEMPO = 110.0
DECODERS = ("bars", "peaks")


@dataclasses.dataclass(frozen=True, eq=False)
class Beatgram:
    """What a beat tracker says about one track, frame by frame.

    Args:
        beat: Probability of a beat that is no downbeat, float32 array `(frames,)`.
        downbeat: Probability of a downbeat, float32 array `(frames,)`; `None` for a
            tracker that does not tell them, whose `beat` means all beats.
        frame_rate: Frames per second; the first is centred on 0.
        duration: Length of the recording in seconds.

    Raises:
        ConfigError: If the arrays do not fit each other, or a number is not above 0.

    Example:

    ```python
    import keras_musictag as kmt

    tracker = kmt.BeatTracker.from_pretrained()
    beatgram = tracker.beatgram(kmt.audio.demo_path())
    print(beatgram.decode(meters=(3, 4)))
    print(beatgram.decode(meters=(4,), tempo=(80, 160)))
    ```
    """

    beat: np.ndarray
    downbeat: np.ndarray | None
    frame_rate: float
    duration: float

    def __post_init__(self):
        check_positive(self.frame_rate, name="frame_rate")
        check_positive(self.duration, name="duration")
        given = [v for v in (self.beat, self.downbeat) if v is not None]
        shapes = {np.shape(values) for values in given}
        if len(shapes) != 1 or len(shapes.pop()) != 1:
            raise ConfigError(
                "A beatgram needs one probability for each frame.",
                received=f"shapes {[np.shape(values) for values in given]}",
                advice="Give arrays (frames,).",
            )

    @property
    def times(self) -> np.ndarray:
        """float64 array `(frames,)`: the centre of each frame in seconds."""
        return np.arange(len(self.beat)) / self.frame_rate

    def decode(
        self,
        decoder: str = "bars",
        *,
        usual_tempo: float | None = USUAL_TEMPO,
        **options,
    ) -> BeatSequence:
        """Find the beats; see `beats.decode` and `beats.pick_peaks`.

        Args:
            decoder: `"bars"` for the likeliest path of tempo and place in the bar, of
                one meter; `"peaks"` for each peak of the probabilities by itself,
                which follows any change and keeps to nothing.
            usual_tempo: In doubt between a tempo, its half and its double, the one
                nearer to this, in beats per minute; `None` for no preference.
            **options: `meters`, `tempo` and `steadiness`. Peaks take none of them.

        Returns:
            The `BeatSequence`.

        Raises:
            ConfigError: If there is no such decoder, or an option is out of range.
        """
        check_choice(decoder, DECODERS, name="decoder")
        if decoder == "peaks":
            if usual_tempo != USUAL_TEMPO:
                options["usual_tempo"] = usual_tempo
            if options:
                raise ConfigError(
                    "Peaks are taken as they are: no tempo and no meter is looked for.",
                    received=f"decoder='peaks' with {', '.join(options)}",
                    advice='Leave these out, or use decoder="bars".',
                )
            return pick_peaks(
                self.beat,
                self.downbeat,
                frame_rate=self.frame_rate,
                duration=self.duration,
            )
        return decode(
            self.beat,
            self.downbeat,
            frame_rate=self.frame_rate,
            duration=self.duration,
            usual_tempo=usual_tempo,
            **options,
        )
