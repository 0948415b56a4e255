"""The files that the page hands out: scores, chords, MIDI, a report."""

import json
from pathlib import Path
from typing import Any

from keras_musictag import pages
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.tracks.taggram import Taggram


def write_downloads(
    folder: str | Path,
    name: str,
    taggram: Taggram,
    chords: ChordSequence | None,
    made_by: dict[str, str],
) -> dict[str, Path]:
    """Write the results of a song in the formats of other programs.

    Args:
        folder: Where to.
        name: Of the song's file.
        taggram: Its tags over time.
        chords: Its chords; `None` leaves out what is made of them.
        made_by: The presets, for the report.

    Returns:
        The files by what the page calls them.
    """
    stem = Path(folder) / Path(name).stem
    files = {
        "JSON": stem.with_name(f"{stem.name}.json"),
        "CSV": stem.with_name(f"{stem.name}.csv"),
        "Report": stem.with_name(f"{stem.name}.html"),
    }
    facts = json.dumps(_facts(name, taggram, chords, made_by), indent=1)
    files["JSON"].write_text(facts + "\n", encoding="utf-8")
    taggram.to_csv(files["CSV"])
    page = pages.song_report(taggram, title=name, chords=chords, made_by=made_by)
    files["Report"].write_text(page, encoding="utf-8", errors="backslashreplace")
    if chords is not None:
        files[".lab"] = stem.with_name(f"{stem.name}.lab")
        files["MIDI"] = stem.with_name(f"{stem.name}.mid")
        chords.to_lab(files[".lab"])
        chords.to_midi(files["MIDI"])
    return files


def _facts(name, taggram: Taggram, chords, made_by) -> dict[str, Any]:
    groups = dict(zip(taggram.labels.names, taggram.labels.groups, strict=True))
    facts: dict[str, Any] = {
        "file": name,
        "presets": made_by,
        "tags": [
            {"label": label, "group": groups[label], "score": round(score, 6)}
            for label, score in taggram.top(None)
        ],
        "taggram": {
            "times": [round(float(time), 3) for time in taggram.times],
            "labels": list(taggram.labels),
            "scores": [[round(float(v), 6) for v in row] for row in taggram.scores],
        },
    }
    if chords is None:
        return facts
    key = chords.key()
    facts["duration"], facts["key"] = chords.duration, key and key.label
    facts["chords"] = [
        {
            "start": round(start, 6),
            "end": round(end, 6),
            "label": label,
            "confidence": None if confidence is None else round(confidence, 6),
        }
        for start, end, label, confidence in chords
    ]
    return facts
