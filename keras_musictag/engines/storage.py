"""What lies in the folder of an engine beside its networks."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Self

import numpy as np

# What an engine says about its model, and the weights of what runs without a graph.
ABOUT, WEIGHTS = "engine.json", "weights.npz"


@dataclasses.dataclass(frozen=True)
class Description:
    """What an engine has to know of its model; a subclass has the fields."""

    def write(self, folder: Path) -> None:
        """Write it into the folder of the engine."""
        text = json.dumps(dataclasses.asdict(self), indent=2)
        (folder / ABOUT).write_text(text + "\n", "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it from the folder of an engine."""
        return cls(**json.loads((folder / ABOUT).read_text("utf-8")))


def write_arrays(folder: Path, nested: Any) -> None:
    """Write arrays in lists of lists, each under its places in them: `"0.2.1"`."""
    arrays: dict[str, Any] = {}

    def add(value, places: tuple[int, ...]) -> None:
        if isinstance(value, np.ndarray):
            arrays[".".join(map(str, places))] = value
            return
        for place, part in enumerate(value):
            add(part, (*places, place))

    add(nested, ())
    np.savez(folder / WEIGHTS, **arrays)


def read_arrays(folder: Path) -> list:
    """Read what `write_arrays` wrote, as lists of lists."""
    nested: list = []
    with np.load(folder / WEIGHTS) as arrays:
        for name in arrays.files:
            *places, last = map(int, name.split("."))
            target = nested
            for place in places:
                if place == len(target):
                    target.append([])
                target = target[place]
            assert last == len(target), name
            target.append(arrays[name])
    return nested
