"""Whole tracks: magnitudes block by block, then a network over all frames.

NumPy only: Keras recognisers and their engines share it.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.audio.tuning import hear_tuning
from keras_musictag.chords import Vocabulary
from keras_musictag.chords.chordogram import Chordogram, silent_outputs
from keras_musictag.recognition import check_length
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import Chunk, TrackOutput, join_tracks
from keras_musictag.tracks.slabs import Slabs, Spool, joined

BLOCK_FRAMES = 128
BLOCKS_AHEAD = 4
# Of a piece that a network of finite reach computes at once; even, since steps may hold
# two frames.
PIECE_FRAMES = 2048
# Magnitudes up to here are the floor of the decibels: every bin would be "loudest".
SILENCE = 1e-5


class WholeTrack:
    """The two steps of whole tracks: magnitudes block by block, then the network.

    A subclass gives `magnitudes` and `predict`.

    Args:
        vocabulary, sample_rate, hop_length, context_frames, decibels, tuning: As in
            `ChordRecognizer`.
        block_frames: Frames of a block.
        reach: As in `ChordRecognizer`.

    Attributes:
        plan: The `audio.ChunkPlan` of the blocks.
        tuning: As in `ChordRecognizer`; may be changed.
    """

    # How many calls of `magnitudes` there may be at a time.
    abreast = 1

    def __init__(
        self,
        vocabulary: Vocabulary,
        sample_rate: int,
        hop_length: int,
        context_frames: int,
        decibels: bool = True,
        tuning: str | float = 0.0,
        block_frames: int = BLOCK_FRAMES,
        reach: int | None = None,
    ):
        self.vocabulary, self.reach = vocabulary, reach
        self.sample_rate, self.hop_length = sample_rate, hop_length
        self.context, self.block_frames = context_frames, block_frames
        self.decibels, self.tuning = decibels, tuning
        self.plan = audio.ChunkPlan(
            (block_frames + 2 * context_frames) * hop_length,
            block_frames * hop_length,
            context=context_frames * hop_length,
            tail="pad",
        )

    def magnitudes(
        self, samples: np.ndarray, span: np.ndarray, tuning: float
    ) -> np.ndarray:
        """Compute the magnitudes of a chunk.

        Args:
            samples: float32 `(1, plan.chunk_samples)`.
            span: First sample of the track in it and the end, int32 `(1, 2)`.
            tuning: Of the track, in semitones.

        Returns:
            float32 `(1, frames, bins)` or `(1, frames, bins, channels)`.
        """
        raise NotImplementedError

    def predict(self, magnitudes: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network over the magnitudes of one whole track.

        Args:
            magnitudes: float32 array `(frames, bins)` or `(frames, bins, channels)`.
                The loudest value of a channel is its 0 dB, so a part of a track has
                other results than the same part within the whole.

        Returns:
            float32 arrays `(frames, classes)` by the name of the output.
        """
        raise NotImplementedError

    def warm_up(self) -> None:
        """Do what can be done while the first track is decoded."""

    @property
    def hears_tuning(self) -> bool:
        """Whether the tuning of each track is estimated from all of its samples."""
        return isinstance(self.tuning, str)

    def count_frames(self, samples: int) -> int:
        """How many frames the backbone sees of a track of so many samples."""
        return samples // self.hop_length + (not self.decibels)

    # === Tracks ===

    def run(self, tracks: Iterable, sample_rate: int) -> Iterator[TrackOutput]:
        """Compute the outputs of the network for many tracks, lazily.

        Args:
            tracks: Paths, open files or arrays; may be a generator.
            sample_rate: Of arrays, in Hz.

        Yields:
            For each track, in order, a `TrackOutput` with `(frames, classes)` by the
            name of the output.
        """

        def answered(output: TrackOutput) -> TrackOutput:
            if output.error is not None:
                return output
            magnitudes = output.outputs["magnitudes"]
            return output._replace(outputs=self.outputs(magnitudes))

        # A loop would keep the magnitudes while the caller works on the answers.
        return map(answered, self.run_frontend(tracks, sample_rate))

    def run_frontend(self, tracks: Iterable, sample_rate: int) -> Iterator[TrackOutput]:
        """Compute the magnitudes of many tracks, lazily.

        Args:
            tracks, sample_rate: As in `run`.

        Yields:
            For each track, in order, a `TrackOutput` with the float32 `"magnitudes"`
            `(frames, bins)` or `(frames, bins, channels)`.
        """

        def cut(track):
            blocks = audio.blocks(track, self.sample_rate, sample_rate=sample_rate)
            with Spool() as spool:
                tuning, blocks = self._tune(blocks, spool)
                counted = sources.Counted(blocks)
                for chunk in sources.cut_with_span(counted, self.plan):
                    yield chunk._replace(tuning=tuning)
            check_length(counted.samples, self.hop_length, self.sample_rate)
            return counted.samples

        def magnitudes(chunk: Chunk) -> dict[str, np.ndarray]:
            return {"magnitudes": self.block_magnitudes(chunk)}

        def trimmed(output: TrackOutput) -> TrackOutput:
            if output.error is not None:
                return output
            values = output.outputs["magnitudes"][: self.count_frames(output.length)]
            return output._replace(outputs={"magnitudes": values})

        outputs = join_tracks(
            tracks, cut, magnitudes, BLOCKS_AHEAD, self.warm_up, self.abreast
        )
        return map(trimmed, outputs)

    def track_magnitudes(self, source, sample_rate: int | None = None) -> np.ndarray:
        """Compute the magnitudes of one track, as training needs them.

        Args:
            source: A path, an open file or an array.
            sample_rate: Of an array, in Hz; `None` means the model's own.

        Returns:
            float32 array `(frames, bins)` or `(frames, bins, channels)`.

        Raises:
            AudioError: If the source is not usable audio.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        (output,) = self.run_frontend([source], check_sample_rate(rate))
        if output.error is not None:
            raise output.error
        return output.outputs["magnitudes"]

    def _tune(self, blocks: Iterable[np.ndarray], spool: Spool):
        """Return the tuning of a track in semitones, and its samples again."""
        if not self.hears_tuning:
            return float(self.tuning), blocks
        kept = spool.keep(blocks)
        return hear_tuning(kept, self.sample_rate, str(self.tuning)), spool.drain()

    # === The two steps ===

    def block_magnitudes(self, chunk: Chunk) -> np.ndarray:
        """Compute the frames of a chunk of `plan`, without those of its context.

        Args:
            chunk: With its `span`.

        Returns:
            float32 array `(block_frames, bins)` or `(block_frames, bins, channels)`;
            the last frame of a track that ends with the chunk may follow.
        """
        assert chunk.span is not None
        span = np.array([chunk.span], "int32")
        values = self.magnitudes(chunk.samples[None], span, chunk.tuning)
        values = values[0, self.context :]
        ends = chunk.span[1] == (self.context + self.block_frames) * self.hop_length
        return values[: self.block_frames + (ends and not self.decibels)]

    def outputs(self, magnitudes: np.ndarray) -> dict[str, np.ndarray]:
        """Compute what a recogniser says about one whole track.

        Args:
            magnitudes: As `track_magnitudes` gives them.

        Returns:
            As `predict`; for silence certainly no chord.
        """
        outputs = self._predict_in_pieces(magnitudes)
        if magnitudes.max() <= SILENCE:
            return silent_outputs(outputs, self.vocabulary)
        return outputs

    def _predict_in_pieces(self, magnitudes: np.ndarray) -> dict[str, np.ndarray]:
        """Do what `predict` does; piece by piece where no frame hears a whole track."""
        frames, reach = len(magnitudes), self.reach
        if reach is None or frames <= PIECE_FRAMES + 2 * reach:
            return self.predict(magnitudes)
        # What 0 dB is in the track, each piece hears from frames that lie too far from
        # those that count to be heard otherwise.
        loudest = magnitudes.max(axis=(0, 1), keepdims=True)
        loudest = np.broadcast_to(loudest, (2, *magnitudes.shape[1:]))
        whole: dict[str, np.ndarray] = {}
        for start in range(0, frames, PIECE_FRAMES):
            first, end = max(0, start - reach), start + PIECE_FRAMES
            piece = [magnitudes[first : end + reach], loudest]
            before = start - first
            if start:  # the end of the track would hear what follows it
                piece, before = piece[::-1], before + len(loudest)
            for name, values in self.predict(np.concatenate(piece)).items():
                if name not in whole:
                    whole[name] = np.empty((frames, *values.shape[1:]), values.dtype)
                place = whole[name][start:end]
                place[...] = values[before : before + len(place)]
        return whole


class Segment:
    """A track, or a piece of a long one, whose chunks come from elsewhere.

    It keeps the magnitudes of its frames, not the samples, unless the tuning is heard
    first.

    Args:
        whole_track: Runs the two steps.
        to_chordogram: Makes a `Chordogram` of outputs and a length in samples.
    """

    def __init__(
        self,
        whole_track: WholeTrack,
        to_chordogram: Callable[[dict[str, np.ndarray], int], Chordogram],
    ):
        self.whole_track, self.to_chordogram = whole_track, to_chordogram
        self.slabs, self.blocks = Slabs(), list[np.ndarray]()

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk of `WholeTrack.plan`, with its span."""
        whole = self.whole_track
        if not whole.hears_tuning:
            chunk = chunk._replace(tuning=float(whole.tuning))
            self.blocks.append(self.slabs.copy(whole.block_magnitudes(chunk)))
            return
        first = whole.plan.context
        core = chunk.samples[first : first + whole.plan.hop_samples]
        self.blocks.append(self.slabs.copy(core))

    def chordogram(self, samples: int) -> Chordogram:
        """Compute the probabilities once all chunks are there.

        Args:
            samples: Length of the segment.

        Returns:
            The `Chordogram`, its times counted from the start of the segment.

        Raises:
            AudioError: If the segment is shorter than one frame.
        """
        whole = self.whole_track
        check_length(samples, whole.hop_length, whole.sample_rate)
        magnitudes = joined(self.blocks)
        self.blocks.append(magnitudes)  # who asks again gets the same answer
        if whole.hears_tuning:
            magnitudes = whole.track_magnitudes(magnitudes[:samples])
        magnitudes = magnitudes[: whole.count_frames(samples)]
        return self.to_chordogram(whole.outputs(magnitudes), samples)
