"""`Library`: questions to what `build` has found out."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError
from keras_musictag.library import duplicates, mixing, neighbours, queries, schema
from keras_musictag.library.files import LibraryFiles
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.store import Store


class Library(LibraryFiles):
    """Reads a library that `build` has made; it writes nothing in it.

    Questions are conditions in SQL, which DuckDB answers from the Parquet files:
    `rock > 0.5 AND key = 'A:min' AND tempo BETWEEN 90 AND 110`. Columns are `path`,
    `duration` (seconds), `size`, `mtime`, `sha256`, `missing` (whether the file was
    gone when `build` last looked), `error` (what has failed since the row was written;
    else `NULL`); with tags `silent` (nothing is heard; `NULL` if nobody has measured
    it); with chords `key`, `key_correlation`, `key_margin`, `chords`; with beats
    `tempo`, `tempo_confidence`, `meter`; with a key recogniser `key`, `key_confidence`,
    `key_camelot`, `key_regions`; with segments `segments`, of which
    `seconds_heard(segments.vocals, 0, 30)` tells the seconds; and all labels. A label
    with blanks or other characters is written in double quotes:
    `"female vocalists" > 0.3`. A label of a certain preset is `vgg_mtt.rock`; without
    the preset it is that of the first one that has it. Tracks whose file is gone are
    left out unless `include_missing`.

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

    def tracks(self, *, include_missing: bool = False) -> Any:
        """Return all that is known.

        Args:
            include_missing: Whether tracks whose file is gone come too.

        Returns:
            `pyarrow.Table`, a row for each track, ordered by path: the columns of
            searches. Labels that an earlier preset has too are named
            `preset.label`. `.to_pandas()` and `.to_pylist()` turn it into others.
        """
        return self.search(include_missing=include_missing)

    def search(
        self,
        where: str | None = None,
        like: Any = None,
        limit: int | None = None,
        *,
        text: str | None = None,
        text_model: Any = None,
        unlike: Any = None,
        order: str | None = None,
        preset: str | None = None,
        include_missing: bool = False,
    ) -> Any:
        """Find tracks.

        Args:
            where: A condition in SQL, as in the class's description. It sees nothing
                but the library: no files, no network.
            like: A track to resemble: the path of one in the library or of any audio
                file, or an embedding `(units,)`; a list of these, or a dict from
                paths to weights.
            limit: How many at most.
            text: What they sound like in words, in a library built with a tagger that
                reads, such as `laion/larger_clap_music`.
            text_model: What reads the text without Keras: a file that
                `CLAPTagger.export_text` wrote, or an `OnnxTextEncoder`. `None` for
                `text.onnx` in the folder of the library; if there is none, the tagger
                is loaded.
            unlike: What to keep away from, given as `like`; it counts half as much.
            order: What to order by in SQL, such as `"rock DESC"`; by path if `None`,
                with `like` by similarity.
            preset: With `like` or `text`: the tagger whose embeddings are compared;
                the first that has any if `None`.
            include_missing: Whether tracks whose file is gone come too.

        Returns:
            `pyarrow.Table` as that of `tracks`; with `like` or `text` its last column
            is `similarity`, the cosine of the embeddings, of several the cosine with
            their weighted sum. Silent tracks are like no text and no such sum.

        Raises:
            ConfigError: If the condition is not one, or there are no embeddings.
            AudioError: If `like` is no usable audio.
        """
        if limit is not None:
            limit = check_positive_int(limit, name="limit")
        wish = neighbours.Wish(like, unlike, text, text_model)
        if like is None and text is None:
            if unlike is not None:
                raise ConfigError(
                    "Tracks cannot only be unlike something.",
                    received=f"unlike={unlike!r}",
                    advice="Say by `like` or `text` what they shall be.",
                )
            return queries.select(
                self._store, where, order, limit, include_missing=include_missing
            )
        if order is not None:
            raise ConfigError(
                "Neighbours come in the order of their similarity.",
                received=f"order={order!r} with like= or text=",
                advice="Leave `order` out.",
            )
        tracks = queries.select(self._store, where, include_missing=include_missing)
        return neighbours.nearest(self._store, tracks, wish, limit or 10, preset)

    def mixable(
        self,
        path: str | Path,
        *,
        limit: int = 20,
        where: str | None = None,
        max_change: float = mixing.MAX_CHANGE,
        preset: str | None = None,
    ) -> Any:
        """Find the tracks that mix with one, as DJs do it: after it, without a break.

        A track mixes if its key fits on Camelot's wheel (the same hour, one hour on or
        back with the same letter, or the same hour with the other letter) and its
        tempo, or half or double of it, is near enough.

        Args:
            path: Of a track in the library.
            limit: How many at most.
            where: Only tracks of which this is so, as in `search`.
            max_change: By how many percent the tempo of the next track may be changed
                to run with that of the first, 0 to 50.
            preset: The tagger whose embeddings are compared; the first that has any
                if `None`.

        Returns:
            `pyarrow.Table`, the most similar first: `path`, `key_camelot`, `tempo`,
            `tempo_change` (in percent, above 0 for a track that is to be run faster)
            and `similarity`, the cosine of the embeddings. Without embeddings the
            last column is missing, and the smallest change comes first.

        Raises:
            ConfigError: If the library knows no keys or no tempi, the track is not in
                it or has none, or an argument cannot work.

        Example:

        ```python
        import keras_musictag as kmt

        song = kmt.audio.demo_path()
        kmt.library.build(song, "my_mixes", chords="crema", beats="beatnet")
        library = kmt.library.Library("my_mixes")
        library.mixable(song).to_pylist()  # [], there is no other track
        library.mix_path(song, song).column("key_camelot").to_pylist()
        ```
        """
        limit = check_positive_int(limit, name="limit")
        return mixing.mixable(self._store, path, limit, where, max_change, preset)

    def mix_path(
        self,
        start: str | Path,
        end: str | Path,
        *,
        where: str | None = None,
        max_change: float = mixing.MAX_CHANGE,
        preset: str | None = None,
    ) -> Any:
        """Find the shortest playlist between two tracks in which each step mixes.

        Args:
            start, end: Paths of tracks in the library.
            where: Only tracks between them of which this is so, as in `search`.
            max_change, preset: As in `mixable`, which tells what mixes.

        Returns:
            `pyarrow.Table`, the tracks in order: `path`, `duration`, `key`,
            `key_camelot`, `tempo`, and of the step that leads to each
            `tempo_change` and, with embeddings, `similarity`. Of playlists of one
            length it is the one whose similarities have the highest sum; without
            embeddings the one with the least change of tempo.

        Raises:
            ConfigError: If there is no such playlist, and as `mixable`.

        Example: see `mixable`.
        """
        ends = [start, end]
        return mixing.mix_path(self._store, ends, where, max_change, preset)

    def duplicates(
        self,
        *,
        similarity: float = duplicates.SIMILARITY,
        seconds: float = duplicates.SECONDS,
        where: str | None = None,
        preset: str | None = None,
    ) -> Any:
        """Find recordings that are there more than once, in whatever format and rate.

        Args:
            similarity: The least cosine of their embeddings, 0 to 1.
            seconds: How far their lengths may be apart.
            where: Only tracks of which this is so, as in `search`.
            preset: The tagger whose embeddings are compared; the first that has any
                if `None`.

        Returns:
            `pyarrow.Table` of the tracks that have a duplicate: `group` (a number for
            each recording), `path`, `duration`, `size` and `similarity`, the cosine
            with the first of the group, which is the largest file. Files with the same
            content are duplicates whatever their embeddings; silent ones are left out.

        Raises:
            ConfigError: If there are no embeddings, or an argument cannot work.

        Example:

        ```python
        import keras_musictag as kmt

        kmt.library.build(kmt.audio.demo_path(), "my_copies")
        kmt.library.Library("my_copies").duplicates().num_rows  # 0
        ```
        """
        return duplicates.find(self._store, similarity, seconds, where, preset)

    def errors(self) -> Any:
        """Return what failed and has not worked since, of files that are not gone.

        Returns:
            `pyarrow.Table` with `path`, `analysis`, `preset`, `cause` (the kind of
            the error), `message`, `size`, `mtime_ns`, `sha256` and when and by what
            version it was written.
        """
        with self._store.connect(self._store.analyses, errors=True) as connection:
            query = "SELECT * FROM errors ORDER BY path, analysis"
            return connection.sql(query).to_arrow_table()

    def embeddings(
        self, preset: str | None = None, *, include_missing: bool = False
    ) -> tuple[list[str], np.ndarray]:
        """Return the embeddings of all tracks.

        Args:
            preset: The tagger; the first that has any if `None`.
            include_missing: Whether tracks whose file is gone come too.

        Returns:
            `(paths, embeddings)`: the path of each track, and float32
            `(tracks, units)`.

        Raises:
            ConfigError: If there are no embeddings.
        """
        analysis = neighbours.embedding_analysis(self._store, preset)
        return neighbours.read_embeddings(self._store, analysis, include_missing)

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
        analysis = neighbours.embedding_analysis(self._store, preset)
        paths, embeddings = neighbours.read_embeddings(self._store, analysis)
        return neighbours.make_index(embeddings, paths, analysis, tagger)
