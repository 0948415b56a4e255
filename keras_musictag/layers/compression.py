"""Logarithms and decibels of spectrograms, with floors and references."""

import math

from keras import ops

from keras_musictag.errors import ConfigError


def compress(x, *, compression, power=1, amin=None, ref=1.0, top_db=None):
    """Compress magnitudes or powers to logarithms or decibels; see `CQT`.

    Args:
        x: Tensor of shape `(batch, frames, bins)` or
            `(batch, frames, bins, harmonics)`.
        compression, power, amin, ref, top_db: See `CQT`.

    Returns:
        Tensor of the same shape. Maxima are per item, and per harmonic.
    """
    if compression is None:
        return x
    amin = amin or (1e-5 if power == 1 else 1e-10)
    x = ops.maximum(x, amin)
    if compression == "log":
        return ops.log(x)
    factor = 20.0 / power
    db = factor * ops.log10(x)
    if ref == "max":
        db = db - ops.max(db, axis=(1, 2), keepdims=True)
    else:
        db = db - factor * math.log10(max(amin, ref))
    if top_db is not None:
        db = ops.maximum(db, ops.max(db, axis=(1, 2), keepdims=True) - top_db)
    return db


def check_compression(compression, *, ref, top_db) -> None:
    """Refuse settings of decibels where there are none.

    Args:
        compression: `"db"` or another one.
        ref: Value that becomes 0 dB; 1.0 if not set.
        top_db: Range in dB; `None` if not set.

    Raises:
        ConfigError: If `ref` or `top_db` is set without decibels.
    """
    if compression != "db" and (ref != 1.0 or top_db is not None):
        raise ConfigError(
            '`ref` and `top_db` belong to compression="db".',
            received=f"compression={compression!r}, ref={ref!r}, top_db={top_db!r}",
            advice="Leave them out, or use decibels.",
        )
