"""The files that the page hands out: scores, chords, MIDI, a report."""

import json
from pathlib import Path
from typing import Any

from keras_musictag import pages
from keras_musictag.pages import SongSummary


def write_downloads(folder: str | Path, summary: SongSummary) -> dict[str, Path]:
    """Write the results of a song in the formats of other programs.

    Args:
        folder: Where to.
        summary: The song; its title is the name of its file. Without chords, what is
            made of them is left out.

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
    summary.taggram.to_csv(files["CSV"])
    page = pages.song_report(summary)
    files["Report"].write_text(page, encoding="utf-8", errors="backslashreplace")
    if summary.chords is not None:
        files[".lab"] = stem.with_name(f"{stem.name}.lab")
        files["MIDI"] = stem.with_name(f"{stem.name}.mid")
        summary.chords.to_lab(files[".lab"])
        summary.chords.to_midi(files["MIDI"])
    return files


def _facts(summary: SongSummary) -> dict[str, Any]:
    taggram = summary.taggram
    assert taggram is not None
    facts: dict[str, Any] = {
        "file": summary.title,
        "presets": dict(summary.presets),
        "tags": summary.tags(),
        "taggram": {
            "times": [round(float(time), 3) for time in taggram.times],
            "labels": list(taggram.labels),
            "scores": [[round(float(v), 6) for v in row] for row in taggram.scores],
        },
    }
    if summary.chords is not None:
        facts["duration"] = summary.duration
        facts["key"] = summary.key and summary.key.label
        facts["chords"] = summary.segments()
    return facts
