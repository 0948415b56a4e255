"""Exported chord recognisers: chords of tracks without Keras and its backends."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from keras_musictag.chords.chordogram import silent_outputs
from keras_musictag.export import metadata as meta
from keras_musictag.export.runtimes import open_for
from keras_musictag.recognition import TrackRecognition, check_length
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import Chunk, TrackOutput, join_tracks


class ExportedChordRecognizer(TrackRecognition):
    """Names the chords of tracks with a network that `ChordRecognizer.export` wrote.

    `recognize`, `iter_chords`, `chordogram` and `iter_chordograms` mean what they mean
    in `ChordRecognizer`. The format's own runtime computes; Keras is not loaded, nor a
    backend, except TensorFlow for a SavedModel.

    A track is held in memory whole, and one more while it is decoded ahead. A network
    that hears it at once (ONNX, SavedModel) needs about 50 MB for each minute of it:
    3 GB for an hour. One that takes pieces (LiteRT) needs the samples alone.

    Pieces overlap by half or more. Where they do, the probabilities of a frame are
    their mean, weighted by how far the frame lies from the ends of a piece. Decibels
    count from the loudest moment of a piece, not of the track, and nothing outside a
    piece is heard: chords are nearly, not exactly, those of the whole track, and longer
    pieces come nearer.

    Audio that stays below -120 dB of full scale, a track or a piece of it, is silence,
    `N`.

    Args:
        path: A `.onnx` or `.tflite` file, or the folder that `export` made.
        threads: Processor threads; `None` for all.

    Attributes:
        vocabulary: The `chords.Vocabulary`, in output order.
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
        self._network = open_for(type(self), path, threads, self.format, "chords")
        self.metadata = self._network.metadata
        self.vocabulary = meta.vocabulary(self.metadata)
        self.sample_rate = int(self.metadata["sampling_rate"])
        self.hop_length = int(self.metadata["hop_length"])
        self.boundary_shift = float(self.metadata["boundary_shift"])
        self.default_decoder = self.metadata["decoder"]
        self.hears_pieces = self.metadata["hears_pieces"]
        self.calibration = self.metadata["calibration"]
        length = self.metadata["input"]["shape"][1]
        self._piece_frames = (
            length // self.hop_length if isinstance(length, int) else None
        )

    def _run(self, tracks: Iterable, sample_rate: int) -> Iterator[TrackOutput]:
        def cut(track):
            samples = sources.whole(track, sample_rate, self.sample_rate)
            check_length(len(samples), self.hop_length, self.sample_rate)
            yield Chunk(0, samples)
            return len(samples)

        return join_tracks(tracks, cut, lambda chunk: self._hear(chunk.samples), 1)

    def _hear(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """Give the outputs of a whole track, `(frames, classes)` each."""
        frames, size = len(samples) // self.hop_length, self._piece_frames
        if size is None:
            return self._outputs(samples)
        samples = np.pad(samples, (0, max(0, size * self.hop_length - len(samples))))
        weights = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
        weights = weights.astype("float32")[:, None]
        sums: dict[str, np.ndarray] = {}
        total = np.zeros((max(frames, size), 1), "float32")
        for start in piece_starts(frames, size):
            piece = samples[start * self.hop_length :][: size * self.hop_length]
            part = slice(start, start + size)
            total[part] += weights
            for name, values in self._outputs(piece).items():
                shape = (len(total), values.shape[1])
                sums.setdefault(name, np.zeros(shape, "float32"))
                sums[name][part] += weights * values
        return {name: (values / total)[:frames] for name, values in sums.items()}

    def _outputs(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """Give what the network says about samples, or about silence."""
        outputs = {name: v[0] for name, v in self._network(samples[None]).items()}
        if np.abs(samples).max() <= self.metadata["silence_peak"]:
            return silent_outputs(outputs, self.vocabulary)
        return outputs


def piece_starts(frames: int, size: int) -> list[int]:
    """Lay pieces evenly over a track, each frame in two or more but at the ends.

    Args:
        frames: Of the track.
        size: Frames of a piece.

    Returns:
        The first frame of each piece.
    """
    last = max(0, frames - size)
    count = math.ceil(last / max(1, size // 2)) + 1
    return np.linspace(0, last, count).round().astype(int).tolist()


class OnnxChordRecognizer(ExportedChordRecognizer):
    """An exported chord recogniser in ONNX Runtime (extra `export`).

    Args:
        path: A `.onnx` file, or the folder that `export(format="onnx")` made.
        threads: Processor threads; `None` for all.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.CRNNChordRecognizer.from_pretrained().export("chords.onnx")
    recognizer = kmt.OnnxChordRecognizer("chords.onnx")  # elsewhere, without Keras
    print(recognizer.recognize(kmt.audio.demo_path()).to_lab())
    ```
    """

    format = "onnx"


class LiteRTChordRecognizer(ExportedChordRecognizer):
    """An exported chord recogniser in LiteRT (extra `export`).

    Args:
        path: A `.tflite` file, or the folder that `export(format="litert")` made.
        threads: Processor threads; `None` for all.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.CRNNChordRecognizer.from_pretrained().export("chords.tflite", seconds=5)
    recognizer = kmt.LiteRTChordRecognizer("chords.tflite")
    print(recognizer.recognize(kmt.audio.demo_path()).to_lab())
    ```
    """

    format = "litert"
