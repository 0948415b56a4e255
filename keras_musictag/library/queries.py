"""The SQL of searches: the view of all tracks, and conditions that users write."""

from collections.abc import Iterator
from typing import Any

from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.library import schema
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.store import Store

FACTS = ("path", "duration", "size", "mtime", "sha256")
OF_KIND = {
    "tags": ("silent",),
    "chords": ("key", "key_correlation", "key_margin", "chords"),
    "tempo": ("tempo",),
}


def connect(store: Store) -> Any:
    """Open a DuckDB with the view `tracks`: a row for each, and nothing else to reach.

    Args:
        store: The library.

    Returns:
        The connection; files, network and settings are closed in it.
    """
    connection = store.connect(store.analyses)
    connection.execute(_tracks_view(store.analyses))
    # From here on the user's own words are run.
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def select(
    store: Store, where: str | None, order: str | None = None, limit: int | None = None
) -> Any:
    """Find the tracks of which a condition is true.

    Args:
        store: The library.
        where, order, limit: As in `Library.search`.

    Returns:
        `pyarrow.Table` with the columns of searches.

    Raises:
        ConfigError: If `where` or `order` is not an expression over the columns.
    """
    duckdb = import_extra("duckdb", "library", "A search")
    columns = [*FACTS, *(name for _, name in _columns(store.analyses))]
    query = f"SELECT {', '.join(map(schema.quoted, columns))} FROM tracks"
    query += f"\nWHERE (\n{where}\n)" if where and where.strip() else ""
    query += f"\nORDER BY {order or 'path'}\n"
    query += f"LIMIT {limit}" if limit else ""
    with connect(store) as connection:
        try:
            statements = connection.extract_statements(query)
            if len(statements) != 1:
                raise _no_condition(where, order, "it is more than one statement")
            return connection.sql(query).to_arrow_table()
        except duckdb.Error as error:
            raise _no_condition(where, order, _first_lines(error)) from error


def _no_condition(where, order, why: str) -> ConfigError:
    given = f"{where!r}" + (f", order {order!r}" if order else "")
    return ConfigError(
        "The search is no condition that can be answered.",
        received=f"{given} ({why})",
        advice="Write it as in SQL: rock > 0.5 AND \"hip hop\" < 0.1 AND key = 'A:min'",
    )


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())


# === The view of tracks ===


def _tracks_view(analyses: list[Analysis]) -> str:
    """The SQL of the view `tracks`: all analyses of a track in one row."""
    facts = " UNION ALL ".join(
        f"SELECT path, duration, size, mtime_ns, sha256, sequence "
        f"FROM {schema.quoted(a.id)}"
        for a in analyses
    )
    columns = ["t.path", "t.duration", "t.size", "t.mtime", "t.sha256"]
    columns += [
        f"{value} AS {schema.quoted(name)}" for value, name in _columns(analyses)
    ]
    columns += [
        f"{schema.quoted(a.id)}.scores AS {schema.quoted(a.name)}"
        for a in analyses
        if a.kind == "tags"
    ]
    joins = "".join(
        f" LEFT JOIN {schema.quoted(a.id)} ON {schema.quoted(a.id)}.path = t.path"
        for a in analyses
    )
    return f"""
        CREATE VIEW tracks AS
        WITH facts AS ({facts}), t AS (
            SELECT path, max(duration) AS duration, arg_max(size, sequence) AS size,
                make_timestamp(arg_max(mtime_ns, sequence) // 1000) AS mtime,
                arg_max(sha256, sequence) AS sha256
            FROM facts GROUP BY path
        ) SELECT {", ".join(columns)} FROM t{joins}
    """


def _columns(analyses: list[Analysis]) -> list[tuple[str, str]]:
    """Expression and name of the columns that a search may name, without presets."""
    columns: list[tuple[str, str]] = []
    taken = {name.lower() for name in FACTS}
    for analysis in analyses:
        table = schema.quoted(analysis.id)
        for name in OF_KIND.get(analysis.kind, ()):
            if name not in taken:
                taken.add(name)
                columns.append((f"{table}.{name}", name))
    taken |= {name for names in OF_KIND.values() for name in names}
    taken |= {a.name.lower() for a in analyses}
    for analysis, label in _labels(analyses):
        name = label if label.lower() not in taken else f"{analysis.name}.{label}"
        taken.add(name.lower())
        score = f"{schema.quoted(analysis.id)}.scores.{schema.quoted(label)}"
        columns.append((score, name))
    return columns


def _labels(analyses: list[Analysis]) -> Iterator[tuple[Analysis, str]]:
    for analysis in analyses:
        if analysis.kind == "tags":
            for label in schema.column_names(analysis.labels):
                yield analysis, label
