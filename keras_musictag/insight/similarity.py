"""Which tracks sound alike: nearest neighbours among embeddings."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from keras_musictag.audio.arrays import is_array
from keras_musictag.checks import check_choice, check_positive_int, open_file
from keras_musictag.errors import (
    AudioError,
    ConfigError,
    import_extra,
)
from keras_musictag.insight.fingerprint import fingerprint
from keras_musictag.replacing import replacing
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import TRACK_ERRORS

ENGINES = ("numpy", "sklearn", "faiss")
VERSION = 1


class EmbeddingIndex:
    """Finds the tracks of a collection that sound like another one.

    Similarity is the cosine of the angle between two embeddings: 1 for the same
    direction, 0 for nothing in common, down to -1. How loud or long a track is hardly
    matters.

    `EmbeddingIndex.build(tagger, paths)` makes one from music,
    `EmbeddingIndex(embeddings, ids)` from any vectors.

    Args:
        embeddings: Shape `(tracks, units)`.
        ids: A name for each track, none twice; paths are kept as text.
        tagger: What makes embeddings of files to be asked about; `None` for asking
            about vectors and ids alone.
        layer: The endpoint of the tagger that the embeddings come from.
        engine: `"numpy"`; `"sklearn"`, much slower; or `"faiss"`, for many questions
            at once (needs the package `faiss-cpu` or `faiss-gpu`).

    Attributes:
        ids: List of the names.
        embeddings: float32 array `(tracks, units)`, each row of length 1.
        failed: For each track that `build` left out, what was wrong with it.

    Raises:
        ConfigError: If shapes or names do not fit.
        MissingExtraError: If FAISS is asked for and not installed.

    Example:

    ```python
    import keras_musictag as kmt

    tagger = kmt.MusicnnTagger.from_pretrained()
    index = kmt.EmbeddingIndex.build(tagger, [kmt.audio.demo_path()])
    index.query(kmt.audio.demo_path(), 1)  # [(".../demo.ogg", 1.0)]
    index.save("songs.npz")
    again = kmt.EmbeddingIndex.load("songs.npz", tagger)
    ```
    """

    def __init__(
        self,
        embeddings,
        ids: Iterable,
        *,
        tagger=None,
        layer: str = "penultimate",
        engine: str = "numpy",
    ):
        check_choice(engine, ENGINES, name="engine")
        self.ids = [str(name) for name in ids]
        rows = _rows(embeddings, None)
        if len(rows) != len(self.ids) or len(set(self.ids)) < len(self.ids):
            raise ConfigError(
                "`ids` must name each embedding once.",
                received=f"{len(self.ids)} ids, {len(set(self.ids))} of them "
                f"different, for {len(rows)} embeddings",
                advice="Give one name for each row, and each row once.",
            )
        self.embeddings = _of_length_one(rows)
        self.tagger, self.layer, self.engine = tagger, layer, engine
        self.model = None if tagger is None else fingerprint(tagger, layer)
        self.failed: dict[str, str] = {}
        self._search = SEARCHES[engine](self.embeddings)

    @classmethod
    def build(
        cls,
        tagger,
        tracks,
        *,
        ids: Iterable | None = None,
        sample_rate: int | None = None,
        layer: str = "penultimate",
        batch_size: int | None = None,
        engine: str = "numpy",
    ) -> "EmbeddingIndex":
        """Listen to a collection.

        Args:
            tagger: A `MusicTagger`.
            tracks: Paths, or arrays, which need `ids`.
            ids: A name for each track; `None` for the paths.
            sample_rate: Of arrays, in Hz; `None` means the model's own.
            layer: The endpoint whose values are compared, see `tagger.endpoints`.
            batch_size: Chunks per forward pass.
            engine: As in the constructor.

        Returns:
            The index. A track that cannot be read is left out, with an
            `AudioWarning`; `failed` holds the reason.

        Raises:
            AudioError: If no track can be read.
            ConfigError: If an argument cannot work.

        Example: see `EmbeddingIndex`.
        """
        tracks = sources.as_tracks(list(tracks))[0]
        if not tracks:
            raise AudioError(
                "There are no tracks to listen to.",
                received="an empty list",
                advice="Find them by `kmt.audio.find_files(folder)`.",
            )
        names = [str(name) for name in (tracks if ids is None else ids)]
        if ids is None and not all(isinstance(t, (str, os.PathLike)) for t in tracks):
            raise ConfigError(
                "Arrays and open files need names.",
                received="ids=None",
                advice="Pass `ids`, one name for each track.",
            )
        if len(names) != len(tracks):
            raise ConfigError(
                "There must be one id for each track.",
                received=f"{len(names)} ids for {len(tracks)} tracks",
                advice="Give both in the same order.",
            )
        embedded, failed = _embed_each(
            tagger, tracks, sample_rate, layer=layer, batch_size=batch_size
        )
        if not embedded:
            raise AudioError(
                "No track can be read.",
                received=f"{len(tracks)} tracks"
                + "".join(f"; {names[i]}: {why}" for i, why in [*failed.items()][:1]),
                advice="Check the paths.",
            )
        kept = [names[i] for i in embedded]
        rows = np.stack(list(embedded.values()))
        index = cls(rows, kept, tagger=tagger, layer=layer, engine=engine)
        index.failed = {names[i]: why for i, why in failed.items()}
        return index

    def __len__(self) -> int:
        return len(self.ids)

    def query(self, source, k: int = 10, *, sample_rate: int | None = None):
        """Find what is most similar to a track or a vector.

        Args:
            source: A path, an open file, an array `(samples,)` with its
                `sample_rate`, or an embedding `(units,)` without one; several
                embeddings `(queries, units)`.
            k: How many at most.
            sample_rate: Of an array of samples, in Hz.

        Returns:
            List of `(id, similarity)`, best first; of equal ones, the earlier first.
            A list of such lists for several embeddings.

        Raises:
            AudioError: If `source` is not usable audio.
            ConfigError: If an embedding has another length, or the index has no
                tagger to hear a file with.

        Example: see `EmbeddingIndex`.
        """
        k = check_positive_int(k, name="k")
        single = True
        if is_array(source) and sample_rate is None:
            single = np.ndim(source) == 1
            rows = _rows(np.atleast_2d(source), self.embeddings.shape[1])
        else:
            rows = self._heard(source, sample_rate)
        places, values = self._search(_of_length_one(rows), min(k, len(self)))
        neighbours = [self._named(*pair) for pair in zip(places, values, strict=True)]
        return neighbours[0] if single else neighbours

    def similar_to(self, name, k: int = 10) -> list[tuple[str, float]]:
        """Find what is most similar to a track of the collection, itself left out.

        Args:
            name: Its id.
            k: How many at most.

        Returns:
            List of `(id, similarity)`, best first.

        Raises:
            ConfigError: If there is no such track.
        """
        k = check_positive_int(k, name="k")
        if str(name) not in self.ids:
            raise ConfigError(
                "There is no such track in the index.",
                received=repr(str(name)),
                advice=f"There are {len(self)}, such as {self.ids[:3]}.",
            )
        own = self.embeddings[self.ids.index(str(name))]
        return [item for item in self.query(own, k + 1) if item[0] != str(name)][:k]

    def save(self, path) -> Path:
        """Write the index to one file.

        Args:
            path: The file, `.npz`: the arrays `embeddings` and `ids`, and the text
                `description` (JSON), which names the model. Nothing in it is ever
                executed when it is read.

        Returns:
            The path.

        Raises:
            ConfigError: If the name has another ending, or it cannot be written.
        """
        path = Path(path)
        description = {"version": VERSION, "layer": self.layer, "model": self.model}
        _check_ending(path)
        arrays: dict[str, Any] = {
            "embeddings": self.embeddings,
            "ids": np.array(self.ids, dtype=str),
            "description": np.array(json.dumps(description)),
        }
        try:
            with replacing(path) as part, open(part, "wb") as file:
                np.savez_compressed(file, **arrays)
        except OSError as error:
            raise ConfigError(
                "The index cannot be written.",
                received=f"{path}: {error.strerror or error}",
                advice="Name a file in a folder that exists and may be written.",
            ) from error
        return path

    @classmethod
    def load(cls, path, tagger=None, *, engine: str = "numpy") -> "EmbeddingIndex":
        """Read an index.

        Args:
            path: A file made by `save`.
            tagger: The one that built it, for asking about files; `None` for vectors
                and ids alone.
            engine: As in the constructor.

        Returns:
            The index.

        Raises:
            ConfigError: If the file is none, or was built by another model: its
                embeddings say nothing about those of this one.
        """
        path = Path(path)
        _check_ending(path)
        try:
            with open_file(path) as file, np.load(file, allow_pickle=False) as arrays:
                embeddings, ids = arrays["embeddings"], arrays["ids"].tolist()
                description = json.loads(str(arrays["description"]))
                layer, model = description["layer"], description["model"]
                version = description["version"]
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise ConfigError(
                "This is no index of embeddings that can be read.",
                received=f"{path}: {type(error).__name__}: {error}",
                advice="Give a file made by `EmbeddingIndex.save`.",
            ) from error
        if version != VERSION:
            raise ConfigError(
                "The index has another version.",
                received=f"version {version} in {path}, known is {VERSION}",
                advice="Upgrade keras-musictag, or build the index again.",
            )
        own = tagger and fingerprint(tagger, layer)
        if tagger is not None and own != model:
            raise ConfigError(
                "The index was built by another model.",
                received=f"{path} by {_shown(model)}, asked with {_shown(own)}",
                advice="Load that model, or build the index again.",
            )
        index = cls(embeddings, ids, tagger=tagger, layer=layer, engine=engine)
        index.model = model
        return index

    def _heard(self, source, sample_rate):
        if self.tagger is None:
            raise ConfigError(
                "The index has no tagger to hear music with.",
                received=f"{type(source).__name__}, tagger=None",
                advice="Pass `tagger` to `load`, or ask with an embedding.",
            )
        heard = self.tagger.embed(source, sample_rate, layer=self.layer)
        return _rows(np.asarray(heard)[None], self.embeddings.shape[1])

    def _named(self, places, values):
        order = np.lexsort((places, -values))
        return [(self.ids[places[i]], float(values[i])) for i in order]


def _embed_each(tagger, tracks, sample_rate, **options):
    """Embeddings by place, and what is wrong with the other tracks by place."""
    embedded, failed = {}, {}
    heard = tagger.embed(tracks, sample_rate, **options) if len(tracks) > 1 else [None]
    for place, row in enumerate(heard):
        try:
            # Once more alone, where the answer is the error itself.
            row = (
                tagger.embed(tracks[place], sample_rate, **options)
                if row is None
                else row
            )
        except TRACK_ERRORS as error:
            failed[place] = str(error)
        else:
            embedded[place] = row
    return embedded, failed


def _check_ending(path: Path) -> None:
    if path.suffix.lower() != ".npz":
        raise ConfigError(
            "An index is a file that ends in .npz.",
            received=str(path),
            advice="Give the file this ending.",
        )


def _rows(embeddings, units: int | None) -> np.ndarray:
    """Return embeddings as float32 `(tracks, units)`, or refuse them."""
    rows = np.asarray(embeddings, "float32")
    fits = rows.ndim == 2 and rows.size and units in (None, rows.shape[1])
    if not fits or not np.isfinite(rows).all():
        wanted = "units" if units is None else units
        raise ConfigError(
            f"Embeddings must be finite numbers of shape (tracks, {wanted}).",
            received=f"shape {rows.shape}, {np.sum(~np.isfinite(rows))} not finite",
            advice="Use those of the layer that the index was built from; samples "
            "need `sample_rate`.",
        )
    return rows


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, np.finfo("float32").tiny)


def _shown(model: dict | None) -> str:
    if not model:
        return "no model"
    return f"{model['preset'] or model['class']} ({model['sha256'][:12]})"


def _numpy(embeddings):
    def nearest(row, k):
        values = embeddings @ row
        places = np.argpartition(values, -k)[-k:]
        places = places[np.lexsort((places, -values[places]))]
        return places, values[places]

    def search(rows, k):
        found = [nearest(row, k) for row in rows]
        return [places for places, _ in found], [values for _, values in found]

    return search


def _scikit_learn(embeddings):
    from sklearn.neighbors import NearestNeighbors

    engine = NearestNeighbors(metric="cosine", algorithm="brute").fit(embeddings)

    def search(rows, k):
        distances, places = engine.kneighbors(rows, k)
        return places, 1 - distances

    return search


def _faiss(embeddings):
    faiss = import_extra("faiss", "faiss", 'engine="faiss"')
    engine = faiss.IndexFlatIP(embeddings.shape[1])
    engine.add(embeddings)

    def search(rows, k):
        values, places = engine.search(rows, k)
        return places, values

    return search


SEARCHES = {"numpy": _numpy, "sklearn": _scikit_learn, "faiss": _faiss}
