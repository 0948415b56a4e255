"""What a model is made from, and the shapes that this implies."""

import concurrent.futures
import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras


@dataclasses.dataclass(frozen=True)
class Source:
    """What a model is made from.

    Attributes:
        record: `class_name`, `config` and what else its description says.
        fill: Function that gives a model made from `config` its weights, and its
            `origin`; variables of the layers named in its second argument stay as
            they are.
        folder: Where its files lie, of which some models need more; `None` if there is
            no such folder.
    """

    record: dict
    fill: Callable[[keras.Model, tuple[str, ...]], None]
    folder: Path | None = None


def sketch(make: Callable[[dict], keras.Model], record: dict) -> dict[str, tuple]:
    """Return the shapes of a model's variables by path, without giving them values.

    Args:
        make: Function that makes the model that a record describes.
        record: The description.
    """

    def draw():
        with keras.StatelessScope(initialize_variables=False):
            return {v.path: tuple(v.shape) for v in make(record).weights}

    # In a thread, with which Keras' list of variables without values ends as well.
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(draw).result()
