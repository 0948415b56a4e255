"""Chord probabilities over time: what a recogniser says about one track."""

import dataclasses
import json
import zipfile
import zlib
from typing import Any

import numpy as np

from keras_musictag.checks import check_choice, check_positive, open_file
from keras_musictag.chords.beat_frames import (
    beat_times,
    check_beats,
    frames_of_beats,
)
from keras_musictag.chords.composing import compose, has_choices
from keras_musictag.chords.confidence import (
    Calibration,
    calibrated,
    check_calibration,
)
from keras_musictag.chords.decoding import decode
from keras_musictag.chords.harte import NO_CHORD, ROOTS_SHARP, parse
from keras_musictag.chords.keys import pretty
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.chords.structure import EXTENSIONS
from keras_musictag.chords.vocabulary import (
    BASS_DEGREES,
    TINY,
    Vocabulary,
    get_vocabulary,
    reduce_probabilities,
    vocabulary_from_config,
    vocabulary_to_config,
)
from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.replacing import replacing

CHORD, BASS = "chord", "bass"
# Pitch classes of roots and basses; one more class says that there is none.
PITCH_CLASSES = 12
FILE_KIND, FILE_VERSION = "keras-musictag chordogram", 1
ABOUT, OUTPUTS = "about", "outputs/"
# What NumPy, zlib and JSON raise for files that are not what they should be.
DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Chordogram:
    """The chord probabilities of one track, frame by frame.

    Args:
        outputs: What the network said, by the name of the output: float32 arrays
            `(frames, classes)`. `"chord"` holds the probabilities of the vocabulary;
            `"bass"`, if there is one, those of the bass: 12 pitch classes from C on,
            then none. With `"triad"`, `"seventh"`, `"ninth"`, `"eleventh"` and
            `"thirteenth"` beside it, the choices of `chords.structure`, other
            vocabularies are composed from these.
        vocabulary: The chord classes, in output order.
        frame_period: Seconds from one frame to the next; frame `t` is centred at
            `t * frame_period`.
        shift: Where a segment begins, in frames from the centre of its first frame;
            -0.5 for half-way between two frames.
        duration: Length of the recording in seconds.
        decoder: How `decode` decodes unless it is told.
        calibration: By the name of a vocabulary the slope and the offset that make a
            confidence of a mean probability, see `chords.confidence.calibrated`.
            Other vocabularies keep the mean probability.

    Raises:
        ConfigError: If there is no output `"chord"`, shapes do not fit each other or
            the vocabulary, or a time is not above 0.

    Example:

    ```python
    import keras_musictag as kmt

    model = kmt.ChordRecognizer.from_pretrained()
    chordogram = model.chordogram(kmt.audio.demo_path())
    print(chordogram.decode("majmin").to_lab())
    print(chordogram.decode("majmin", decoder="argmax").to_lab())
    ```
    """

    outputs: dict[str, np.ndarray]
    vocabulary: Vocabulary
    frame_period: float
    shift: float
    duration: float
    decoder: str = "viterbi"
    calibration: Calibration = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check_positive(self.frame_period, name="frame_period")
        check_positive(self.duration, name="duration")
        shapes = {name: np.shape(values) for name, values in self.outputs.items()}
        frames = shapes.get(CHORD, (0,))[0]
        if shapes.get(CHORD) != (frames, len(self.vocabulary)) or any(
            len(shape) != 2 or shape[0] != frames for shape in shapes.values()
        ):
            raise ConfigError(
                'A chordogram needs an output "chord" with a column for each class of '
                "the vocabulary, and as many frames in every output.",
                received=f"{shapes} for {len(self.vocabulary)} classes",
                advice="Give arrays (frames, classes).",
            )

    @property
    def times(self) -> np.ndarray:
        """float64 array `(frames,)`: the centre of each frame in seconds."""
        return np.arange(len(self.outputs[CHORD])) * self.frame_period

    @property
    def labels(self) -> tuple[str, ...]:
        """The chord classes in Harte's notation, in output order."""
        return self.vocabulary.labels

    def probabilities(self, output: str = CHORD) -> np.ndarray:
        """Return what the network said, float32 `(frames, classes)`.

        Args:
            output: `"chord"` for the vocabulary, or another output of the model.

        Raises:
            ConfigError: If the model has no such output.
        """
        return self.outputs[check_choice(output, tuple(self.outputs), name="output")]

    def decode(
        self,
        vocabulary: str | Vocabulary | None = None,
        decoder: str | None = None,
        beats=None,
        **decoding,
    ) -> ChordSequence:
        """Choose one chord for each frame, and join equal ones.

        Args:
            vocabulary: Which chords to tell apart, such as `"majmin"`: see
                `chords.get_vocabulary`. Probabilities of chords that become one are
                summed first, or those of their parts multiplied. `None` for all that
                the model knows, with inversions where the bass is another tone of the
                chord.
            decoder: `"viterbi"`, `"penalty"`, `"argmax"`, `"hmm"` or `"crf"`: see
                `chords.decode`. `None` for the one that belongs to the model.
            beats: A `BeatSequence`, or times in seconds, rising, for chords that
                change on beats only; such as `BeatTracker.track(source)`.
            **decoding: `self_transition`, `transition`, `prior`, `penalty`, `first` and
                `min_duration` of `chords.decode`.

        Returns:
            The `ChordSequence`, from 0 to the end of the recording.

        Raises:
            ConfigError: If there is no such vocabulary or decoder, or an argument
                cannot work.
        """
        chosen = self.vocabulary if vocabulary is None else get_vocabulary(vocabulary)
        beats = beat_times(beats)
        values = self.outputs[CHORD]
        choices = has_choices(self.outputs)
        if chosen != self.vocabulary:
            if choices:
                values = compose(self.outputs, chosen)
            else:
                values = reduce_probabilities(values, self.vocabulary, chosen)
        period = self.frame_period
        path = decode(
            values,
            chosen,
            decoder=decoder or self.decoder,
            frame_period=period,
            beats=None if beats is None else _heard(beats, period, self.shift),
            **decoding,
        )
        begin: dict[str, Any] = {"frame_period": period, "offset": self.shift * period}
        if beats is not None and len(path) > 1:
            begin = {"times": starts_on_beats(len(path), period, self.shift, beats)}
        sequence = ChordSequence.from_frames(
            path, values, chosen, duration=self.duration, **begin
        )
        if chosen.name in self.calibration and sequence.confidences is not None:
            sequence = sequence.with_confidences(
                calibrated(sequence.confidences, *self.calibration[chosen.name])
            )
        if vocabulary is not None or choices or BASS not in self.outputs:
            return sequence
        return with_inversions(sequence, path, self.outputs[BASS])

    def plot(self, top_k: int = 20, ax=None):
        """Draw the strongest chords over time; returns the matplotlib axes.

        Args:
            top_k: How many chords to show; they stand in the vocabulary's order.
            ax: Axes to draw into; made if `None`.
        """
        from keras_musictag import plotting

        values = self.outputs[CHORD]
        # By their best second, or the passing chords of a long song would be lost.
        width = max(1, min(len(values), round(1 / self.frame_period)))
        sums = np.cumsum(np.pad(values, ((1, 0), (0, 0))), axis=0, dtype="float64")
        peaks = (sums[width:] - sums[:-width]).max(axis=0, initial=0.0)
        columns = np.sort(np.argsort(-peaks, kind="stable")[:top_k])
        starts = np.maximum(0.0, self.times - self.frame_period / 2)
        names = [pretty(self.labels[i]) for i in columns]
        ax = plotting.plot_taggram(starts, names, values[:, columns], ax=ax)
        ax.set_xlim(0.0, self.duration)
        return ax

    def to_dataframe(self, output: str = CHORD) -> Any:
        """Return a `pandas.DataFrame`: one row per frame, indexed by seconds.

        Args:
            output: As in `probabilities`. Columns are the labels of the vocabulary;
                for pitches, roots and basses the pitch classes from C on, then `N`.
        """
        pandas = import_extra("pandas", "train", "Chordogram.to_dataframe()")
        values = self.probabilities(output)
        names: tuple = self.labels if output == CHORD else (*ROOTS_SHARP, NO_CHORD)
        if output != CHORD and values.shape[1] not in (PITCH_CLASSES, len(names)):
            names = tuple(range(values.shape[1]))
        index = pandas.Index(self.times, name="time")
        return pandas.DataFrame(
            values, index=index, columns=list(names[: values.shape[1]])
        )

    # === Files ===

    def to_npz(self, path) -> None:
        """Write a compressed file of NumPy, which `from_npz` reads.

        Args:
            path: The file; what was there is replaced in one step.
        """
        about = {
            "kind": FILE_KIND,
            "version": FILE_VERSION,
            "outputs": list(self.outputs),
            "vocabulary": vocabulary_to_config(self.vocabulary),
            "frame_period": self.frame_period,
            "shift": self.shift,
            "duration": self.duration,
            "decoder": self.decoder,
            "calibration": dict(self.calibration),
        }
        arrays: dict[str, Any] = {ABOUT: np.array(json.dumps(about))}
        arrays |= {OUTPUTS + name: values for name, values in self.outputs.items()}
        with replacing(path) as part, open(part, "wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def from_npz(cls, path) -> "Chordogram":
        """Read what `to_npz` wrote: plain arrays and JSON, nothing is executed.

        Args:
            path: The file.

        Returns:
            The `Chordogram`.

        Raises:
            ConfigError: If the file is damaged, newer, or something else.
        """
        try:
            with open_file(path) as file, np.load(file, allow_pickle=False) as data:
                about = json.loads(str(data[ABOUT]))
                outputs = {
                    name: np.asarray(data[OUTPUTS + name], "float32")
                    for name in about["outputs"]
                }
            if about["kind"] != FILE_KIND or about["version"] > FILE_VERSION:
                raise ValueError(f"{about['kind']}, version {about['version']}")
            vocabulary = vocabulary_from_config(about["vocabulary"])
            times = (about["frame_period"], float(about["shift"]), about["duration"])
            decoder = str(about.get("decoder", "viterbi"))  # not in older files
            calibration = check_calibration(about.get("calibration"))
            return cls(outputs, vocabulary, *times, decoder, calibration)
        except FileNotFoundError as error:
            raise ConfigError(
                "There is no such file.",
                received=str(path),
                advice="Name a file that Chordogram.to_npz has written.",
            ) from error
        except DAMAGED as error:
            raise ConfigError(
                "This is no chordogram, or a damaged one.",
                received=f"{path}: {type(error).__name__}: {str(error)[:200]}",
                advice="Name a file that Chordogram.to_npz has written.",
            ) from error


def starts_on_beats(frames: int, frame_period: float, shift: float, beats):
    """Say where frames begin, if the first frame of a beat begins on the beat.

    Args:
        frames: How many there are.
        frame_period: Seconds from one frame to the next.
        shift: Where the other frames begin, in frames from their centres.
        beats: Times in seconds, rising.

    Returns:
        float64 array `(frames,)`, rising, in seconds.
    """
    starts = (np.arange(frames) + shift) * frame_period
    first, _ = frames_of_beats(_heard(beats, frame_period, shift), frame_period)
    inside = (first > 0) & (first < frames)
    starts[first[inside]] = check_beats(beats)[inside]
    return starts


def _heard(beats, frame_period: float, shift: float) -> np.ndarray:
    """Move beats to where a frame is centred in the middle of what it stands for."""
    return check_beats(beats) - (shift + 0.5) * frame_period


def with_inversions(sequence: ChordSequence, path, bass) -> ChordSequence:
    """Name the inversions of a sequence by the bass of its frames.

    Args:
        sequence: Chords in root position, decoded from frames.
        path: Class of each frame, int array `(frames,)`.
        bass: Probabilities of 12 pitch classes from C on and of none, `(frames, 13)`.

    Returns:
        The sequence with a bass where it is another tone of the chord.
    """
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    scores = np.log(np.asarray(bass, "float64") + TINY)
    totals = np.add.reduceat(scores, starts, axis=0)
    labels = [
        with_bass(label, int(total.argmax()))
        for label, total in zip(sequence.labels, totals, strict=True)
    ]
    return ChordSequence(
        sequence.intervals, labels, sequence.confidences, sequence.duration
    )


def with_bass(label: str, bass: int) -> str:
    """Add the bass to a label if it is a tone of the chord other than the root.

    Args:
        label: A chord in root position, `N` or `X`.
        bass: Pitch class from 0 for C to 11 for B, or 12 for none.

    Returns:
        The label, with the bass as a degree such as `/3` or `/b7`, named by its
        distance from the root in semitones alone.
    """
    chord = parse(label)
    if chord.root is None or bass == PITCH_CLASSES:
        return label
    interval = (bass - chord.root) % PITCH_CLASSES
    is_tone = interval != 0 and chord.intervals[interval]
    return f"{label}/{BASS_DEGREES[interval]}" if is_tone else label


def silent_outputs(
    outputs: dict[str, np.ndarray], vocabulary: Vocabulary
) -> dict[str, np.ndarray]:
    """Replace what a network makes of silence: certainly no chord.

    Args:
        outputs: By name, `(frames, classes)`.
        vocabulary: The classes of `"chord"`; without an `N` that output stays.

    Returns:
        New outputs of the same shapes.
    """
    columns = {"root": PITCH_CLASSES, BASS: PITCH_CLASSES}
    columns |= dict.fromkeys(("triad", *EXTENSIONS), 0)
    if NO_CHORD in vocabulary.labels:
        columns[CHORD] = vocabulary.labels.index(NO_CHORD)
    silent = dict(outputs)
    for name, values in outputs.items():
        if name == "pitch" or name in columns:
            silent[name] = np.zeros_like(values)
        if name in columns:
            silent[name][:, columns[name]] = 1.0
    return silent
