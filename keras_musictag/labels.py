"""Label lists in output order, with the group and the prior of each label."""

from collections.abc import Iterable, Sequence

from keras_musictag.checks import did_you_mean
from keras_musictag.errors import LabelError

GROUPS = ("genre", "mood", "instrument", "vocals", "era", "rhythm", "sound")
NO_GROUP = "labels"  # what labels without a group are called where groups are shown


class Labels(Sequence):
    """An immutable list of label names, in the order of a model's outputs.

    It behaves like a list of strings (`labels[3]`, `len(labels)`,
    `"piano" in labels`, `labels == ["rock", "pop"]`) and knows more about each:

    Args:
        names: The label names, each a non-empty string, none twice.
        groups: For each name its group, such as `"genre"`, or `None`.
        priors: For each name the share of training items that carry it, in
            [0, 1]; `None` when the counts are not known.

    Raises:
        LabelError: If names repeat or are empty, or the lengths differ.

    Example:

    ```python
    labels = Labels(["rock", "piano"], groups=["genre", "instrument"])
    labels.index("piano")  # 1
    labels.select(["genre"])  # [0]
    ```
    """

    def __init__(
        self,
        names: Iterable[str],
        groups: Iterable[str | None] | None = None,
        priors: Iterable[float] | None = None,
    ):
        if isinstance(names, str):
            raise LabelError(
                "Labels must be a list of names.",
                received=repr(names),
                advice=f"Pass a list, for example [{names!r}].",
            )
        self.names = tuple(names)
        self.groups = tuple(groups) if groups is not None else (None,) * len(self.names)
        self.priors = tuple(map(float, priors)) if priors is not None else None
        self._check()

    def _check(self) -> None:
        bad = [n for n in self.names if not isinstance(n, str) or not n.strip()]
        if bad or not self.names:
            raise LabelError(
                "Labels must be non-empty strings, at least one of them.",
                received=repr(bad[0]) if bad else "no label",
                advice='Pass names such as ["rock", "piano"].',
            )
        if len(set(self.names)) < len(self.names):
            twice = sorted({n for n in self.names if self.names.count(n) > 1})
            raise LabelError(
                "Each label may occur only once.",
                received=f"repeated labels {twice}",
                advice="Remove or rename the repeated ones.",
            )
        for what, values in (("groups", self.groups), ("priors", self.priors)):
            if values is not None and len(values) != len(self.names):
                raise LabelError(
                    f"There must be as many {what} as labels.",
                    received=f"{len(values)} {what} for {len(self.names)} labels",
                    advice=f"Give one entry of {what} for each label, in order.",
                )

    def __getitem__(self, index):
        return self.names[index]

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other) -> bool:
        if isinstance(other, Labels):
            return self.to_config() == other.to_config()
        if isinstance(other, (list, tuple)):
            return self.names == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.names)

    def __repr__(self) -> str:
        return f"Labels({list(self.names)!r})"

    def select(self, groups: Iterable[str] | str | None) -> list[int]:
        """Return the indices of the labels that belong to some groups.

        Args:
            groups: One group, several, or `None` for all labels.

        Returns:
            Indices in output order.

        Raises:
            LabelError: If no label has such a group.
        """
        if groups is None:
            return list(range(len(self)))
        wanted = {groups} if isinstance(groups, str) else set(groups)
        own_groups = {group for group in self.groups if group is not None}
        if wanted - own_groups or not wanted:
            raise LabelError(
                "No label belongs to such a group.",
                received=f"groups={sorted(wanted - own_groups) or sorted(wanted)}",
                advice=f"Choose from {sorted(own_groups)}."
                if own_groups
                else "This model's labels have no groups: leave `groups` out.",
            )
        return [i for i, group in enumerate(self.groups) if group in wanted]

    def columns(self, what: str) -> list[int]:
        """Return the places of one label, or of what a group says to be there.

        Args:
            what: A label, or a group; if both are called so, the label. Labels of a
                group that tell of its absence are left out: `"no vocals"` and
                `"instrumental"` of `"vocals"`.

        Returns:
            Indices in output order.

        Raises:
            LabelError: If there is no such label or group.
        """
        if what in self:
            return [self.index(what)]
        groups = sorted({group for group in self.groups if group})
        if what in groups:
            present = [i for i in self.select(what) if not _is_absence(self[i])]
            return present or self.select(what)
        raise LabelError(
            "There is no such label, and no such group of labels.",
            received=repr(what),
            advice=did_you_mean(what, [*groups, *self]),
        )

    def take(self, columns: Iterable[int]) -> "Labels":
        """Return labels of some places alone, with their groups and priors.

        Args:
            columns: The places, in the order that the new ones shall have.
        """
        places, priors = list(columns), self.priors
        return Labels(
            [self.names[i] for i in places],
            [self.groups[i] for i in places],
            None if priors is None else [priors[i] for i in places],
        )

    def to_config(self) -> dict:
        """Return plain lists from which `from_config` makes the same labels."""
        config: dict = {"names": list(self.names)}
        if any(group is not None for group in self.groups):
            config["groups"] = list(self.groups)
        if self.priors is not None:
            config["priors"] = list(self.priors)
        return config

    @classmethod
    def from_config(cls, config) -> "Labels":
        """Make labels from a list of names, a `to_config()` dict, or labels.

        Args:
            config: `Labels`, a list of names, or a dict with `names` and
                optionally `groups` and `priors`.

        Returns:
            The `Labels`.

        Raises:
            LabelError: If there are no names in it, or something else.
        """
        if isinstance(config, cls):
            return config
        items = config if isinstance(config, dict) else {"names": config}
        try:
            return cls(items["names"], items.get("groups"), items.get("priors"))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, LabelError):
                raise
            raise LabelError(
                "The labels are malformed.",
                received=f"{type(error).__name__}: {error}",
                advice="Give a list of names, or a dict with the lists `names`, "
                "`groups` and `priors`.",
            ) from error


def _is_absence(label: str) -> bool:
    """Whether a label tells that something is not there."""
    return label.lower().startswith("no ") or label.lower() == "instrumental"
