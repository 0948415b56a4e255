"""Exported beat trackers: beats of tracks without Keras and its backends."""

from collections.abc import Iterable, Iterator

import numpy as np

from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.beats.beatgram import Beatgram
from keras_musictag.beats.tracking import BeatTracking
from keras_musictag.export.metadata import OUTPUTS
from keras_musictag.export.runtimes import open_for
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import Chunk, TrackError, join_tracks

NAME = OUTPUTS["beats"]


class ExportedBeatTracker(BeatTracking):
    """Finds the beats of tracks with a network that `BeatTracker.export` wrote.

    `track`, `iter_beats`, `beatgram` and `iter_beatgrams` mean what they mean in
    `BeatTracker`. The format's own runtime computes; Keras is not loaded, nor a
    backend, except TensorFlow for a SavedModel.

    A track is held in memory whole, and one more while it is decoded ahead. A network
    that hears a track at once needs about 60 MB for each minute of it. One that hears
    pieces (Beat This) needs no more for a long track than for a short one; within a
    long track, the ends of a piece hear nothing of what lies beyond, so that
    probabilities there differ a little from those of the Keras model.

    Audio that stays below -120 dB of full scale has no beats.

    Args:
        path: A `.onnx` or `.tflite` file, or the folder that `export` made.
        threads: Processor threads; `None` for all.

    Attributes:
        sample_rate: In Hz.
        hop_length: Samples from one frame to the next.
        metadata: All that the network says about itself.

    Raises:
        PresetError: If there is no such network, it is damaged, not of this format, or
            not made by `export`.
        MissingExtraError: If its runtime is not installed.
    """

    format: str | None = None

    def __init__(self, path, *, threads: int | None = None):
        self._network = open_for(type(self), path, threads, self.format, "beats")
        self.metadata = self._network.metadata
        self.sample_rate = int(self.metadata["sampling_rate"])
        self.hop_length = int(self.metadata["hop_length"])
        self.default_decoder = self.metadata["decoder"]

    def iter_beatgrams(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[Beatgram | TrackError]:
        given = self.sample_rate if sample_rate is None else sample_rate
        rate = check_sample_rate(given)

        def cut(track):
            samples = sources.whole(track, rate, self.sample_rate)
            yield Chunk(0, samples)
            return len(samples)

        def hear(chunk):
            return {NAME: self._probabilities(chunk.samples)}

        for output in join_tracks(tracks, cut, hear, 1):
            if output.error is not None:
                yield output.error
                continue
            values = output.outputs[NAME]
            seconds = output.length / self.sample_rate
            yield Beatgram(values[:, 0], values[:, 1], self.frame_rate, seconds)

    def _probabilities(self, samples: np.ndarray) -> np.ndarray:
        """Return those of a whole track, `(frames, 3)`."""
        size, border = (self.metadata[f"{n}_frames"] for n in ("piece", "border"))
        frames = self._frames(len(samples))
        if size is not None:
            size -= 2 * border  # that silence is in the network
        if size is None or frames <= size:
            values = self._outputs(samples)
        else:
            values = np.empty((frames, 3), "float32")
            starts = np.arange(0, frames - 2 * border, size - 2 * border)
            starts[-1] = frames - size  # the last piece is whole, too
            for start in starts:
                piece = samples[start * self.hop_length :]
                if start != starts[-1]:
                    piece = piece[: (size - self._frames(0)) * self.hop_length]
                first = border if start else 0
                heard = self._outputs(piece)[first:]
                values[start + first : start + first + len(heard)] = heard
        if np.abs(samples).max() <= self.metadata["silence_peak"]:
            return np.zeros_like(values)
        return values

    def _frames(self, samples: int) -> int:
        """How many frames the network makes of so many samples."""
        if self.metadata["mirrored"]:
            return 1 + samples // self.hop_length
        return -(-samples // self.hop_length)

    def _outputs(self, samples: np.ndarray) -> np.ndarray:
        return self._network(samples[None])[NAME][0]


class OnnxBeatTracker(ExportedBeatTracker):
    """An exported beat tracker in ONNX Runtime (extra `export`).

    Args:
        path: A `.onnx` file, or the folder that `export(format="onnx")` made.
        threads: Processor threads; `None` for all.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.BeatNetTracker.from_pretrained().export("beatnet.onnx")
    tracker = kmt.OnnxBeatTracker("beatnet.onnx")  # elsewhere, without Keras
    print(tracker.track(kmt.audio.demo_path()).tempo)
    ```
    """

    format = "onnx"
