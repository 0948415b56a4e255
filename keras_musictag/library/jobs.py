"""What a library run is made of: plain values that other processes understand."""

import dataclasses
import hashlib
import json
from typing import Any, NamedTuple

from keras_musictag import audio
from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError

READER = "laion/larger_clap_music"  # a tagger that reads, to name one
KINDS = ("tags", "chords", "tempo", "beats", "key", "segments")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What shall be known about each track.

    Args:
        presets: Taggers: names of presets, or folders of saved ones.
        chords: A chord recogniser, which tells the key as well; `None` for none.
        tempo: Whether to find the tempo by librosa.
        beats: A beat tracker, which tells tempo and meter; `None` for none.
        key: A key recogniser with a network of its own; `None` for none.
        embeddings: Whether to keep the taggers' embeddings.
        chunks: Score so many equally spaced chunks of a track; `None` for all.
        batch_size: Chunks per forward pass.
        segments: Labels or groups of the taggers, of which it shall be known where in
            a track they are heard, with the lowest score that counts; `None` for the
            usual one.
        words: Labels for the taggers that read; none for those that they come with.
    """

    presets: tuple[str, ...] = ("musicnn_msd",)
    chords: str | None = None
    tempo: bool = False
    beats: str | None = None
    key: str | None = None
    embeddings: bool = True
    chunks: int | None = None
    batch_size: int = 16
    segments: tuple[tuple[str, float | None], ...] = ()
    words: tuple[str, ...] = ()

    def __post_init__(self):
        presets = [self.presets] if isinstance(self.presets, str) else self.presets
        object.__setattr__(self, "presets", tuple(map(str, presets)))
        if self.chunks is not None:
            check_positive_int(self.chunks, name="chunks")
        check_positive_int(self.batch_size, name="batch_size")
        if len(set(self.presets)) < len(self.presets):
            raise ConfigError(
                "A preset is named twice.",
                received=f"presets={self.presets}",
                advice="Name each one once.",
            )
        if self.segments and (self.chunks is not None or not self.presets):
            raise ConfigError(
                "Where labels are heard is known from all chunks of a tagger alone.",
                received=f"segments={self.segments}, chunks={self.chunks}, "
                f"presets={self.presets}",
                advice="Leave `chunks` out, and name a tagger.",
            )
        if not (self.presets or self.chords or self.tempo or self.beats or self.key):
            raise ConfigError(
                "There is nothing to find out about the tracks.",
                received="no presets, chords, tempo, beats or key",
                advice="Name a preset, such as 'musicnn_msd'.",
            )


@dataclasses.dataclass(frozen=True)
class Analysis:
    """One thing known about tracks: the tags, chords, beats or key by one model.

    Args:
        kind: `"tags"`, `"chords"`, `"tempo"`, `"beats"`, `"key"` or `"segments"`.
        name: Short name, a column of searches.
        preset: What the model was loaded from.
        weights_sha256: Checksum of the weights and of how tracks are cut.
        labels: Of a tagger, in output order; of segments, what was asked for.
        units: Length of an embedding; `None` if none is kept.
        chunks: As in `Recipe`.
        reads: Whether texts have embeddings in the same space.
        thresholds: Of segments: the lowest score that counts, for each label; `None`
            for the usual one.

    Attributes:
        id: Name of the folder of its rows: it changes with whatever changes them.
    """

    kind: str
    name: str
    preset: str
    weights_sha256: str
    labels: tuple[str, ...] = ()
    units: int | None = None
    chunks: int | None = None
    reads: bool = False
    thresholds: tuple[float | None, ...] = ()

    @property
    def id(self) -> str:
        decides: list[Any] = [self.kind, self.weights_sha256, self.labels]
        decides += [self.units, self.chunks]
        decides += [self.thresholds] if self.thresholds else []
        digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()
        kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in self.name)
        return f"{self.kind}-{kept[:40]}-{digest[:12]}"

    def to_config(self) -> dict[str, Any]:
        """Return the arguments as plain values."""
        config = dataclasses.asdict(self)
        for name in ("reads", "thresholds"):
            if not config[name]:  # as earlier versions wrote it, and read it
                del config[name]
        return config

    @classmethod
    def from_config(cls, config: dict) -> "Analysis":
        """Make the analysis that `to_config` described.

        Raises:
            TypeError: If that is no such description.
        """
        lists = config["labels"], config.get("thresholds", [])
        labels, thresholds = map(tuple, lists)
        analysis = cls(**{**config, "labels": labels, "thresholds": thresholds})
        texts = (analysis.name, analysis.preset, analysis.weights_sha256)
        numbers = (analysis.units, analysis.chunks)
        if (
            analysis.kind not in KINDS
            or not all(isinstance(values, list) for values in lists)
            or type(analysis.reads) is not bool
            or not all(value is None or type(value) is float for value in thresholds)
            or len(thresholds) != (len(labels) if analysis.kind == "segments" else 0)
            or not all(isinstance(text, str) for text in (*texts, *analysis.labels))
            or not all(n is None or (type(n) is int and 0 < n < 2**31) for n in numbers)
        ):
            raise TypeError(f"no analysis: {str(config)[:200]}")
        return analysis


class Copy(NamedTuple):
    """A row to be written again: that of `analysis` for the same bytes at `source`."""

    analysis: str
    source: str


@dataclasses.dataclass(frozen=True)
class Job:
    """A file, and which analyses are wanted of it.

    Args:
        path: Where it is, or its address.
        size, mtime_ns: What it was when the job was made; `None` if it could not be
            read, or if the address does not tell.
        sha256: Hash of its content; `None` if it has not been read yet.
        wanted: The ids of the analyses to be made.
        copies: What is known of the same bytes: written again, not analysed.
        replaces: A path whose rows this one's take the place of: a moved file.
    """

    path: str
    size: int | None
    mtime_ns: int | None
    sha256: str | None
    wanted: tuple[str, ...]
    copies: tuple[Copy, ...] = ()
    replaces: str | None = None


@dataclasses.dataclass
class Outcome:
    """What is known of a file after its job.

    Args:
        job: The job.
        duration: Length in seconds; `None` if it cannot be read.
        rows: By the id of the analysis: its values.
        errors: By the id of the analysis: kind of the error and its message.
    """

    job: Job
    duration: float | None = None
    rows: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    errors: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether each analysis that was wanted has its row or its error."""
        return len(self.rows) + len(self.errors) == len(self.job.wanted)


@dataclasses.dataclass(frozen=True)
class Spec:
    """How one analysis wants a track to be cut: NumPy and plain values only.

    Args:
        kind: As in `Analysis`.
        sample_rate: In Hz.
        plan: The chunks; of a tempo `None`.
        mirrored: By how many samples a track is mirrored at its ends before.
    """

    kind: str
    sample_rate: int
    plan: audio.ChunkPlan | None = None
    mirrored: int = 0
