"""Which labels or groups somebody wants to find in tracks, and from which score on."""

import math
import numbers
from collections.abc import Iterable, Mapping

from keras_musictag.errors import ConfigError

THRESHOLD = 0.5  # where nothing is known of a label

Wanted = str | Iterable[str] | Mapping[str, float | None] | None


def wanted_segments(
    wanted: Wanted, threshold: float | None = None
) -> tuple[tuple[str, float | None], ...]:
    """Return each label or group that is wanted with the lowest score that counts.

    Args:
        wanted: A name, several, or a dict from names to thresholds. A name may have
            its threshold behind it, `"vocals=0.3"`.
        threshold: Of those that have none; `None` for what `Taggram.segments` has.

    Raises:
        ConfigError: If a name is there twice, or a threshold is no number.

    Example:

    ```python
    from keras_musictag.tracks.segments import wanted_segments

    wanted_segments(["vocals", "guitar=0.3"])  # (("vocals", None), ("guitar", 0.3))
    ```
    """
    if isinstance(wanted, Mapping):
        pairs = list(wanted.items())
    else:
        names = [wanted] if isinstance(wanted, str) else list(wanted or ())
        pairs = [_split(name) for name in names]
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names) or not all(isinstance(n, str) for n in names):
        raise ConfigError(
            "Each label or group is wanted once, by its name.",
            received=f"segments={names}",
            advice="Name each one once, such as 'vocals'.",
        )
    pairs = [(name, threshold if least is None else least) for name, least in pairs]
    return tuple((n, None if t is None else check_threshold(t)) for n, t in pairs)


def check_threshold(value) -> float:
    """Return a threshold as a float.

    Raises:
        ConfigError: If it is no finite number.
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ConfigError(
            "`threshold` must be a finite number.",
            received=f"threshold={value!r}",
            advice="It is compared with scores, which most models have from 0 to 1.",
        )
    return float(value)


def _split(name: str) -> tuple[str, float | None]:
    """Split `"vocals=0.3"`; a name with an equals sign and no number stays whole."""
    before, equals, after = str(name).rpartition("=")
    try:
        return (before.strip(), float(after)) if equals else (name, None)
    except ValueError:
        return name, None
