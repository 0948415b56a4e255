"""`TrackList`: the tracks of a data set with their tags, targets and splits."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from keras_musictag.checks import check_choice
from keras_musictag.data.checking import ON_MISSING, find_problems
from keras_musictag.data.dealing import deal, plain_name
from keras_musictag.data.track import Track, listed
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.labels import Labels


class TrackList(Sequence):
    """The tracks of a data set: paths, tags, targets and splits, but no audio.

    `tracks[3]` is one `Track`; `tracks[2:5]` and every method that chooses tracks
    give a shorter list. A list never changes.

    Args:
        tracks: `Track`s, no two with the same id. Their `tags` do not count:
            they follow from the targets.
        targets: float array `(tracks, labels)`: 1 where a label is true, 0 where it
            is not, NaN where that is unknown; other numbers for regression. `None`
            if there are no labels, as for chords.
        labels: Label names in the order of the columns.
        name: What the data set is called, for messages.
        problems: Files found unusable by `check_files`, with the reason.

    Raises:
        ConfigError: If there is no track, or an id occurs twice.
        LabelError: If the targets do not fit.

    Example:

    ```python
    import keras_musictag as kmt

    track = kmt.data.Track("demo", kmt.audio.demo_path(), split="train")
    tracks = kmt.data.TrackList([track], [[1, 0]], ["jazz", "rock"])
    train = tracks.split("train")
    train.paths, train.targets  # what a pipeline takes
    ```
    """

    def __init__(
        self,
        tracks: Iterable[Track],
        targets=None,
        labels: Iterable[str] | None = None,
        *,
        name: str = "data set",
        problems: Mapping[str, str] | None = None,
    ):
        self._tracks = tuple(tracks)
        self.name = name
        self.problems = dict(problems or {})
        self.labels = None if labels is None else Labels.from_config(labels)
        if not self._tracks:
            raise ConfigError(
                f"The {name} has no tracks.",
                received="an empty list",
                advice="Check the folder, the split and the filter.",
            )
        twice = [key for key, n in Counter(self.ids).items() if n > 1]
        if twice:
            raise ConfigError(
                f"Two tracks of the {name} have the same id.",
                received=listed(map(repr, twice)),
                advice="Give each track its own id.",
            )
        self._names = () if self.labels is None else self.labels.names
        self._targets = self._check_targets(targets)

    def _check_targets(self, targets):
        if targets is None and self.labels is None:
            return None
        columns = len(self._names)
        values = np.asarray([] if targets is None else targets, "float32")
        if values.shape != (len(self._tracks), columns) or not columns:
            raise LabelError(
                "The targets must have a row for each track, a column for each label.",
                received=f"shape {values.shape}, {len(self._tracks)} tracks, "
                f"{columns} labels",
                advice="Give an array of shape (tracks, labels), with its labels.",
            )
        values = values.copy()
        values.flags.writeable = False
        return values

    def __len__(self) -> int:
        return len(self._tracks)

    def __getitem__(self, index):
        if isinstance(index, (int, np.integer)):
            return replace(self._tracks[index], tags=self.take([index]).tags[0])
        if isinstance(index, slice):
            return self.take(range(*index.indices(len(self))))
        return self.take(index)

    def __iter__(self) -> Iterator[Track]:
        pairs = zip(self._tracks, self.tags, strict=True)
        # `replace` takes five times as long, which counts for large data sets.
        return (
            Track(t.id, t.path, tags, t.split, t.member, t.annotation, t.beats, t.key)
            for t, tags in pairs
        )

    def __repr__(self) -> str:
        parts = ", ".join(f"{n} {name}" for name, n in self.splits.items() if name)
        labels = "no labels" if self.labels is None else f"{len(self.labels)} labels"
        parts = f" ({parts})" if parts else ""
        return f"<TrackList {self.name}: {len(self)} tracks{parts}, {labels}>"

    @property
    def ids(self) -> list[str]:
        """Name of each track in the data set."""
        return [track.id for track in self._tracks]

    @property
    def paths(self) -> list[str]:
        """Audio file of each track; the HDF5 file for tracks that lie in one."""
        return [os.fspath(track.path) for track in self._tracks]

    @property
    def tags(self) -> list[tuple[str, ...]]:
        """Labels of each track that are known to be true."""
        names_by_track: list[list[str]] = [[] for _ in self._tracks]
        if self._targets is not None:
            for row, column in np.argwhere(self._targets > 0).tolist():
                names_by_track[row].append(self._names[column])
        return [tuple(names) for names in names_by_track]

    @property
    def targets(self) -> np.ndarray:
        """float32 array `(tracks, labels)`, NaN where a label is unknown; read-only."""
        if self._targets is None:
            raise LabelError(
                f"The {self.name} has no labels to make targets of.",
                received="tracks without tags",
                advice="Use `track.chords()` for chords, or data with tags.",
            )
        return self._targets

    @property
    def splits(self) -> dict[str | None, int]:
        """How many tracks each split has; `None` stands for tracks in no split."""
        return dict(Counter(track.split for track in self._tracks))

    @property
    def is_single_label(self) -> bool:
        """Whether exactly one label is true for each track, and the others are not."""
        values = self._targets
        if values is None or not np.isin(values, (0, 1)).all():
            return False
        return bool((values.sum(axis=1) == 1).all())

    @property
    def classes(self) -> np.ndarray:
        """int array `(tracks,)`: index of the one label of each track."""
        if not self.is_single_label:
            rows = np.flatnonzero((self.targets == 1).sum(axis=1) != 1)
            raise LabelError(
                f"Each track of the {self.name} must have exactly one label.",
                received=f"{len(rows)} others: {listed(self.ids[i] for i in rows)}",
                advice="Use `targets` and a multi-label model.",
            )
        return np.argmax(self.targets, axis=1)

    def take(self, indices) -> "TrackList":
        """Return some of the tracks.

        Args:
            indices: Positions, or a boolean array with one entry for each track.

        Returns:
            A `TrackList`.
        """
        indices = np.asarray(indices)
        if indices.dtype == bool:
            indices = np.flatnonzero(indices)
        indices = indices.astype(int)
        return self._with(
            [self._tracks[i] for i in indices],
            None if self._targets is None else self._targets[indices],
        )

    def filter(self, keep: Callable[[Track], bool]) -> "TrackList":
        """Return the tracks for which a function gives true.

        Args:
            keep: Takes a `Track`, such as `lambda track: "rock" in track.tags`.

        Returns:
            A `TrackList`.

        Raises:
            ConfigError: If none is left.
        """
        return self.take(np.array([bool(keep(track)) for track in self]))

    def split(self, names: str | Iterable[str]) -> "TrackList":
        """Return the tracks of a split.

        Args:
            names: Name of the split, or several. `"validation"`, `"val"` and `"dev"`
                also find `"valid"`, and the other way round.

        Returns:
            A `TrackList`.

        Raises:
            ConfigError: If no track belongs to one of them.
        """
        wanted = {names} if isinstance(names, str) else set(names)
        splits = {plain_name(name): name for name in self.splits if name is not None}
        absent = [name for name in sorted(wanted) if plain_name(name) not in splits]
        if absent or not wanted:
            there = [f"{name} ({n})" for name, n in self.splits.items() if name]
            raise ConfigError(
                f"No track of the {self.name} belongs to the split.",
                received=listed(map(repr, absent)) or "no name",
                advice=f"It has {listed(there, 12)}."
                if there
                else "It has no splits: make them by `random_splits`.",
            )
        plain = {plain_name(name) for name in wanted}
        return self.take(
            [
                i
                for i, t in enumerate(self._tracks)
                if t.split and plain_name(t.split) in plain
            ]
        )

    def with_splits(self, splits: Mapping[str, str]) -> "TrackList":
        """Return the same tracks with other splits.

        Args:
            splits: Name of the split by track id.

        Returns:
            A `TrackList`; tracks that `splits` does not name belong to no split.

        Raises:
            LabelError: If `splits` names a track that is not there: the two are
                then of different releases.
        """
        strangers = sorted(set(splits) - set(self.ids))
        if strangers:
            raise LabelError(
                f"The splits name tracks that the {self.name} does not have.",
                received=f"{len(strangers)} of {len(splits)}: "
                f"{listed(map(repr, strangers))}; the first id here is {self.ids[0]!r}",
                advice="Take splits and data of one release, or leave these ids out.",
            )
        tracks = [replace(t, split=splits.get(t.id)) for t in self._tracks]
        return self._with(tracks, self._targets)

    def random_splits(
        self,
        *,
        train: float = 0.8,
        valid: float = 0.1,
        test: float = 0.1,
        seed: int = 0,
        by: Callable[[Track], object] | None = None,
    ) -> "TrackList":
        """Return the same tracks, dealt out at random.

        Args:
            train, valid, test: Share of each split; together 1.
            seed: Makes it repeatable.
            by: Gives the group of a track, such as its artist; no group is then in
                two splits, and the shares are those of groups.

        Returns:
            A `TrackList`.

        Raises:
            ConfigError: If the shares are not of at least 0 and together 1.
        """
        shares = {"train": train, "valid": valid, "test": test}
        groups = [t.id if by is None else by(t) for t in self]
        dealt = deal(groups, shares, seed)
        pairs = zip(self.ids, groups, strict=True)
        return self.with_splits({key: dealt[group] for key, group in pairs})

    def with_labels(
        self, labels: Iterable[str], *, extra: str = "raise", missing: str = "raise"
    ) -> "TrackList":
        """Return the same tracks with the labels of a model, in its order.

        Args:
            labels: Labels wanted, such as `model.labels`.
            extra: What to do with labels of the data that the model does not have:
                `"raise"` or `"drop"`.
            missing: What to do with labels of the model that the data do not have:
                `"raise"`, or `"unknown"` for targets of NaN.

        Returns:
            A `TrackList`.

        Raises:
            LabelError: If the two sets of labels differ.
        """
        check_choice(extra, ("raise", "drop"), name="extra")
        check_choice(missing, ("raise", "unknown"), name="missing")
        targets, wanted = self.targets, Labels.from_config(labels)
        own = {label: i for i, label in enumerate(self._names)}
        more = [label for label in own if label not in wanted.names]
        less = [label for label in wanted if label not in own]
        if (more and extra == "raise") or (less and missing == "raise"):
            raise LabelError(
                f"The labels of the {self.name} are not those asked for.",
                received=f"only in the data: {listed(map(repr, more)) or 'none'}; "
                f"only asked for: {listed(map(repr, less)) or 'none'}",
                advice='Rename the tags, or pass extra="drop" and missing="unknown".',
            )
        values = np.full((len(self), len(wanted)), np.nan, "float32")
        for column, label in enumerate(wanted):
            if label in own:
                values[:, column] = targets[:, own[label]]
        return self._with(self._tracks, values, wanted)

    def check_files(
        self, on_missing: str = "skip", *, whole: bool = False, workers: int = 8
    ) -> "TrackList":
        """Open every file, and report by name those that cannot be used.

        Args:
            on_missing: `"skip"` leaves such tracks out and warns; `"warn"` only
                warns; `"raise"` is an error.
            whole: Whether to decode each file to its end; otherwise it is opened and
                its first moment decoded, and chord files are read.
            workers: How many threads do that.

        Returns:
            A `TrackList`, whose `problems` has the reason by path for each bad file.

        Raises:
            AudioError: If a file is bad and `on_missing` is `"raise"`, or all are.
        """
        check_choice(on_missing, ON_MISSING, name="on_missing")
        bad = find_problems(
            self._tracks, self.name, on_missing, whole=whole, workers=workers
        )
        if not bad:
            return self
        kept = self
        if on_missing == "skip":
            kept = self.take([i for i in range(len(self)) if i not in bad])
        problems = {self._place(i): reason for i, reason in bad.items()}
        return TrackList(
            kept._tracks,
            kept._targets,
            self.labels,
            name=self.name,
            problems={**self.problems, **problems},
        )

    def class_weights(self) -> dict[int, float]:
        """Return weights that make up for classes of different sizes.

        Returns:
            Weight by label index, for `fit(class_weight=...)`: tracks / (labels x
            tracks of the label), as scikit-learn's `"balanced"`.

        Raises:
            LabelError: If tracks have other than one label, or a label no track.
        """
        counts = np.bincount(self.classes, minlength=self.targets.shape[1])
        self._refuse_unused(counts == 0)
        weights = len(self) / (len(counts) * counts)
        return dict(enumerate(weights.tolist()))

    def positive_weights(self, *, unused: float | None = None) -> np.ndarray:
        """Return how much rarer than its absence each label is.

        Args:
            unused: Weight of a label that no track has; `None` makes it an error.

        Returns:
            float32 array `(labels,)`: tracks known to lack the label / tracks that
            have it, the weight of positives in a binary cross-entropy.

        Raises:
            LabelError: If a label has no positive track and `unused` is `None`.
        """
        positive = (self.targets > 0).sum(axis=0)
        negative = (self.targets <= 0).sum(axis=0)
        if unused is None:
            self._refuse_unused(positive == 0)
        weights = negative / np.maximum(positive, 1)
        return np.where(positive > 0, weights, unused or 0.0).astype("float32")

    def _refuse_unused(self, unused) -> None:
        if unused.any():
            names = [repr(self._names[i]) for i in np.flatnonzero(unused)]
            raise LabelError(
                f"No track of the {self.name} has the label: all are negative.",
                received=f"{len(names)} of {len(self._names)} labels: {listed(names)}",
                advice="Check the spelling of the tags, drop these labels by "
                '`with_labels(..., extra="drop")`, or choose another split.',
            )

    def _place(self, index) -> str:
        track = self._tracks[index]
        inside = "" if track.member is None else f"::{track.member}"
        return os.fspath(track.path) + inside

    def _with(self, tracks, targets, labels=None) -> "TrackList":
        labels = self.labels if labels is None else labels
        return TrackList(
            tracks, targets, labels, name=self.name, problems=self.problems
        )
