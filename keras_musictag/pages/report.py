"""A page about one song: what is heard in it, and when."""

import math
from typing import Any

import keras_musictag
from keras_musictag.beats.bars import bar_numbers
from keras_musictag.chords import harte, keys
from keras_musictag.chords.sheet import clock
from keras_musictag.errors import ConfigError
from keras_musictag.pages.rendering import data_uri, render
from keras_musictag.pages.summary import SongSummary
from keras_musictag.plotting.keys import key_colour
from keras_musictag.tracks.taggram import Taggram

TAGS_PER_GROUP = 8
TAGS_OVER_TIME = 12
LANE_SECONDS = 16.0  # of chords in one line of the page
SHOWN_SHARE = 0.028  # of a line: a shorter chord has no room for its name
KEY_SHARE = 0.07  # the same for a key


def song_report(summary: SongSummary) -> str:
    """Write a page about a song: tags, taggram, chords, keys, tempo and bars.

    One HTML file that needs nothing else: no network, no script. It is made to be
    printed as well.

    Args:
        summary: What is known about the song; the tags must be. Its title is the
            heading, its presets stand at the end, with the version of this package.
            Chords tell the keys if these are not known.

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
        beats=kmt.BeatTracker.from_pretrained().track(song),
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
    summary = summary.with_keys()
    ribbon = _Ribbon(summary)
    spelled = None if chords is None else chords.spelled(summary.keys)
    return render(
        "report.html",
        "song_report()",
        title=summary.title,
        facts=summary.facts(),
        groups=_groups(taggram),
        heard=_heard(summary),
        taggram=data_uri(taggram.plot(TAGS_OVER_TIME).figure),
        lanes=[] if spelled is None else _lanes(spelled, summary.beats, ribbon),
        ribbon=ribbon.between(0.0, ribbon.duration),
        has_keys=ribbon.changes,
        end=clock(ribbon.duration),
        has_beats=bool(summary.beats),
        made_by=summary.presets,
        version=keras_musictag.__version__,
    )


def _groups(taggram: Taggram) -> dict[str, list[tuple[str, float]]]:
    """The strongest tags of each group; a single one has room for more."""
    single = len(taggram.by_group()) == 1
    return taggram.by_group(TAGS_PER_GROUP * (2 if single else 1))


def _heard(summary: SongSummary) -> dict[str, Any]:
    """A line for each label of which it is known where it is heard, all of one length.

    Empty if nobody has asked.
    """
    ends = [end for intervals in summary.heard.values() for _, end in intervals]
    known = summary.duration or (summary.taggram and summary.taggram.duration)
    seconds = known or max(ends, default=0.0)
    lines = {
        name: [
            {
                "about": f"{name}, {clock(start)} to {clock(end)}",
                "left": 100 * start / seconds,
                "width": 100 * (min(end, seconds) - start) / seconds,
            }
            for start, end in intervals
            if start < seconds
        ]
        for name, intervals in summary.heard.items()
    }
    return {"lines": lines, "end": clock(seconds)} if lines else {}


def _lanes(chords, beats, ribbon) -> list[dict]:
    """Lines of the same length in time, each with what is in it.

    The keys are said in each line only if they change.
    """
    lanes = []
    for number in range(math.ceil(chords.duration / LANE_SECONDS)):
        start = number * LANE_SECONDS
        part = chords.between(start, min(start + LANE_SECONDS, chords.duration))
        boxes = [_box(segment, start) for segment in part]
        ticks = _ticks(beats, start) if beats else []
        regions = ribbon.between(start, LANE_SECONDS) if ribbon.changes else []
        lane = {"boxes": boxes, "ticks": ticks, "regions": regions}
        lanes.append({"start": clock(start), **lane})
    return lanes


class _Ribbon:
    """The keys of a song as coloured boxes, for the whole of it or a line."""

    def __init__(self, summary: SongSummary):
        self.duration = summary.duration or 0.0
        self._regions = list(summary.keys or [])
        self._notation = summary.key_notation
        self.changes = len({region.label for region in self._regions}) > 1

    def between(self, start: float, seconds: float) -> list[dict]:
        """Return the boxes of a line that begins there and is that long."""
        boxes = []
        for region in self._regions:
            left, right = max(region.start, start), min(region.end, start + seconds)
            if left < right:
                share = (right - left) / seconds
                name = region.shown(self._notation)
                boxes.append(
                    {
                        "label": name if share > KEY_SHARE else "",
                        "about": f"{region.key.name} ({region.key.camelot}), "
                        f"{clock(region.start)} to {clock(region.end)}",
                        "left": 100 * (left - start) / seconds,
                        "width": 100 * share,
                        "colour": key_colour(region.number),
                    }
                )
        return boxes


def _ticks(beats, start: float) -> list[dict]:
    """Where the beats of a line are, with the numbers of the bars that begin there."""
    ticks = []
    for (time, position, _), bar in zip(beats, bar_numbers(beats), strict=True):
        if start <= time < start + LANE_SECONDS:
            left = 100 * (time - start) / LANE_SECONDS
            ticks.append({"left": left, "bar": int(bar) if position == 1 else None})
    return ticks


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
