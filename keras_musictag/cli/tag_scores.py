"""Scores of a tagger, for `keras-musictag evaluate --data`."""

import enum
import json
import tempfile
from pathlib import Path

import typer

from keras_musictag import data as data_sets
from keras_musictag import errors
from keras_musictag.cli.arguments import read_record, read_tracks
from keras_musictag.cli.printing import ReportFormat, opened, silenced, warned
from keras_musictag.cli.starting import start_keras
from keras_musictag.labels import Labels
from keras_musictag.metrics.predictions import check_predictions_path

UnknownTags = enum.StrEnum("UnknownTags", {"refuse": "raise", "drop": "drop"})


def evaluate_tags(
    preset: str,
    data: Path,
    *,
    split: str | None,
    baseline: bool,
    bootstrap: int,
    predictions: Path | None,
    out: Path | None,
    separator: str,
    audio_folder: Path | None,
    unknown_tags: str,
    format: ReportFormat,
    output: Path | None,
) -> int:
    """Print the report; return how many tracks could not be read."""
    # Whatever can be wrong is said before the backend starts, which takes seconds.
    record = read_record(preset)
    kind = record["config"].get("problem_type", "multi_label_classification")
    if predictions is not None:
        check_predictions_path(predictions)
    with silenced() as stderr, warned(lambda text: typer.echo(text, file=stderr)):
        everything = read_tracks(
            data,
            list(Labels.from_config(record["config"]["labels"])),
            problem_type=kind,
            separator=separator,
            audio_folder=audio_folder,
            unknown_tags=unknown_tags,
        )
        asked = _part(everything, split)
        train = _part(everything, "train") if baseline else None
        tracks = asked.check_files()
        start_keras()
        from keras_musictag.models.tagger import MusicTagger
        from keras_musictag.training.run import judge_tagger

        model = MusicTagger.from_pretrained(preset)
        report = judge_tagger(model, tracks, train=train, bootstrap=bootstrap)
        with opened(output) as file:
            file.write(_as_text(report, format))
        if predictions is not None:
            report.save_predictions(predictions)
    if out is not None:  # not above: what it says would not be seen
        _write_all(report, out)
    failed = len(asked) - len(report.tracks)
    if failed:
        typer.echo(f"{failed} of {len(asked)} tracks could not be read.", err=True)
    return failed


def _part(tracks: data_sets.TrackList, split: str | None) -> data_sets.TrackList:
    if split is None:
        return tracks.split("test") if "test" in tracks.splits else tracks
    return tracks.split(split)


def _as_text(report, format: ReportFormat) -> str:
    if format == ReportFormat.json:
        return json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n"
    if format == ReportFormat.csv:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.csv"
            report.to_csv(path)
            return path.read_text("utf-8")
    return report.to_text() if format == ReportFormat.table else report.to_markdown()


def _write_all(report, folder: Path) -> None:
    """Write everything there is about a report."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(report.to_markdown(), "utf-8")
    report.to_csv(folder / "report.csv")
    report.to_json(folder / "report.json")
    report.save_predictions(folder / "predictions.csv")
    if report.problem_type == "regression":
        return
    pictures = {"bars": report.plot_bars}
    if report.problem_type == "single_label_classification":
        pictures["confusion"] = report.plot_confusion
    try:
        errors.import_extra("matplotlib", "plot", "Pictures of a report")
    except errors.MissingExtraError as error:
        typer.echo(f"No pictures are drawn. {error}", err=True)
        return
    for name, draw in pictures.items():
        draw().figure.savefig(folder / f"{name}.png", dpi=150, bbox_inches="tight")
    if report.problem_type == "multi_label_classification":
        report.plot_curves()[0].figure.savefig(folder / "curves.png", dpi=150)
