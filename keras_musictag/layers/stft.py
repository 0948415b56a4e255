"""Short-time Fourier transform of a waveform, as a layer without weights."""

import keras
import numpy as np
from keras import ops

from keras_musictag.checks import check_choice, check_positive_int
from keras_musictag.errors import ConfigError

WINDOWS = ("hann", "hamming", "symmetric_hann", "povey", "ones")
# The smallest normal float32: below it a power counts as silence.
TINY = float(np.finfo("float32").tiny)


@keras.saving.register_keras_serializable(package="keras_musictag")
class STFT(keras.layers.Layer):
    """Magnitude, power or complex spectrogram of a waveform.

    The values are those of `librosa.stft` and `torch.stft`, but the axes are
    `(batch, frames, bins)`: the transpose of librosa's `(bins, frames)`. Frame `t`
    is centred on sample `t * hop_length` with `center=True`, and starts there with
    `center=False`.

    The layer has no weights and computes in float32 whatever the dtype policy. Its
    gradient is finite everywhere, also at digital silence.

    Args:
        n_fft: Length of the transform in samples; gives `1 + n_fft // 2` bins.
        hop_length: Samples from one frame to the next.
        win_length: Length of the window in samples, at most `n_fft`. `None` means
            `n_fft`.
        window: `"hann"` or `"hamming"` (periodic, as librosa and PyTorch use them),
            `"symmetric_hann"` (madmom), `"povey"` (Kaldi: that to the power 0.85) or
            `"ones"`.
        center: If `True`, `n_fft // 2` samples are padded on each side. If `False`,
            nothing is padded, and an incomplete last frame is dropped (Kaldi's
            `snip_edges=True`).
        pad_mode: `"zeros"` (librosa 0.9 and later) or `"reflect"` (older librosa,
            PyTorch and torchaudio). Only used with `center=True`.
        power: 1 for magnitude, 2 for power, `None` for the real and imaginary part.
        method: `"fft"`, or `"dft"`: the transform as one matrix product, which
            exports to every format. They agree to 1e-5 of the peak. `"fft"` is
            faster, the more the longer the transform.
        window_position: Where a window shorter than `n_fft` lies. `"center"`: a
            frame has `n_fft` samples and the window lies in its middle (librosa,
            PyTorch). `"start"`: a frame has `win_length` samples, and zeros follow
            up to `n_fft` (Kaldi); needs `center=False`.
        remove_dc: If `True`, the mean of each frame is subtracted first (Kaldi).
        preemphasis: Coefficient `c` of `x[n] - c * x[n - 1]`, applied to each frame
            after `remove_dc` and before the window; the first sample is taken as its
            own predecessor (Kaldi, which uses 0.97). `None` or 0 leaves it out.
        **kwargs: `name`, `trainable`. A `dtype` is accepted and has no effect.

    Input: float32 waveforms of shape `(batch, samples)`.

    Output: float32 of shape `(batch, frames, 1 + n_fft // 2)`, or with `power=None`
        `(batch, frames, 1 + n_fft // 2, 2)`. With an even `n_fft`, `center=True`
        gives `1 + samples // hop_length` frames.

    Raises:
        ConfigError: If an argument cannot work, the input is not of rank 2, or it
            is too short for one frame or for reflection.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import STFT

    waveform = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    magnitude = STFT(n_fft=512, hop_length=256)(waveform)
    print(magnitude.shape)  # (2, 63, 257)
    ```
    """

    def __init__(
        self,
        n_fft=2048,
        hop_length=512,
        win_length=None,
        window="hann",
        center=True,
        pad_mode="zeros",
        power=1.0,
        method="fft",
        window_position="center",
        remove_dc=False,
        preemphasis=None,
        **kwargs,
    ) -> None:
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.n_fft = check_positive_int(n_fft, name="n_fft")
        self.hop_length = check_positive_int(hop_length, name="hop_length")
        if win_length is not None:
            win_length = check_positive_int(win_length, name="win_length")
        self.win_length = win_length
        self.window = check_choice(window, WINDOWS, name="window")
        self.center = bool(center)
        self.pad_mode = check_choice(pad_mode, ("zeros", "reflect"), name="pad_mode")
        self.power = check_choice(power, (1, 2, None), name="power")
        self.method = check_choice(method, ("fft", "dft"), name="method")
        self.window_position = check_choice(
            window_position, ("center", "start"), name="window_position"
        )
        self.remove_dc = bool(remove_dc)
        self.preemphasis = preemphasis
        self._check_together()
        # NumPy arrays, not tensors: a tensor kept here would belong to one graph.
        length = win_length or self.n_fft
        self._frame_length = length if window_position == "start" else self.n_fft
        before = (self._frame_length - length) // 2
        after = self._frame_length - length - before
        self._window = np.pad(window_values(window, length), (before, after))
        self._matrix = self._dft_matrix() if method == "dft" else None

    def _check_together(self):
        if self.win_length is not None and self.win_length > self.n_fft:
            raise ConfigError(
                "`win_length` must not exceed `n_fft`.",
                received=f"win_length={self.win_length}, n_fft={self.n_fft}",
                advice="Raise `n_fft` or shorten the window.",
            )
        if self.center and self.window_position == "start":
            raise ConfigError(
                'window_position="start" has no centred form.',
                received="center=True",
                advice="Pass `center=False`.",
            )
        coefficient = self.preemphasis
        if coefficient is not None and not (
            isinstance(coefficient, (int, float)) and 0 <= coefficient <= 1
        ):
            raise ConfigError(
                "`preemphasis` must be a number from 0 to 1, or None.",
                received=f"preemphasis={coefficient!r}",
                advice="Kaldi uses 0.97; None leaves it out.",
            )

    def __call__(self, inputs, *args, **kwargs):
        # Checked here because Keras turns errors from inside `call` into its own.
        self.check_input_shape(np.shape(inputs))
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        if self.center:
            side = self.n_fft // 2
            mode = "constant" if self.pad_mode == "zeros" else "reflect"
            x = ops.pad(x, [[0, 0], [side, side]], mode=mode)
        frames = split_frames(x, self._frame_length, self.hop_length)
        if self.method == "dft":
            real, imag = self._dft(frames)
        else:
            real, imag = ops.rfft(self._prepare(frames), fft_length=self.n_fft)
        if self.power is None:
            return ops.stack([real, imag], axis=-1)
        power = ops.square(real) + ops.square(imag)
        return power if self.power == 2 else safe_sqrt(power)

    def _prepare(self, frames):
        if self.remove_dc:
            frames = frames - ops.mean(frames, axis=-1, keepdims=True)
        if self.preemphasis:
            before = ops.concatenate([frames[..., :1], frames[..., :-1]], axis=-1)
            frames = frames - self.preemphasis * before
        return frames * ops.convert_to_tensor(self._window)

    def _dft(self, frames):
        both = ops.matmul(frames, ops.convert_to_tensor(self._matrix))
        bins = self.n_fft // 2 + 1
        return both[..., :bins], both[..., bins:]

    def _dft_matrix(self):
        """Everything from the frame to `[real | imaginary]`, folded into one matrix.

        Returns:
            float32 array of shape `(frame_length, 2 * (1 + n_fft // 2))`.
        """
        length = self._frame_length
        # Positions on one turn, in whole steps: the angles stay exact.
        circle = 2.0 * np.pi * np.arange(self.n_fft) / self.n_fft
        position = np.outer(np.arange(length), np.arange(self.n_fft // 2 + 1))
        position %= self.n_fft
        waves = np.concatenate(
            [np.cos(circle)[position], -np.sin(circle)[position]], axis=1
        )
        waves = self._window.astype("float64")[:, None] * waves
        if self.preemphasis:
            before = np.eye(length, k=1)
            before[0, 0] = 1.0
            waves = waves - self.preemphasis * (before @ waves)
        if self.remove_dc:
            waves = waves - waves.mean(axis=0)
        return waves.astype("float32")

    def frame_count(self, samples):
        """Number of frames that a waveform of `samples` samples gives.

        Args:
            samples: Length of the waveform in samples.

        Returns:
            An int of at least 1.

        Raises:
            ConfigError: If the waveform is too short for one frame, or for
                reflection.
        """
        side = self.n_fft // 2 if self.center else 0
        reflects = self.center and self.pad_mode == "reflect"
        least = side + 1 if reflects else max(1, self._frame_length - 2 * side)
        if samples < least:
            reason = "reflection at its ends" if reflects else "one frame"
            raise ConfigError(
                f"The waveform is too short for {reason}.",
                received=f"{samples} samples, needed are {least}",
                advice="Pad it with zeros"
                + (', or use pad_mode="zeros".' if reflects else "."),
            )
        return 1 + (samples + 2 * side - self._frame_length) // self.hop_length

    def check_input_shape(self, shape):
        """Refuse a shape that this layer cannot take.

        Args:
            shape: Shape of the input; unknown sizes are `None`.

        Raises:
            ConfigError: If the rank is not 2 or the waveform is too short.
        """
        shape = tuple(shape)
        if len(shape) != 2:
            raise ConfigError(
                "Waveforms must have the shape (batch, samples).",
                received=f"shape {shape}",
                advice="Give one track as `x[None]`; average the channels first.",
            )
        if shape[1] is not None:
            self.frame_count(shape[1])

    def compute_output_shape(self, input_shape):
        self.check_input_shape(input_shape)
        batch, samples = input_shape
        frames = None if samples is None else self.frame_count(samples)
        shape = (batch, frames, self.n_fft // 2 + 1)
        return (*shape, 2) if self.power is None else shape

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            win_length=self.win_length,
            window=self.window,
            center=self.center,
            pad_mode=self.pad_mode,
            power=self.power,
            method=self.method,
            window_position=self.window_position,
            remove_dc=self.remove_dc,
            preemphasis=self.preemphasis,
        )
        return config


def window_values(window, length):
    """Values of a window.

    Args:
        window: As in `STFT`.
        length: Length in samples.

    Returns:
        float32 array of shape `(length,)`.
    """
    if window == "ones" or length == 1:
        return np.ones(length, "float32")
    # Periodic windows repeat after `length` samples, symmetric ones end on a zero.
    period = length - 1 if window in ("symmetric_hann", "povey") else length
    cosine = np.cos(2.0 * np.pi * np.arange(length) / period)
    if window == "hamming":
        return (0.54 - 0.46 * cosine).astype("float32")
    hann = 0.5 - 0.5 * cosine
    return (hann**0.85 if window == "povey" else hann).astype("float32")


def split_frames(x, length, hop):
    """Cut waveforms into overlapping frames.

    Args:
        x: Tensor of shape `(batch, samples)`, at least one frame long.
        length: Length of a frame in samples.
        hop: Samples from one frame to the next.

    Returns:
        Tensor of shape `(batch, frames, length)`; an incomplete last frame is
        dropped.
    """
    if keras.backend.backend() != "jax":
        return ops.extract_sequences(x, length, hop)
    # On JAX, Keras frames by a convolution with the identity, which makes the whole
    # transform 2.5 to 7 times slower. Blocks of one hop, side by side, are copies.
    samples = x.shape[1]
    frames = 1 + (samples - length) // hop
    blocks = -(-length // hop)
    total = (frames - 1 + blocks) * hop
    x = ops.pad(x, [[0, 0], [0, max(0, total - samples)]])[:, :total]
    x = ops.reshape(x, (-1, frames - 1 + blocks, hop))
    parts = [x[:, start : start + frames] for start in range(blocks)]
    return ops.concatenate(parts, axis=-1)[:, :, :length]


def safe_sqrt(x):
    """Square root whose gradient at zero is zero instead of infinite.

    Args:
        x: Tensor of values that are not negative.

    Returns:
        Tensor of the same shape.
    """
    heard = x > TINY
    return ops.where(heard, ops.sqrt(ops.where(heard, x, 1.0)), 0.0)
