"""`KeySequence`: the key of a song, and where it changes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from keras_musictag import plotting
from keras_musictag.chords.analysis import MODES, Key
from keras_musictag.chords.harte import note_pitch_class
from keras_musictag.chords.keys import parse_key
from keras_musictag.chords.segments import check_segments
from keras_musictag.errors import LabelError, import_extra
from keras_musictag.keys.doors import KeyFiles


class KeyRegion(NamedTuple):
    """A part of a song in one key.

    Args:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        label: The key, as `"Bb:maj"` or `"C#:min"`.
        confidence: How sure the recogniser was, 0 to 1; `None` if not known.
    """

    start: float
    end: float
    label: str
    confidence: float | None = None

    @property
    def key(self) -> Key:
        """The `chords.Key`, which knows its names in all notations."""
        return Key(self.label)

    @property
    def number(self) -> int:
        """The place of the key in `keys.KEYS`: 0 for C major, 12 for C minor."""
        tonic, mode = parse_key(self.label)
        return note_pitch_class(tonic) + 12 * MODES.index(mode)

    def shown(self, notation: str | None = None) -> str:
        """Write the key in short.

        Args:
            notation: `"musical"` (`Am`), `"camelot"` (`8A`) or `"openkey"` (`1m`);
                `None` for `Am 8A`.

        Returns:
            The key.

        Raises:
            ConfigError: If there is no such notation.
        """
        if notation is None:
            return f"{self.key.short} {self.key.camelot}"
        return self.key.notated(notation)


class KeySequence(KeyFiles):
    """The key of a song, and its regions in order.

    Iterating gives the regions, `(start, end, label, confidence)`. A sequence never
    changes. Music in which no key was heard has neither a key nor regions.

    Args:
        intervals: Starts and ends of the regions in seconds, `(regions, 2)`.
        labels: The key of each, such as `"Bb:maj"`, `"C# minor"` or `"8A"`; kept as
            `"Bb:maj"`.
        confidences: Of each region, 0 to 1 or `None`; `None` if not known.
        key: Of the song as a whole; `None` for the one that lasts longest.
        confidence: Of that key, 0 to 1; `None` if not known.
        duration: Length of the recording in seconds; `None` for the last end.

    Raises:
        LabelError: If a label names no key, a region is malformed or overlaps the one
            before, a confidence is not from 0 to 1, or the duration is too short.

    Example:

    ```python
    from keras_musictag.keys import KeySequence

    song = KeySequence([[0, 90], [90, 120]], ["C:maj", "D:maj"])
    print(song.key, song.notated("camelot"))  # C major 8B
    for region in song:
        print(region.start, region.key.open_key)
    ```
    """

    def __init__(
        self,
        intervals,
        labels,
        confidences=None,
        *,
        key=None,
        confidence=None,
        duration=None,
    ) -> None:
        named = [":".join(parse_key(label)) for label in labels]
        pairs = np.asarray(intervals, dtype="float64").reshape(-1, 2)
        self._intervals, self._labels = check_segments(pairs, named, "region {}".format)
        self._intervals.flags.writeable = False
        given = [None] * len(named) if confidences is None else list(confidences)
        if len(given) != len(named):
            raise LabelError(
                "There must be one confidence, or None, for each region.",
                received=f"{len(given)} confidences for {len(named)} regions",
                advice="Give as many as regions, or leave them out.",
            )
        self._confidences = tuple(_check_share(value) for value in given)
        last = float(self._intervals[-1, 1]) if named else 0.0
        if duration is not None and not last - 1e-6 <= duration < np.inf:
            raise LabelError(
                "The duration of a key sequence must reach to its last region.",
                received=f"duration={duration!r}, last end {last}",
                advice="Give the length of the recording in seconds.",
            )
        self._duration = last if duration is None else max(float(duration), last)
        label = self._longest() if key is None else ":".join(parse_key(key))
        self._key = None if label is None else Key(label)
        self._confidence = _check_share(confidence)

    def _longest(self) -> str | None:
        if not self._labels:
            return None
        seconds: dict[str, float] = dict.fromkeys(self._labels, 0.0)
        for start, end, label, _ in self:
            seconds[label] += end - start
        return max(seconds, key=seconds.__getitem__)

    @property
    def intervals(self) -> np.ndarray:
        """float64 array `(regions, 2)`: starts and ends in seconds, read-only."""
        return self._intervals

    @property
    def labels(self) -> tuple[str, ...]:
        """The key of each region, as `"Bb:maj"`."""
        return self._labels

    @property
    def confidences(self) -> tuple[float | None, ...]:
        """How sure the recogniser was of each region, 0 to 1; `None` if not known."""
        return self._confidences

    @property
    def key(self) -> Key | None:
        """The `chords.Key` of the song as a whole; `None` if none was heard."""
        return self._key

    @property
    def confidence(self) -> float | None:
        """How sure the recogniser was of `key`, 0 to 1; `None` if not known."""
        return self._confidence

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return self._duration

    def notated(self, notation: str = "musical") -> str | None:
        """Write the key of the song as programs show it.

        Args:
            notation: `"musical"` (`Am`), `"camelot"` (`8A`) or `"openkey"` (`1m`).

        Returns:
            The key; `None` if none was heard.

        Raises:
            ConfigError: If there is no such notation.
        """
        shown = (self._key or Key("C:maj")).notated(notation)
        return None if self._key is None else shown

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[KeyRegion]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> KeyRegion:
        start, end = self._intervals[index].tolist()
        return KeyRegion(start, end, self._labels[index], self._confidences[index])

    def __eq__(self, other) -> bool:
        if not isinstance(other, KeySequence):
            return NotImplemented
        return (
            (self.key, self.confidence, self.duration)
            == (other.key, other.confidence, other.duration)
        ) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        key = "no key" if self.key is None else self.key.name
        return f"KeySequence({key}, {len(self)} regions, {self.duration:.2f} s)"

    def plot(self, notation: str | None = None, ax=None) -> Any:
        """Draw the keys over time as a band, see `plotting.plot_keys`.

        Args:
            notation: As for `notated`; `None` for the musical one and Camelot's,
                `Am 8A`.
            ax: Matplotlib axes to draw into; made if `None`.

        Returns:
            The matplotlib axes.

        Raises:
            ConfigError: If there is no such notation.
            MissingExtraError: If matplotlib is not installed.

        Example:

        ```python
        from keras_musictag.keys import KeySequence

        song = KeySequence([[0, 90], [90, 120]], ["C:maj", "D:maj"])
        song.plot().figure.savefig("keys.png")
        ```
        """
        return plotting.plot_keys(
            self._intervals,
            [region.shown(notation) for region in self],
            [region.number for region in self],
            duration=self.duration,
            ax=ax,
        )

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame`: start, end, label, confidence."""
        pandas = import_extra("pandas", "train", "KeySequence.to_dataframe()")
        return pandas.DataFrame(list(self), columns=list(KeyRegion._fields))


def _check_share(value) -> float | None:
    if value is None:
        return None
    if not 0 <= value <= 1:
        raise LabelError(
            "A confidence must be a number from 0 to 1, or None.",
            received=repr(value),
            advice="Give the probability of the key, or leave it out.",
        )
    return float(value)
