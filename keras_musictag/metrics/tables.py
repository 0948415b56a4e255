"""How a report writes its numbers and tables."""

import csv

import numpy as np

NAMES = {
    "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "f1": "F1",
    "accuracy": "accuracy",
    "calibration_error": "calibration error",
}
AVERAGES = ("macro", "micro")


def aligned(header, rows) -> str:
    """Write a table as plain text, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(header, rows) -> str:
    """Write a table as Markdown, the first column to the left."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    lines = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *lines))


def split_key(key: str) -> tuple[str, str | None]:
    """Split a figure of a summary into its name and its average, if it has one."""
    name, _, average = key.rpartition("_")
    return (name, average) if average in AVERAGES else (key, None)


def title(key: str) -> str:
    """Write the name of a figure of a summary as people say it."""
    name, average = split_key(key)
    return NAMES[name] + (f" ({average})" if average else "")


def at(values, index):
    """Pick an entry of an array that may be missing."""
    return None if values is None else values[index]


def shown(value, digits: int) -> str:
    """Write a number with so many decimals, a dash for none."""
    return "–" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def shown_interval(bounds, digits: int) -> str:
    """Write an interval, a dash for none."""
    if bounds is None or np.isnan(bounds[0]):
        return "–"
    return f"[{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]"


def number(value):
    """A number as plain Python, empty if there is none."""
    if value is None or np.isnan(value):
        return ""
    return int(value) if float(value).is_integer() else float(value)


def plain(value):
    """The same in types that JSON has, with `None` for NaN."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


def write_csv(path, header, rows) -> None:
    """Write rows as CSV with a header."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
