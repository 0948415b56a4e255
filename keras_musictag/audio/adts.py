"""Damage in raw AAC (ADTS): FFmpeg goes on behind it, but does not say so."""

import re
from typing import Any

from keras_musictag.audio.segments import Loss
from keras_musictag.audio.tag_sizes import tag_size

_HEADER = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")
_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025]
_RATES += [8000, 7350]
_SMALLEST_FRAME = 8
_WINDOW = 2**20
_AHEAD = 2**15


def losses(source: Any) -> list[Loss]:
    """Find what lies between the frames of a raw AAC file.

    Args:
        source: Binary file object that can seek.

    Returns:
        What is missing, in seconds at the mean bit rate.
    """
    size = source.seek(0, 2)
    seconds, sound, gaps, offset, end = 0.0, 0, [], 0, None
    base, data = 0, b""
    while offset + 7 <= size:
        if not (base <= offset and min(size, offset + _AHEAD) <= base + len(data)):
            source.seek(offset)
            base, data = offset, source.read(_WINDOW)
        at = offset - base
        length, duration = _frame(data, at)
        if not length or offset + length > size:
            tag = tag_size(data[at : at + _AHEAD])
            if tag:
                offset += tag
                end = offset
                continue
            offset = base + _search(data, at + 1)
            continue
        if end is not None and offset - end >= _SMALLEST_FRAME:
            gaps.append((seconds, offset - end))
        seconds, sound = seconds + duration, sound + length
        offset += length
        end = offset
    if not seconds:
        return []
    return [Loss(second, max(1e-3, lost * seconds / sound)) for second, lost in gaps]


def _frame(data: bytes, at: int) -> tuple[int, float]:
    """Give the bytes and the seconds of the frame at a place, zeros if none is."""
    head = data[at : at + 7]
    if len(head) < 7 or head[0] != 255 or head[1] & 0xF6 != 0xF0:
        return 0, 0.0
    rate = head[2] >> 2 & 15
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if rate >= len(_RATES) or length < _SMALLEST_FRAME:
        return 0, 0.0
    return length, 1024 * ((head[6] & 3) + 1) / _RATES[rate]


def _search(data: bytes, at: int) -> int:
    """Give the next place where a frame is followed by another one."""
    for match in _HEADER.finditer(data, at):
        length, _ = _frame(data, match.start())
        behind = match.start() + length
        if length and (behind >= len(data) - 7 or _frame(data, behind)[0]):
            return match.start()
    return max(at, len(data) - 7)
