"""Tracks that resemble one: the embeddings of a library, and what is near in them."""

import importlib.util
import os
from typing import Any

import numpy as np

from keras_musictag.errors import ConfigError
from keras_musictag.library import queries, schema
from keras_musictag.library.addresses import as_text
from keras_musictag.library.jobs import Analysis
from keras_musictag.library.scanning import absolute
from keras_musictag.library.store import Store


def embedding_analysis(store: Store, preset: str | None) -> Analysis:
    """Return the analysis whose embeddings are meant.

    Args:
        store: The library.
        preset: Name or preset of a tagger; `None` for the first that has any.

    Raises:
        ConfigError: If there are no embeddings.
    """
    for analysis in store.analyses:
        if analysis.units and preset in (None, analysis.name, analysis.preset):
            return analysis
    raise ConfigError(
        "The library holds no embeddings to compare.",
        received=f"preset={preset!r}",
        advice="Build it with embeddings; it then runs that preset alone.",
    )


def read_embeddings(
    store: Store, analysis: Analysis, include_missing: bool = False
) -> tuple[list[str], np.ndarray]:
    """Return the path of each track, and its embedding, `(tracks, units)`."""
    there = "" if include_missing else "WHERE NOT t.missing"
    with queries.connect(store) as connection:
        table = connection.sql(
            f"SELECT e.path, e.embedding FROM {schema.quoted(analysis.id)} e "
            "JOIN tracks t ON t.path = e.path "
            f"AND t.sha256 IS NOT DISTINCT FROM e.sha256 {there} ORDER BY e.path"
        ).to_arrow_table()
    rows = table.column("embedding").combine_chunks().flatten().to_numpy()
    return table.column("path").to_pylist(), rows.reshape(len(table), analysis.units)


def nearest(
    store: Store, tracks: Any, like: Any, limit: int, preset: str | None
) -> Any:
    """Choose the tracks that resemble one most.

    Args:
        store: The library.
        tracks: `pyarrow.Table` of those to choose from.
        like, limit, preset: As in `Library.search`.

    Returns:
        The table, the nearest first, with a column `similarity`.

    Raises:
        ConfigError: If there are no embeddings.
        AudioError: If `like` is no usable audio.
    """
    import pyarrow as pa

    analysis = embedding_analysis(store, preset)
    row_of = {path: i for i, path in enumerate(tracks.column("path").to_pylist())}
    paths, embeddings = read_embeddings(store, analysis, include_missing=True)
    kept = [i for i, path in enumerate(paths) if path in row_of]
    tagger, query = None, like
    if isinstance(like, (str, os.PathLike)):
        query = os.path.expanduser(os.fspath(like))
        text = as_text(absolute(query))
        if text in paths:  # without a model
            query = embeddings[paths.index(text)]
        elif kept:
            # Here, because it starts the backend.
            from keras_musictag.models.tagger import MusicTagger

            tagger = MusicTagger.from_pretrained(analysis.preset)
    else:
        query = np.asarray(like)
    similar: list[tuple[str, float]] = []
    if kept:
        index = make_index(embeddings[kept], [paths[i] for i in kept], analysis, tagger)
        similar = index.query(query, limit)
    result = tracks.take([row_of[path] for path, _ in similar])
    similarities = pa.array([value for _, value in similar], pa.float32())
    return result.append_column("similarity", similarities)


def make_index(
    embeddings: np.ndarray, paths: list[str], analysis: Analysis, tagger: Any
) -> Any:
    """Make an `EmbeddingIndex`, by FAISS if it is installed.

    Args:
        embeddings: `(tracks, units)`.
        paths: Of the tracks.
        analysis: Whose embeddings they are.
        tagger: For questions about files; `None` if there are none.

    Raises:
        ConfigError: If the tagger has other weights than the analysis.
    """
    from keras_musictag.insight.fingerprint import fingerprint
    from keras_musictag.insight.similarity import EmbeddingIndex

    if tagger is not None:
        sha256 = fingerprint(tagger, "scores")["sha256"]
        if sha256 != analysis.weights_sha256:
            raise ConfigError(
                "The preset has other weights than the library was built with.",
                received=f"{analysis.preset}: {sha256[:12]}, in the library "
                f"{analysis.weights_sha256[:12]}",
                advice="Build the library again: only this preset is run.",
            )
    faiss = importlib.util.find_spec("faiss") is not None
    engine = "faiss" if faiss else "sklearn"
    return EmbeddingIndex(embeddings, paths, tagger=tagger, engine=engine)
