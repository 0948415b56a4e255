"""`keras-musictag presets`: what there is, and all about one of it."""

import enum
import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from typer import Argument, Option

from keras_musictag import presets
from keras_musictag.cli.printing import make_console, say
from keras_musictag.errors import ConfigError
from keras_musictag.labels import NO_GROUP, Labels

ListFormat = enum.StrEnum("ListFormat", ["table", "json"])
PRESETS_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag presets[/cyan]  the list\n
[cyan]keras-musictag presets musicnn_mtt[/cyan]  labels, scores, licence, citation\n
[cyan]keras-musictag presets --commercial[/cyan]  those whose licence allows it\n
[cyan]keras-musictag presets --format json[/cyan]  everything, for programs"""


def show_presets(
    name: Annotated[str | None, Argument(help="Show all about this one.")] = None,
    format: Annotated[ListFormat, Option(help="How to print.")] = ListFormat.table,
    commercial: Annotated[
        bool, Option("--commercial", help="Only those for commercial use too.")
    ] = False,
) -> None:
    """List the pretrained models, or show all about one."""
    if name and commercial:
        raise ConfigError(
            "`--commercial` is for the list of all presets.",
            received=f"{name} --commercial",
            advice="Leave the name out, or the option.",
        )
    names = [name] if name else presets.list_presets()
    records = [presets.preset_info(name) for name in names]
    if commercial:
        records = _only_commercial(records)
    if format == ListFormat.json:
        typer.echo(json.dumps(records[0] if name else records, indent=2))
    elif name:
        _print_preset(make_console(sys.stdout), records[0])
    else:
        console = make_console(sys.stdout)
        for task, scores in _SCORES.items():
            chosen = [r for r in records if r["task"] == task]
            if chosen:
                console.print(_preset_table(chosen, scores))


def _only_commercial(records: list[dict]) -> list[dict]:
    """Leave out what is not known to be allowed, and say so beside the list."""
    kept = [record for record in records if record["commercial_use"]]
    left = [record["name"] for record in records if not record["commercial_use"]]
    if left:
        names = ", ".join(left)
        typer.echo(f"{len(left)} left out, not known to be allowed: {names}", err=True)
    if terms := [r["name"] for r in kept if r["training_data_terms"]]:
        typer.echo(
            f"{len(terms)} trained on data with terms of its own (see "
            f"`keras-musictag presets NAME`): {', '.join(terms)}",
            err=True,
        )
    return kept


def _preset_table(records: list[dict], scores: dict[str, str]) -> Table:
    columns = "name", "class", "trained on", *scores.values(), "split", "licence"
    table = Table(*columns, "weights", box=None, pad_edge=False)
    for place, width in ((2, 36), (3 + len(scores), 8)):
        table.columns[place].no_wrap, table.columns[place].max_width = True, width
    for record in records:
        best = (record["reported"] or record.get("measured") or [{}])[0]
        figures = [f"{best[key]:.3f}" if key in best else "" for key in scores]
        facts = (record["name"], record["class_name"], record["trained_on"])
        more = (best.get("split"), record["license"], _weights(record))
        table.add_row(*facts, *figures, *more)
    return table


_COMMERCIAL = {
    True: "use is allowed by the licence of the weights",
    False: "use is not allowed by the licence of the weights",
    None: "use: not known",
}
# What the list shows of each task.
_SCORES = {
    "tags": {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC"},
    "chords": {"majmin": "majmin", "tetrads": "tetrads"},
    "beats": {"f_measure": "beats F", "downbeat_f_measure": "downbeats F"},
    "key": {"weighted": "weighted", "correct": "correct"},
}


def _weights(record: dict) -> str:
    weights = record["weights"]
    where = "bundled" if weights["source"] == "bundled" else "fetched"
    about = "" if weights.get("bytes_exact", True) else "≈"
    return f"{where}, {about}{weights['bytes'] / 1e6:.1f} MB"


def _print_preset(console: Console, record: dict) -> None:
    facts = [
        ("class", record["class_name"]),
        ("trained on", record["trained_on"]),
        ("licence", record["license"]),
        ("commercial", _COMMERCIAL[record["commercial_use"]]),
        ("data", record["training_data_terms"] or "no terms known"),
        ("authors", ", ".join(record["authors"])),
        ("weights", _weights(record)),
    ]
    for item in record.get("reported", []):
        numbers = {k: v for k, v in item.items() if isinstance(v, float)}
        scores = ", ".join(f"{k} {v:.4f}" for k, v in numbers.items())
        facts += [("reported", f"{scores} ({item['dataset']}, split {item['split']})")]
    facts += _classes(record)
    say(console, f"{record['name']}: {record['description']}\n")
    for key, text in facts:
        say(console, f"{key:<12}{text}")
    say(console, "\nWhere it differs from the original, and what that costs:")
    for item in record.get("deviations", []):
        say(console, f"- {item['what']}: {item['choice']}. {item['cost_if_changed']}")
    say(console, f"\nCite as:\n{record['citation']}")


def _classes(record: dict) -> list[tuple[str, str]]:
    """The labels of a tagger by group, or the vocabulary of a chord recogniser."""
    config = record["config"]
    if record["task"] in ("beats", "key"):
        return []
    if record["task"] == "chords":
        vocabulary = config["vocabulary"]
        if isinstance(vocabulary, dict):
            vocabulary = ", ".join(vocabulary["labels"])
        return [("vocabulary", vocabulary)]
    labels = Labels.from_config(config["labels"])
    pairs = list(zip(labels, labels.groups, strict=True))
    groups = dict.fromkeys(labels.groups)
    return [
        (group or NO_GROUP, ", ".join(name for name, g in pairs if g == group))
        for group in groups
    ]
