"""Dynamic range compression of waveforms."""

import keras
import numpy as np
from keras import ops

from keras_musictag.augmentation.base import WaveformAugmentation, check_range
from keras_musictag.checks import check_choice, check_positive, check_positive_int

# Level in, level out, in dB below full scale; straight lines between.
PROFILES = {
    "film standard": ((-90, -70, -43, -31, -21, 0), (-90, -64, -37, -31, -21, -20)),
    "film light": ((-90, -70, -53, -41, -21, 0), (-90, -64, -47, -41, -21, -20)),
    "music standard": ((-90, -70, -55, -31, -21, 0), (-90, -58, -43, -31, -21, -20)),
    "music light": ((-90, -70, -65, -41, -21, 0), (-90, -58, -53, -41, -21, -11)),
    "speech": ((-90, -70, -50, -31, -21, 0), (-90, -55, -35, -31, -21, -20)),
}
BLOCK_SECONDS = 0.005
SILENCE = 1e-5  # -100 dB: below the lowest point of all profiles


@keras.saving.register_keras_serializable(package="keras_musictag")
class DynamicRangeCompression(WaveformAugmentation):
    """Bring loud and soft moments of each waveform nearer to each other.

    A follower of the level decides from moment to moment how much to amplify, along
    a profile drawn for each item. The profiles are those of Dolby broadcasting
    equipment in the form in which MUDA and, after it, Won et al. hand them to the
    `compand` effect of SoX, with its times: attack 0.1 s, decay 0.3 s, look-ahead
    0.1 s. Won et al. use `"music standard"` and `"speech"`.

    What differs from SoX: the level is updated every 5 ms, by the sum of what SoX
    does in each sample (0.1 dB); and by default it begins at that of the first 0.1
    s, since a chunk out of the middle of a track shall not fade in. With
    `initial_db=0.0` it begins at full scale, as in their study. Gradients pass
    through the amplified samples, not through the level.

    Args:
        sample_rate: Of the waveforms, in Hz.
        profiles: Names from which one is drawn for each item: `"film standard"`,
            `"film light"`, `"music standard"`, `"music light"`, `"speech"`.
        attack, decay: Times of the follower when the level rises and falls, in
            seconds.
        lookahead: How far the follower is ahead of the sound, in seconds.
        initial_db: Level where the follower begins, in dB below full scale; `None`
            for that of the first 0.1 s.
        probability: Chance of each item to be changed, in [0, 1].
        seed: Of the random numbers; `None` for others each time.
        **kwargs: `name`. A `dtype` is accepted and has no effect.

    Input and output: float32 `(batch, samples)`, full scale is 1.

    Raises:
        ConfigError: If an argument cannot work or the input is not of rank 2.

    References:
        - McFee, Humphrey and Bello, "A software framework for musical data
          augmentation", ISMIR 2015.
        - Won et al., "Evaluation of CNN-based automatic music tagging models", SMC
          2020.

    Example:

    ```python
    import numpy as np
    from keras_musictag.augmentation import DynamicRangeCompression

    waveforms = np.random.default_rng(0).normal(size=(4, 16000)).astype("float32")
    even = DynamicRangeCompression(16000, seed=0)(0.1 * waveforms, training=True)
    ```
    """

    def __init__(
        self,
        sample_rate,
        profiles=tuple(PROFILES),
        attack=0.1,
        decay=0.3,
        lookahead=0.1,
        initial_db=None,
        probability=1.0,
        seed=None,
        **kwargs,
    ) -> None:
        super().__init__(probability, seed, **kwargs)
        self.sample_rate = check_positive_int(sample_rate, name="sample_rate")
        names = [profiles] if isinstance(profiles, str) else list(profiles)
        self.profiles = [
            check_choice(name, tuple(PROFILES), name="profiles")
            for name in names or [None]
        ]
        self.attack = check_positive(attack, name="attack")
        self.decay = check_positive(decay, name="decay")
        self.lookahead = check_range(lookahead, 0, 10, name="lookahead")
        if initial_db is not None:
            initial_db = check_range(initial_db, -100, 0, name="initial_db")
        self.initial_db = initial_db
        points = np.array([PROFILES[name] for name in self.profiles], "float32")
        self._inputs, outputs = points[:, 0], points[:, 1]
        gains = outputs - self._inputs
        slopes = np.diff(gains, axis=1) / np.diff(self._inputs, axis=1)
        # A bent line as a sum of ramps, each of which begins at a point.
        self._lowest = gains[:, :1]
        self._bends = np.diff(slopes, axis=1, prepend=np.float32(0))

    def augment(self, x):
        choice = keras.random.randint(
            (ops.shape(x)[0],), 0, len(self.profiles), seed=self.generator
        )
        levels = ops.stop_gradient(self._levels(x))
        decibels = 20.0 * ops.log10(ops.maximum(levels, SILENCE))
        starts = ops.take(ops.convert_to_tensor(self._inputs[:, :-1]), choice, axis=0)
        bends = ops.take(ops.convert_to_tensor(self._bends), choice, axis=0)
        lowest = ops.take(ops.convert_to_tensor(self._lowest), choice, axis=0)
        ramps = ops.relu(decibels[:, :, None] - starts[:, None])
        gains = lowest + ops.sum(ramps * bends[:, None], axis=-1)
        return x * 10.0 ** (self._at_samples(gains, x) / 20.0)

    def _levels(self, x):
        """Levels at the borders of blocks: `(batch, 1 + blocks)`."""
        samples, block = x.shape[1] or ops.shape(x)[1], self._block()
        blocks = -(-samples // block)
        size = ops.abs(ops.pad(x, [[0, 0], [0, blocks * block - samples]]))
        parts = ops.transpose(ops.reshape(size, (-1, blocks, block)), (1, 0, 2))
        # How far one sample of a block moves the level: exact for steady sizes.
        seconds = block / self.sample_rate
        rise = float(1.0 - np.exp(-seconds / self.attack)) / block
        fall = float(1.0 - np.exp(-seconds / self.decay)) / block

        def follow(level, part):
            above = part - level
            moves = rise * ops.relu(above) - fall * ops.relu(-above)
            level = level + ops.sum(moves, axis=1, keepdims=True)
            return level, level

        first = ops.mean(size[:, : self._count(0.1)], axis=1, keepdims=True)
        if self.initial_db is not None:
            first = ops.zeros_like(first) + 10.0 ** (self.initial_db / 20.0)
        _, levels = ops.scan(follow, first, parts)
        levels = ops.transpose(levels[:, :, 0], (1, 0))
        return ops.concatenate([first, levels], axis=1)

    def _at_samples(self, gains, x):
        """Gains at the samples, `lookahead` ahead, on straight lines between blocks."""
        ahead = ops.arange(ops.shape(x)[1], dtype="int32") + self._count(self.lookahead)
        last = ops.shape(gains)[1] - 1
        before = ops.minimum(ahead // self._block(), last)
        after = ops.minimum(before + 1, last)
        share = ops.cast(ahead % self._block(), "float32") / self._block()
        return (1.0 - share) * ops.take(gains, before, axis=1) + share * ops.take(
            gains, after, axis=1
        )

    def _block(self):
        return max(1, self._count(BLOCK_SECONDS))

    def _count(self, seconds):
        return round(seconds * self.sample_rate)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "sample_rate": self.sample_rate,
            "profiles": list(self.profiles),
            "attack": self.attack,
            "decay": self.decay,
            "lookahead": self.lookahead,
            "initial_db": self.initial_db,
        }
