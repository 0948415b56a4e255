"""Engines of chord recognisers: chords of tracks by ONNX Runtime, as by Keras."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.audio.tuning import check_tuning
from keras_musictag.chords.confidence import check_calibration
from keras_musictag.chords.vocabulary import vocabulary_from_config
from keras_musictag.constant_q.plan import Settings, make_plan
from keras_musictag.constant_q.tuning import Frame, pack
from keras_musictag.engines import storage
from keras_musictag.engines.sessions import Network, damaged, import_graphs
from keras_musictag.engines.storage import WEIGHTS, Description
from keras_musictag.engines.structure_blocks import Net, answers, array_names
from keras_musictag.engines.whole_track import Segment, WholeTrack
from keras_musictag.environment import cores
from keras_musictag.presets import records
from keras_musictag.presets.weights import read_arrays
from keras_musictag.recognition import TrackRecognition
from keras_musictag.tracks.inference import TrackOutput

# The parts of the folder: what is said about the model; its front-end for the pitches
# of A4 = 440 Hz, unless the other one does for these as well; that for others; and its
# network, or the weights of several.
FRONTEND, TUNED_FRONTEND = "frontend.onnx", "tuned_frontend.onnx"
NETWORK = "network.onnx"
# Blocks of a track that are transformed at a time: decoding gives no more.
MOST_ABREAST = 4


@dataclasses.dataclass(frozen=True)
class ChordModel(Description):
    """What an engine has to know of a chord recogniser; see `ChordRecognizer`.

    Attributes:
        vocabulary: Its config.
        filters: What decides the filters of its constant-Q transform.
        fingerprint: SHA-256 of its weights, as libraries note it.
        frame: The shapes of its filters at any tuning, a `Frame`; `None` in older ones.
        preset: Whose weights in the package those of its networks are; `None` if they
            are in the folder.
        reach: As in `ChordRecognizer`; older ones know none.
    """

    vocabulary: Any
    sample_rate: int
    hop_length: int
    context_frames: int
    block_frames: int
    decibels: bool
    tuning: str | float
    boundary_shift: float
    decoder: str
    hears_pieces: bool
    calibration: dict
    filters: dict
    fingerprint: str
    preset: str | None = None
    frame: dict | None = None
    reach: int | None = None


class EngineTrack(WholeTrack):
    """A `WholeTrack` whose two steps are networks in ONNX Runtime.

    Args:
        folder: Of the engine.
        model: What it says about itself.
    """

    def __init__(self, folder: Path, model: ChordModel):
        super().__init__(
            vocabulary_from_config(model.vocabulary),
            model.sample_rate,
            model.hop_length,
            model.context_frames,
            model.decibels,
            model.tuning,
            model.block_frames,
            model.reach,
        )
        given = {**model.filters, "fmins": tuple(model.filters["fmins"])}
        self.settings = Settings(**given)
        self.frame = functools.cache(
            lambda: Frame.from_config(model.frame or frame_of(self.settings))
        )
        self.filters = functools.lru_cache(maxsize=4)(self._filters)
        # The many small operators of a transform gain nothing by more threads.
        self.abreast = min(cores(), MOST_ABREAST)
        self.open = functools.cache(
            lambda name: Network(
                *(folder / name, name == NETWORK),
                threads=None if name == NETWORK else 1,
            )
        )
        self.follows = not (folder / FRONTEND).is_file()
        self.nets: list[Net] = []
        if model.preset is not None:
            self.nets = nets_of(model.preset)
        elif (folder / WEIGHTS).is_file():
            self.nets = [Net(weights) for weights in storage.read_arrays(folder)]
        else:
            self.open(NETWORK)

    def _filters(self, semitones: float) -> np.ndarray:
        per_semitone = self.settings.bins_per_octave / 12
        plan = make_plan(self.settings, semitones * per_semitone, self.frame())
        return pack(plan)[None]

    def warm_up(self) -> None:
        """Open what the first track needs, while it is decoded; see `WholeTrack`."""
        if self.hears_tuning or self.follows:
            self.open(TUNED_FRONTEND)
        else:
            self.open(FRONTEND)
        if self.nets:
            import_graphs()

    def magnitudes(
        self, samples: np.ndarray, span: np.ndarray, tuning: float
    ) -> np.ndarray:
        """Compute the magnitudes of a chunk; see `WholeTrack`."""
        if not tuning and not self.follows:
            outputs = self.open(FRONTEND)(samples, span)
        else:
            outputs = self.open(TUNED_FRONTEND)(samples, span, self.filters(tuning))
        (magnitudes,) = outputs.values()
        return magnitudes

    def predict(self, magnitudes: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network over the magnitudes of one whole track; see `WholeTrack`."""
        if self.nets:
            return answers(magnitudes, self.nets, self.vocabulary)
        track = np.ascontiguousarray(magnitudes[None], "float32")
        return {name: v[0] for name, v in self.open(NETWORK)(track).items()}


class ChordEngine(TrackRecognition):
    """Names the chords of tracks as a Keras recogniser does, without Keras.

    `recognize`, `iter_chords`, `chordogram`, `iter_chordograms` and `segment` mean what
    they mean in `ChordRecognizer`, and `tuning` may be changed as well. Memory grows
    with a track no more than there. `fingerprint` is that of the Keras model.

    Args:
        folder: The folder of the engine.

    Raises:
        PresetError: If it is none, or damaged.
    """

    def __init__(self, folder: Path):
        try:
            model = ChordModel.read(folder)
            self.whole_track = EngineTrack(folder, model)
        except (OSError, TypeError, ValueError, KeyError) as error:
            raise damaged(folder, error) from error
        self.vocabulary = self.whole_track.vocabulary
        self.sample_rate = model.sample_rate
        self.hop_length = model.hop_length
        self.boundary_shift = model.boundary_shift
        self.default_decoder = model.decoder
        self.hears_pieces = model.hears_pieces
        self.calibration = check_calibration(model.calibration)
        self.fingerprint = model.fingerprint

    @property
    def tuning(self) -> str | float:
        """Where the bins lie, as in `ChordRecognizer`."""
        return self.whole_track.tuning

    @tuning.setter
    def tuning(self, tuning: str | float) -> None:
        self.whole_track.tuning = check_tuning(tuning)

    def segment(self) -> Segment:
        """Begin a track whose chunks come from elsewhere, as in `ChordRecognizer`."""
        return Segment(self.whole_track, self._chordogram)

    def _run(self, tracks: Iterable, sample_rate: int) -> Iterator[TrackOutput]:
        return self.whole_track.run(tracks, sample_rate)


def frame_of(settings: Settings) -> dict:
    """Return the shapes of filters at any tuning, for `ChordModel`."""
    return dataclasses.asdict(Frame.of(settings))


def nets_of(preset: str) -> list[Net]:
    """Return the networks whose weights a preset in the package has."""
    record = records.preset_info(preset)
    expected = record["weights"]
    arrays = read_arrays(records.preset_weights(record), expected)
    nets = range(record["config"]["nets"])
    return [
        Net([arrays[name].astype("float32") for name in array_names(f"net{number}")])
        for number in nets
    ]
