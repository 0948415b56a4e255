"""Whether two files that differ in their tags hold the same encoded sound."""

import hashlib
import importlib.util
import mmap
from typing import Any

from keras_musictag.tagfiles.containers import sound_spans


def same_sound(one: str, other: str) -> bool:
    """Compare the sound of two files.

    With PyAV, all packets are compared with their times, and the settings of the
    decoder. Where they differ, which happens if a demultiplexer counts tags at the
    end to the last packet, all is decoded. Without PyAV, or where it cannot read the
    first file, the bytes that the container declares to be sound are compared.

    Args:
        one: A file.
        other: The other one.

    Returns:
        Whether all of it is the same.
    """
    if _has_av():
        expected = _packets(one)
        if expected is not None and _packets(other) == expected:
            return True
        expected = _packets(one, decode=True)
        if expected is not None:
            return _packets(other, decode=True) == expected
    return _sound_bytes(one) == _sound_bytes(other)


def _has_av() -> bool:
    return importlib.util.find_spec("av") is not None


def _packets(path: str, decode: bool = False) -> list | None:
    """Digests of each stream of sound; `None` if nothing can be read.

    Of its packets, or, if `decode`, of its samples.
    """
    import av

    told: dict[int, list] = {}
    frame: Any
    try:
        with av.open(path) as container:
            for stream in container.streams.audio:
                context: Any = stream.codec_context  # `None` without a decoder
                if context is None:
                    return None
                told[stream.index] = [
                    (context.name, context.sample_rate),
                    context.extradata,
                    hashlib.sha256(),
                ]
            for packet in container.demux(*container.streams.audio):
                sum_ = told[packet.stream_index][-1]
                if not decode:
                    times = (packet.pts, packet.dts, packet.duration)
                    sum_.update(repr(times).encode() + bytes(packet))
                    continue
                for frame in packet.decode():
                    sum_.update(repr(frame.pts).encode() + frame.to_ndarray().tobytes())
    except (av.FFmpegError, ValueError, LookupError):
        return None
    return [[*rest, sum_.digest()] for *rest, sum_ in told.values()] or None


def _sound_bytes(path: str) -> bytes:
    sum_ = hashlib.sha256()
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        view = memoryview(data)
        for start, end in sound_spans(data):
            sum_.update(view[start:end])
        view.release()
    return sum_.digest()
