"""How a model that the transformers library has saved becomes one of ours."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.conversion.sota import Names
from keras_musictag.errors import PresetError

MOST_LABELS = 2**16


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What describes a model of another library.

    Attributes:
        folder: Where its files lie.
        config: Its `config.json`.
        preprocessor: Its `preprocessor_config.json`, empty if there is none.
    """

    folder: Path
    config: dict
    preprocessor: dict

    def get(self, key: str, default: Any = None) -> Any:
        """Return an entry of the configuration."""
        value = self.config.get(key)
        return default if value is None else value

    def check(self, key: str, *allowed: Any) -> None:
        """Refuse an option that changes the network in a way that is not known here.

        Args:
            key: An entry of the configuration.
            *allowed: Its possible values; the first holds where it is missing.

        Raises:
            PresetError: If it has another one.
        """
        value = self.get(key, allowed[0])
        if value not in allowed:
            raise PresetError(
                f"The model in {self.folder} has an option that is not known here.",
                received=f"{key}={value!r}",
                advice=f"It can be {' or '.join(map(repr, allowed))}.",
            )

    def labels(self) -> list[str]:
        """Return the names of its outputs, in their order.

        Raises:
            PresetError: If `id2label` does not number them from 0 on.
        """
        count = self.config.get("num_labels", 2)  # what is not written there
        if count > MOST_LABELS:
            raise ValueError(f"{count} labels, at most {MOST_LABELS}")
        numbered = self.get("id2label", {str(i): f"LABEL_{i}" for i in range(count)})
        names = {int(number): name for number, name in numbered.items()}
        if sorted(names) != list(range(len(names))):
            raise PresetError(
                f"The labels of the model in {self.folder} are not numbered from 0 on.",
                received=f"id2label with {sorted(names)[:5]}...",
                advice="Correct its config.json.",
            )
        return [names[i] for i in range(len(names))]


class Renamed(Mapping[str, np.ndarray]):
    """Some of the arrays of a mapping under other names, got when asked for.

    Args:
        arrays: The mapping.
        keys: Its keys, by the new names.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], keys: Mapping[str, str]):
        self.arrays, self.keys_by_name = arrays, keys

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[self.keys_by_name[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_by_name)

    def __len__(self) -> int:
        return len(self.keys_by_name)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How models of one `model_type` become models of this package.

    Attributes:
        class_name: The class that they become.
        config_from: Function that makes its arguments from a `Checkpoint` and the keys
            of the weights.
        names_from: Function that gives the sources of its variables, from these
            arguments and the keys, as the functions in `sota` do.
        prefix: What the keys begin with where the network is part of a larger one.
        ignored: Beginnings of keys, without the prefix, that are not needed.
        files: Names of files that are read as well, where they exist.
    """

    class_name: str
    config_from: Callable[[Checkpoint, Collection[str]], dict]
    names_from: Callable[[Mapping, Collection[str]], Names]
    prefix: str = ""
    ignored: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def tidy(self, arrays: Mapping[str, np.ndarray]) -> "Renamed":
        """Return the arrays that matter, under their names without the prefix."""
        short = {key.removeprefix(self.prefix): key for key in arrays}
        kept = {k: key for k, key in short.items() if not k.startswith(self.ignored)}
        return Renamed(arrays, kept)

    def read_config(self, checkpoint: Checkpoint, keys: Iterable[str]) -> dict:
        """Return the arguments of the class.

        Raises:
            PresetError: If the description is damaged, or says what is not known here.
        """
        try:
            return self.config_from(checkpoint, set(keys))
        except PresetError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise PresetError(
                f"The config.json in {checkpoint.folder} cannot be understood.",
                received=f"{type(error).__name__}: {error}",
                advice="It must be as the transformers library writes it.",
            ) from error
