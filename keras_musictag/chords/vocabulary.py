"""Chord vocabularies: ordered lists of classes, and the way from any label to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np

from keras_musictag.checks import check_choice, did_you_mean
from keras_musictag.chords.dictionaries import DICTIONARIES, dictionary_labels
from keras_musictag.chords.harte import (
    NO_CHORD,
    QUALITIES,
    ROOTS_SHARP,
    UNKNOWN_CHORD,
    Chord,
    parse,
)
from keras_musictag.chords.structure import NOT_SAID, structure
from keras_musictag.errors import ConfigError, LabelError

TRIADS = ("maj", "min")
SEVENTHS = ("maj", "min", "7", "maj7", "min7")
TETRADS = (
    *("maj", "min", "dim", "aug", "sus2", "sus4", "7", "maj7", "min7"),
    *("minmaj7", "dim7", "hdim7", "maj6", "min6"),
)
RULES = ("triads", "tones", "shorthand", "structure")
OUTSIDE = ("rescale", "root", "drop")
# CREMA names a bass by its semitones alone, so the sixth of dim7 is "6".
BASS_DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")
TINY = float(np.finfo("float32").tiny)

# (root, what the rule compares, semitones of the bass); no root for N and X.
Key = tuple[int | None, object, int]


@dataclass(frozen=True)
class Vocabulary:
    """An ordered list of chord classes, one for each output of a model.

    Args:
        name: What it is called.
        labels: The classes in Harte's notation, in output order, no chord twice. `N`
            (no chord) and `X` (a chord outside) are classes if they are listed.
        rule: Which labels belong to a class of the same root. `"tones"`: those with
            the same tones within the octave, bass included, as mir_eval compares
            sevenths and tetrads. `"triads"`: those with the same tones up to the
            fifth, as mir_eval compares majmin, so that `C:7` is `C:maj`.
            `"shorthand"`: those with the same shorthand, whatever degrees are added
            or left out, ninths and higher read as sevenths, as CREMA reduced its
            training labels; the bass counts where a class with that bass is listed.
            `"structure"`: those with the same triad, seventh, ninth, eleventh,
            thirteenth and bass; a label without a class of its own goes to the one
            without its highest degrees, and then without its bass.

    Raises:
        LabelError: If a label is malformed, or two labels are one class.
        ConfigError: If the rule is unknown.

    References:
        - McFee and Bello, "Structured training for large-vocabulary chord
          recognition", ISMIR 2017.
        - Raffel et al., "mir_eval: a transparent implementation of common MIR
          metrics", ISMIR 2014.

    Example:

    ```python
    from keras_musictag.chords import Vocabulary, get_vocabulary

    majmin = get_vocabulary("majmin")
    print(len(majmin), majmin.index("Bb:min7/b3"), majmin.index("C:sus4"))  # 25 22 -1
    blues = Vocabulary("blues", ["A:7", "D:7", "E:7", "N"])
    print(blues.index("D:9"))  # 1
    ```
    """

    name: str
    labels: tuple[str, ...]
    rule: str = "tones"

    def __post_init__(self):
        if isinstance(self.labels, str) or not len(self.labels):
            raise LabelError(
                "A chord vocabulary must be a list of at least one label.",
                received=repr(self.labels),
                advice='Give a list such as ["C:maj", "A:min", "N"].',
            )
        object.__setattr__(self, "labels", tuple(self.labels))
        check_choice(self.rule, RULES, name="rule")
        seen: dict[Key, str] = {}
        for label, key in zip(self.labels, self._keys, strict=True):
            if key in seen:
                raise LabelError(
                    "Two labels of a chord vocabulary are the same class.",
                    received=f"{seen[key]!r} and {label!r} by the rule {self.rule!r}",
                    advice="Leave one of them out, or choose another rule.",
                )
            seen[key] = label

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __getitem__(self, index):
        return self.labels[index]

    @cached_property
    def chords(self) -> tuple[Chord, ...]:
        """The classes as `Chord`s."""
        return tuple(parse(label) for label in self.labels)

    @cached_property
    def roots(self) -> np.ndarray:
        """int array `(classes,)`: pitch class of each root, -1 for `N` and `X`."""
        return np.array([-1 if c.root is None else c.root for c in self.chords])

    @cached_property
    def qualities(self) -> np.ndarray:
        """str array `(classes,)`: shorthand of each class; `"N"`, `"X"` as they are."""
        return np.array([chord.quality for chord in self.chords])

    @cached_property
    def basses(self) -> np.ndarray:
        """int array `(classes,)`: pitch class of each bass, -1 for `N` and `X`."""
        basses = [chord.bass_pitch_class for chord in self.chords]
        return np.array([-1 if bass is None else bass for bass in basses])

    def index(self, label: str) -> int:
        """Return the class of any chord label.

        Args:
            label: A label in Harte's notation.

        Returns:
            The class by the vocabulary's rule. A chord outside the vocabulary gives
            the class `X`, or -1 if there is none.

        Raises:
            LabelError: If the label is malformed.
        """
        return self._index_of(parse(label))

    def indices(self, labels) -> np.ndarray:
        """Return the classes of many labels, as an int array; see `index`."""
        return np.array([self.index(label) for label in labels], dtype=int)

    def transpose_index(self, semitones: int) -> np.ndarray:
        """Return what transposition does to the classes.

        Args:
            semitones: How far up; negative for down.

        Returns:
            int array `(classes,)`: the class that each class becomes. With it
            `targets = permutation[targets]`, and probabilities move by
            `moved[:, permutation] = probabilities`.

        Raises:
            LabelError: If the vocabulary has a chord but not the moved one.
        """
        moved = [self._index_of(chord.transposed(semitones)) for chord in self.chords]
        if len(set(moved)) < len(moved) or -1 in moved:
            raise LabelError(
                "This vocabulary cannot be transposed: it lacks chords on some roots.",
                received=f"{self.name!r}, {semitones} semitones",
                advice="Use a vocabulary that has each quality on all twelve roots.",
            )
        return np.array(moved)

    @cached_property
    def _keys(self) -> list[Key]:
        return [self._key(chord) for chord in self.chords]

    @cached_property
    def _table(self) -> dict[Key, int]:
        return {key: i for i, key in enumerate(self._keys)}

    @cached_property
    def _outside(self) -> int:
        return self._table.get((None, UNKNOWN_CHORD, 0), -1)

    def _key(self, chord: Chord) -> Key:
        if chord.root is None:
            return None, chord.quality, 0
        if self.rule == "structure":
            parts = structure(chord)
            quality = (parts.triad - 1) // 12 if parts.triad > 0 else NOT_SAID
            return chord.root, (quality, *parts[2:]), chord.bass_interval
        if self.rule == "shorthand":
            return chord.root, _without_extensions(chord.quality), chord.bass_interval
        tones = chord.intervals[:8] if self.rule == "triads" else chord.intervals
        return chord.root, tones, 0

    def _index_of(self, chord: Chord) -> int:
        root, quality, bass = self._key(chord)
        qualities = [quality]
        if isinstance(quality, tuple) and self.rule == "structure":
            # Without the thirteenth, then the eleventh as well, and so on.
            qualities += [quality[:n] + (0,) * (5 - n) for n in (4, 3, 2, 1)]
        for known in qualities:
            for lowest in (bass, 0):
                if (root, known, lowest) in self._table:
                    return self._table[root, known, lowest]
        return self._outside


def _without_extensions(quality):
    # Without a shorthand a label is a root, and a root alone is major.
    if not quality:
        return "maj"
    for name in (*TETRADS, "1", "5"):
        if QUALITIES[name] == tuple(s for s in QUALITIES[quality] if s < 12):
            return name
    return quality


def _each_root(qualities, *, bass=""):
    return [f"{root}:{q}{bass}" for q in qualities for root in ROOTS_SHARP]


def _inversions():
    for quality in TETRADS:
        yield from _each_root([quality])
        for semitone in QUALITIES[quality][1:]:
            yield from _each_root([quality], bass=f"/{BASS_DEGREES[semitone]}")


VOCABULARIES = {
    "majmin": "24 major and minor chords, N",
    "sevenths": "maj, min, 7, maj7, min7 on 12 roots, N",
    "tetrads": "14 qualities on 12 roots, N",
    "crema170": "14 qualities on 12 roots, N, X, in CREMA's order",
    "inversions": "14 qualities on 12 roots with each chord tone as bass, N, X",
    "submission": "25 qualities on 12 roots, with inversions and ninths, N",
    "ismir2017": "14 qualities on 12 roots, N, told apart by their structure",
    "extended": "25 qualities on 12 roots, with sixths, inversions and ninths, N",
    "full": "228 qualities on 12 roots: all that annotators wrote, N",
}


@cache
def _named(name):
    if name == "majmin":
        return Vocabulary(name, (*_each_root(TRIADS), NO_CHORD), rule="triads")
    if name == "sevenths":
        return Vocabulary(name, (*_each_root(SEVENTHS), NO_CHORD))
    if name == "tetrads":
        return Vocabulary(name, (*_each_root(TETRADS), NO_CHORD))
    if name in DICTIONARIES:
        return Vocabulary(name, tuple(dictionary_labels(name)), rule="structure")
    both = (NO_CHORD, UNKNOWN_CHORD)
    if name == "crema170":
        labels = (*sorted(_each_root(TETRADS)), *both)
        return Vocabulary(name, labels, rule="shorthand")
    return Vocabulary(name, (*_inversions(), *both), rule="shorthand")


def get_vocabulary(vocabulary: "str | Vocabulary") -> Vocabulary:
    """Return a vocabulary by its name.

    Args:
        vocabulary: `"majmin"` (25 classes: C:maj to B:maj, C:min to B:min, N),
            `"sevenths"` (61), `"tetrads"` (169), `"crema170"` (170),
            `"inversions"` (602), or one of the dictionaries of the ISMIR 2019
            recogniser, `"submission"` (301), `"ismir2017"` (169), `"extended"` (301)
            and `"full"` (2737); or a `Vocabulary`, which comes back as it is.
            `VOCABULARIES` says what is in each. Only `"crema170"` and `"inversions"`
            have a class `X`; all roots are spelt with sharps.

    Returns:
        The `Vocabulary`.

    Raises:
        ConfigError: If there is no vocabulary of that name.

    Example:

    ```python
    from keras_musictag.chords import get_vocabulary

    print(get_vocabulary("sevenths").labels[24:27])  # ('C:7', 'C#:7', 'D:7')
    ```
    """
    if isinstance(vocabulary, Vocabulary):
        return vocabulary
    if vocabulary not in VOCABULARIES:
        raise unknown_name("vocabulary", vocabulary, tuple(VOCABULARIES))
    return _named(vocabulary)


def unknown_name(what, name, names) -> ConfigError:
    """Return the error for a name that does not exist, with the nearest ones."""
    return ConfigError(
        f"There is no chord {what} of that name.",
        received=f"{what}={name!r}",
        advice=did_you_mean(name, names),
    )


def reduce_probabilities(
    probabilities, source, target, *, outside: str = "rescale"
) -> np.ndarray:
    """Turn probabilities over a large vocabulary into those over a smaller one.

    Each class of the target gets the sum of what the classes that belong to it have.
    So the winner may change: many weak sevenths can outweigh one triad. A class that
    the target's rule leaves out but that contains a triad of the target goes there:
    in `"sevenths"`, `C:maj6` counts as `C:maj`.

    Args:
        probabilities: Array `(frames, source classes)`, or `(source classes,)`.
        source: Vocabulary of the columns, or its name.
        target: Vocabulary wanted, or its name.
        outside: What becomes of the rest, the classes that have no place in the
            target, such as `C:sus4` in `"majmin"` or `X` where the target has no
            `X`. `"rescale"`: the target's classes are scaled up to the sum that the
            row had: probabilities, given that a chord of the target sounds; a row
            without any such chord becomes uniform. `"root"`: a chord's share is
            split evenly among the target's chords on its root, and `X` is treated as
            in `"rescale"`. `"drop"`: the rest is left out, and rows sum to less.

    Returns:
        float64 array `(frames, target classes)`.

    Raises:
        ConfigError: If a vocabulary or `outside` is unknown, or the shape of
            `probabilities` is not that of the source.

    Example:

    ```python
    import numpy as np
    from keras_musictag.chords import reduce_probabilities

    uniform = np.full((1, 170), 1 / 170)
    print(reduce_probabilities(uniform, "crema170", "majmin").shape)  # (1, 25)
    ```
    """
    source, target = get_vocabulary(source), get_vocabulary(target)
    check_choice(outside, OUTSIDE, name="outside")
    values = np.asarray(probabilities, dtype="float64")
    if values.ndim not in (1, 2) or values.shape[-1] != len(source):
        raise ConfigError(
            "Probabilities must have one column for each class of the vocabulary.",
            received=f"shape {values.shape}, {len(source)} classes in {source.name!r}",
            advice="Give (frames, classes), with the vocabulary they are for.",
        )
    reduced = values @ _reduction(source, target, outside == "root")
    if outside == "drop":
        return reduced
    total = values.sum(axis=-1, keepdims=True)
    kept = reduced.sum(axis=-1, keepdims=True)
    scaled = reduced * (total / np.maximum(kept, TINY))
    return np.where(kept > TINY, scaled, total / len(target))


@lru_cache(maxsize=64)
def _reduction(source: Vocabulary, target: Vocabulary, by_root: bool) -> np.ndarray:
    matrix = np.zeros((len(source), len(target)))
    has_tones = target.rule == "tones"
    for i, chord in enumerate(source.chords):
        j = target._index_of(chord)
        if j == -1 and has_tones and chord.root is not None:
            j = target._index_of(_triad(chord))
        if j >= 0:
            matrix[i, j] = 1.0
        elif by_root and chord.root is not None:
            same = target.roots == chord.root
            matrix[i, same] = 1.0 / max(1, same.sum())
    return matrix


def _triad(chord):
    for quality in TRIADS:
        if chord.intervals[:8] == Chord(chord.root, quality).intervals[:8]:
            return Chord(chord.root, quality)
    return Chord(None, UNKNOWN_CHORD)


# === In configurations ===


def vocabulary_from_config(config) -> Vocabulary:
    """Return the vocabulary that a name, a config or itself stands for."""
    if isinstance(config, dict):
        return Vocabulary(**{**config, "labels": tuple(config["labels"])})
    return get_vocabulary(config)


def vocabulary_to_config(vocabulary: Vocabulary) -> str | dict:
    """Return a vocabulary as plain JSON values: its name if that says all."""
    name = vocabulary.name
    if name in VOCABULARIES and vocabulary == get_vocabulary(name):
        return name
    return {"name": name, "labels": list(vocabulary.labels), "rule": vocabulary.rule}
