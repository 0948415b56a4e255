"""The columns of a library's tables, and the SQL that tells which rows count."""

from typing import Any

import numpy as np

from keras_musictag.library.jobs import Analysis

VERSION = 1
COPIED = ("path", "size", "mtime_ns", "replaces", "sequence")


def column_names(labels) -> list[str]:
    """Give labels names that differ whatever the case, as SQL wants them."""
    taken: set[str] = set()
    names = []
    for label in labels:
        name, count = label or "_", 1
        while name.lower() in taken:
            count += 1
            name = f"{label}_{count}"
        taken.add(name.lower())
        names.append(name)
    return names


def _facts() -> list[tuple[str, Any]]:
    import pyarrow as pa

    return [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("sha256", pa.string()),
    ]


def _origin() -> list[tuple[str, Any]]:
    import pyarrow as pa

    return [
        ("package_version", pa.string()),
        ("schema_version", pa.int32()),
        ("sequence", pa.int64()),
        ("written", pa.timestamp("us", tz="UTC")),
    ]


def rows(analysis: Analysis) -> Any:
    """Return the Arrow schema of an analysis' rows."""
    import pyarrow as pa

    columns = [
        *_facts(),
        ("duration", pa.float64()),
        ("preset", pa.string()),
        ("weights_sha256", pa.string()),
        *_origin(),
        ("replaces", pa.string()),
    ]
    if analysis.kind == "tags":
        names = column_names(analysis.labels)
        columns += [("scores", pa.struct([(name, pa.float32()) for name in names]))]
        columns += [("silent", pa.bool_())]  # none in rows of earlier versions
        if analysis.units is not None:
            columns += [("embedding", pa.list_(pa.float32(), analysis.units))]
    elif analysis.kind == "chords":
        chord = [("start", pa.float64()), ("end", pa.float64())]
        chord += [("label", pa.string()), ("confidence", pa.float32())]
        numbers = [("key_correlation", pa.float32()), ("key_margin", pa.float32())]
        columns += [("key", pa.string()), *numbers]
        columns += [("chords", pa.list_(pa.struct(chord)))]
    elif analysis.kind == "beats":
        columns += [("tempo", pa.float32()), ("tempo_confidence", pa.float32())]
        columns += [("meter", pa.int16())]
    elif analysis.kind == "segments":
        heard = pa.list_(pa.struct([("start", pa.float64()), ("end", pa.float64())]))
        names = column_names(analysis.labels)
        columns += [("segments", pa.struct([(name, heard) for name in names]))]
    elif analysis.kind == "key":
        region = [("start", pa.float64()), ("end", pa.float64())]
        region += [("label", pa.string()), ("confidence", pa.float32())]
        columns += [("key", pa.string()), ("key_confidence", pa.float32())]
        columns += [("key_camelot", pa.string())]
        columns += [("key_regions", pa.list_(pa.struct(region)))]
    else:
        columns += [("tempo", pa.float32())]
    return pa.schema(columns)


def errors() -> Any:
    """Return the Arrow schema of the table of errors."""
    import pyarrow as pa

    causes = ("analysis", "preset", "cause", "message")
    texts = [(name, pa.string()) for name in causes]
    return pa.schema([*_facts(), *texts, *_origin()])


def missing() -> Any:
    """Return the Arrow schema of the table of files that are gone, or back again."""
    import pyarrow as pa

    return pa.schema([("path", pa.string()), ("missing", pa.bool_()), *_origin()])


def copies() -> Any:
    """Return the Arrow schema of rows to be written again under another path."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("source", "path", "sha256", "replaces")]
    return pa.schema([*texts, ("size", pa.int64()), ("mtime_ns", pa.int64())])


def to_row(analysis: Analysis, values: dict[str, Any]) -> dict[str, Any]:
    """Turn what an `Analyzer` gave into a row of the schema."""
    names = column_names(analysis.labels)
    if analysis.kind == "segments":
        lists = values["segments"].values()
        return {**values, "segments": dict(zip(names, lists, strict=True))}
    if analysis.kind != "tags":
        return values
    scores = np.asarray(values["scores"]).tolist()
    row = {**values, "scores": dict(zip(names, scores, strict=True))}
    if analysis.units is None:
        row.pop("embedding", None)
    else:
        row["embedding"] = np.asarray(values["embedding"]).ravel().tolist()
    return row


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def current_rows(name: str) -> str:
    """Return the SQL of the view `name` of the rows that count in `all:name`.

    The latest write of a path counts, unless a later row `replaces` it. A crash may
    leave the same row in two parts.
    """
    table = quoted(f"all:{name}")
    return f"""
        CREATE VIEW {quoted(name)} AS
        WITH writes AS (
            SELECT path, 2 * sequence + 1 AS number FROM {table}
            UNION ALL
            SELECT replaces, 2 * sequence FROM {table} WHERE replaces IS NOT NULL
        ), latest AS (SELECT path, max(number) AS number FROM writes GROUP BY path)
        SELECT r.* FROM {table} r JOIN latest l
        ON r.path = l.path AND 2 * r.sequence + 1 = l.number
        QUALIFY row_number() OVER (PARTITION BY r.path) = 1
    """


def current_errors(analyses: list[str]) -> str:
    """Return the SQL of the view `errors`: what failed and has not worked since.

    Failures of files that are gone are no longer any. The view `missing` must be there.

    Args:
        analyses: Ids, whose views `current_rows` has made.
    """
    worked = " UNION ALL ".join(
        f"SELECT path, sequence, {_literal(name)} AS analysis FROM {quoted(name)}"
        for name in analyses
    )
    worked = worked or "SELECT NULL AS path, 0 AS sequence, NULL AS analysis"
    # A listed file that was never there has no size: it goes on being an error.
    ids = ", ".join(_literal(name) for name in analyses) or "NULL"
    return f"""
        CREATE VIEW errors AS
        SELECT e.* FROM "all:errors" e
        LEFT JOIN ({worked}) w ON w.path = e.path AND w.analysis = e.analysis
            AND w.sequence >= e.sequence
        LEFT JOIN missing m ON m.path = e.path AND e.size IS NOT NULL
        WHERE w.path IS NULL AND m.path IS NULL AND e.analysis IN ({ids})
        QUALIFY row_number() OVER (
            PARTITION BY e.path, e.analysis ORDER BY e.sequence DESC) = 1
    """


def current_missing() -> str:
    """Return the SQL of the view `missing`: the paths of the files that are gone."""
    return """
        CREATE VIEW missing AS
        SELECT path FROM "all:missing"
        GROUP BY path HAVING arg_max(missing, sequence)
    """


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
