"""A page about one song: what is heard in it, and when."""

import math
from collections.abc import Mapping

import keras_musictag
from keras_musictag.checks import check_positive
from keras_musictag.chords import Key, harte, keys
from keras_musictag.chords.sheet import clock
from keras_musictag.errors import ConfigError
from keras_musictag.pages.rendering import data_uri, render
from keras_musictag.tracks.taggram import Taggram

TAGS_PER_GROUP = 8
TAGS_OVER_TIME = 12
LANE_SECONDS = 16.0  # of chords in one line of the page
SHOWN_SHARE = 0.028  # of a line: a shorter chord has no room for its name


def song_report(
    taggram: Taggram,
    *,
    title: str,
    duration: float | None = None,
    chords=None,
    tempo: float | None = None,
    made_by: Mapping[str, str] | None = None,
    key_notation: str | None = None,
) -> str:
    """Write a page about a song: tags, taggram, chords, key and tempo.

    One HTML file that needs nothing else: no network, no script. It is made to be
    printed as well.

    Args:
        taggram: What a tagger said about the song, see `MusicTagger.taggram`.
        title: The heading, such as the name of the file.
        duration: Of the song in seconds; `None` to leave it out, or for that of
            `chords`.
        chords: Its `ChordSequence`, which also tells the key; `None` for a page
            without chords.
        tempo: In beats per minute; `None` or 0 if unknown.
        made_by: What made the page, by name, such as
            `{"tags": "musicnn_msd", "chords": "crema"}`; stands at its end, with the
            version of this package.
        key_notation: `"musical"` (`Am`), `"camelot"` (`8A`) or `"openkey"` (`1m`);
            `None` for the name and Camelot's.

    Returns:
        The page, to be written as UTF-8.

    Raises:
        ConfigError: If the taggram is empty, a number is out of range, or there is no
            such notation.
        MissingExtraError: If matplotlib or Jinja is not installed.

    Example:

    ```python
    from pathlib import Path
    import keras_musictag as kmt

    song = kmt.audio.demo_path()
    taggram = kmt.MusicnnTagger.from_pretrained().taggram(song)
    chords = kmt.ChordRecognizer.from_pretrained().recognize(song)
    page = kmt.pages.song_report(taggram, title="Demo", chords=chords)
    Path("demo.html").write_text(page, encoding="utf-8")
    ```
    """
    if not len(taggram.times):
        raise ConfigError(
            "A report needs the scores of at least one chunk.",
            received="an empty taggram",
            advice="Make it by `taggram(song)` from a track that is long enough.",
        )
    tempo = check_positive(tempo, name="tempo") if tempo else None
    duration = chords.duration if duration is None and chords is not None else duration
    key = None if chords is None else chords.key()
    facts = {
        "length": None if duration is None else clock(duration),
        "key": key and _key(key, key_notation),
        "tempo": tempo and f"{tempo:.0f} BPM",
    }
    return render(
        "report.html",
        "song_report()",
        title=title,
        facts={name: text for name, text in facts.items() if text},
        groups=_groups(taggram),
        taggram=data_uri(taggram.plot(TAGS_OVER_TIME).figure),
        lanes=[] if chords is None else _lanes(chords.spelled()),
        made_by=made_by or {},
        version=keras_musictag.__version__,
    )


def _key(key: Key, notation: str | None) -> str:
    return key.notated(notation) if notation else f"{key.name} ({key.camelot})"


def _groups(taggram: Taggram) -> list[tuple[str, list[tuple[str, float]]]]:
    """The strongest tags of each group, groups in the order of the labels."""
    groups = dict.fromkeys(taggram.labels.groups)
    if len(groups) == 1:
        return [("tags", taggram.top(2 * TAGS_PER_GROUP))]
    return [
        (group or "other", taggram.top(TAGS_PER_GROUP, groups=group))
        for group in groups
    ]


def _lanes(chords) -> list[dict]:
    """Lines of the same length in time, each with the chords in it."""
    lanes = []
    for number in range(math.ceil(chords.duration / LANE_SECONDS)):
        start = number * LANE_SECONDS
        part = chords.between(start, min(start + LANE_SECONDS, chords.duration))
        boxes = [_box(segment, start) for segment in part]
        lanes.append({"start": clock(start), "boxes": boxes})
    return lanes


def _box(segment, start: float) -> dict:
    chord = harte.parse(segment.label)
    share = (segment.end - segment.start) / LANE_SECONDS
    name = keys.pretty(segment.label)
    sounding = "filled" if chord.intervals[4] else "open"
    return {
        "label": name if share > SHOWN_SHARE else "",
        "about": f"{name}, {segment.start:.2f} to {segment.end:.2f} s",
        "left": 100 * (segment.start - start) / LANE_SECONDS,
        "width": 100 * share,
        "kind": "none" if chord.root is None else sounding,
    }
