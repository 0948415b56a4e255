"""FLAC: where a stream begins, and where it goes on behind damage."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from keras_musictag.audio.pieces import Pieces, read_at, rewound
from keras_musictag.audio.segments import Layout, Segment
from keras_musictag.audio.tag_sizes import behind_tags

_WINDOW = 2**20
_HEADER = 16  # bytes: the longest header of a frame
_STREAM = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_START = re.compile(rb"\xff[\xf8\xf9][\x10-\xff]|" + _STREAM.pattern)
_MOST_AHEAD = 2**18
_MOST_LOST = 2**25  # samples: a number further on is no frame's


class _Stream(NamedTuple):
    """What the STREAMINFO block tells."""

    told: bytes  # the head of the file
    head: bytes  # the same without other blocks, and of unknown length
    block_size: int
    sample_rate: int
    channels: int
    total: int | None


def layout(file: Any, head: bytes) -> Layout | None:
    """Lay out a FLAC file, or give `None` if it is none.

    Args:
        file: Binary file object.
        head: Its first bytes.
    """
    begin, rubbish = behind_tags(head, 0), b""
    if begin >= len(head):  # a large picture in the tag
        head, start = read_at(file, begin, 64), 0
    else:
        start = head.find(b"fLaC", begin)
        rubbish = head[begin : max(begin, start)]
        head, begin = head[start:], start
    stream = _stream(head) if start >= 0 else None
    if stream is None:
        return None
    with rewound(file) as source:
        size = source.seek(0, 2)
        source.seek(max(0, size - 128))
        size -= 128 * (source.read(3) == b"TAG")
        too_small = _goes_on(source, begin, size, stream)
    if too_small:  # or libsndfile would stop there
        stream = stream._replace(total=None)
    first = _segment(file, begin, size, stream)
    return Layout([first], announced=stream.total, damaged=any(rubbish))


def _goes_on(source: Any, begin: int, size: int, stream: _Stream) -> bool:
    """Whether the last frames are behind the announced end."""
    before = None
    tail = max(begin + 42, size - _MOST_AHEAD // 4)
    for _, sample in _starts(source, tail, stream):
        if isinstance(sample, _Stream):
            break
        follows = before is not None and sample == before + stream.block_size
        if follows and sample >= (stream.total or sample + 1):
            return True
        before = sample
    return False


def _segment(file: Any, begin: int, size: int, stream: _Stream) -> Segment:
    """Read a stream from its mark on: tags before it are left out."""
    resume = _Resume(file, begin + 42, stream, 0)
    resume.origin = begin
    head = stream.told if stream.total else stream.told[:21] + stream.head[21:42]
    rest = begin + 42, size - begin - 42
    return Segment(Pieces(file, [head, rest]), count=stream.total, resume=resume)


def _stream(head: bytes) -> _Stream | None:
    if len(head) < 42 or not head.startswith(b"fLaC"):
        return None
    numbers = int.from_bytes(head[18:26], "big")
    sample_rate, channels = numbers >> 44, (numbers >> 41 & 7) + 1
    total = numbers & (1 << 36) - 1
    if not sample_rate:
        return None
    kept = numbers >> 36 << 36
    alone = b"fLaC\x80\x00\x00\x22" + head[8:18] + kept.to_bytes(8, "big") + bytes(16)
    block_size = int.from_bytes(head[8:10], "big")
    return _Stream(head[:42], alone, block_size, sample_rate, channels, total or None)


class _Resume:
    """Finds where a stream goes on, or another one begins, behind damage."""

    def __init__(self, file: Any, offset: int, stream: _Stream, first: int):
        self.file, self.offset = file, offset
        self.stream, self.first = stream, first
        self.origin = 0

    def __call__(self, decoded: int, consumed: int) -> Segment | None:
        """Find what follows.

        Args:
            decoded: Samples before the damage, or before the end.
            consumed: Bytes of the segment that were read until then.
        """
        expected, total = self.first + decoded, self.stream.total
        complete = total is not None and expected >= total
        # The decoder reads some bytes ahead; a frame is not longer than this.
        begin = max(self.offset, self.origin + consumed - _MOST_AHEAD)
        with rewound(self.file) as source:
            size = source.seek(0, 2)
            starts = _starts(source, begin, self.stream)
            if complete:
                return self._more(starts, size, expected)
            for offset, start in starts:
                if isinstance(start, _Stream):
                    segment = _segment(self.file, offset, size, start)
                    segment.gap = (total or expected) - expected
                    return segment
                within = expected <= start < (total or expected + _MOST_LOST)
                if within and self._is_whole(source, offset, size):
                    segment = self._from(offset, start, size, total)
                    segment.gap = start - expected
                    return segment
        return None

    def _is_whole(self, source: Any, offset: int, size: int) -> bool:
        """Whether the checksum of a frame is right: a decoder gives others as noise."""
        ends = (end for end, _ in _starts(source, offset + 1, self.stream))
        for end in itertools.chain(itertools.islice(ends, 3), [size]):
            source.seek(offset)
            if end - offset < _MOST_AHEAD and not _crc16(source.read(end - offset)):
                return True
        return False

    def _more(self, starts: Iterator, size: int, end: int) -> Segment | None:
        """Find sound behind the announced end: a stream, or frames, also repeated."""
        last, candidate = -1, None
        for offset, start in starts:
            if isinstance(start, _Stream):
                return _segment(self.file, offset, size, start)
            if candidate is not None and start == candidate[1] + self.stream.block_size:
                segment = self._from(*candidate, size, None)
                if candidate[1] + self.stream.block_size > end > candidate[1]:
                    segment.lead = end - candidate[1]  # it is decoded so far
                return segment
            # One header may be chance: only the next one shows that it is a frame.
            more = start <= last or start + self.stream.block_size > end
            candidate = (offset, start) if more else None
            last = max(last, start)
        return None

    def _from(self, offset: int, first: int, size: int, total: int | None) -> Segment:
        stream = self.stream._replace(total=total)
        pieces = Pieces(self.file, [stream.head, (offset, size - offset)])
        resume = _Resume(self.file, offset + 1, stream, first)
        resume.origin = offset - len(stream.head)
        return Segment(pieces, count=total and total - first, resume=resume)


def _starts(
    source: Any, offset: int, stream: _Stream
) -> Iterator[tuple[int, int | _Stream]]:
    """Yield the offsets of frames with their first sample, and of new streams."""
    while True:
        source.seek(offset)
        data = source.read(_WINDOW)
        ends = len(data) < _WINDOW
        last = len(data) if ends else len(data) - 64
        for match in _START.finditer(data, 0, last):
            begin = match.start()
            if data[begin] == 0x66:
                start: Any = _stream(data[begin : begin + 64])
            else:
                start = _first_sample(data[begin : begin + _HEADER], stream)
            if start is not None:
                yield offset + begin, start
        if ends:
            return
        offset += last


def _first_sample(header: bytes, stream: _Stream) -> int | None:
    """Give the number of the first sample of a frame, if this is its header."""
    if len(header) < 6 or header[3] & 1 or header[3] >> 4 > 10:
        return None
    size_code, rate_code, layout_code = header[2] >> 4, header[2] & 15, header[3] >> 4
    channels = layout_code + 1 if layout_code < 8 else 2
    if channels != stream.channels or rate_code == 15:
        return None
    number, at = _coded_number(header, 4)
    if number is None:
        return None
    at += {6: 1, 7: 2}.get(size_code, 0)
    at += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if at >= len(header) or _crc8(header[:at]) != header[at]:
        return None
    return number if header[1] & 1 else number * stream.block_size


def _coded_number(data: bytes, at: int) -> tuple[int | None, int]:
    """Read a number in the extended UTF-8 of FLAC."""
    lead = data[at]
    if lead < 0x80:
        return lead, at + 1
    more = 8 - (lead ^ 0xFF).bit_length() - 1
    if not 1 <= more <= 6 or at + more >= len(data):
        return None, at
    number = lead & (0x3F >> more)
    for byte in data[at + 1 : at + 1 + more]:
        if byte >> 6 != 2:
            return None, at
        number = number << 6 | byte & 0x3F
    return number, at + 1 + more


def _crc(bits: int, polynomial: int) -> Callable[[bytes], int]:
    """Make a function that gives the checksum of so many bits."""
    most, top, table = (1 << bits) - 1, 1 << bits - 1, []
    for value in range(256):
        value <<= bits - 8
        for _ in range(8):
            value = value << 1 & most ^ (polynomial if value & top else 0)
        table.append(value)

    def checksum(data: bytes) -> int:
        value = 0
        for byte in data:
            value = value << 8 & most ^ table[value >> bits - 8 ^ byte]
        return value

    return checksum


_crc8, _crc16 = _crc(8, 0x07), _crc(16, 0x8005)
