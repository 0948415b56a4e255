"""Chunk plans: how fixed-size chunks are laid over a track, lazily."""

import dataclasses
import itertools
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from keras_musictag.audio.arrays import to_mono
from keras_musictag.errors import AudioError, ConfigError

# What `pad="marked"` fills with: silence to every ear, and to layers that look for it
# the place where a track has ended.
MARK = 1e-30

_MODES = {
    "pad": ("zeros", "repeat", "repeat_whole", "marked"),
    "edge": ("zeros", "reflect"),
    "tail": ("drop", "pad", "overlap"),
}


@dataclasses.dataclass(frozen=True)
class ChunkPlan:
    """A plan that cuts a track of any length into chunks of one size.

    A chunk is a core of `chunk_samples - 2 * context` samples with `context`
    samples of its neighbourhood on either side. Chunk `k` has its core at sample
    `k * hop_samples`. In other words: the track is padded with `context` samples at
    both ends, as `edge` says, and windows of `chunk_samples` are cut every
    `hop_samples`.

    The context is for centred short-time Fourier transforms. With `context` half
    the transform's length and a hop of whole frames, the frames of all chunks in a
    row are exactly the frames of a spectrogram of the whole file.

    A track shorter than the core is filled up to it and gives one chunk, down to
    one sample.

    Args:
        chunk_samples: Samples in a chunk, its context included.
        hop_samples: Samples from the start of a chunk to the start of the next.
            More than the core leaves gaps, less makes the cores overlap.
        context: Samples of neighbouring audio on each side of the core.
        pad: What fills a track shorter than the core, and the last chunk of
            `tail="pad"`: `"zeros"`, `"repeat"` (the samples that are there, again and
            again), `"repeat_whole"` (as often as all of them fit in, then zeros), or
            `"marked"` (1e-30, which layers such as `PaddedLogMelSpectrogram` tell from
            the silence of a track).
        edge: What the context sees outside the track: `"zeros"` or `"reflect"`
            (the track mirrored, as in `np.pad`).
        tail: What becomes of samples after the last whole chunk: `"drop"`,
            `"pad"` (one more chunk, filled up) or `"overlap"` (one more chunk that
            is moved back to end with the track).
        n_spaced: Number of equally spaced chunks instead of one every
            `hop_samples`; see `spaced`.

    Raises:
        ConfigError: If an argument cannot work.

    Example:

    ```python
    # Musicnn: 187 frames of 512 samples, 256 apart, reflected at the track's ends.
    plan = ChunkPlan(48128, 47872, context=256, edge="reflect")
    for start, chunk in plan.chunks(blocks("song.mp3", 16000)):
        print(start / 16000, chunk.shape)  # seconds, (48128,)
    ```
    """

    chunk_samples: int
    hop_samples: int
    context: int = 0
    pad: str = "zeros"
    edge: str = "zeros"
    tail: str = "drop"
    n_spaced: int | None = None

    def __post_init__(self):
        self._check_integer("chunk_samples", least=1)
        self._check_integer("hop_samples", least=1)
        self._check_integer("context", least=0)
        if self.n_spaced is not None:
            self._check_integer("n_spaced", least=1)
        for name, modes in _MODES.items():
            if getattr(self, name) not in modes:
                raise ConfigError(
                    f"`{name}` of a chunk plan is not known.",
                    received=f"{name}={getattr(self, name)!r}",
                    advice=f"Use one of: {', '.join(map(repr, modes))}.",
                )
        # A core longer than the context lets the shortest track be reflected.
        if self.core <= self.context:
            raise ConfigError(
                "The core of a chunk (chunk_samples - 2 * context) must be longer "
                "than its context.",
                received=f"chunk_samples={self.chunk_samples}, context={self.context}",
                advice="Use longer chunks or less context.",
            )

    def _check_integer(self, name: str, *, least: int) -> None:
        value = getattr(self, name)
        try:
            number = operator.index(value)
        except TypeError:
            number = least - 1
        if number < least or isinstance(value, (bool, np.bool_)):
            raise ConfigError(
                f"`{name}` of a chunk plan must be an integer of at least {least}.",
                received=f"{name}={value!r}",
                advice="Lengths are counted in samples at the model's rate.",
            )
        object.__setattr__(self, name, number)  # NumPy integers become plain ones

    @classmethod
    def for_frames(
        cls, frames: int, n_fft: int, hop_length: int, **options: Any
    ) -> "ChunkPlan":
        """Make the plan whose chunks in a row give a centred spectrogram.

        A chunk holds `frames` frames of an uncentred transform, the next chunk
        begins with the frame that follows.

        Args:
            frames: Frames in a chunk.
            n_fft: Length of the transform in samples.
            hop_length: Samples from frame to frame.
            **options: Other arguments of `ChunkPlan`; `edge` is `"reflect"` unless
                it is given.

        Returns:
            A new `ChunkPlan`.

        Raises:
            ConfigError: If an argument cannot work.

        Example:

        ```python
        ChunkPlan.for_frames(187, 512, 256).chunk_samples  # 48128, Musicnn's 3 s
        ```
        """
        return cls(
            chunk_samples=(frames - 1) * hop_length + n_fft,
            hop_samples=frames * hop_length,
            context=n_fft // 2,
            **{"edge": "reflect", **options},
        )

    @property
    def core(self) -> int:
        """Samples of a chunk without its context."""
        return self.chunk_samples - 2 * self.context

    def starts(self, length: int) -> np.ndarray:
        """Give the first core sample of every chunk of a track.

        Args:
            length: Samples in the track.

        Returns:
            int64 array of shape `(chunks,)`, never empty.

        Raises:
            AudioError: If the track has no samples.
        """
        if length < 1:
            raise AudioError(
                "A track without samples has no chunks.",
                received=f"{length} samples",
                advice="Pass at least one sample.",
            )
        spare = max(0, length - self.core)
        if self.n_spaced is not None:
            return np.arange(self.n_spaced) * (spare // self.n_spaced)
        count = spare // self.hop_samples + 1
        starts = np.arange(count) * self.hop_samples
        if starts[-1] + self.core < length:
            following = count * self.hop_samples
            if self.tail == "overlap":
                starts = np.append(starts, length - self.core)
            elif self.tail == "pad" and following < length:
                starts = np.append(starts, following)
        return starts

    def chunks(
        self, blocks: Iterable[np.ndarray], length: int | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Cut the chunks of a track that comes in blocks, one after the other.

        Only about one chunk and one block are held at any time.

        Args:
            blocks: float32 arrays of shape `(n,)`, in order, of any lengths; for
                example from `keras_musictag.audio.blocks`.
            length: Samples in the whole track. Only a plan made by `spaced` needs
                it, and then it must be right.

        Yields:
            Pairs of the first core sample of the chunk, counted in the track, and
            the chunk, a float32 array of shape `(chunk_samples,)`.

        Raises:
            ConfigError: If `length` is needed and missing.
            AudioError: If there are no samples, a block is no audio, or `length`
                is wrong.
        """
        if self.n_spaced is None:
            return self._cut(blocks, itertools.count(0, self.hop_samples), None)
        if length is None:
            raise ConfigError(
                "Equally spaced chunks need the length of the track.",
                received="length=None",
                advice="Pass length=keras_musictag.audio.length(source, rate).",
            )
        return self._cut(blocks, iter(self.starts(length).tolist()), length)

    def _cut(self, blocks, starts, length):
        held, first = np.zeros(0, np.float32), 0  # held[0] is sample `first`
        done, start = 0, next(starts)
        for block in blocks:
            if np.size(block) == 0:
                continue
            held = np.concatenate([held, to_mono(block, name="block")])
            end = first + len(held)
            while start is not None and start + self.core + self.context <= end:
                yield start, self._window(held, first, start)
                done, start = done + 1, next(starts, None)
            # Forget what no chunk needs: neither the next nor one at the very end.
            keep = end - self.core - self.context
            keep = keep if start is None else min(keep, start - self.context)
            drop = max(0, keep - first)
            held, first = held[drop:], first + drop
        end = first + len(held)
        if length is not None and length != end:
            raise AudioError(
                "The track is not as long as was said.",
                received=f"{end} samples where length={length}",
                advice="Count them with keras_musictag.audio.length(source, rate).",
            )
        remaining = self.starts(end)[done:].tolist()
        if remaining:
            held = self._fill(held, remaining[-1] - first)
            held = self._extend(held, 0, self.context)
        for start in remaining:
            yield start, self._window(held, first, start)

    def _fill(self, held: np.ndarray, start: int) -> np.ndarray:
        """Complete the core that begins at `held[start]`, as `pad` says."""
        missing = start + self.core - len(held)
        if missing <= 0:
            return held
        filling = np.zeros(missing, np.float32)
        part = held[start:]
        if self.pad == "marked":
            filling += np.float32(MARK)
        elif self.pad == "repeat":
            filling = np.resize(part, missing)
        elif self.pad == "repeat_whole":
            again = np.tile(part, missing // len(part))
            filling[: len(again)] = again
        return np.concatenate([held, filling])

    def _extend(self, held: np.ndarray, before: int, after: int) -> np.ndarray:
        if self.edge == "reflect":
            return np.pad(held, (before, after), mode="reflect")
        return np.pad(held, (before, after))

    def _window(self, held: np.ndarray, first: int, start: int) -> np.ndarray:
        begin = start - self.context - first
        if begin < 0:  # only at the start of the track, where first == 0
            held, begin = self._extend(held[: self.chunk_samples], -begin, 0), 0
        # A copy, so that a kept chunk does not keep its whole block alive.
        return held[begin : begin + self.chunk_samples].copy()

    def spaced(self, n: int) -> "ChunkPlan":
        """Give the plan with `n` equally spaced chunks instead of a fixed hop.

        The starts are `i * ((length - core) // n)` for `i < n`, the evaluation
        protocol of Won et al., "Evaluation of CNN-based automatic music tagging
        models", SMC 2020. A track that has no `n` different places gives the same
        chunk more than once.

        Args:
            n: Number of chunks per track.

        Returns:
            A new `ChunkPlan`, whose `chunks` needs `length`.

        Raises:
            ConfigError: If `n` is not a positive integer.

        Example:

        ```python
        ChunkPlan(1000, 1000).spaced(4).starts(9000)  # [0, 2000, 4000, 6000]
        ```
        """
        # None would quietly mean a fixed hop again; 0 is refused by name.
        return self.replace(n_spaced=0 if n is None else n)

    def replace(self, **changes: Any) -> "ChunkPlan":
        """Give a copy of the plan with some arguments changed.

        Args:
            **changes: Arguments of `ChunkPlan` with their new values.

        Returns:
            A new `ChunkPlan`.

        Raises:
            ConfigError: If an argument is not known or cannot work.
        """
        return self.from_config({**self.to_config(), **changes})

    def to_config(self) -> dict[str, Any]:
        """Give the arguments as a plain dictionary that fits into JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ChunkPlan":
        """Make the plan that `to_config` described.

        Args:
            config: Arguments of `ChunkPlan` by name.

        Returns:
            A new `ChunkPlan`.

        Raises:
            ConfigError: If an argument is missing, not known or cannot work.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        if not {"chunk_samples", "hop_samples"} <= set(config) <= fields:
            raise ConfigError(
                "The arguments do not describe a chunk plan.",
                received=str(sorted(config)),
                advice=f"Give chunk_samples and hop_samples, and only: "
                f"{', '.join(sorted(fields))}.",
            )
        return cls(**config)
