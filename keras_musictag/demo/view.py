"""What the page draws, as plain data that becomes JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.beats import BeatSequence
from keras_musictag.beats.bars import bar_numbers
from keras_musictag.chords import harte, keys
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.keys import KeySequence
from keras_musictag.tracks.taggram import Taggram

ROWS = 14  # tags in the heat map
COLUMNS = 600  # moments in it; more would not be seen
LANES = 6  # of labels that are heard in a part of the song
LANE_GROUPS = ("vocals", "instrument")  # that come and go


def file_link(path: str | Path) -> dict[str, Any]:
    """Return what Gradio turns into an address of the file."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def tag_groups(taggram: Taggram) -> list[dict[str, Any]]:
    """Return all tags by group, groups in the order of the labels, best tags first."""
    return [
        {"name": group, "tags": [[label, round(score, 4)] for label, score in tags]}
        for group, tags in taggram.by_group().items()
    ]


def heat_map(taggram: Taggram) -> dict[str, Any]:
    """Return the strongest tags over time: `times`, `labels`, and a row for each."""
    names = [name for name, _ in taggram.top(ROWS)]
    columns = [taggram.labels.index(name) for name in names]
    parts = np.array_split(
        np.arange(len(taggram.times)), min(COLUMNS, len(taggram.times))
    )
    rows = [taggram.scores[part][:, columns].mean(axis=0) for part in parts]
    return {
        "times": [round(float(taggram.times[part[0]]), 3) for part in parts],
        "labels": names,
        "rows": np.round(np.array(rows, "float64").T, 3).tolist(),
    }


def wanted_lanes(
    taggram: Taggram, wanted: Sequence[tuple[str, float | None]]
) -> dict[str, list[tuple[float, float]]]:
    """Return where labels or groups are heard, in seconds.

    Args:
        taggram: Of the song.
        wanted: Which, with the lowest score that counts; those that the tagger lacks
            are left out. If nothing is wanted: the voices and instruments that are
            heard anywhere, the longest first.
    """
    labels = taggram.labels
    known = {*labels, *labels.groups}
    thresholds = {name: least for name, least in wanted if name in known}
    if wanted:
        heard = taggram.segments
        return {name: heard(name, threshold=t) for name, t in thresholds.items()}
    groups = [group for group in LANE_GROUPS if group in labels.groups]
    names = [labels[i] for group in groups for i in labels.columns(group)]
    lanes = {n: taggram.segments(n) for n in names}
    lanes = {name: intervals for name, intervals in lanes.items() if intervals}
    longest = sorted(lanes, key=lambda name: -sum(b - a for a, b in lanes[name]))
    return {name: lanes[name] for name in longest[:LANES]}


def chord_lane(
    chords: ChordSequence, regions: KeySequence | None
) -> list[dict[str, Any]]:
    """Return the chords as musicians write them, in the accidentals of their keys."""
    lane = []
    for segment in chords.spelled(regions).merged():
        chord = harte.parse(segment.label)
        lane.append(
            {
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "name": keys.pretty(segment.label),
                "root": chord.root,
                "minor": chord.root is not None and not chord.intervals[4],
            }
        )
    return lane


def key_lane(regions: KeySequence) -> list[dict[str, Any]]:
    """Return the keys, with the names that musicians and disc jockeys give them."""
    return [
        {
            "start": round(region.start, 3),
            "end": round(region.end, 3),
            "name": region.shown(),
            "about": f"{region.key.name} ({region.key.camelot})",
            "root": region.number % 12,
            "minor": region.key.mode == "min",
        }
        for region in regions
    ]


def beat_marks(beats: BeatSequence) -> list[list[float]]:
    """Return time, position in the bar and number of the bar of each beat.

    Both numbers are 0 where bars are not known, the last one before the first bar.
    """
    return [
        [round(beat.time, 3), beat.position or 0, int(bar)]
        for beat, bar in zip(beats, bar_numbers(beats), strict=True)
    ]
