"""`KeyRecognizer`: a Keras model from a waveform to the key, and its methods."""

from collections.abc import Callable, Iterable, Iterator
from typing import Self

import keras
import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate
from keras_musictag.keys import KEYS, Keygram
from keras_musictag.keys.keygram import mean_of_logarithms
from keras_musictag.keys.recognition import KeyRecognition
from keras_musictag.models.base import PretrainedModel, dtype_scope
from keras_musictag.models.heads import refuse_labels
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import Chunk, TrackError, join_tracks

# Seconds that a piece has, which tells the key of the song: the longer, the better. And
# those of the windows that tell where it changes, and from one window to the next.
PIECE, WINDOW, HOP = 60.0, 15.0, 7.5
# How many pieces are decoded ahead.
PIECES_AHEAD = 2
# Nothing is louder: about 100 dB below full scale.
SILENCE = 1e-5


class KeyRecognizer(KeyRecognition, PretrainedModel, abstract=True):
    """Base of all key recognisers: audio in, the key and its changes out.

    A recogniser is a functional `keras.Model` made of two parts: `frontend` (waveform
    to a spectrogram) and `backbone` (spectrogram to logits). Calling it takes whole
    tracks of equal length, float32 `(batch, samples)` at `sample_rate`, and gives
    float32 `(batch, 24)`: the probability of each of `labels`.

    `recognize` and `keygram` take tracks of any length: windows of 15 seconds tell
    where the key changes. The key of the song is that of the whole track up to a
    minute; a longer one is heard in pieces of a minute, the logarithms of whose
    probabilities are averaged, in bounded memory. Nothing is padded.

    Args:
        frontend: Function to a layer from `(batch, samples)` to
            `(batch, frames, bins)`.
        backbone: Function to a Keras model from `(batch, frames, bins)` to logits
            `(batch, 24)`.
        sample_rate: Of the waveform, in Hz.
        dtype: Dtype policy of the layers; the global one if `None`.
        name: Name of the model; made from that of the class if `None`.

    Attributes:
        sample_rate: In Hz.
        labels: The keys in output order, such as `"Bb:maj"`.
        least_samples: Of the shortest track that has a key.
        frontend, backbone: The two parts.
    """

    task = "key"
    shared_options = ("dtype", "name")
    default_preset = "skey"
    labels: tuple[str, ...]
    least_samples: int

    def __init__(
        self,
        *,
        frontend: Callable[[], keras.layers.Layer],
        backbone: Callable[[], keras.Model],
        sample_rate: int,
        dtype=None,
        name: str | None = None,
        **unknown,
    ):
        self._refuse_options(unknown)
        # === Functional Model ===
        with dtype_scope(dtype):
            waveform = keras.Input((None,), name="waveform")
            analysis, network = frontend(), backbone()
            # In float32: half precision rounds small probabilities to nothing.
            softmax = keras.layers.Softmax(dtype="float32", name="probabilities")
            outputs = softmax(network(analysis(waveform)))
        super().__init__(waveform, outputs, name=name or self._default_name())
        # === Config ===
        self.frontend, self.backbone = analysis, network
        self.sample_rate = check_sample_rate(sample_rate)
        self.policy = dtype
        self.settings = {}

    @classmethod
    def _build(cls, config: dict, labels, problem_type, source) -> Self:
        refuse_labels(
            source,
            labels,
            problem_type,
            "A key recogniser names the 24 keys and has no other labels.",
        )
        return super()._build(config, labels, problem_type, source)

    # === Recognition ===

    def iter_keygrams(
        self, tracks: Iterable, sample_rate: int | None = None
    ) -> Iterator[Keygram | TrackError]:
        given = self.sample_rate if sample_rate is None else sample_rate
        rate, own = check_sample_rate(given), self.sample_rate

        def cut(track):
            blocks = audio.blocks(track, own, sample_rate=rate)
            counted = sources.Counted(blocks)
            yield from sources.cut_with_span(counted, self.plan)
            return counted.samples

        for output in join_tracks(tracks, cut, self.hear, PIECES_AHEAD):
            if output.error is not None:
                yield output.error
            else:
                yield self.conclude(output.outputs, output.length)

    # === Chunk by chunk, for programs that cut tracks themselves ===

    @property
    def plan(self) -> audio.ChunkPlan:
        """How a track is cut into pieces of a minute."""
        piece = round(PIECE * self.sample_rate)
        return audio.ChunkPlan(piece, piece, tail="overlap")

    def hear(self, chunk: Chunk) -> dict[str, np.ndarray]:
        """Compute the probabilities of `keys.KEYS` in a piece, and in its windows.

        Args:
            chunk: One that `plan` cuts, see `tracks.sources.cut_with_span`.

        Returns:
            Arrays `(n, ...)` by name, to be joined with those of the other pieces.
        """
        first, end = chunk.span or (0, len(chunk.samples))
        samples = chunk.samples[first:end]  # without what fills a short track up
        window, hop = (round(s * self.sample_rate) for s in (WINDOW, HOP))
        starts = audio.ChunkPlan(window, hop, tail="overlap").starts(len(samples))
        whole = self._probabilities(samples)
        rows = [whole]
        if len(samples) > window:
            rows = [self._probabilities(samples[s : s + window]) for s in starts]
        return {
            "pieces": whole[None],
            "windows": np.stack(rows),
            "starts": chunk.start + starts,
        }

    def conclude(self, heard: dict[str, np.ndarray], samples: int) -> Keygram:
        """Make the keygram of a track of what was heard in its pieces.

        Args:
            heard: What `hear` gave, joined.
            samples: Length of the track.

        Returns:
            The `keys.Keygram`.
        """
        # The last piece is moved back over the one before it.
        starts, order = np.unique(heard["starts"], return_index=True)
        begins, seconds = starts / self.sample_rate, samples / self.sample_rate
        return Keygram(
            heard["windows"][order],
            np.stack([begins, np.minimum(begins + WINDOW, seconds)], axis=1),
            mean_of_logarithms(heard["pieces"]),
            seconds,
        )

    # === Inner parts ===

    def _probabilities(self, samples: np.ndarray) -> np.ndarray:
        """Return those of `KEYS`, float32 `(24,)`; zeros if there is no key."""
        if len(samples) < self.least_samples or np.abs(samples).max() <= SILENCE:
            return np.zeros(len(KEYS), "float32")
        values = np.asarray(self.predict_on_batch(samples[None]))[0]
        return values[[self.labels.index(key) for key in KEYS]]

    # === Training ===

    def fit(self, x=None, y=None, **kwargs):
        """Train on waveforms; compiled by default if not yet.

        Args:
            x: float32 `(batch, samples)` at the model's rate, or a data set of batches.
            y: The keys, int `(batch,)`: places in `labels`.
            **kwargs: Arguments of `keras.Model.fit`.

        Returns:
            Keras' `History`.
        """
        self._ensure_compiled()
        return super().fit(x, y, **kwargs)

    def default_compile(self) -> dict:
        """Return optimizer, loss and metrics: one key per track."""
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return {
            "optimizer": keras.optimizers.Adam(1e-3),
            "loss": keras.losses.SparseCategoricalCrossentropy(),
            "metrics": [accuracy],
        }

    def _describe(self) -> dict:
        return {**super()._describe(), "sampling_rate": self.sample_rate}
