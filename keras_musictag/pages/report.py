"""A page about one song: what is heard in it, and when."""

import math

import keras_musictag
from keras_musictag.chords import harte, keys
from keras_musictag.chords.sheet import clock
from keras_musictag.errors import ConfigError
from keras_musictag.pages.rendering import data_uri, render
from keras_musictag.pages.summary import SongSummary
from keras_musictag.tracks.taggram import Taggram

TAGS_PER_GROUP = 8
TAGS_OVER_TIME = 12
LANE_SECONDS = 16.0  # of chords in one line of the page
SHOWN_SHARE = 0.028  # of a line: a shorter chord has no room for its name


def song_report(summary: SongSummary) -> str:
    """Write a page about a song: tags, taggram, chords, key and tempo.

    One HTML file that needs nothing else: no network, no script. It is made to be
    printed as well.

    Args:
        summary: What is known about the song; the tags must be. Its title is the
            heading, its presets stand at the end, with the version of this package.

    Returns:
        The page, to be written as UTF-8.

    Raises:
        ConfigError: If there is no taggram, or an empty one.
        MissingExtraError: If matplotlib or Jinja is not installed.

    Example:

    ```python
    from pathlib import Path
    import keras_musictag as kmt

    song = kmt.audio.demo_path()
    summary = kmt.pages.SongSummary(
        "Demo",
        taggram=kmt.MusicnnTagger.from_pretrained().taggram(song),
        chords=kmt.ChordRecognizer.from_pretrained().recognize(song),
    )
    page = kmt.pages.song_report(summary)
    Path("demo.html").write_text(page, encoding="utf-8")
    ```
    """
    taggram, chords = summary.taggram, summary.chords
    if taggram is None or not len(taggram.times):
        raise ConfigError(
            "A report needs the scores of at least one chunk.",
            received="no taggram" if taggram is None else "an empty taggram",
            advice="Make it by `taggram(song)` from a track that is long enough.",
        )
    return render(
        "report.html",
        "song_report()",
        title=summary.title,
        facts=summary.facts(),
        groups=_groups(taggram),
        taggram=data_uri(taggram.plot(TAGS_OVER_TIME).figure),
        lanes=[] if chords is None else _lanes(chords.spelled()),
        made_by=summary.presets,
        version=keras_musictag.__version__,
    )


def _groups(taggram: Taggram) -> dict[str, list[tuple[str, float]]]:
    """The strongest tags of each group; a single one has room for more."""
    single = len(taggram.by_group()) == 1
    return taggram.by_group(TAGS_PER_GROUP * (2 if single else 1))


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
