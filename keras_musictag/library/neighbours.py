"""Tracks that resemble one: the embeddings of a library, and what is near in them."""

import dataclasses
import importlib.util
import numbers
import os
from typing import Any

import numpy as np

from keras_musictag.checks import check_positive
from keras_musictag.errors import ConfigError
from keras_musictag.library import queries, schema
from keras_musictag.library.addresses import as_text
from keras_musictag.library.jobs import READER, Analysis
from keras_musictag.library.scanning import absolute
from keras_musictag.library.store import Store

# What is not wanted counts half as much as what is, so that it does not lead away.
UNLIKE = 0.5
# In the folder of a library: reads texts without Keras.
TEXT_FILE = "text.onnx"


def embedding_analysis(
    store: Store, preset: str | None, *, reads: bool = False
) -> Analysis:
    """Return the analysis whose embeddings are meant.

    Args:
        store: The library.
        preset: Name or preset of a tagger; `None` for the first that has any.
        reads: Whether they must be in a space that texts lie in as well.

    Raises:
        ConfigError: If there are no such embeddings.
    """
    for analysis in store.analyses:
        named = preset in (None, analysis.name, analysis.preset)
        if analysis.units and named and (analysis.reads or not reads):
            return analysis
    if reads:
        raise ConfigError(
            "The library holds no embeddings that words can be compared with.",
            received=f"preset={preset!r}",
            advice="Add them: keras-musictag library build MUSIC --out "
            f"{store.folder} --preset {READER}",
        )
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


@dataclasses.dataclass(frozen=True)
class Wish:
    """What tracks are to be like.

    Args:
        like: Paths of tracks or audio files, embeddings `(units,)`, or one of these; a
            dict gives each path its weight.
        unlike: The same for what they shall not be like.
        text: What they shall sound like in words; `None` for nothing.
        text_model: What reads the text, as in `Library.search`.
    """

    like: Any = None
    unlike: Any = None
    text: str | None = None
    text_model: Any = None

    def parts(self) -> list[tuple[Any, float]]:
        """Return each track that is named, and its weight, which may be negative."""
        found = []
        for given, sign in ((self.like, 1.0), (self.unlike, -UNLIKE)):
            items = _weighted(given)
            total = sum(weight for _, weight in items)
            found += [(item, sign * weight / total) for item, weight in items]
        return found

    @property
    def simple(self) -> bool:
        """Whether it is one track and nothing else."""
        return self.text is None and self.unlike is None and len(self.parts()) == 1


def _weighted(given: Any) -> list[tuple[Any, float]]:
    """Return what is named with its weight."""
    if given is None:
        return []
    if isinstance(given, dict):
        return [(k, check_positive(w, name=f"weight of {k}")) for k, w in given.items()]
    # A list of numbers is one embedding.
    several = isinstance(given, (list, tuple)) and not (
        given and isinstance(given[0], numbers.Real)
    )
    return [(item, 1.0) for item in (given if several else [given])]


def nearest(
    store: Store, tracks: Any, wish: Wish, limit: int, preset: str | None
) -> Any:
    """Choose the tracks that are most like what is wished for.

    Args:
        store: The library.
        tracks: `pyarrow.Table` of those to choose from.
        wish: What they are to be like.
        limit, preset: As in `Library.search`.

    Returns:
        The table, the nearest first, with a column `similarity`.

    Raises:
        ConfigError: If there are no embeddings, or none that words compare with.
        AudioError: If what is named is no usable audio.
    """
    import pyarrow as pa

    analysis = embedding_analysis(store, preset, reads=wish.text is not None)
    paths, embeddings = read_embeddings(store, analysis, include_missing=True)
    row_of = {path: i for i, path in enumerate(tracks.column("path").to_pylist())}
    kept = [i for i, path in enumerate(paths) if path in row_of]
    if not wish.simple:
        # What is heard in silence means nothing, and might lie near any words.
        silent = tracks.column("silent").to_pylist()
        lengths = np.linalg.norm(embeddings, axis=1)
        kept = [i for i in kept if lengths[i] and not silent[row_of[paths[i]]]]
    similar: list[tuple[str, float]] = []
    if kept:
        model = _Listener(store, analysis, dict(zip(paths, embeddings, strict=True)))
        query = model.query(wish)
        index = make_index(
            embeddings[kept], [paths[i] for i in kept], analysis, model.tagger
        )
        similar = index.query(query, limit)
    result = tracks.take([row_of[path] for path, _ in similar])
    similarities = pa.array([value for _, value in similar], pa.float32())
    return result.append_column("similarity", similarities)


class _Listener:
    """Turns wishes into a vector; loads the model only for what is not known yet."""

    def __init__(self, store: Store, analysis: Analysis, known: dict[str, np.ndarray]):
        self.analysis, self.known = analysis, known
        self.text_file = store.folder / TEXT_FILE
        self.tagger: Any = None

    def query(self, wish: Wish) -> Any:
        """Return what to ask an `EmbeddingIndex` about, an embedding."""
        if wish.simple:
            return self._embedding(wish.parts()[0][0])
        total = np.zeros(self.analysis.units or 0, "float32")
        for item, weight in wish.parts():
            total += weight * _unit(self._embedding(item))
        if wish.text is not None:
            reader = self._reader(wish.text_model) or self._loaded()
            total += _unit(reader.embed_text(wish.text))
        return total

    def _reader(self, given: Any) -> Any:
        """Return the exported text tower; `None` if the tagger has to read."""
        if given is None:
            if not self.text_file.is_file():
                return None
            given = self.text_file
        from keras_musictag.export.texts import OnnxTextEncoder

        reader = given if hasattr(given, "embed_text") else OnnxTextEncoder(given)
        sha256 = reader.metadata["tagger_sha256"]
        if sha256 != self.analysis.weights_sha256:
            raise _other_weights(self.analysis, f"text model of {sha256[:12]}")
        return reader

    def _embedding(self, item) -> np.ndarray:
        if not isinstance(item, (str, os.PathLike)):
            return np.asarray(item)
        path = os.path.expanduser(os.fspath(item))
        text = as_text(absolute(path))
        if text in self.known:  # without a model
            return self.known[text]
        return np.asarray(self._loaded().embed(path))

    def _loaded(self):
        if self.tagger is None:
            # Here, because it starts the backend.
            from keras_musictag.models.tagger import MusicTagger

            self.tagger = MusicTagger.from_pretrained(self.analysis.preset)
        return self.tagger


def _other_weights(analysis: Analysis, received: str) -> ConfigError:
    return ConfigError(
        "The preset has other weights than the library was built with.",
        received=f"{received}, in the library {analysis.weights_sha256[:12]}",
        advice="Build the library again: only this preset is run. A text model is "
        f"exported from it: keras-musictag export {analysis.preset} "
        f"{TEXT_FILE} --text",
    )


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(np.linalg.norm(vector), np.finfo("float32").tiny)


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
            raise _other_weights(analysis, f"{analysis.preset}: {sha256[:12]}")
    faiss = importlib.util.find_spec("faiss") is not None
    engine = "faiss" if faiss else "numpy"
    return EmbeddingIndex(embeddings, paths, tagger=tagger, engine=engine)
