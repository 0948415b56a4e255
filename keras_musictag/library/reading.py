"""`Library`: questions to what `build` has found out."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.checks import check_positive_int, did_you_mean
from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.library import schema
from keras_musictag.library.exporting import write_map, write_playlist, write_table
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.scanning import absolute, as_text
from keras_musictag.library.store import Store

FACTS = ("path", "duration", "size", "mtime", "sha256")
OF_KIND = {
    "chords": ("key", "key_correlation", "key_margin", "chords"),
    "tempo": ("tempo",),
}


class Library:
    """Reads a library that `build` has made; it writes nothing in it.

    Questions are conditions in SQL, which DuckDB answers from the Parquet files:
    `rock > 0.5 AND key = 'A:min' AND tempo BETWEEN 90 AND 110`. Columns are `path`,
    `duration` (seconds), `size`, `mtime`, `sha256`; with chords `key`,
    `key_correlation`, `key_margin`, `chords`; with tempo `tempo`; and all labels. A
    label with blanks or other characters is written in double quotes:
    `"female vocalists" > 0.3`. A label of a certain preset is `vgg_mtt.rock`; without
    the preset it is that of the first one that has it.

    Args:
        folder: The library.

    Attributes:
        folder: Its path.
        analyses: The current analyses: `kind`, `name`, `preset`, `weights_sha256`,
            `labels` of each.

    Raises:
        ConfigError: If the folder is no library.
        MissingExtraError: If pyarrow or DuckDB is not installed.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.library.build(kmt.audio.demo_path(), "my_library")
    library = kmt.library.Library("my_library")
    library.search("jazz > 0.2 AND duration < 60").column("path").to_pylist()
    library.search(like=kmt.audio.demo_path(), limit=3)
    library.export("jazz.m3u8", where="jazz > 0.2", order="jazz DESC")
    ```
    """

    def __init__(self, folder: str | Path):
        self._store = Store(folder)
        if not self._store.exists:
            raise ConfigError(
                "There is no library in this folder.",
                received=folder,
                advice="Build one: keras-musictag library build MUSIC --out FOLDER",
            )
        self.folder = self._store.folder

    @property
    def analyses(self) -> list[Analysis]:
        return list(self._store.analyses)

    @property
    def labels(self) -> dict[str, list[str]]:
        """The names of each tagger's labels in searches, by the tagger's name."""
        taggers = (a for a in self._store.analyses if a.kind == "tags")
        return {a.name: schema.column_names(a.labels) for a in taggers}

    def tracks(self) -> Any:
        """Return all that is known.

        Returns:
            `pyarrow.Table`, a row for each track, ordered by path: the columns of
            searches. Labels that an earlier preset has too are named
            `preset.label`. `.to_pandas()` and `.to_pylist()` turn it into others.
        """
        return self.search()

    def search(
        self,
        where: str | None = None,
        like: Any = None,
        limit: int | None = None,
        *,
        order: str | None = None,
        preset: str | None = None,
    ) -> Any:
        """Find tracks.

        Args:
            where: A condition in SQL, as in the class's description. It sees nothing
                but the library: no files, no network.
            like: A track to resemble: the path of one in the library or of any audio
                file, or an embedding `(units,)`.
            limit: How many at most.
            order: What to order by in SQL, such as `"rock DESC"`; by path if `None`,
                with `like` by similarity.
            preset: With `like`: the tagger whose embeddings are compared; the first
                that has any if `None`.

        Returns:
            `pyarrow.Table` as that of `tracks`; with `like` its last column is
            `similarity`, the cosine of the embeddings.

        Raises:
            ConfigError: If the condition is not one, or there are no embeddings.
            AudioError: If `like` is no usable audio.
        """
        if limit is not None:
            limit = check_positive_int(limit, name="limit")
        if like is None:
            return self._select(where, order, limit)
        if order is not None:
            raise ConfigError(
                "Neighbours come in the order of their similarity.",
                received=f"order={order!r} with like=",
                advice="Leave `order` out.",
            )
        return self._nearest(where, like, limit or 10, preset)

    def errors(self) -> Any:
        """Return what failed and has not worked since.

        Returns:
            `pyarrow.Table` with `path`, `analysis`, `preset`, `cause` (the kind of
            the error), `message`, `size`, `mtime_ns`, `sha256` and when and by what
            version it was written.
        """
        with self._store.connect(self._store.analyses, errors=True) as connection:
            query = "SELECT * FROM errors ORDER BY path, analysis"
            return connection.sql(query).to_arrow_table()

    def embeddings(self, preset: str | None = None) -> tuple[list[str], np.ndarray]:
        """Return the embeddings of all tracks.

        Args:
            preset: The tagger; the first that has any if `None`.

        Returns:
            `(paths, embeddings)`: the path of each track, and float32
            `(tracks, units)`.

        Raises:
            ConfigError: If there are no embeddings.
        """
        analysis = self._embedded(preset)
        with self._store.connect([analysis]) as connection:
            table = connection.sql(
                f"SELECT path, embedding FROM {schema.quoted(analysis.id)}"
            ).to_arrow_table()
        rows = table.column("embedding").combine_chunks().flatten().to_numpy()
        return table.column("path").to_pylist(), rows.reshape(len(table), -1)

    def index(self, tagger=None, preset: str | None = None):
        """Return an `EmbeddingIndex` of all tracks, to ask many times.

        Args:
            tagger: The one that the library was built with, for questions about files
                and arrays; without it only embeddings can be asked about.
            preset: Whose embeddings; those of the first that has any if `None`.

        Returns:
            The `EmbeddingIndex`.

        Raises:
            ConfigError: If there are no embeddings, or the tagger has other weights.
        """
        paths, rows = self.embeddings(preset)
        return _index(rows, paths, self._embedded(preset), tagger)

    def map(
        self,
        path: str | Path,
        *,
        where: str | None = None,
        preset: str | None = None,
        method: str = "tsne",
        seed: int = 0,
    ) -> int:
        """Write a page with a map of the tracks, see `pages.collection_map`.

        Args:
            path: The file, `.html`.
            where: As in `search`.
            preset: The tagger whose embeddings lay out the map; the first that has
                any if `None`.
            method, seed: As in `pages.collection_map`.

        Returns:
            How many tracks are on it.

        Raises:
            ConfigError: If there are no embeddings, too few tracks, or the file
                cannot be written.
            MissingExtraError: If Jinja is not installed.
        """
        paths, rows = self.embeddings(preset)
        name = self._embedded(preset).name
        return write_map(
            self.search(where),
            dict(zip(paths, rows, strict=True)),
            (name, self.labels[name]),
            path,
            method=method,
            seed=seed,
        )

    def export(
        self,
        path: str | Path,
        *,
        format: str | None = None,
        where: str | None = None,
        order: str | None = None,
        limit: int | None = None,
        key_notation: str | None = None,
    ) -> int:
        """Write tracks to a file for other programs.

        Args:
            path: The file.
            format: `"csv"`, `"json"` or `"m3u"`; `None` for what the suffix says. A
                CSV has one column for each number and no chords.
            where, order, limit: As in `search`.
            key_notation: How keys are written: `"musical"` (`Am`), `"camelot"` (`8A`)
                or `"openkey"` (`1m`), also in the titles of a playlist. `None` for
                `A:min`, and no keys in playlists.

        Returns:
            How many tracks were written.

        Raises:
            ConfigError: If the format or notation is unknown, the file cannot be
                written, or the library has no keys that could be notated.
        """
        found = self.search(where, None, limit, order=order)
        return write_table(found, path, format, key_notation)

    def playlists(
        self,
        folder: str | Path,
        *,
        labels: list[str] | None = None,
        min_score: float = 0.0,
        limit: int = 100,
        preset: str | None = None,
        key_notation: str | None = None,
    ) -> list[Path]:
        """Write a playlist of the best tracks for each label.

        Args:
            folder: Where to; made if missing.
            labels: Which ones; `None` for all.
            min_score: Tracks with a lower score are left out.
            limit: Tracks in a playlist, at most.
            preset: The tagger; the first one if `None`.
            key_notation: As in `export`.

        Returns:
            The files, `label.m3u8`. A label without any track gets none.

        Raises:
            ConfigError: If a label is unknown or a file cannot be written.
        """
        known = self.labels
        check_positive_int(limit, name="limit")
        name = preset or next(iter(known), "")
        if name not in known:
            raise ConfigError(
                "The library has no such tagger.",
                received=f"preset={preset!r}",
                advice=did_you_mean(name, list(known)),
            )
        unknown = [label for label in labels or [] if label not in known[name]]
        if unknown:
            raise ConfigError(
                "The tagger has no such label.",
                received=repr(unknown[0]),
                advice=did_you_mean(unknown[0], known[name]),
            )
        written = []
        columns = "path, duration" if key_notation is None else "*"
        with self._connect() as connection:
            for label in labels or known[name]:
                score = f"{schema.quoted(name)}.{schema.quoted(label)}"
                found = connection.sql(
                    f"SELECT {columns} FROM tracks WHERE {score} >= "
                    f"{float(min_score)} ORDER BY {score} DESC, path LIMIT {limit}"
                ).to_arrow_table()
                if len(found):
                    written.append(
                        write_playlist(found, Path(folder), label, key_notation)
                    )
        return written

    # === Inner parts ===

    def _connect(self) -> Any:
        connection = self._store.connect(self._store.analyses)
        connection.execute(_tracks_view(self._store.analyses))
        # From here on the user's own words are run.
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection

    def _select(self, where, order, limit) -> Any:
        duckdb = import_extra("duckdb", "library", "A search")
        chosen = ", ".join(_shown_columns(self._store.analyses))
        query = f"SELECT {chosen} FROM tracks"
        query += f"\nWHERE (\n{where}\n)" if where and where.strip() else ""
        query += f"\nORDER BY {order or 'path'}\n"
        query += f"LIMIT {limit}" if limit else ""
        with self._connect() as connection:
            try:
                statements = connection.extract_statements(query)
                if len(statements) != 1:
                    raise _no_condition(where, order, "it is more than one statement")
                return connection.sql(query).to_arrow_table()
            except duckdb.Error as error:
                raise _no_condition(where, order, _first_lines(error)) from error

    def _nearest(self, where, like, limit: int, preset: str | None) -> Any:
        import pyarrow as pa

        analysis = self._embedded(preset)
        allowed = self._select(where, None, None)
        paths = set(allowed.column("path").to_pylist())
        names, rows = self.embeddings(preset)
        kept = [i for i, name in enumerate(names) if name in paths]
        own = None
        if isinstance(like, (str, os.PathLike)):
            like = os.path.expanduser(os.fspath(like))
            text = as_text(absolute(like))
            own = rows[names.index(text)] if text in names else None
        found = _neighbours(
            rows[kept], [names[i] for i in kept], analysis, own, like, limit
        )
        places = {path: i for i, path in enumerate(allowed.column("path").to_pylist())}
        result = allowed.take([places[name] for name, _ in found])
        values = pa.array([value for _, value in found], pa.float32())
        return result.append_column("similarity", values)

    def _embedded(self, preset: str | None) -> Analysis:
        for analysis in self._store.analyses:
            if analysis.units and preset in (None, analysis.name, analysis.preset):
                return analysis
        raise ConfigError(
            "The library holds no embeddings to compare.",
            received=f"preset={preset!r}",
            advice="Build it with embeddings; it then runs that preset alone.",
        )


def _neighbours(rows, names, analysis: Analysis, own, like, limit: int):
    """The nearest of the rows."""
    if not len(rows):
        return []
    tagger, query = None, own
    if own is None and isinstance(like, str):
        # Here, because it starts the backend.
        from keras_musictag.models.tagger import MusicTagger

        tagger, query = MusicTagger.from_pretrained(analysis.preset), like
    elif own is None:
        query = np.asarray(like)
    return _index(rows, names, analysis, tagger).query(query, limit)


def _index(rows, names, analysis: Analysis, tagger) -> Any:
    """An index of the rows, by FAISS if it is installed, for files if with a tagger."""
    from keras_musictag.insight.fingerprint import fingerprint
    from keras_musictag.insight.similarity import EmbeddingIndex

    if tagger is not None:
        found = fingerprint(tagger, "scores")["sha256"]
        if found != analysis.weights_sha256:
            raise ConfigError(
                "The preset has other weights than the library was built with.",
                received=f"{analysis.preset}: {found[:12]}, in the library "
                f"{analysis.weights_sha256[:12]}",
                advice="Build the library again: only this preset is run.",
            )
    faiss = importlib.util.find_spec("faiss") is not None
    engine = "faiss" if faiss else "sklearn"
    return EmbeddingIndex(rows, names, tagger=tagger, engine=engine)


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


def _columns(analyses: list[Analysis]) -> list[tuple[str, str]]:
    """Expression and name of the columns that a search may name, without presets."""
    found: list[tuple[str, str]] = []
    taken = {name.lower() for name in FACTS}
    for analysis in analyses:
        table = schema.quoted(analysis.id)
        for name in OF_KIND.get(analysis.kind, ()):
            if name not in taken:
                taken.add(name)
                found.append((f"{table}.{name}", name))
    taken |= {name for names in OF_KIND.values() for name in names}
    taken |= {a.name.lower() for a in analyses}
    for analysis in analyses:
        for label in schema.column_names(analysis.labels) if _tags(analysis) else ():
            name = label if label.lower() not in taken else f"{analysis.name}.{label}"
            taken.add(name.lower())
            score = f"{schema.quoted(analysis.id)}.scores.{schema.quoted(label)}"
            found.append((score, name))
    return found


def _tags(analysis: Analysis) -> bool:
    return analysis.kind == "tags"


def _shown_columns(analyses: list[Analysis]) -> list[str]:
    names = [*FACTS, *(name for _, name in _columns(analyses))]
    return [schema.quoted(name) for name in names]


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
        if _tags(a)
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
