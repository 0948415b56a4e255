"""The folder that fetched files are kept in, and one writer at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from keras_musictag import environment
from keras_musictag.errors import PresetError


def cache_folder(folder=None) -> Path:
    """Return the folder that fetched and converted weights are kept in.

    Args:
        folder: The folder to use. `None` takes the environment variable
            `KMT_CACHE`, and without it `keras_musictag` in the user's cache folder
            (`$XDG_CACHE_HOME`, by default `~/.cache`).

    Returns:
        Its absolute path; it need not exist.

    ```python
    from keras_musictag.hub.cache import cache_folder

    cache_folder()
    ```
    """
    folder = folder or environment.get("KMT_CACHE")
    if not folder:
        caches = environment.get("XDG_CACHE_HOME") or "~/.cache"
        folder = Path(caches) / "keras_musictag"
    return Path(folder).expanduser().absolute()


@contextlib.contextmanager
def lock(path) -> Iterator[None]:
    """Let one process at a time make a file; the others wait.

    The folder of the file is made if it is missing.

    Args:
        path: The file that shall be made. The lock lies beside it, with `.lock`
            added to its name.

    Raises:
        PresetError: If the folder cannot be written.
    """
    import filelock

    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        waiting = filelock.FileLock(f"{path}.lock")
        waiting.acquire()
    except OSError as error:
        raise PresetError(
            f"The cache folder {path.parent} cannot be written.",
            received=f"{type(error).__name__}: {error}",
            advice="Set KMT_CACHE or `cache_dir` to a folder that can be written.",
        ) from error
    try:
        yield
    finally:
        waiting.release()
