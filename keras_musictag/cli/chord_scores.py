"""Scores of chord files, for `keras-musictag evaluate --chords`."""

import csv
import json
import math
from pathlib import Path, PurePath
from typing import TextIO

import typer
from rich.table import Table

from keras_musictag import errors
from keras_musictag.chords import formats
from keras_musictag.chords.sequence import ChordSequence
from keras_musictag.cli.printing import (
    EXPECTED,
    ReportFormat,
    make_console,
    opened,
    say,
)

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
    pairs, problems = _paired(reference, estimate)
    right, guess = {}, {}
    for name, (one, other) in pairs.items():
        try:
            both = read_chords(one), read_chords(other)
        except EXPECTED as error:
            problems.append(f"{name}: {error}")
            continue
        right[name], guess[name] = both
    for problem in problems:
        typer.echo(problem, err=True)
    if not right:
        raise errors.LabelError(
            "No track can be scored.",
            received=f"{reference} and {estimate}",
            advice="Give chord files (.lab, .jams, ...) of the same names.",
        )
    # Here, because it brings Keras with it.
    from keras_musictag.metrics.chords import chord_scores

    scores = chord_scores(right, guess)
    with opened(output) as file:
        _WRITERS[format](file, scores, tracks)
    if problems:
        total = len(right) + len(problems)
        typer.echo(f"{len(problems)} of {total} tracks are not scored.", err=True)
    return len(problems)


def _paired(reference: Path, estimate: Path):
    """Match files by their paths in the folders, or by names that are unique.

    Returns:
        `({name: (reference, estimate)}, problems)`; what has no partner is a problem.
    """
    if reference.is_file() and estimate.is_file():
        return {reference.stem: (reference, estimate)}, []
    right, guess = chord_files(reference), chord_files(estimate)
    partners = {name: name for name in right if name in guess}
    of_stem = _unique_stems(guess)
    for stem, name in _unique_stems(right).items():
        if name not in guess and stem in of_stem:
            partners[name] = of_stem[stem]
    pairs, problems = {}, []
    for name, partner in sorted(partners.items()):
        both = right[name], guess[partner]
        several = next((files for files in both if len(files) > 1), None)
        if several is None:
            pairs[name] = both[0][0], both[1][0]
        else:
            listed = ", ".join(map(str, several))
            problems.append(f"{name}: several files have this name: {listed}")
    # One reference in a folder of many estimates asks for this one.
    left = {
        "estimate": set() if estimate.is_file() else right.keys() - partners.keys(),
        "reference": set()
        if reference.is_file()
        else guess.keys() - set(partners.values()),
    }
    for side, names in left.items():
        problems += [
            f"{name}: there is no {side} of this name, or it is not the only one."
            for name in sorted(names)
        ]
    return pairs, problems


def _unique_stems(files: dict[str, list[Path]]) -> dict[str, str]:
    """Give the path of each file whose name no other one has, by that name."""
    names: dict[str, list[str]] = {}
    for name in files:
        names.setdefault(PurePath(name).name, []).append(name)
    return {stem: one[0] for stem, one in names.items() if len(one) == 1}


def chord_files(path: Path) -> dict[str, list[Path]]:
    """Find a chord file, or those of a folder, by their paths there without suffix."""
    if not path.exists():
        raise errors.LabelError(
            "There is no such chord file or folder.",
            received=str(path),
            advice="Check the path.",
        )
    folder = path.parent if path.is_file() else path
    groups: dict[str, list[Path]] = {}
    for file in [path] if path.is_file() else formats.find_files(path):
        name = file.relative_to(folder).with_name(file.stem).as_posix()
        groups.setdefault(name, []).append(file)
    if not groups:
        raise errors.LabelError(
            "The folder has no chord files.",
            received=str(path),
            advice=f"Give a folder with chords in {', '.join(formats.SUFFIXES)} files.",
        )
    return groups


def read_chords(path: Path) -> ChordSequence:
    """Read a chord file, whatever its format."""
    return ChordSequence.from_file(path)


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
