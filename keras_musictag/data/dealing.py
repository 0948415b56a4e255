"""Splits of one's own: names found whatever they are called, tracks dealt at random."""

from collections.abc import Hashable, Iterable, Mapping

import numpy as np

from keras_musictag.errors import ConfigError

# What data sets call their parts, by what it is called here.
ALIASES = {
    "training": "train",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "testing": "test",
}


def plain_name(name: str) -> str:
    """Return what a split is called here."""
    return ALIASES.get(name.lower(), name.lower())


def deal(
    items: Iterable[Hashable], shares: Mapping[str, float], seed: int
) -> dict[Hashable, str]:
    """Deal items out at random.

    Args:
        items: What is dealt; an item that occurs twice is dealt once.
        shares: Share of each split, by its name; together 1.
        seed: Makes it repeatable.

    Returns:
        The split of each item.

    Raises:
        ConfigError: If the shares are not of at least 0 and together 1.
    """
    parts = np.array([*shares.values()], "float64")
    if not (parts >= 0).all() or abs(parts.sum() - 1) > 1e-6:
        raise ConfigError(
            "The shares must be at least 0 and together 1.",
            received=", ".join(f"{name}={share}" for name, share in shares.items()),
            advice="Give three numbers such as 0.8, 0.1 and 0.1.",
        )
    each = list(dict.fromkeys(items))
    order = np.random.default_rng(seed).permutation(len(each))
    bounds = np.round(np.cumsum(parts) * len(each))[:-1]
    places = np.searchsorted(bounds, np.arange(len(each)), side="right")
    names = [*shares]
    return {each[i]: names[place] for i, place in zip(order, places, strict=True)}
