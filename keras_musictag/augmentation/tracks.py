"""Changes of whole tracks: those of a robustness study, and audiomentations."""

import random
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from keras_musictag.errors import ConfigError, import_librosa

# Strengths of Won et al.'s study.
STRETCHES = (2.0**-0.5, 2.0**0.5)
SEMITONES = (-1.0, 1.0)
PROFILES = ("music standard", "speech")
NOISE_SHARES = (0.1, 0.4)
# audiomentations draws from global generators: one thread at a time.
_turn = threading.Lock()


class Deformation(NamedTuple):
    """One change of a track, at one strength.

    `name` says what is done and `strength` how much, both for tables. `apply` is a
    function `(waveform, sample_rate, generator)` of a float32 array `(samples,)`, its
    rate in Hz and a `numpy.random.Generator`, that returns such an array, which may
    have another length.
    """

    name: str
    strength: str
    apply: Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def deformations(
    *,
    time_stretch: Iterable[float] = STRETCHES,
    pitch_shift: Iterable[float] = SEMITONES,
    compression: Iterable[str] = PROFILES,
    white_noise: Iterable[float] = NOISE_SHARES,
) -> list[Deformation]:
    """List the changes of Won et al.'s robustness study, or more of their kind.

    Time and pitch are changed by librosa, as there; see `DynamicRangeCompression` for
    how its levels are followed. The noise is not at a ratio to the track's power but
    mixed by a share: `(1 - share) * track + share * noise`, with the largest sample
    of the noise as large as that of the track.

    Args:
        time_stretch: Factors of speed; above 1 is faster. Needs the extra `augment`.
        pitch_shift: Semitones; above 0 is up. Needs the extra `augment`.
        compression: Profiles of `DynamicRangeCompression`.
        white_noise: Shares of the noise, in [0, 1].

    Returns:
        A list of `Deformation`s, by default two of each kind.

    References:
        - Won et al., "Evaluation of CNN-based automatic music tagging models", SMC
          2020, section on generalization.

    Example:

    ```python
    from keras_musictag.augmentation import deformations

    noises = deformations(time_stretch=(), pitch_shift=(), compression=())
    [d.strength for d in noises]  # ["0.1", "0.4"]
    ```
    """
    made = [_stretched(factor) for factor in time_stretch]
    made += [_transposed(steps) for steps in pitch_shift]
    made += [_compressed(profile) for profile in compression]
    return made + [_with_noise(share) for share in white_noise]


def _stretched(factor):
    def apply(waveform, sample_rate, generator):
        librosa = import_librosa("Time stretching")
        return librosa.effects.time_stretch(waveform, rate=factor)

    return Deformation("time stretch", f"{factor:.2f}x", apply)


def _transposed(steps):
    def apply(waveform, sample_rate, generator):
        librosa = import_librosa("Pitch shifting")
        return librosa.effects.pitch_shift(waveform, sr=sample_rate, n_steps=steps)

    return Deformation("pitch shift", f"{steps:+g} semitones", apply)


def _compressed(profile):
    def apply(waveform, sample_rate, generator):
        from keras import ops

        from keras_musictag.augmentation.compression import DynamicRangeCompression

        layer = DynamicRangeCompression(sample_rate, profile, initial_db=0.0)
        return ops.convert_to_numpy(layer(waveform[None], training=True))[0]

    return Deformation("compression", profile, apply)


def _with_noise(share):
    def apply(waveform, sample_rate, generator):
        noise = generator.standard_normal(len(waveform), dtype="float32")
        noise *= np.abs(waveform).max() / np.abs(noise).max()
        return (1.0 - share) * waveform + share * noise

    return Deformation("white noise", f"{share:g}", apply)


def from_audiomentations(
    transform: Callable[..., Any], sample_rate: int, *, seed: int | None = None
) -> "WaveformTransform":
    """Turn a transform of audiomentations into a function for data pipelines.

    Pitch shift, time stretch, rooms, codecs and some 40 more: see its documentation.
    Its transforms draw from the generators of `random` and of NumPy that the whole
    process shares. Here each call gives these a seed of its own and puts their state
    back, one thread at a time: results depend on `generator` alone, in whatever
    order worker threads come.

    Args:
        transform: A transform, or a `Compose` of some; any function of
            `(waveform, sample_rate)`.
        sample_rate: Of the waveforms, in Hz.
        seed: For calls without a generator; these depend on their order.

    Returns:
        A `WaveformTransform`: call it with a waveform and a generator.

    Raises:
        ConfigError: If `transform` cannot be called.

    Example:

    ```python
    import audiomentations
    import numpy as np
    from keras_musictag.augmentation import from_audiomentations

    shift = audiomentations.PitchShift(min_semitones=-2, max_semitones=2, p=0.5)
    augment = from_audiomentations(shift, sample_rate=16000)
    waveform = np.zeros(48000, "float32")
    changed = augment(waveform, np.random.default_rng(7))
    ```
    """
    if not callable(transform):
        raise ConfigError(
            "`transform` must be a function of a waveform and its sample rate.",
            received=f"{type(transform).__name__}",
            advice="Pass for example `audiomentations.PitchShift()`.",
        )
    return WaveformTransform(transform, sample_rate, seed)


class WaveformTransform:
    """A function of a waveform with seeds of its own, see `from_audiomentations`."""

    def __init__(self, transform, sample_rate: int, seed: int | None):
        self.transform, self.sample_rate, self.seed = transform, sample_rate, seed
        self._generator = np.random.default_rng(seed)

    def __call__(
        self, waveform, generator: np.random.Generator | None = None
    ) -> np.ndarray:
        """Change one waveform.

        Args:
            waveform: float32 array `(samples,)`.
            generator: Where the seed of this call comes from; `None` for the
                object's own.

        Returns:
            float32 array `(samples,)`, of another length if the transform says so.

        Raises:
            ConfigError: If the transform gives no waveform.
        """
        generator = self._generator if generator is None else generator
        with _turn:
            seed = int(generator.integers(2**32))
            kept, kept_numpy = random.getstate(), np.random.get_state()
            try:
                random.seed(seed)
                np.random.seed(seed)
                changed = self.transform(
                    np.asarray(waveform, "float32"), self.sample_rate
                )
            finally:
                random.setstate(kept)
                np.random.set_state(kept_numpy)
        if np.ndim(changed) != 1 or not np.size(changed):
            raise ConfigError(
                "The transform must give a waveform (samples,).",
                received=f"shape {np.shape(changed)}",
                advice="Leave out transforms that change the channels.",
            )
        return np.asarray(changed, "float32")
