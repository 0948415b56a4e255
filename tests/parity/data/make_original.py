"""Make `original.npz`: what the `musicnn` 0.1.0 package says about `clip.flac`.

Run in an environment of its own, where the package works (Python 3.11,
tensorflow 2.15, numpy below 2, librosa 0.10, musicnn 0.1.0):

    python make_original.py

`clip.flac` is the demo clip of this package, rounded to 16 bits. The set `2019`
pads the spectrogram by reflection, as the librosa of that year did, and `modern`
with zeros, as librosa does since 0.9; the rest is the package's own code.
"""

import functools
from pathlib import Path

import librosa
import numpy as np
from musicnn.extractor import extractor

HERE = Path(__file__).resolve().parent
MODELS = ("MTT_musicnn", "MSD_musicnn", "MTT_vgg", "MSD_vgg")
SETTINGS = {
    "taggram": {},
    "taggram_ov1": {"input_overlap": 1},
    "taggram_len2": {"input_length": 2},
    "taggram_len2_ov1": {"input_length": 2, "input_overlap": 1},
}


def main() -> None:
    clip = str(HERE / "clip.flac")
    melspectrogram = librosa.feature.melspectrogram
    made = {}
    for model in MODELS:
        made[f"modern_taggram__{model}"] = extractor(clip, model)[0]
    librosa.feature.melspectrogram = functools.partial(
        melspectrogram, pad_mode="reflect"
    )
    for model in MODELS:
        for name, options in SETTINGS.items():
            if "vgg" in model and "input_length" in options:
                continue
            scores, _, features = extractor(clip, model, **options)
            made[f"{name}__{model}"] = scores
        last = "pool5" if "vgg" in model else "penultimate"
        made[f"{last}__{model}"] = extractor(clip, model)[2][last]
    np.savez_compressed(HERE / "original.npz", **made)


if __name__ == "__main__":
    main()
