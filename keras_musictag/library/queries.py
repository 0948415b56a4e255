"""The SQL of searches: the view of all tracks, and conditions that users write."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from keras_musictag import environment
from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.library import schema
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.store import Store

DEFAULT_MEMORY = "50%"
WAIT_SECONDS = 0.5
FACTS = ("path", "duration", "size", "mtime", "sha256", "missing", "error")
OF_KIND = {
    "tags": ("silent",),
    "chords": ("key", "key_correlation", "key_margin", "chords"),
    "tempo": ("tempo",),
    "beats": ("tempo", "tempo_confidence", "meter"),
    "key": ("key", "key_confidence", "key_camelot", "key_regions"),
}
SEGMENTS = "segments"
OF_TAGGERS = ("tags", SEGMENTS)
SEGMENT_NAMES = re.compile(r'(?i)\bsegments\b(?:\s*\.\s*(?:"([^"]+)"|(\w+)))?')
# How long a label is heard from one second to another: NULL if nobody has listened.
SECONDS_HEARD = """
    CREATE MACRO seconds_heard(intervals, a := 0, b := 'infinity'::DOUBLE) AS
    list_sum([0.0::DOUBLE] || list_transform(intervals, lambda x:
        greatest(0.0, least(x."end", b) - greatest(x."start", a))::DOUBLE))
    + CASE WHEN intervals IS NOT NULL THEN 0.0 END
"""
# Where several kinds know one thing, these are asked first: they are right more often.
FIRST = ("beats", "key")


@contextlib.contextmanager
def connect(store: Store) -> Iterator[Any]:
    """Open a DuckDB with the view `tracks`: a row for each, and nothing else to reach.

    Args:
        store: The library.

    Yields:
        The connection; files, network and settings are closed in it.

    Raises:
        ConfigError: If the memory that it may take makes no sense.
        LibraryError: If a part is damaged.
    """
    with store.connect(store.analyses, errors=True) as connection:
        connection.execute(_tracks_view(store.analyses))
        connection.execute(SECONDS_HEARD)
        _limit(connection)
        # From here on the user's own words are run.
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def _limit(connection: Any) -> None:
    """Bound the memory of what is asked; nothing is laid aside on the disk."""
    import duckdb

    limit = environment.get("KMT_SEARCH_MEMORY") or DEFAULT_MEMORY
    try:
        connection.execute("SET memory_limit = ?", [limit])
    except duckdb.Error as error:
        raise ConfigError(
            "The memory that a search may take is no size.",
            received=f"KMT_SEARCH_MEMORY={limit}",
            advice="Write it like 4GB, or as a share of this machine's, like 30%.",
        ) from error
    connection.execute("SET temp_directory = ''")


def answer(connection: Any, query: str) -> Any:
    """Return what DuckDB answers, so that Ctrl-C ends it.

    Args:
        connection: The connection.
        query: One statement.

    Returns:
        `pyarrow.Table`.

    Raises:
        ConfigError: If it needs more memory than it may take.
    """
    import duckdb

    # In a thread of its own: one that is in DuckDB does not notice Ctrl-C.
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: connection.sql(query).to_arrow_table())
        try:
            while not asked.done():  # on Windows only a wait that ends is interrupted
                wait([asked], WAIT_SECONDS)
        except BaseException:
            connection.interrupt()
            raise
    try:
        return asked.result()
    except duckdb.OutOfMemoryException as error:
        raise ConfigError(
            "The search needs more memory than it may take.",
            received=str(error).splitlines()[0],
            advice="Ask for less, without joins of your own; or let it take more: "
            "KMT_SEARCH_MEMORY=8GB",
        ) from error


def select(
    store: Store,
    where: str | None,
    order: str | None = None,
    limit: int | None = None,
    *,
    include_missing: bool = False,
    columns: Sequence[str] | None = None,
) -> Any:
    """Find the tracks of which a condition is true.

    Args:
        store: The library.
        where, order, limit, include_missing: As in `Library.search`.
        columns: Which of `column_names` are wanted; `None` for all.

    Returns:
        `pyarrow.Table` with the columns of searches.

    Raises:
        ConfigError: If `where` or `order` is not an expression over the columns.
    """
    duckdb = import_extra("duckdb", "library", "A search")
    columns = columns or column_names(store)
    query = f"SELECT {', '.join(map(schema.quoted, columns))} FROM tracks"
    query += "" if include_missing else "\nWHERE NOT missing"
    if where and where.strip():
        query += f"\n{'WHERE' if include_missing else 'AND'} (\n{where}\n)"
    query += f"\nORDER BY {order or 'path'}\n"
    query += f"LIMIT {limit}" if limit else ""
    try:
        with connect(store) as connection:
            statements = connection.extract_statements(query)
            if len(statements) != 1:
                raise _no_condition(where, order, "it is more than one statement")
            return answer(connection, query)
    except duckdb.Error as error:
        _check_segments(store, where, order, error)
        raise _no_condition(where, order, _first_lines(error)) from error


def _no_condition(where, order, why: str) -> ConfigError:
    given = f"{where!r}" + (f", order {order!r}" if order else "")
    return ConfigError(
        "The search is no condition that can be answered.",
        received=f"{given} ({why})",
        advice="Write it as in SQL: rock > 0.5 AND \"hip hop\" < 0.1 AND key = 'A:min'",
    )


def _check_segments(store: Store, where, order, error: Exception) -> None:
    """Name the command if it is asked where labels are heard, and nobody knows it."""
    asked = SEGMENT_NAMES.search(f"{where or ''} {order or ''}")
    analyses = [a for a in store.analyses if a.kind == SEGMENTS]
    unknown = re.match('Binder Error: Could not find key "(.*)" in struct', str(error))
    # A column that is missing, or a key: DuckDB has a class for both and more.
    if asked is None or (analyses and not unknown):
        return
    label = unknown[1] if unknown else asked[1] or asked[2] or "vocals"
    known: dict[str, float | None] = {}
    for analysis in reversed(analyses):
        known |= zip(analysis.labels, analysis.thresholds, strict=True)
    presets = [a.preset for a in analyses or store.analyses if a.kind in OF_TAGGERS]
    words = [f"--preset {preset}" for preset in presets]
    names = [n if t is None else f"{n}={t:g}" for n, t in known.items()]
    words += [f"--segments {name!r}" for name in (*names, label)]
    raise ConfigError(
        f"The library does not know where {label!r} is heard in its tracks.",
        received=f"{where!r} (known: {', '.join(known) or 'no segments at all'})",
        advice="Let it find out: keras-musictag library build MUSIC --out "
        f"{store.folder} {' '.join(words)}",
    ) from error


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())


# === The view of tracks ===


def _tracks_view(analyses: list[Analysis]) -> str:
    """The SQL of the view `tracks`: all analyses of a track in one row.

    Analyses of other content, which was under this path before, are none of it.
    """
    facts = " UNION ALL ".join(
        f"SELECT path, duration, size, mtime_ns, sha256, sequence "
        f"FROM {schema.quoted(a.id)}"
        for a in analyses
    )
    columns = ["t.path", "t.duration", "t.size", "t.mtime", "t.sha256"]
    columns += ["m.path IS NOT NULL AS missing", "e.error"]
    columns += [
        f"{value} AS {schema.quoted(name)}" for value, name in _columns(analyses)
    ]
    columns += [
        f"{schema.quoted(a.id)}.scores AS {schema.quoted(a.name)}"
        for a in analyses
        if a.kind == "tags"
    ]
    joins = "".join(
        f" LEFT JOIN {table} ON {table}.path = t.path "
        f"AND {table}.sha256 IS NOT DISTINCT FROM t.sha256"
        for table in (schema.quoted(a.id) for a in analyses)
    )
    return f"""
        CREATE VIEW tracks AS
        WITH facts AS ({facts}), t AS (
            SELECT path, arg_max(size, sequence) AS size,
                make_timestamp(arg_max(mtime_ns, sequence) // 1000) AS mtime,
                arg_max_null(sha256, sequence) AS sha256,
                arg_max(duration, sequence) AS duration
            FROM facts GROUP BY path
        ), e AS (
            SELECT path, arg_max(message, sequence) AS error FROM errors GROUP BY path
        )
        SELECT {", ".join(columns)} FROM t
        LEFT JOIN missing m ON m.path = t.path LEFT JOIN e ON e.path = t.path{joins}
    """


def column_names(store: Store) -> list[str]:
    """Return the columns of searches."""
    return [*FACTS, *(name for _, name in _columns(store.analyses))]


def _columns(analyses: list[Analysis]) -> list[tuple[str, str]]:
    """Expression and name of the columns that a search may name, without presets."""
    columns: list[tuple[str, str]] = []
    taken = {name.lower() for name in FACTS}
    for analysis in sorted(analyses, key=lambda a: a.kind not in FIRST):
        table = schema.quoted(analysis.id)
        for name in OF_KIND.get(analysis.kind, ()):
            if name not in taken:
                taken.add(name)
                columns.append((f"{table}.{name}", name))
    if heard := _segments(analyses):
        fields = ", ".join(f"{schema.quoted(n)} := {value}" for n, value in heard)
        columns.append((f"struct_pack({fields})", SEGMENTS))
    taken |= {SEGMENTS, *(name for names in OF_KIND.values() for name in names)}
    taken |= {a.name.lower() for a in analyses}
    for analysis, label in _labels(analyses):
        name = label if label.lower() not in taken else f"{analysis.name}.{label}"
        taken.add(name.lower())
        score = f"{schema.quoted(analysis.id)}.scores.{schema.quoted(label)}"
        columns.append((score, name))
    return columns


def _segments(analyses: list[Analysis]) -> list[tuple[str, str]]:
    """Label and expression of what is known to be heard where, the first that knows."""
    heard: dict[str, tuple[str, str]] = {}
    for analysis in analyses:
        if analysis.kind == SEGMENTS:
            for name in schema.column_names(analysis.labels):
                lists = f"{schema.quoted(analysis.id)}.{SEGMENTS}.{schema.quoted(name)}"
                heard.setdefault(name.lower(), (name, lists))
    return list(heard.values())


def _labels(analyses: list[Analysis]) -> Iterator[tuple[Analysis, str]]:
    for analysis in analyses:
        if analysis.kind == "tags":
            for label in schema.column_names(analysis.labels):
                yield analysis, label
