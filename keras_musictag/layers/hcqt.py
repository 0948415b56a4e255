"""Constant-Q transforms of several harmonics, stacked, as a layer."""

import keras
import numpy as np
from keras import ops

from keras_musictag.checks import check_positive
from keras_musictag.errors import ConfigError
from keras_musictag.layers.cqt import CQT


@keras.saving.register_keras_serializable(package="keras_musictag")
class HCQT(CQT):
    """Constant-Q transforms from several multiples of one lowest frequency, stacked.

    Channel `h` starts at `harmonics[h] * fmin`, so that a note's overtones lie at the
    same bin in all channels and a convolution sees them at one place. Each channel
    holds the values of `CQT(fmin=harmonics[h] * fmin)`; the halved waveforms are made
    once for all channels, and so are bins that several channels have in common.
    Maxima for decibels are taken per item and channel.

    Args:
        harmonics: Multiples of `fmin`, numbers above 0.
        **kwargs: Everything that `CQT` takes, except `hybrid`.

    Input: float32 waveforms of shape `(batch, samples)`.

    Output: float32 of shape `(batch, frames, n_bins, len(harmonics))`.

    Raises:
        ConfigError: As `CQT`, for the highest of the harmonics.

    References:
        - Bittner et al., "Deep salience representations for F0 estimation in
          polyphonic music", ISMIR 2017.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import HCQT

    waveform = np.random.default_rng(0).normal(size=(2, 22050)).astype("float32")
    layer = HCQT(harmonics=(1, 2), n_bins=72)
    print(layer(waveform).shape)  # (2, 44, 72, 2)
    ```
    """

    def __init__(self, harmonics=(0.5, 1, 2, 3, 4, 5), n_bins=72, **kwargs) -> None:
        if not np.ndim(harmonics) or not len(harmonics):
            raise ConfigError(
                "`harmonics` must list at least one multiple of `fmin`.",
                received=f"harmonics={harmonics!r}",
                advice="Use for example (0.5, 1, 2, 3, 4, 5).",
            )
        if kwargs.get("hybrid"):
            raise ConfigError(
                "A harmonic transform has no hybrid form.",
                received="hybrid=True",
                advice="Use CQT(hybrid=True), one layer for each harmonic.",
            )
        self.harmonics = tuple(check_positive(h, name="harmonics") for h in harmonics)
        super().__init__(n_bins=n_bins, **kwargs)

    def _fmins(self):
        return [harmonic * self.fmin for harmonic in self.harmonics]

    def _arrange(self, values, order):
        values = super()._arrange(values, order)
        batch, frames = ops.shape(values)[:2]
        return ops.reshape(values, (batch, frames, self.n_bins, len(self.harmonics)))

    def compute_output_shape(self, input_shape):
        return (*super().compute_output_shape(input_shape), len(self.harmonics))

    def get_config(self) -> dict:
        config = {**super().get_config(), "harmonics": list(self.harmonics)}
        del config["hybrid"]
        return config
