"""Keras in the process of a command: started without what no command asks it for."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_musictag import environment
from keras_musictag.cli import leave

# Keras and TensorFlow import these where they are installed, to take data frames or to
# draw: half of the time of a start, and a quarter of a command's memory. Commands do
# that by themselves; what imports one of these later gets it.
_LEFT_OUT = ("IPython", "matplotlib", "pandas", "sklearn")


def start_keras() -> None:
    """Import Keras, without a word and without packages that it can do without.

    For commands alone, whose process is theirs: a user's own Keras keeps them.
    """
    environment.quiet_tensorflow()
    if "keras" in sys.modules:
        return
    names = _LEFT_OUT if is_jax_asked_for() else (*_LEFT_OUT, "jax")
    hidden = [name for name in names if name not in sys.modules]
    absent: Any = dict.fromkeys(hidden)  # `None`: as if it were not installed
    sys.modules.update(absent)
    try:
        with leaving_at_once():
            import keras  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def leaving_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process itself, where nothing has begun yet.

    An exception that falls into the start of TensorFlow's own code would abort it.
    """
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def is_jax_asked_for() -> bool:
    """Tell whether JAX is the backend that Keras will choose: look where it looks."""
    if backend := environment.get("KERAS_BACKEND"):
        return backend == "jax"
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    settings = Path(environment.get("KERAS_HOME") or home / ".keras") / "keras.json"
    return settings.is_file() and '"jax"' in settings.read_text("utf-8")
