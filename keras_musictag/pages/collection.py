"""A page about a collection: a map in which what sounds alike lies side by side."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

import keras_musictag
from keras_musictag.checks import check_positive_int
from keras_musictag.chords import camelot
from keras_musictag.errors import ConfigError
from keras_musictag.pages.rendering import render
from keras_musictag.plotting import lay_out


def collection_map(
    embeddings,
    names: Sequence[str],
    *,
    files: Sequence | None = None,
    tags: tuple[Sequence[str], np.ndarray] | None = None,
    keys: Sequence[str | None] | None = None,
    method: str = "tsne",
    seed: int = 0,
    n_neighbors: int = 10,
    title: str = "A collection of music",
) -> str:
    """Write a page with a map of a collection, to wander in.

    One HTML file that works offline: tracks as points, coloured by a tag or by key,
    names under the pointer, search, what sounds alike, click to play, and a playlist
    that leads from one track to another in small steps, saved as M3U. The music stays
    where it is; the page only names the files.

    Args:
        embeddings: Shape `(tracks, units)`, three tracks or more, see
            `MusicTagger.embed`.
        names: What each track is called.
        files: Where each track lies: an absolute path, or one relative to the page.
            `None` for a map without sound and playlists.
        tags: Label names, and scores in [0, 1] of shape `(tracks, n_labels)`.
        keys: The key of each track, such as `"A:min"`, or `None`.
        method: `"tsne"`, which puts what is alike side by side, or `"pca"`, quicker,
            which keeps large distances.
        seed: Of t-SNE.
        n_neighbors: How many similar tracks the page knows of each one.
        title: The heading.

    Returns:
        The page, to be written as UTF-8.

    Raises:
        ConfigError: If lengths do not fit each other, or an argument cannot work.
        LabelError: If a key is none.
        MissingExtraError: If Jinja is not installed.

    References:
        - van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008.

    Example:

    ```python
    from pathlib import Path
    import numpy as np
    import keras_musictag as kmt

    embeddings = np.random.default_rng(0).normal(size=(40, 200))
    names = [f"song {i}" for i in range(40)]
    page = kmt.pages.collection_map(embeddings, names, method="pca")
    Path("map.html").write_text(page, encoding="utf-8")
    ```
    """
    embeddings, names = np.asarray(embeddings, "float64"), [str(n) for n in names]
    labels, scores = ([], np.zeros((len(names), 0))) if tags is None else tags
    scores = np.asarray(scores, "float64")
    lengths = {
        "names": len(names),
        "scores": len(scores),
        "files": len(names if files is None else files),
        "keys": len(names if keys is None else keys),
    }
    fits = scores.ndim == 2 and scores.shape[1] == len(labels)
    if set(lengths.values()) != {len(embeddings)} or not fits:
        raise ConfigError(
            "A map needs one of each for every track.",
            received=f"{len(embeddings)} embeddings, {lengths}, scores "
            f"{scores.shape} of {len(labels)} labels",
            advice="Leave out the tracks that could not be read everywhere.",
        )
    n_neighbors = check_positive_int(n_neighbors, name="n_neighbors")
    points = lay_out(embeddings, method=method, seed=seed)
    places, likeness = _neighbors(embeddings, n_neighbors)
    data = {
        "names": names,
        "files": [_address(file) for file in files or []],
        "labels": [str(label) for label in labels],
        "keys": [key and camelot(key) for key in keys or []],
        "points": _packed(_within_one(points), "<f4"),
        "scores": _packed(np.clip(np.nan_to_num(scores), 0, 1) * 255, "u1"),
        "neighbors": _packed(places, "<i4"),
        "likeness": _packed(likeness, "<f4"),
        "bridges": _bridges(embeddings, places),
    }
    return render(
        "map.html",
        "collection_map()",
        title=title,
        data=data,
        version=keras_musictag.__version__,
    )


def _neighbors(embeddings: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The most similar other tracks of each, best first, and their cosines."""
    from sklearn.neighbors import NearestNeighbors

    count = min(count, len(embeddings) - 1)
    search = NearestNeighbors(n_neighbors=count, metric="cosine").fit(embeddings)
    distances, places = search.kneighbors()  # without a query, itself is left out
    return places, 1 - distances


def _bridges(embeddings: np.ndarray, places: np.ndarray) -> list[list[float]]:
    """The links that make one net of all tracks: `[from, to, cosine]`.

    Neighbours of neighbours may never leave an island; each gets one bridge, between
    the two tracks that are most alike, so that there is a path from any to any.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    rows = embeddings / np.maximum(length, 1e-12)
    count = len(rows)
    ends = np.repeat(np.arange(count), places.shape[1]), places.reshape(-1)
    net = coo_array((np.ones(places.size), ends), shape=(count, count))
    island = connected_components(net, directed=False)[1]
    bridges = []
    while island.max() > 0:
        names, sizes = np.unique(island, return_counts=True)
        here = island == names[sizes.argmin()]
        inside, outside = np.flatnonzero(here), np.flatnonzero(~here)
        likeness = rows[inside] @ rows[outside].T
        i, j = np.unravel_index(likeness.argmax(), likeness.shape)
        bridges.append([int(inside[i]), int(outside[j]), float(likeness[i, j])])
        island[inside] = island[outside[j]]
        island = np.unique(island, return_inverse=True)[1]
    return bridges


def _within_one(points: np.ndarray) -> np.ndarray:
    """Centre the points and shrink them to [-1, 1], equally along both axes."""
    points = points - (points.min(axis=0) + points.max(axis=0)) / 2
    return points / max(np.abs(points).max(), 1e-12)


def _address(file) -> str:
    path = Path(os.fspath(file))
    if "://" in str(file):
        return str(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _packed(values: np.ndarray, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()
