"""Scores of beats and of keys, for `keras-musictag evaluate --beats` and `--keys`."""

import csv
import json
from pathlib import Path
from typing import TextIO

import typer
from rich.table import Table

from keras_musictag.beats import BeatSequence
from keras_musictag.beats.files import READERS
from keras_musictag.chords.keys import read_key
from keras_musictag.cli.pairing import Kind, read_pairs
from keras_musictag.cli.printing import ReportFormat, make_console, opened, say
from keras_musictag.metrics.tables import number, plain, shown

KEY_SUFFIXES = (".key", ".txt")


def _finder(suffixes):
    return lambda folder: [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in suffixes and path.is_file()
    ]


BEATS = Kind("beat", tuple(READERS), _finder(READERS), BeatSequence.from_file)
KEYS = Kind("key", KEY_SUFFIXES, _finder(KEY_SUFFIXES), read_key)


def evaluate_tracks(
    kind: Kind,
    reference: Path,
    estimate: Path,
    tracks: bool,
    format: ReportFormat,
    output: Path | None,
) -> int:
    """Print the scores; return how many tracks could not be scored."""
    right, guess, problems = read_pairs(reference, estimate, kind)
    # Here, because it brings Keras with it.
    from keras_musictag.metrics.beats import beat_scores, key_scores

    scores = (beat_scores if kind is BEATS else key_scores)(right, guess)
    with opened(output) as file:
        _WRITERS[format](file, scores, tracks)
    if problems:
        total = len(right) + problems
        typer.echo(f"{problems} of {total} tracks are not scored.", err=True)
    return problems


def _write_table(file: TextIO, scores, tracks: bool) -> None:
    console = make_console(file)
    many = len(scores.tracks)
    say(console, f"{many} tracks" if many > 1 else next(iter(scores.tracks)))
    table = Table("score", "mean", box=None)
    for name, value in scores.mean.items():
        table.add_row(name, shown(value, 3))
    console.print(table)
    if tracks:
        each = Table("track", *scores.mean, box=None)
        for track, row in scores.tracks.items():
            each.add_row(track, *(shown(value, 3) for value in row.values()))
        # As wide as it must be: a narrow screen would cut the names of the scores.
        console.print(each, width=max(console.width, 200), soft_wrap=True)


def _write_markdown(file: TextIO, scores, tracks: bool) -> None:
    file.write(scores.to_markdown(per_track=tracks))


def _write_csv(file: TextIO, scores, tracks: bool) -> None:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["track", *scores.mean])
    chosen = {**(scores.tracks if tracks else {}), "all, mean": scores.mean}
    for track, row in chosen.items():
        rows.writerow([track, *(number(value) for value in row.values())])


def _write_json(file: TextIO, scores, tracks: bool) -> None:
    record = {"count": len(scores.tracks), "mean": plain(scores.mean)}
    if tracks:
        record["tracks"] = plain(scores.tracks)
    file.write(json.dumps(record, indent=2) + "\n")


_WRITERS = {
    ReportFormat.table: _write_table,
    ReportFormat.markdown: _write_markdown,
    ReportFormat.csv: _write_csv,
    ReportFormat.json: _write_json,
}
