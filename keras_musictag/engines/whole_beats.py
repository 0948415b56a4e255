"""Whole tracks of beat trackers: a spectrogram block by block, then the networks.

NumPy only: Keras trackers and their engines share it.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.beats import Beatgram
from keras_musictag.beats.tracking import BeatTracking
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import (
    Chunk,
    TrackError,
    TrackOutput,
    join_tracks,
)

# Frames of a block of the front-end, and how many blocks are decoded ahead.
BLOCK_FRAMES = 512
BLOCKS_AHEAD = 4
# Nothing is louder: about 100 dB below full scale.
SILENCE = 1e-5


class BeatHearing(BeatTracking):
    """What hears tracks in blocks and concludes at their end.

    A subclass sets the attributes and gives `_spectrogram` and `_probabilities`.

    Attributes:
        context_frames: How many frames of audio on either side of a frame its
            spectrum depends on.
        mirrored_frames: By how many frames a track is mirrored at its ends.
        plan: The `audio.ChunkPlan` of the blocks.
    """

    context_frames: int
    mirrored_frames: int
    plan: audio.ChunkPlan

    def _lay_blocks(self) -> None:
        """Set `plan`, once rate, hop and context are set."""
        self.plan = audio.ChunkPlan(
            (BLOCK_FRAMES + 2 * self.context_frames) * self.hop_length,
            BLOCK_FRAMES * self.hop_length,
            context=self.context_frames * self.hop_length,
            tail="pad",
        )

    def iter_beatgrams(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[Beatgram | TrackError]:
        for output in self._run(tracks, sample_rate):
            if output.error is not None:
                yield output.error
            else:
                yield self.conclude(output.outputs, output.length)

    def track_spectrogram(self, source, sample_rate: int | None = None) -> np.ndarray:
        """Compute what the network sees of one track, as training needs it.

        Args:
            source: A path, an open file or an array.
            sample_rate: Of an array, in Hz; `None` means the model's own.

        Returns:
            float32 array `(frames, bands)`.

        Raises:
            AudioError: If the source is not usable audio.
        """
        (output,) = self._run([source], sample_rate)
        if output.error is not None:
            raise output.error
        return self._own_frames(output.outputs, output.length)

    # === Chunk by chunk, for programs that cut tracks themselves ===

    @property
    def mirrored_samples(self) -> int:
        """By how many samples a track is mirrored at its ends before it is cut."""
        return self.mirrored_frames * self.hop_length

    def hear(self, chunk: Chunk) -> dict[str, np.ndarray]:
        """Compute the frames of a chunk, without those of its context.

        Args:
            chunk: One that `plan` cuts, see `tracks.sources.cut_with_span`.

        Returns:
            Arrays `(frames, ...)` by name, to be joined with those of the other chunks.
        """
        first = self.context_frames
        values = self._spectrogram(chunk.samples)
        return {"spectrogram": values[first : first + BLOCK_FRAMES]}

    def conclude(self, heard: dict[str, np.ndarray], samples: int) -> Beatgram:
        """Make the beatgram of a track of what was heard in its chunks.

        Args:
            heard: What `hear` gave, joined along the frames.
            samples: Length of the track.

        Returns:
            The `beats.Beatgram`.
        """
        spectrogram = self._own_frames(heard, samples)
        values = self._probabilities(spectrogram)
        if spectrogram.max() <= SILENCE:  # networks hear a beat where it begins
            values = np.zeros_like(values)
        seconds = samples / self.sample_rate
        return Beatgram(values[:, 0], values[:, 1], self.frame_rate, seconds)

    # === Inner parts ===

    def _run(self, tracks: Iterable, sample_rate: int | None) -> Iterator[TrackOutput]:
        """Compute the spectrograms of many tracks, lazily."""
        given = self.sample_rate if sample_rate is None else sample_rate
        rate = check_sample_rate(given)

        def cut(track):
            blocks = audio.blocks(track, self.sample_rate, sample_rate=rate)
            counted = sources.Counted(blocks)
            around = sources.mirrored(counted, self.mirrored_samples)
            yield from sources.cut_with_span(sources.Counted(around), self.plan)
            return counted.samples

        return join_tracks(tracks, cut, self.hear, BLOCKS_AHEAD)

    def _own_frames(self, heard: dict[str, np.ndarray], samples: int) -> np.ndarray:
        """Cut off what the chunks have beyond the ends of a track."""
        first = self.mirrored_frames
        return heard["spectrogram"][first : first + self._frames(samples)]

    def _frames(self, samples: int) -> int:
        """How many frames the front-end makes of so many samples."""
        if self.mirrored_frames:
            return 1 + samples // self.hop_length
        return -(-samples // self.hop_length)

    def _spectrogram(self, samples: np.ndarray) -> np.ndarray:
        """Compute the frames of samples, float32 `(frames, bands)`."""
        raise NotImplementedError

    def _probabilities(self, spectrogram: np.ndarray) -> np.ndarray:
        """Run the network over all frames of a track.

        Args:
            spectrogram: float32 array `(frames, bands)`.

        Returns:
            float32 array `(frames, 3)`.
        """
        raise NotImplementedError
