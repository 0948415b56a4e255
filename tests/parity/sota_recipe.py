"""Random weights of the full-size reference models, drawn from a seeded recipe.

The reference data names every parameter in a table, `recipe/<model>.tsv`, with its
shape and the kind of numbers it holds, in place of megabytes of weights.
"""

from pathlib import Path

import numpy as np


def recipe_weights(table: Path) -> dict[str, np.ndarray]:
    """Draw the PyTorch state dict that a recipe table describes.

    Args:
        table: A file `recipe/<model>_<size>.tsv` of the reference data.

    Returns:
        float32 arrays in PyTorch's layouts by key, without those that are not
        random (window, filter bank, counters).
    """
    first, _, *rows = table.read_text(encoding="utf-8").splitlines()
    header = dict(item.split("=") for item in first.lstrip("# ").split())
    seed, gain = int(header["seed"]), float(header["g_final"])
    weights = {}
    for row in rows:
        index, key, size, kind = row.split("\t")[:4]
        if kind != "skip":
            shape = tuple(int(n) for n in size.split("x"))
            rng = np.random.default_rng(seed + int(index))
            weights[key] = _draw(rng, kind, shape, gain).astype("float32")
    return weights


def recipe_sums(table: Path) -> dict[str, float]:
    """Read the sum that the table states for each drawn array, by key."""
    rows = [row.split("\t") for row in table.read_text("utf-8").splitlines()[2:]]
    return {row[1]: float(row[4]) for row in rows if row[3] != "skip"}


def _draw(rng, kind: str, shape: tuple, gain: float) -> np.ndarray:
    if kind == "Q":
        return 1 + 0.25 * rng.random(shape)
    if kind == "sbn_running_mean":
        return -40 + 4 * rng.standard_normal(shape)
    if kind == "sbn_running_var":
        return 700 * rng.uniform(0.5, 1.5, shape)
    if kind in ("bn_weight", "sbn_weight", "bn_running_var"):
        return rng.uniform(0.5, 1.5, shape)
    if kind in ("bn_bias", "sbn_bias", "bn_running_mean"):
        return 0.2 * rng.standard_normal(shape)
    if kind == "weight":
        return np.sqrt(2 / np.prod(shape[1:])) * rng.standard_normal(shape)
    if kind == "final_weight":
        return gain / np.sqrt(shape[1]) * rng.standard_normal(shape)
    if kind in ("bias", "final_bias"):
        return 0.1 * rng.standard_normal(shape)
    raise ValueError(f"unknown kind of weights in the recipe: {kind}")
