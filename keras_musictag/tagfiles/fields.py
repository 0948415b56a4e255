"""Which fields of a file get what: labels by group, scores, key and tempo."""

import dataclasses
import math
import numbers
import re
import tomllib
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from keras_musictag.checks import check_positive_int, did_you_mean, read_file
from keras_musictag.chords import Key
from keras_musictag.errors import ConfigError
from keras_musictag.labels import NO_GROUP, Labels
from keras_musictag.tracks.taggram import Taggram

OWN = "KMT_"  # our own fields begin with it
PRESET = OWN + "PRESET"  # the model whose scores they are
EXACT_TEMPO = OWN + "TEMPO"  # players read whole numbers only
STANDARD = ("genre", "mood", "key", "tempo")  # fields that players show
# What a Vorbis comment may be called; the other formats are less strict.
_FIELD_NAME = re.compile(r"[ -<>-}]{1,60}\Z")


@dataclasses.dataclass(frozen=True)
class FieldMap:
    """Which group of labels goes into which field, and under which names.

    Args:
        fields: For each group its field: `"genre"`, `"mood"`, or any other name,
            which becomes a field of that name in capitals. Groups that are not
            named are not written, except their scores. `"labels"` stands for
            labels without a group.
        labels: For some labels the name to write; `""` leaves a label out.
        max_labels: How many labels a field gets at most.
        min_score: Labels with a lower score are left out.

    Raises:
        ConfigError: If a field cannot be called so, or a value is out of range.

    Example:

    ```python
    from keras_musictag.tagfiles import FieldMap

    FieldMap({"genre": "genre"}, labels={"Hip-Hop": "Hip Hop"}, max_labels=1)
    ```
    """

    fields: dict = dataclasses.field(
        default_factory=lambda: {"genre": "genre", "mood": "mood"}
    )
    labels: dict = dataclasses.field(default_factory=dict)
    max_labels: int = 3
    min_score: float = 0.1

    def __post_init__(self):
        check_positive_int(self.max_labels, name="max_labels")
        number = isinstance(self.min_score, numbers.Real)
        if not number or not math.isfinite(self.min_score):
            raise ConfigError(
                "`min_score` must be a finite number.",
                received=f"min_score={self.min_score!r}",
                advice="Give for example 0.1.",
            )
        for name, pairs in (("fields", self.fields), ("labels", self.labels)):
            _check_texts(name, pairs)
        for field in self.fields.values():
            check_field(field)
            if field in ("key", "tempo"):
                raise ConfigError(
                    f"The field {field!r} holds no labels.",
                    received=f"fields={self.fields!r}",
                    advice="Choose genre, mood, or a name of your own.",
                )

    @classmethod
    def from_toml(cls, path) -> "FieldMap":
        """Read a map from a TOML file.

        Args:
            path: The file: tables `[fields]` and `[labels]`, and above them
                `max_labels` and `min_score`; what is not there has its default.

        Returns:
            The map.

        Raises:
            ConfigError: If it cannot be read, or holds anything else.
        """
        try:
            values = tomllib.loads(read_file(Path(path).expanduser()).decode("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(
                "The map of fields cannot be read.",
                received=f"{path} ({error})",
                advice='Give a TOML file such as: [labels]  "Hip-Hop" = "Hip Hop"',
            ) from error
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigError(
                    f"The map of fields has an entry that does not exist: {name!r}.",
                    received=path,
                    advice=did_you_mean(name, known),
                )
        return cls(**values)

    def check(self, labels: Labels) -> None:
        """Refuse groups and labels that a model does not have.

        Args:
            labels: The labels of the model.

        Raises:
            ConfigError: If the map names a group or a label that is not there.
        """
        groups = {group or NO_GROUP for group in labels.groups}
        usual = set(FieldMap().fields)
        for what, named, there in (
            ("group", set(self.fields) - usual, sorted(groups)),
            ("label", set(self.labels), list(labels)),
        ):
            for name in sorted(named - set(there)):
                raise ConfigError(
                    f"The map of fields names a {what} that the model does not have.",
                    received=repr(name),
                    advice=did_you_mean(name, there),
                )


def _check_texts(name, pairs):
    texts = isinstance(pairs, dict) and all(
        isinstance(item, str) for pair in pairs.items() for item in pair
    )
    if not texts:
        raise ConfigError(
            f"`{name}` must give a text for each text.",
            received=f"{name}={pairs!r}",
            advice='Write for example: genre = "genre"',
        )


def check_field(name) -> str:
    """Return the name of a field, in capitals if it is not a standard one.

    Args:
        name: What the caller gave.

    Returns:
        One of `STANDARD`, or the name in capitals.

    Raises:
        ConfigError: If a field cannot be called so.
    """
    if isinstance(name, str) and name in STANDARD:
        return name
    if not isinstance(name, str) or not _FIELD_NAME.match(name) or name != name.strip():
        raise ConfigError(
            "A field cannot be called so.",
            received=repr(name),
            advice=f"Use one of {', '.join(STANDARD)}, or a name of at most 60 plain "
            "letters, digits and signs other than '='.",
        )
    return name.upper()


def score_fields(labels: Iterable[str]) -> dict[str, str]:
    """Name the field that holds the score of each label.

    Args:
        labels: The label names, in the order of the model's outputs.

    Returns:
        For each label its field, none twice: `KMT_` and the label in capitals,
        with `_` for what is neither a plain letter nor a digit.

    Example:

    ```python
    from keras_musictag.tagfiles import score_fields

    print(score_fields(["Mellow", "Hip-Hop"])["Hip-Hop"])  # KMT_HIP_HOP
    ```
    """
    names: dict[str, str] = {}
    taken = {PRESET, EXACT_TEMPO, OWN + "UNDO"}
    for label in labels:
        plain = unicodedata.normalize("NFKD", label)
        plain = plain.encode("ascii", "ignore").decode().upper()
        stem = OWN + (re.sub(r"[^A-Z0-9]+", "_", plain).strip("_")[:50] or "LABEL")
        name, count = stem, 1
        while name in taken:
            count += 1
            name = f"{stem}_{count}"
        taken.add(name)
        names[label] = name
    return names


def choose_fields(
    taggram: Taggram,
    mapping: FieldMap | None = None,
    *,
    key: Key | str | None = None,
    tempo: float | None = None,
    preset: str | None = None,
    key_notation: str = "musical",
) -> dict[str, list[str]]:
    """Choose what to write into a file from what a model says about it.

    Args:
        taggram: The scores of the track.
        mapping: Which group goes where; `None` for genre and mood.
        key: The key, if known: from `ChordSequence.key()`, or its name.
        tempo: Beats per minute, if known.
        preset: Name of the model, to be kept beside the scores.
        key_notation: How the key is written: `"musical"` (`Am`), `"camelot"` (`8A`)
            or `"openkey"` (`1m`).

    Returns:
        For each field its values: `genre`, `mood`, `key`, `tempo` as a whole number,
        with the exact one in `KMT_TEMPO`, other fields of the map, and the score of
        each label as a decimal number in `KMT_MELLOW` and the like. Fields without a
        value are left out.

    Raises:
        ConfigError: If the map does not fit the model, or there is no such notation.
        LabelError: If the key is malformed.

    Example:

    ```python
    import keras_musictag as kmt

    song = kmt.audio.demo_path()
    taggram = kmt.MusicTagger.from_pretrained().taggram(song)
    fields = kmt.tagfiles.choose_fields(taggram, tempo=92.3)
    fields["genre"], fields["tempo"], fields["KMT_TEMPO"], fields["KMT_MELLOW"]
    ```
    """
    mapping = mapping or FieldMap()
    mapping.check(taggram.labels)
    groups = dict(zip(taggram.labels, taggram.labels.groups, strict=True))
    chosen: dict[str, list[str]] = {}
    for label, _ in taggram.top(None, mapping.min_score):
        field = mapping.fields.get(groups[label] or NO_GROUP)
        name = mapping.labels.get(label, label)
        if field is not None and name:
            values = chosen.setdefault(check_field(field), [])
            if name not in values and len(values) < mapping.max_labels:
                values.append(name)
    if key is not None:
        key = key if isinstance(key, Key) else Key(key)
        chosen["key"] = [key.notated(key_notation)]
    if tempo is not None and round(tempo) > 0:
        chosen["tempo"] = [str(round(tempo))]
        chosen[EXACT_TEMPO] = [f"{tempo:.2f}"]
    own = score_fields(taggram.labels)
    for label, score in zip(taggram.labels, taggram.aggregate(), strict=True):
        chosen[own[label]] = [f"{score:.4f}"]
    if preset is not None:
        chosen[PRESET] = [preset]
    return chosen
