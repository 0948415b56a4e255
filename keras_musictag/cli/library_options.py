"""What several commands of `keras-musictag library` take and print."""

import enum
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

TableFormat = enum.StrEnum("TableFormat", ["table", "csv", "json"])
Folder = Annotated[Path, Argument(metavar="LIBRARY", help="Folder of the library.")]
Where = Annotated[
    str | None, Option(metavar="SQL", help="Only tracks of which it is so.")
]
IncludeMissing = Annotated[
    bool, Option("--include-missing", help="Tracks whose file is gone, too.")
]
RelativeTo = Annotated[
    Path | None,
    Option(metavar="FOLDER", help="Paths as from there; absolute if not set."),
]
Order = Annotated[str | None, Option(metavar="SQL", help='Such as "rock desc".')]


def plain(text: str) -> Any:
    """Return text that a table shows as it is, whatever brackets it has."""
    from rich.text import Text

    return Text(text)


def cell(value: Any) -> str:
    """Write a value into a table; numbers by three digits."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.3g}"
