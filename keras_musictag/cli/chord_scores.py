"""Scores of chord files, for `keras-musictag evaluate --chords`."""

import csv
import json
import math
from pathlib import Path
from typing import TextIO

import typer
from rich.table import Table

from keras_musictag.chords import formats
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.cli.pairing import Kind, read_pairs
from keras_musictag.cli.printing import ReportFormat, make_console, opened, say

CHORDS = Kind("chord", formats.SUFFIXES, formats.find_files, ChordSequence.from_file)
# How scores of tracks become one: attribute of `ChordScores`, and its name here.
MEANS = {"weighted": "by duration", "mean": "plain mean", "pooled": "pooled"}


def evaluate_chords(
    reference: Path,
    estimate: Path,
    tracks: bool,
    format: ReportFormat,
    output: Path | None,
) -> int:
    """Print the scores; return how many tracks could not be scored."""
    right, guess, problems = read_pairs(reference, estimate, CHORDS)
    # Here, because it brings Keras with it.
    from keras_musictag.metrics.chords import chord_scores

    scores = chord_scores(right, guess)
    with opened(output) as file:
        _WRITERS[format](file, scores, tracks)
    if problems:
        total = len(right) + problems
        typer.echo(f"{problems} of {total} tracks are not scored.", err=True)
    return problems


# === Output ===


def _write_table(file: TextIO, scores, tracks: bool) -> None:
    console = make_console(file)
    many = f"{len(scores.tracks)} tracks, {scores.duration:.1f} s"
    say(console, many if len(scores.tracks) > 1 else next(iter(scores.tracks)))
    table = Table("score", *MEANS.values(), "seconds judged", box=None)
    for name in scores.weighted:
        cells = [_shown(getattr(scores, mean).get(name)) for mean in MEANS]
        judged = [track.get(name) for track in scores.evaluated.values()]
        seconds = "" if None in judged else f"{sum(judged):.1f}"
        table.add_row(name, *cells, seconds)
    console.print(table)
    if tracks:
        each = Table("track", "seconds", *scores.weighted, box=None)
        for track, row in scores.tracks.items():
            seconds = f"{row['duration']:.1f}"
            each.add_row(track, seconds, *(_shown(row[n]) for n in scores.weighted))
        # As wide as it must be: a narrow screen would cut the names of the scores.
        console.print(each, width=max(console.width, 200), soft_wrap=True)


def _write_markdown(file: TextIO, scores, tracks: bool) -> None:
    file.write(scores.to_markdown(per_track=tracks))


def _write_csv(file: TextIO, scores, tracks: bool) -> None:
    rows = csv.writer(file, lineterminator="\n")
    names = list(scores.weighted)
    rows.writerow(["track", "duration", *names])
    chosen = dict(scores.tracks) if tracks else {}
    for mean, title in MEANS.items():
        total = {"duration": scores.duration}
        chosen[f"all, {title}"] = {**getattr(scores, mean), **total}
    for track, row in chosen.items():
        values = [row.get(name) for name in ("duration", *names)]
        rows.writerow([track, *("" if _unknown(v) else f"{v:.6f}" for v in values)])


def _write_json(file: TextIO, scores, tracks: bool) -> None:
    record = {"count": len(scores.tracks), "duration": scores.duration}
    record |= {mean: _known(getattr(scores, mean)) for mean in MEANS}
    if tracks:
        record["tracks"] = {name: _known(row) for name, row in scores.tracks.items()}
    file.write(json.dumps(record, indent=2) + "\n")


_WRITERS = {
    ReportFormat.table: _write_table,
    ReportFormat.markdown: _write_markdown,
    ReportFormat.csv: _write_csv,
    ReportFormat.json: _write_json,
}


def _unknown(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _known(row: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: None if _unknown(v) else v for name, v in row.items()}


def _shown(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"
