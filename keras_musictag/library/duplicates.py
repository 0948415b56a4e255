"""Recordings that a library has more than once, whatever their format and rate."""

from typing import Any

import numpy as np

from keras_musictag.errors import ConfigError
from keras_musictag.library import neighbours, queries
from keras_musictag.library.store import Store

SIMILARITY, SECONDS = 0.97, 1.0
BLOCK = 1024  # tracks that are compared with others at once


def find(
    store: Store,
    similarity: float,
    seconds: float,
    where: str | None,
    preset: str | None,
) -> Any:
    """Find what `Library.duplicates` tells."""
    import pyarrow as pa

    _check("similarity", similarity, 1, "The cosine of two embeddings, such as 0.97.")
    _check("seconds", seconds, 3600, "How far lengths may be apart, such as 1.")
    analysis = neighbours.embedding_analysis(store, preset)
    columns = ("path", "duration", "size", "sha256", "silent")
    rows = queries.select(store, where, columns=columns)
    paths, embeddings = neighbours.read_embeddings(store, analysis)
    row_of = {path: i for i, path in enumerate(paths)}
    heard = [
        bool(path in row_of and not silent)
        for path, silent in zip(
            rows["path"].to_pylist(), rows["silent"].to_pylist(), strict=True
        )
    ]
    rows = rows.filter(pa.array(heard, pa.bool_())).drop_columns(["silent"])
    chosen = [row_of[path] for path in rows["path"].to_pylist()]
    units = embeddings[np.array(chosen, "int64")]
    units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    durations = rows["duration"].to_numpy()
    pairs = [*_alike(units, durations, similarity, seconds), *_same(rows["sha256"])]
    return _table(rows, units, _groups(len(rows), pairs))


def _check(name: str, value: float, most: float, advice: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= most:
        raise ConfigError(
            f"`{name}` must be a number from 0 to {most}.",
            received=f"{name}={value!r}",
            advice=advice,
        )


def _alike(units, durations, similarity: float, seconds: float):
    """Yield pairs of tracks that are nearly equally long and sound the same."""
    order = np.argsort(durations, kind="stable")
    lengths = durations[order]
    for begin in range(0, len(order), BLOCK):
        end = min(begin + BLOCK, len(order))
        last = int(np.searchsorted(lengths, lengths[end - 1] + seconds, "right"))
        cosines = units[order[begin:end]] @ units[order[begin:last]].T
        apart = lengths[begin:last] - lengths[begin:end, None]
        near = (cosines >= similarity) & (apart >= 0) & (apart <= seconds)
        for one, other in np.argwhere(near) + begin:
            if one != other:
                yield order[one], order[other]


def _same(hashes):
    """Yield pairs of files with the same content."""
    first: dict[str, int] = {}
    for i, digest in enumerate(hashes.to_pylist()):
        if digest is not None and first.setdefault(digest, i) != i:
            yield first[digest], i


def _groups(count: int, pairs) -> list[list[int]]:
    """Bring together what pairs connect; tracks that are alone are left out."""
    root = list(range(count))

    def find_root(i: int) -> int:
        while root[i] != i:
            root[i] = i = root[root[i]]
        return i

    for one, other in pairs:
        one, other = sorted((find_root(int(one)), find_root(int(other))))
        root[other] = one
    members: dict[int, list[int]] = {}
    for i in range(count):
        members.setdefault(find_root(i), []).append(i)
    return [group for group in members.values() if len(group) > 1]


def _table(rows: Any, units: np.ndarray, groups: list[list[int]]) -> Any:
    import pyarrow as pa

    sizes = rows["size"].to_numpy()
    numbers, order, cosines = [], [], []
    for number, group in enumerate(groups, 1):
        group = sorted(group, key=lambda i: -sizes[i])
        numbers += [number] * len(group)
        order += group
        cosines += (units[group] @ units[group[0]]).tolist()
    table = rows.take(pa.array(order, pa.int64())).drop_columns(["sha256"])
    table = table.add_column(0, "group", pa.array(numbers, pa.int32()))
    return table.append_column("similarity", pa.array(cosines, pa.float32()))
