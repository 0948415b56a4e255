"""The second judge: PyAV decodes the same file, and must not hear more in silence."""

import time
import warnings

import numpy as np

import keras_musictag as kmt
from keras_musictag.audio.arrays import pcm_to_float
from keras_musictag.errors import AudioWarning

SILENT_LOSS = 0.1  # seconds that may be missing without a word
MUTED = 0.2  # seconds of zeros where PyAV has sound
PATIENCE = 3.0  # seconds that PyAV may take; what it has by then is compared


class SilentLossError(Exception):
    """PyAV decodes more of the file than we do, and nothing was said."""


def heard(path):
    """Decode with PyAV: samples of the first stream's mean channel, and seconds."""
    import av

    pieces, seconds, rate, began = [], 0.0, None, time.monotonic()
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.audio[0]
            for packet in container.demux(stream):
                if time.monotonic() - began > PATIENCE:
                    break
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    continue
                for frame in frames:
                    if frame.format.is_planar and frame.layout.nb_channels > 8:
                        return np.zeros(0), 0.0, None  # where PyAV itself crashes
                    rate = rate or frame.sample_rate
                    seconds += frame.samples / frame.sample_rate
                    y = frame.to_ndarray()
                    if not frame.format.is_planar:
                        y = y.reshape(-1, frame.layout.nb_channels).T
                    pieces.append(pcm_to_float(y).mean(axis=0))
    except (av.FFmpegError, IndexError, ValueError, OSError):
        pass
    y = np.concatenate(pieces) if pieces else np.zeros(0)
    return y, seconds, rate


def judge(path, read):
    """Read a file, and compare what comes with what PyAV hears.

    Args:
        path: The file.
        read: Gives its samples or `None`, and its seconds.

    Raises:
        SilentLossError: If PyAV has 0.1 s more, or sound where we have zeros, without
            a warning.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        y, seconds, rate = read()
    if any(issubclass(entry.category, AudioWarning) for entry in caught):
        return
    other, other_seconds, other_rate = heard(path)
    sample = 1 / other_rate if other_rate else 0.0  # long at an absurd rate
    if other_seconds - seconds > max(SILENT_LOSS, 2 * sample):
        raise SilentLossError(f"{seconds:.3f} s where PyAV has {other_seconds:.3f} s")
    if y is None or rate != other_rate or not len(other):
        return
    size = max(1, int(MUTED * rate))
    for begin in range(0, min(len(y), len(other)) - size, size):
        if not y[begin : begin + size].any():
            there = other[begin + size // 4 : begin + size - size // 4]
            if len(there) and np.sqrt(np.mean(there.astype("f8") ** 2)) > 0.01:
                raise SilentLossError(f"zeros at {begin / rate:.2f} s, PyAV has sound")


def load(path):
    y, rate = kmt.audio.load(path)
    return y, len(y) / rate, rate


def stream(path):
    count = sum(len(block) for block in kmt.audio.blocks(path, 16000))
    return None, count / 16000, None
