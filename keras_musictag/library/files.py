"""What a library writes for people and other programs: maps, tables, playlists."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_musictag.checks import check_positive_int
from keras_musictag.library import neighbours
from keras_musictag.library.exporting import write_map, write_playlists, write_table
from keras_musictag.library.store import Store


class LibraryFiles:
    """The part of a `Library` that writes files."""

    _store: Store
    labels: Any
    search: Callable[..., Any]
    embeddings: Callable[..., Any]

    def map(
        self,
        path: str | Path,
        *,
        where: str | None = None,
        preset: str | None = None,
        method: str = "tsne",
        seed: int = 0,
        include_missing: bool = False,
    ) -> int:
        """Write a page with a map of the tracks, see `pages.collection_map`.

        Args:
            path: The file, `.html`.
            where, include_missing: As in `search`.
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
        paths, embeddings = self.embeddings(preset, include_missing=include_missing)
        name = neighbours.embedding_analysis(self._store, preset).name
        return write_map(
            self.search(where, include_missing=include_missing),
            dict(zip(paths, embeddings, strict=True)),
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
        relative_to: str | Path | None = None,
        include_missing: bool = False,
    ) -> int:
        """Write tracks to a file for other programs.

        Args:
            path: The file.
            format: `"csv"`, `"json"` or `"m3u"`; `None` for what the suffix says. A
                CSV has one column for each number and no chords.
            where, order, limit, include_missing: As in `search`.
            key_notation: How keys are written: `"musical"` (`Am`), `"camelot"` (`8A`)
                or `"openkey"` (`1m`), also in the titles of a playlist. `None` for
                `A:min`, and no keys in playlists.
            relative_to: The folder from which paths are told, such as that of the
                file; `None` for absolute paths. Addresses stay as they are.

        Returns:
            How many tracks were written.

        Raises:
            ConfigError: If the format or notation is unknown, the file cannot be
                written, or the library has no keys that could be notated.
        """
        found = self.search(
            where, None, limit, order=order, include_missing=include_missing
        )
        return write_table(found, path, format, key_notation, relative_to)

    def playlists(
        self,
        folder: str | Path,
        *,
        labels: list[str] | None = None,
        min_score: float = 0.0,
        limit: int = 100,
        preset: str | None = None,
        key_notation: str | None = None,
        relative_to: str | Path | None = None,
        include_missing: bool = False,
    ) -> list[Path]:
        """Write a playlist of the best tracks for each label.

        Args:
            folder: Where to; made if missing.
            labels: Which ones; `None` for all.
            min_score: Tracks with a lower score are left out.
            limit: Tracks in a playlist, at most.
            preset: The tagger; the first one if `None`.
            key_notation, relative_to, include_missing: As in `export`.

        Returns:
            The files, `label.m3u8`. A label without any track gets none; tracks in
            which nothing is heard are in none.

        Raises:
            ConfigError: If a label is unknown or a file cannot be written.
        """
        check_positive_int(limit, name="limit")
        return write_playlists(
            self._store,
            self.labels,
            Path(folder),
            labels=labels,
            min_score=min_score,
            limit=limit,
            preset=preset,
            key_notation=key_notation,
            relative_to=relative_to,
            include_missing=include_missing,
        )
