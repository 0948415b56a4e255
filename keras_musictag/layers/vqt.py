"""The variable-Q transform as a layer."""

import keras

from keras_musictag.checks import check_positive
from keras_musictag.constant_q.kernels import relative_bandwidth
from keras_musictag.errors import ConfigError
from keras_musictag.layers.cqt import CQT

# Equivalent rectangular bandwidths in Hz at a frequency f are ERB_0 + ERB_SLOPE * f.
ERB_0, ERB_SLOPE = 24.7, 0.108


@keras.saving.register_keras_serializable(package="keras_musictag")
class VQT(CQT):
    """Variable-Q transform of a waveform: as `CQT`, with shorter filters for low bins.

    The bandwidth of each filter is that of the constant-Q transform and `gamma` more,
    which makes low bins quicker and less sharp. The values are those of the magnitude
    of `librosa.vqt` with `intervals="equal"` and its other defaults.

    Args:
        gamma: Hz that are added to each bandwidth. 0 gives the constant-Q transform;
            with `None` the bandwidths are a constant part of the ear's (equivalent
            rectangular bandwidths).
        **kwargs: Everything that `CQT` takes, except `hybrid`.

    Input: float32 waveforms of shape `(batch, samples)`.

    Output: float32 of shape `(batch, frames, n_bins)`, `1 + samples // hop_length`
        frames.

    Raises:
        ConfigError: As `CQT`, or if `gamma` is not a number of at least 0.

    References:
        - Schörkhuber, Klapuri, Holighaus and Dörfler, "A Matlab toolbox for efficient
          perfect reconstruction time-frequency transforms with log-frequency
          resolution", AES Conference on Semantic Audio 2014.
        - Glasberg and Moore, "Derivation of auditory filter shapes from
          notched-noise data", Hearing Research 47, 1990.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import VQT

    waveform = np.random.default_rng(0).normal(size=(2, 22050)).astype("float32")
    print(VQT(gamma=20.0)(waveform).shape)  # (2, 44, 84)
    ```
    """

    def __init__(self, gamma=None, **kwargs) -> None:
        if kwargs.get("hybrid"):
            raise ConfigError(
                "A variable-Q transform has no hybrid form.",
                received="hybrid=True",
                advice="Use CQT(hybrid=True).",
            )
        self.gamma = (
            gamma if gamma in (None, 0) else check_positive(gamma, name="gamma")
        )
        super().__init__(**kwargs)

    def _gamma(self):
        if self.gamma is None:
            return relative_bandwidth(self.bins_per_octave) * ERB_0 / ERB_SLOPE
        return self.gamma

    def get_config(self) -> dict:
        config = {**super().get_config(), "gamma": self.gamma}
        del config["hybrid"]
        return config
