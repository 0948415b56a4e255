"""The environment variables: this is the only file that reads or sets any.

The rule: a variable is looked at when it is needed, never on import; an empty one
counts as not set; and what the user has set wins over what we tell other libraries.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping

# What the package reads, and what it says to libraries that read it.
VARIABLES = {
    "KMT_CACHE": "folder of fetched and converted weights",
    "XDG_CACHE_HOME": "its parent, if KMT_CACHE is not set",
    "KMT_ENGINE": "who computes in commands: auto, ready or keras",
    "KMT_UPSTREAM": "address of a mirror for weights that authors publish",
    "KMT_SEARCH_MEMORY": "memory that a search in a library may take",
    "USERNAME": "tells users of one Windows machine apart",
    "KERAS_BACKEND": "tensorflow, jax or torch",
    "KERAS_HOME": "folder of keras.json, which may name the backend",
    "TF_CPP_MIN_LOG_LEVEL": "how much TensorFlow writes to the screen",
    "TF_FORCE_GPU_ALLOW_GROWTH": "whether TensorFlow leaves GPU memory to others",
    "TF_ENABLE_ONEDNN_OPTS": "whether TensorFlow uses oneDNN's convolutions",
    "OMP_NUM_THREADS": "threads of the loops that are our own",
    "TF_NUM_INTRAOP_THREADS": "threads of TensorFlow for one operation",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "whether JAX takes a GPU's memory at once",
    "RAY_USAGE_STATS_ENABLED": "whether Ray reports its use",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "whether Ray there leaves the loopback",
    "GRADIO_ANALYTICS_ENABLED": "whether Gradio reports its use",
    "GRADIO_TEMP_DIR": "folder of the demo page's uploads",
    "PYTHONPATH": "what a process that we start can import",
}


def get(name: str) -> str | None:
    """Return a variable; `None` if it is not set or empty.

    Args:
        name: One of `VARIABLES`.
    """
    assert name in VARIABLES, name
    return os.environ.get(name) or None


def cores() -> int:
    """Return how many threads may compute: `OMP_NUM_THREADS`, or the cores at hand."""
    asked = get("OMP_NUM_THREADS") or ""
    if asked.isdigit() and int(asked):
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def suggest(**values: str) -> None:
    """Tell a library something, before it is imported; what the user says wins.

    Args:
        **values: Variables and their values.
    """
    assert values.keys() <= VARIABLES.keys(), values
    for name, value in values.items():
        if not os.environ.get(name):
            os.environ[name] = value


def quiet_tensorflow() -> None:
    """Have TensorFlow start without a word and with its fast convolutions.

    It takes those of oneDNN by itself only on processors with AVX-512, and elsewhere
    needs more than twice the time for the same network. What the user says wins.
    """
    suggest(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="1")


def impose(values: Mapping[str, str]) -> None:
    """Set variables for the rest of this process, whatever the user says.

    Args:
        values: Variables and their values.
    """
    assert values.keys() <= VARIABLES.keys(), values
    os.environ.update(values)


@contextlib.contextmanager
def imposed(**values: str) -> Iterator[None]:
    """Set variables while a `with` block lasts, whatever the user says.

    Args:
        **values: Variables and their values.
    """
    before = {name: os.environ.get(name) for name in values}
    impose(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def of_child(**values: str) -> dict[str, str]:
    """Return the environment of a process that we start.

    Args:
        **values: Variables that differ from those of this process.
    """
    assert values.keys() <= VARIABLES.keys(), values
    return {**os.environ, **values}
