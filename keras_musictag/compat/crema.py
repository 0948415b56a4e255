"""Drop-in for the `crema` 0.2.0 package: old scripts change one import.

```python
from keras_musictag.compat.crema import analyze
```

`analyze` takes the original's arguments and returns its `jams.JAMS` object, with the
same chords: they begin at the centre of their first frame, half a frame early, the last
one ends one frame after the last, a confidence and a bass are those of a chord's frames
and the one after it, and digital silence is `D#:7`.
`CremaChordRecognizer.recognize` has none of these four habits. What differs, on
purpose: audio shorter than a frame (0.09 s) is an `AudioError`, which is a
`ValueError` as in the original.

References:
    - McFee and Bello, "Structured training for large-vocabulary chord
      recognition", ISMIR 2017.
"""

import functools
import os
from typing import Any, NamedTuple

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.chords import decode
from keras_musictag.chords.chordogram import with_bass
from keras_musictag.chords.vocabulary import TINY
from keras_musictag.errors import AudioError, ConfigError, import_extra
from keras_musictag.models.recognizers.crema import CremaChordRecognizer
from keras_musictag.presets import preset_info

__all__ = ["Observation", "analyze", "observe"]

VERSION = "0.2.0"


class Observation(NamedTuple):
    """One chord as a JAMS annotation holds it; `time` and `duration` in seconds."""

    time: float
    duration: float
    value: str
    confidence: float


def analyze(filename=None, y=None, sr=None) -> Any:
    """Estimate the chords of a recording; needs the package `jams`.

    Args:
        filename: Path of an audio file.
        y: Instead of a file: samples, `(samples,)` or `(channels, samples)`.
        sr: Rate of `y` in Hz.

    Returns:
        A `jams.JAMS` object with one annotation of the namespace `chord`.

    Raises:
        MissingExtraError: If `jams` is not installed.
        ConfigError: If neither `filename` nor `y` and `sr` are given.
        AudioError: If the audio cannot be used, or is shorter than a frame.

    Example:

    ```python
    import keras_musictag as kmt
    from keras_musictag.compat.crema import analyze

    jam = analyze(filename=str(kmt.audio.demo_path()))
    print(jam.annotations["chord", 0].to_dataframe().head())
    ```
    """
    feature = "compat.crema.analyze, which returns a jams.JAMS object,"
    jams = import_extra("jams", "train", feature)
    _check_source(filename, y, sr)
    observations = observe(filename, y, sr)
    if filename is not None:
        duration = audio.duration(filename)
    else:
        duration = np.shape(y)[-1] / check_sample_rate(sr)
    jam = jams.JAMS()
    jam.file_metadata.duration = duration
    annotation = jams.Annotation(namespace="chord", time=0, duration=duration)
    annotation.annotation_metadata.version = _model_version()
    annotation.annotation_metadata.annotation_tools = f"CREMA {VERSION}"
    annotation.annotation_metadata.data_source = "program"
    for observation in observations:
        annotation.append(**observation._asdict())
    jam.annotations.append(annotation)
    return jam


def observe(filename=None, y=None, sr=None) -> list[Observation]:
    """Estimate the chords as `analyze` does, as plain tuples without `jams`.

    Args:
        filename, y, sr: As in `analyze`.

    Returns:
        One `Observation` per chord.

    Raises:
        ConfigError, AudioError: As `analyze`.
    """
    _check_source(filename, y, sr)
    model = _model()
    source = y if filename is None else os.fspath(filename)
    rate = model.sample_rate
    if filename is None:
        samples = audio.resample(source, sr, rate)
    else:
        samples, _ = audio.load(source, rate)
    # As in the original, where rounding loses a frame of some lengths.
    frames = int(len(samples) / float(rate) * float(rate)) // model.hop_length
    if frames == 0:
        raise AudioError(
            "The audio is shorter than one frame of the chord recogniser.",
            received=f"{len(samples)} samples at {rate} Hz",
            advice=f"Pass at least {model.hop_length} samples.",
        )
    magnitudes = model.whole_track.track_magnitudes(samples)[:frames]
    return _observations(model, model.whole_track.predict(magnitudes))


def _observations(model, outputs: dict[str, np.ndarray]) -> list[Observation]:
    chord, bass = outputs["chord"], outputs["bass"].astype("float64")
    path = decode(chord, model.vocabulary, frame_period=model.frame_period)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    # One frame more than there are, whose end is the end of the last chord.
    bounds = np.append(starts, len(path) + 1)
    times = bounds * model.hop_length / float(model.sample_rate)
    observations = []
    for start, end, state in zip(times[:-1], times[1:], path[starts], strict=True):
        label, duration = model.vocabulary.labels[state], end - start
        confidence = chord[_window(model, start, end), state].mean()
        window = _window(model, start, start + duration)
        lowest = np.log(bass[window] + TINY).mean(axis=0).argmax()
        value = with_bass(label, int(lowest))
        observations.append(
            Observation(float(start), float(duration), value, float(confidence))
        )
    return observations


def _window(model, start: float, end: float) -> slice:
    """Frames from the one at a time to the one at another, both included."""
    first, last = (
        int(time * float(model.sample_rate)) // model.hop_length
        for time in (start, end)
    )
    return slice(first, last + 1)


def _check_source(filename, y, sr) -> None:
    if filename is None and (y is None or sr is None):
        raise ConfigError(
            "There is nothing to analyze.",
            received=f"filename=None, y={'None' if y is None else 'array'}, sr={sr!r}",
            advice="Pass filename=, or both y= and sr=.",
        )


@functools.lru_cache(maxsize=1)
def _model() -> CremaChordRecognizer:
    return CremaChordRecognizer.from_pretrained()


def _model_version() -> str:
    return preset_info("crema")["origin"]["version"]
