"""`extractor` of the original package: scores and features over time."""

import functools
import math

import numpy as np

from keras_musictag.compat.musicnn import configuration as config
from keras_musictag.errors import ConfigError, PresetError
from keras_musictag.models.tagger import MusicTagger
from keras_musictag.presets.weights import copy_weights

MUSICNN_FEATURES = (
    "timbral",
    "temporal",
    "cnn1",
    "cnn2",
    "cnn3",
    "mean_pool",
    "max_pool",
    "penultimate",
)
VGG_FEATURES = ("pool1", "pool2", "pool3", "pool4", "pool5")
# For patches after the first one the original appends the first one's values of
# these again. Scores and the other features are not affected.
REPEATED = ("cnn1", "cnn2", "cnn3", "penultimate")
# The reflected edge needs more than one hop of audio on each side of a patch.
LEAST_FRAMES = 3


def extractor(
    file_name,
    model="MTT_musicnn",
    input_length=3,
    input_overlap=False,
    extract_features=True,
) -> tuple:
    """Compute the taggram and the features of a music file.

    Args:
        file_name: Path of the file.
        model: `"MTT_musicnn"`, `"MTT_vgg"`, `"MSD_musicnn"` or `"MSD_vgg"`.
        input_length: Seconds of audio in a patch; 3 for the vgg models.
        input_overlap: Despite its name, the step from one patch to the next in
            seconds; `False` or 0 for patches in a row.
        extract_features: Whether to return the features too.

    Returns:
        `(taggram, labels, features)`, or `(taggram, labels)` without features.
        `taggram` is float32 of shape `(patches, 50)`, `labels` a list of 50
        strings. `features` maps names to float32 arrays; those with frames are
        joined in time, such as `(patches * frames, 64)` for `"cnn1"` and
        `(patches * 92, 48, 128)` for `"pool1"`, the others have one row per patch,
        such as `(patches, 200)` for `"penultimate"`. As in the original,
        `"cnn1"`, `"cnn2"`, `"cnn3"` and `"penultimate"` hold the values of the
        first patch for every patch; `MusicTagger.embed` gives each patch its own.

    Raises:
        ValueError: If there is no such model, `input_length` is not 3 with a vgg
            model, or a time is too short.
        AudioError: If the file cannot be read.

    Example:

    ```python
    import keras_musictag as kmt
    from keras_musictag.compat.musicnn import extractor

    taggram, labels, features = extractor(str(kmt.audio.demo_path()))
    features["penultimate"].shape  # (3, 200)
    ```
    """
    preset = _preset(model)
    check_input_length(model, input_length)
    tagger = _load(preset, _patch_frames(input_length))
    plan = tagger.chunking
    if input_overlap:
        plan = plan.replace(hop_samples=_hop_frames(input_overlap) * config.FFT_HOP)
    labels = list(tagger.labels)
    if not extract_features:
        return tagger.taggram(file_name, chunking=plan).scores, labels
    names = VGG_FEATURES if "vgg" in model else MUSICNN_FEATURES
    values = tagger.embed(
        file_name, layer=[*names, "scores"], aggregate=None, chunking=plan
    )
    for name in set(REPEATED).intersection(names):
        values[name] = np.repeat(values[name][:1], len(values[name]), axis=0)
    features = {name: _joined(values[name]) for name in names}
    return values["scores"], labels, features


def check_input_length(model: str, input_length: float) -> None:
    """Refuse patches that the vgg models cannot read.

    Raises:
        ConfigError: If it is a vgg model and `input_length` is not 3.
    """
    if "vgg" in model and input_length != 3:
        raise ConfigError(
            "The vgg models take patches of 3 seconds only.",
            received=f"model={model!r}, input_length={input_length!r}",
            advice="Leave input_length out, or use a musicnn model.",
        )


def _preset(model: str) -> str:
    if model in config.PRESETS:
        return config.PRESETS[model]
    problem = "There is no such musicnn model."
    if model == "MSD_musicnn_big":
        problem = "MSD_musicnn_big was never part of the released musicnn package."
    raise PresetError(
        problem,
        received=f"model={model!r}",
        advice=f"Choose from {', '.join(config.PRESETS)}.",
    )


def _patch_frames(seconds: float) -> int:
    frames = _frames(seconds) + 1
    if frames < LEAST_FRAMES:
        least = LEAST_FRAMES * config.FFT_HOP / config.SR
        raise ConfigError(
            "`input_length` is too short for a patch.",
            received=f"input_length={seconds!r}",
            advice=f"Pass at least {least} seconds.",
        )
    return frames


def _hop_frames(seconds: float) -> int:
    frames = _frames(seconds)
    if frames < 1:
        raise ConfigError(
            "`input_overlap`, the step between patches, is less than one frame.",
            received=f"input_overlap={seconds!r}",
            advice=f"Pass at least {2 * config.FFT_HOP / config.SR} seconds, or False.",
        )
    return frames


def _frames(seconds: float) -> int:
    """Whole hops in a time that is shortened by half a window, as in librosa."""
    if not math.isfinite(seconds):
        raise ConfigError(
            "A time must be a finite number of seconds.",
            received=repr(seconds),
            advice="Pass for example 3.",
        )
    return (int(seconds * config.SR) - config.FFT_SIZE // 2) // config.FFT_HOP


@functools.lru_cache(maxsize=8)
def _load(preset: str, frames: int) -> MusicTagger:
    """Load a preset once; for other patches, share its weights with a new model."""
    tagger = MusicTagger.from_pretrained(preset)
    settings = tagger.get_config()
    if settings["chunk_frames"] == frames:
        return tagger
    other = type(tagger).from_config({**settings, "chunk_frames": frames})
    copy_weights(other.weights, tagger.weights)
    return other


def _joined(values: np.ndarray) -> np.ndarray:
    """Put the frames of all patches in a row, without axes of length 1."""
    if values.ndim == 2:
        return values
    return np.concatenate([np.squeeze(patch) for patch in values])
