"""The files that the page hands out: scores, chords, a sheet, beats, a report."""

import json
from pathlib import Path
from typing import Any

from keras_musictag import pages
from keras_musictag.keys.files import FIELDS
from keras_musictag.pages import SongSummary


def write_downloads(folder: str | Path, summary: SongSummary) -> dict[str, Path]:
    """Write the results of a song in the formats of other programs.

    Args:
        folder: Where to.
        summary: The song; its title is the name of its file. Without chords or beats,
            what is made of them is left out, and scores where nothing is heard.

    Returns:
        The files by what the page calls them.
    """
    stem = Path(folder) / Path(summary.title).stem
    files = {
        "JSON": stem.with_name(f"{stem.name}.json"),
        "CSV": stem.with_name(f"{stem.name}.csv"),
        "Report": stem.with_name(f"{stem.name}.html"),
    }
    facts = json.dumps(_facts(summary), indent=1)
    files["JSON"].write_text(facts + "\n", encoding="utf-8")
    assert summary.taggram is not None  # tags come first on the page
    if summary.silent:
        del files["CSV"]
    else:
        summary.taggram.to_csv(files["CSV"])
    page = pages.song_report(summary)
    files["Report"].write_text(page, encoding="utf-8", errors="backslashreplace")
    if summary.chords is not None:
        files[".lab"] = stem.with_name(f"{stem.name}.lab")
        files["MIDI"] = stem.with_name(f"{stem.name}.mid")
        summary.chords.to_lab(files[".lab"])
        summary.chords.to_midi(files["MIDI"])
        files["Sheet"] = stem.with_name(f"{stem.name}.txt")
        files["Sheet"].write_text(_sheet(summary), "utf-8", "backslashreplace")
    if summary.beats is not None:
        files[".beats"] = stem.with_name(f"{stem.name}.beats")
        summary.beats.to_beats(files[".beats"])
    return files


def _sheet(summary: SongSummary) -> str:
    """The chords by bars; four to a line where no beats were found."""
    assert summary.chords is not None
    key = summary.key and summary.key.label
    return summary.chords.to_sheet(summary.beats, title=summary.title, key=key)


def _facts(summary: SongSummary) -> dict[str, Any]:
    taggram = summary.taggram
    assert taggram is not None
    facts: dict[str, Any] = {
        "file": summary.title,
        "presets": dict(summary.presets),
        "silent": summary.silent,
        "tags": [] if summary.silent else summary.tags(),
    }
    if not summary.silent:
        facts["taggram"] = {
            "times": [round(float(time), 3) for time in taggram.times],
            "labels": list(taggram.labels),
            "scores": [[round(float(v), 6) for v in row] for row in taggram.scores],
        }
        facts["segments"] = summary.heard
    if summary.chords is not None:
        facts["duration"] = summary.duration
        facts["key"] = summary.key and summary.key.label
        regions = summary.keys or ()
        facts["keys"] = [dict(zip(FIELDS, region, strict=True)) for region in regions]
        facts["chords"] = summary.segments()
    if summary.beats is not None:
        facts["tempo"] = summary.tempo and round(summary.tempo, 2)
        facts["meter"] = summary.beats.meter
        facts["beats"] = [[time, position] for time, position, _ in summary.beats]
    return facts
