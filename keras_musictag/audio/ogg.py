"""OGG: chained streams, pages that are missing, and positions that are wrong."""

import dataclasses
import itertools
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from keras_musictag.audio import opus
from keras_musictag.audio.pieces import Piece, Pieces, rewound
from keras_musictag.audio.segments import Layout, Loss, Segment
from keras_musictag.audio.tag_sizes import behind_tags

_WINDOW = 2**20
_LONGEST = 65307  # bytes of a page
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    offset: int
    size: int
    flags: int
    position: int  # samples at its end; -1: none ends in it
    serial: int
    number: int
    whole: bool

    @property
    def begins(self) -> bool:
        return bool(self.flags & 2)


@dataclasses.dataclass
class _Link:
    """One of the streams that a file has one after the other."""

    begin: int
    end: int
    ended: bool = False  # a page says that it is the last one
    broken: bool = False  # pages are missing, or come again


def layout(file: Any, head: bytes) -> Layout | None:
    """Lay out an OGG file, or give `None` if it is none.

    Args:
        file: Binary file object.
        head: Its first bytes.
    """
    if head.find(b"OggS") < 0:
        return None
    with rewound(file) as source:
        links = _links(source)
    if not links:
        return None
    rubbish = head[behind_tags(head, 0) : links[0].begin]
    damaged = any(link.broken for link in links) or any(rubbish)
    whole = len(links) == 1 and links[0].begin == 0 and not damaged
    segments = []
    for link in links:
        # Where pages are missing, a decoder would lose the one behind a hole as well.
        pieces = _good_ranges(file, link) if link.broken else _mended(file, link)
        if pieces is None and whole:
            segments.append(Segment(file))
        else:
            pieces = pieces or [(link.begin, link.end - link.begin)]
            segments.append(Segment(Pieces(file, pieces)))
    for segment, link in zip(segments, links, strict=True):
        segment.holes = _Holes(file, link.begin, link.end)
    open_ended = not all(link.ended for link in links)
    return Layout(segments, open_ended=open_ended, damaged=damaged)


def _mended(file: Any, link: _Link) -> list[Piece] | None:
    """Give the pieces of Opus with wrong positions, `None` for any other stream."""
    with rewound(file) as source:
        source.seek(link.begin)
        if opus.MAGIC not in source.read(64):
            return None
        pages = _pages(source, link.begin)
        own = itertools.takewhile(lambda page: page.offset < link.end, pages)
        return opus.mended(source, link.begin, link.end, own, _checksum)


def _good_ranges(file: Any, link: _Link) -> list[Piece]:
    """Give the bytes of the pages without damage."""
    ranges: list[Any] = []
    with rewound(file) as source:
        for page in _pages(source, link.begin, check=True):
            if page.offset >= link.end:
                break
            if ranges and sum(ranges[-1]) == page.offset:
                ranges[-1] = ranges[-1][0], ranges[-1][1] + page.size
            else:
                ranges.append((page.offset, page.size))
    return ranges


def losses(file: Any, sample_rate: int) -> list[Loss]:
    """Find the holes of a file that another decoder reads.

    Args:
        file: Binary file object.
        sample_rate: Of its positions, in Hz.
    """
    with rewound(file) as source:
        links = _links(source)
    losses = []
    for link in links:
        for sample, lacking, span in _Holes(file, link.begin, link.end).spans():
            lost = span * lacking / (lacking + 1)
            losses.append(Loss(sample / sample_rate, lost / sample_rate))
    return losses


def _links(source: Any) -> list[_Link]:
    links: list[_Link] = []
    starting = False
    serials: set[int] = set()
    numbers: dict[int, int] = {}  # that the next page of a stream should have
    for page in _pages(source):
        if page.begins and not starting:
            links.append(_Link(page.offset, 0))
            serials, numbers = set(), {}
        if not links:
            continue  # rubbish: a page of a stream whose start is missing
        starting = page.begins
        if starting:
            serials.add(page.serial)
        link = links[-1]
        link.end = page.offset + page.size
        if page.serial in serials and page.whole:
            link.ended = bool(page.flags & 4)
            link.broken |= numbers.get(page.serial, page.number) != page.number
            numbers[page.serial] = page.number + 1
    return links


def _pages(source: Any, begin: int = 0, check: bool = False) -> Iterator[_Page]:
    """Yield the pages from an offset on; if `check`, only those without damage."""
    size, base, data, offset = source.seek(0, 2), 0, b"", begin
    while offset + 27 <= size:
        if not (base <= offset and min(size, offset + _LONGEST) <= base + len(data)):
            source.seek(offset)
            base, data = offset, source.read(_WINDOW)
            if len(data) < 27:
                return
        at = offset - base
        if data[at : at + 5] != b"OggS\0":
            following = data.find(b"OggS\0", at + 1)
            offset = base + (following if following > 0 else max(at + 1, len(data) - 4))
            continue
        count = data[at + 26]
        length = 27 + count + sum(data[at + 27 : at + 27 + count])
        page = data[at : at + length]
        whole = len(page) == length
        if not check or (whole and _checksum(page) == page[22:26]):
            serial, number = (
                int.from_bytes(page[i : i + 4], "little") for i in (14, 18)
            )
            position = int.from_bytes(page[6:14], "little", signed=True)
            yield _Page(offset, length, page[5], position, serial, number, whole)
        elif data.find(b"OggS\0", at + 1, at + length) > 0:  # its length is wrong
            length = data.find(b"OggS\0", at + 1) - at
        offset += length


def _checksum(page: bytes) -> bytes:
    # OGG counts from the other end of each byte than zlib, and begins with 0.
    data = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    value = zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2).to_bytes(4, "little")


class _Holes:
    """Finds where pages of a stream are missing."""

    def __init__(self, file: Any, begin: int, end: int):
        self.file, self.begin, self.end = file, begin, end

    def __call__(self) -> list[tuple[int, int]]:
        """Give the sample before each hole, and how many pages it lacks."""
        return [(sample, lacking) for sample, lacking, _ in self.spans()]

    def spans(self) -> list[tuple[int, int, int]]:
        """Give also the samples from the page before a hole to the end of the next."""
        holes, before = [], dict[int, tuple[int, int]]()
        with rewound(self.file) as source:
            for page in _pages(source, self.begin, check=True):
                if page.offset >= self.end:
                    break
                number, position = before.get(page.serial, (page.number - 1, 0))
                lacking, span = page.number - number - 1, page.position - position
                if 0 < lacking < 2**16:
                    holes.append((position, lacking, max(0, span)))
                before[page.serial] = page.number, max(position, page.position)
        return holes
