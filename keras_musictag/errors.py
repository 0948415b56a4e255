"""Exceptions with one clear message: what is wrong, what was received, what to do."""

import importlib
import os
import sys
import tempfile
import warnings
from pathlib import Path
from types import ModuleType

from keras_musictag import environment


class MusicTagError(ValueError):
    """Root of the package's errors; a `ValueError`, as Keras users expect.

    Args:
        problem: What is wrong, one sentence that ends in a full stop.
        received: The offending value, shown as `Received: ...`.
        advice: What to do about it, one sentence.
    """

    # Optional, because Keras makes such errors anew from their message alone when
    # they are raised inside a layer's `call`.
    def __init__(self, problem: str, *, received: object = None, advice: str = ""):
        self.problem, self.received, self.advice = problem, received, advice
        parts = [problem, f"Received: {received}." if received is not None else ""]
        super().__init__(" ".join(part for part in (*parts, advice) if part))

    def __reduce__(self):
        # Keyword-only arguments need help to cross process borders.
        received = None if self.received is None else str(self.received)
        return _rebuild, (type(self), self.problem, received, self.advice)


class AudioError(MusicTagError):
    """Audio that cannot be read, or an array that is not audio."""


class PresetError(MusicTagError):
    """An unknown preset, or weights that are damaged or do not fit."""


class LabelError(MusicTagError):
    """Labels that do not fit the model or the data."""


class ConfigError(MusicTagError):
    """An argument of a layer, a model or a function that cannot work."""


class LibraryError(ConfigError):
    """A file of a library that is damaged or was changed by others; it is named."""


class MissingExtraError(ImportError):
    """An optional dependency is not installed; the message names the extra."""


class AudioWarning(UserWarning):
    """Audio that was only partly usable, or one bad item of a list."""


def import_extra(module: str, extra: str, feature: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it.

    Args:
        module: Name of the module to import, for example `"av"`.
        extra: Name of the extra that installs it.
        feature: What needs it, as the start of a sentence.

    Returns:
        The imported module.

    Raises:
        MissingExtraError: If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{feature} needs the package `{module}`. "
            f"Received: {type(error).__name__}: {error}. "
            f'Install it with: pip install "keras-musictag[{extra}]"'
        ) from error


def import_librosa(feature: str) -> ModuleType:
    """Import librosa, one process at a time.

    Its compiled functions are cached on the disk when they are first imported, and two
    processes that do so at once mix up their entries: from then on beat tracking ends
    in a segmentation fault.

    Args:
        feature: What needs it, as the start of a sentence.

    Returns:
        The module `librosa`.

    Raises:
        MissingExtraError: If librosa is not installed.
    """
    librosa = import_extra("librosa", "chords", feature)  # without what it compiles
    if "librosa.beat" in sys.modules:
        return librosa
    import filelock

    user = os.getuid() if hasattr(os, "getuid") else environment.get("USERNAME")
    path = Path(tempfile.gettempdir()) / f"keras-musictag-{user}-librosa.lock"
    with filelock.FileLock(path):
        importlib.import_module("librosa.beat")
    return librosa


def warn_deprecated(old: str, new: str, *, removed_in: str) -> None:
    """Warn whoever called our caller that a name or an argument will go.

    Args:
        old: What was used, as the user writes it.
        new: What to use instead.
        removed_in: The first version without `old`, such as `"0.3"`.

    Example:

    ```python
    def pitch_name(number):
        warn_deprecated("pitch_name()", "chords.spell()", removed_in="0.3")
        ...
    ```
    """
    message = f"{old} will be removed in keras-musictag {removed_in}; use {new} instead"
    warnings.warn(f"{message}.", DeprecationWarning, stacklevel=3)


def _rebuild(cls, problem, received, advice):
    return cls(problem, received=received, advice=advice)
